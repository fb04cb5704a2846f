// The files of one manifest: parts are put beside the reading as they fill up, under names that number them and hold their hash.

import { type Compression, EXTENSION } from '../archive/compress.ts';
import { sha256Hex } from '../archive/hash.ts';
import { type PartKind, partKey } from '../archive/keys.ts';
import type { RejectPart } from '../archive/manifest.ts';
import { createPartWriter, PART_BYTES, type PartWriter } from '../archive/part.ts';
import type { Scratch } from '../archive/spool.ts';
import type { Store } from '../archive/store/store.ts';
import { ConflictError, TamperError } from '../errors.ts';

export interface PartFilesDeps {
  readonly store: Store;
  readonly scratch: Scratch;
  readonly compression: Compression;
  /** Content bytes at which a part ends; PART_BYTES, unless a test can't wait that long. */
  readonly partBytes?: number;
  /** Awaited before anything is put. */
  beforePut?(): Promise<void>;
}

/** What a manifest says of a part. */
export type FinishedPart = RejectPart & { readonly lineRoot: string };

export interface PartFiles {
  open(): PartWriter;
  isFull(writer: PartWriter): boolean;
  /** Ends a part and puts it in the background; `done` learns what the manifest says of it. */
  put(kind: PartKind, date: string, writer: PartWriter, done: (part: FinishedPart) => void): void;
  /** Throws the first failure of what was put so far; waits where much is under way. */
  settle(): Promise<void>;
  /** Waits for all puts, and throws the first failure. */
  end(): Promise<void>;
  /** Waits for all puts, whatever becomes of them. */
  rest(): Promise<void>;
}

/** Puts under way, beyond which `settle` waits for them. */
const MOST_UNDER_WAY = 2;

/** @param cluster and name: of the manifest to come, they begin the names of its parts */
export function createPartFiles(cluster: string, name: string, deps: PartFilesDeps): PartFiles {
  const { store, scratch, compression, partBytes = PART_BYTES } = deps;
  const nextNumber = new Map<string, number>();
  let puts: Promise<void>[] = [];
  let failed: { readonly error: unknown } | undefined;

  function numberOf(kind: PartKind, date: string): number {
    const key = `${kind} ${date}`;
    const n = nextNumber.get(key) ?? 0;
    nextNumber.set(key, n + 1);
    return n;
  }

  async function finish(kind: PartKind, date: string, n: number, writer: PartWriter): Promise<FinishedPart> {
    try {
      const { body, bytes, sha256, contentBytes, contentSha256, lines, lineRoot } = await writer.finish();
      const key = partKey(kind, cluster, date, name, n, sha256, EXTENSION[compression]);
      await deps.beforePut?.();
      await putOnce(store, key, body, sha256);
      return { key, bytes, sha256, contentBytes, contentSha256, lines, lineRoot };
    } finally {
      await writer.dispose();
    }
  }

  function throwFailed(): void {
    if (failed !== undefined) throw failed.error;
  }

  return {
    open: () => createPartWriter(compression, scratch, store.spool && (() => store.spool!())),
    isFull: (writer) => writer.contentBytes >= partBytes,
    put(kind, date, writer, done) {
      const part = finish(kind, date, numberOf(kind, date), writer).then(done);
      puts.push(part.catch((error: unknown) => void (failed ??= { error })));
    },
    async settle() {
      throwFailed();
      if (puts.length > MOST_UNDER_WAY) {
        await Promise.all(puts);
        puts = [];
      }
      throwFailed();
    },
    async end() {
      await Promise.all(puts);
      throwFailed();
    },
    async rest() {
      await Promise.all(puts);
    },
  };
}

/** Rejects or raw records: files beside the events, one row of parts for each date. */
export interface SideFiles {
  readonly parts: RejectPart[];
  add(date: string, line: Buffer): void;
  ready(): Promise<void>;
  rest(): void;
  /** Ends the open parts. */
  seal(): void;
  dispose(): Promise<void>;
}

export function createSideFiles(kind: PartKind, files: PartFiles): SideFiles {
  const open = new Map<string, PartWriter>();
  const parts: RejectPart[] = [];

  function sealOne(date: string): void {
    const writer = open.get(date)!;
    open.delete(date);
    files.put(kind, date, writer, ({ lineRoot: _, ...part }) => void parts.push(part));
  }

  return {
    parts,
    add(date, line) {
      let writer = open.get(date);
      if (writer === undefined) {
        writer = files.open();
        open.set(date, writer);
      }
      writer.add(line);
      if (files.isFull(writer)) sealOne(date);
    },
    async ready() {
      for (const writer of open.values()) await writer.ready();
    },
    rest() {
      for (const writer of open.values()) writer.rest();
    },
    seal() {
      for (const date of [...open.keys()].sort()) sealOne(date);
    },
    async dispose() {
      for (const writer of open.values()) await writer.dispose();
      open.clear();
    },
  };
}

/**
 * Puts an object whose name holds its hash. If it is there already (an earlier attempt), the stored bytes must be the same:
 * throws TamperError if they aren't.
 */
export async function putOnce(
  store: Store,
  key: string,
  body: Parameters<Store['put']>[1],
  sha256: string,
): Promise<void> {
  try {
    await store.put(key, body, { ifAbsent: true, sha256 });
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    const head = await store.head(key);
    const stored = head?.sha256 ?? (await storedSha256(store, key));
    if (stored !== sha256)
      throw new TamperError(`${store.url}: ${key} exists with other bytes (SHA-256 ${stored ?? 'unknown'})`, {
        cause: error,
        hint: 'the name of a part holds the hash of its bytes, so something else wrote it: keep it for the investigation, then move it away',
      });
  }
}

async function storedSha256(store: Store, key: string): Promise<string | undefined> {
  const found = await store.get(key);
  return found === undefined ? undefined : sha256Hex(found.bytes);
}
