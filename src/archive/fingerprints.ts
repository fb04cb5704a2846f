// The fingerprints of a window's records (rule 4): collected in any order, stored sorted, asked for at the recheck.

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { type Digest, FINGERPRINT_BYTES, sha256Hex } from './hash.ts';
import { mergeSorted, sortKeys } from './sorted-keys.ts';
import { inScratch, type Scratch } from './spool.ts';
import type { Body } from './store/store.ts';

const CHUNK = 256 << 10;
/** More than this goes to a file even where the budget has room: for a moment, sorting takes as much again. */
const MOST_HELD = 12 << 20;
const FIRST_CHUNK = 4096;

export interface FingerprintList {
  readonly count: number;
  /** Adds the first 12 bytes of a SHA-256. */
  add(digest: Digest): void;
  /** Room in the budget may be short: to be awaited now and then, so that the list can move to a file. */
  settle(): Promise<void>;
  /** Nothing is coming for a while: moves to a file. */
  rest(): Promise<void>;
  /** All fingerprints, sorted, repeated ones included. */
  finish(): Promise<{ readonly body: Body; readonly sha256: string }>;
  dispose(): Promise<void>;
}

async function fileSha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

export function createFingerprintList(scratch: Scratch): FingerprintList {
  let full: Buffer[] = [];
  let chunk = Buffer.allocUnsafe(FIRST_CHUNK * FINGERPRINT_BYTES);
  let filled = 0;
  let count = 0;
  let held = 0;
  const runs: string[] = [];

  const inMemory = () => sortKeys(Buffer.concat([...full, chunk.subarray(0, filled)]), FINGERPRINT_BYTES);
  const release = () => {
    full = [];
    filled = 0;
    scratch.budget.give(held);
    held = 0;
  };
  async function spill(): Promise<void> {
    const path = scratch.path();
    await inScratch(path, () => writeFile(path, inMemory(), { flag: 'wx' }));
    runs.push(path);
    release();
  }

  let crowded = false;
  return {
    get count() {
      return count;
    },
    add(digest) {
      if (filled === chunk.length) {
        full.push(chunk);
        // sorting needs the same again
        const size = chunk.length * 2;
        if (!scratch.budget.take(size)) {
          scratch.budget.force(size);
          crowded = true;
        }
        held += size;
        if (held > MOST_HELD) crowded = true;
        chunk = Buffer.allocUnsafe(
          Math.min(chunk.length * 2, Math.floor(CHUNK / FINGERPRINT_BYTES) * FINGERPRINT_BYTES),
        );
        filled = 0;
      }
      chunk.write(digest, filled, FINGERPRINT_BYTES, 'latin1');
      filled += FINGERPRINT_BYTES;
      count++;
    },
    async settle() {
      if (!crowded) return;
      crowded = false;
      await spill();
    },
    async rest() {
      if (full.length === 0) return;
      await spill();
      chunk = Buffer.allocUnsafe(FIRST_CHUNK * FINGERPRINT_BYTES);
    },
    async finish() {
      if (runs.length === 0) {
        const body = inMemory();
        release();
        return { body, sha256: sha256Hex(body) };
      }
      await spill();
      const path = scratch.path();
      await inScratch(path, () => mergeSorted(runs, FINGERPRINT_BYTES, path));
      await Promise.all(runs.splice(0).map((run) => rm(run, { force: true })));
      runs.push(path);
      return { body: { path, size: (await stat(path)).size }, sha256: await fileSha256(path) };
    },
    async dispose() {
      release();
      await Promise.all(runs.splice(0).map((run) => rm(run, { force: true })));
    },
  };
}

/** The bytes of a body, for callers that need them at once. */
export async function bodyBytes(body: Body): Promise<Buffer> {
  return Buffer.isBuffer(body) ? body : readFile(body.path);
}
