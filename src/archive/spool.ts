// A spool holds the bytes of an object that is still growing: in memory while the budget allows, else in a temporary file.

import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { freeOwnMemory } from '../free-memory.ts';
import { AuditkeepError } from '../errors.ts';
import type { Budget } from './budget.ts';
import { growingFile } from './store/file-io.ts';
import type { Body, SpoolFile } from './store/store.ts';

export interface Spool {
  /** Takes the chunk: its memory may be given back. */
  append(chunk: Buffer): Promise<void>;
  readonly size: number;
  /** All bytes, for one put. No append after this. */
  body(): Promise<Body>;
  /** Gives memory and file back. May be called more than once. */
  dispose(): Promise<void>;
}

/** Where a run keeps what doesn't fit into memory. */
export interface Scratch {
  readonly budget: Budget;
  /** A new path in the run's temporary folder. */
  path(): string;
}

export function createScratch(directory: string, budget: Budget): Scratch {
  let count = 0;
  return { budget, path: () => join(directory, `${count++}`) };
}

/** More than this goes to a file even where the budget has room: many windows grow at once, and for the put the chunks are copied together. */
const MOST_IN_MEMORY = 256 << 10;

/** What an error of node:fs about a file of the scratch folder means for the operator. */
export function scratchError(error: unknown, path: string): Error {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof AuditkeepError || code === undefined) return error as Error;
  return new AuditkeepError(`can't keep a temporary file of this run, ${path}: ${code}`, {
    cause: error,
    hint: 'what does not fit into collect.memory is kept there: free space (df, df -i), or set TMPDIR to a larger folder that can be written, then run again; committed windows are safe',
  });
}

/** Runs `work` on a file of the scratch folder. Throws scratchError where the file is to blame. */
export async function inScratch<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw scratchError(error, path);
  }
}

/** A file in the scratch folder. */
async function scratchFile(scratch: Scratch): Promise<SpoolFile> {
  const path = scratch.path();
  const handle = await inScratch(path, () => open(path, 'wx'));
  return growingFile(path, handle, (error) => scratchError(error, path));
}

/** @param begin makes the file for what doesn't stay in memory */
export function createSpool(scratch: Scratch, begin: () => Promise<SpoolFile> = () => scratchFile(scratch)): Spool {
  let chunks: Buffer[] = [];
  let held = 0;
  let size = 0;
  let file: SpoolFile | undefined;

  async function spill(): Promise<void> {
    file = await begin();
    for (const chunk of chunks) {
      await file.write(chunk);
      freeOwnMemory(chunk);
    }
    chunks = [];
    scratch.budget.give(held);
    held = 0;
  }

  return {
    get size() {
      return size;
    },
    async append(chunk) {
      size += chunk.length;
      if (file === undefined && size <= MOST_IN_MEMORY && scratch.budget.take(chunk.length)) {
        held += chunk.length;
        chunks.push(chunk);
        return;
      }
      if (file === undefined) await spill();
      await file!.write(chunk);
      freeOwnMemory(chunk);
    },
    async body() {
      if (file === undefined) return Buffer.concat(chunks);
      await file.close();
      return { path: file.path, size };
    },
    async dispose() {
      scratch.budget.give(held);
      held = 0;
      chunks = [];
      const left = file;
      file = undefined;
      await left?.remove();
    },
  };
}
