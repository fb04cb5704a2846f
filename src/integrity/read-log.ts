// Reads the log: checkpoint, entries and batches, with everything that is wrong told apart from what is missing.

import pLimit from 'p-limit';
import { sha256Hex } from '../archive/hash.ts';
import type { Store } from '../archive/store/store.ts';
import { ConflictError, TamperError } from '../errors.ts';
import { CHECKPOINT_KEY, parseCheckpoint, type SignedCheckpoint } from './checkpoint.ts';
import { type Entry, parseEntry } from './entry.ts';
import { parseBundle, TILE_WIDTH, tileKey } from './tiles.ts';
import { buildTree, hashLeaf, type Tree } from './tree.ts';

/** Gets in flight at a time: enough for a bucket, not too many for a directory. */
export const PARALLEL = 32;

export interface StoredCheckpoint {
  readonly checkpoint: SignedCheckpoint;
  /** For compare-and-swap. */
  readonly tag: string;
}

/** The newest checkpoint; undefined before the first seal. Throws TamperError if it is none. */
export async function readCheckpoint(store: Store): Promise<StoredCheckpoint | undefined> {
  const found = await store.get(CHECKPOINT_KEY);
  if (found === undefined) return undefined;
  const checkpoint = parseCheckpoint(found.bytes);
  if (checkpoint === undefined)
    throw new TamperError(`${store.url}: ${CHECKPOINT_KEY} is not a checkpoint`, {
      hint: 'restore it from the anchor, or from an earlier version of the object',
    });
  return { checkpoint, tag: found.tag };
}

/** One file of the log that isn't what it must be. */
export interface LogFault {
  readonly key: string;
  readonly missing: boolean;
}

/** Entries of a log of `size` leaves as its bundles hold them; a broken bundle leaves a hole. */
export async function readBundles(
  store: Store,
  size: number,
): Promise<{ readonly entries: (Buffer | undefined)[]; readonly faults: LogFault[] }> {
  const faults: LogFault[] = [];
  const entries = new Array<Buffer | undefined>(size).fill(undefined);
  const limit = pLimit(PARALLEL);
  await Promise.all(
    Array.from({ length: Math.ceil(size / TILE_WIDTH) }, (_, index) =>
      limit(async () => {
        const width = Math.min(TILE_WIDTH, size - index * TILE_WIDTH);
        const key = tileKey({ level: 'entries', index, width });
        const found = (await store.get(key))?.bytes;
        const parsed = found && parseBundle(found);
        if (parsed?.length === width)
          for (const [i, entry] of parsed.entries()) entries[index * TILE_WIDTH + i] = entry;
        else faults.push({ key, missing: found === undefined });
      }),
    ),
  );
  return { entries, faults };
}

/** A log whose entries were all read and hash to the root of its checkpoint. */
export interface Log {
  readonly entries: readonly Entry[];
  readonly tree: Tree;
}

/** Leaf hashes and parsed entries. Throws TamperError when one is no entry, or a key has two leaves. */
export function logOf(raw: readonly Buffer[], where: string): Log {
  const entries: Entry[] = [];
  const seen = new Set<string>();
  for (const [i, bytes] of raw.entries()) {
    const entry = parseEntry(bytes);
    if (entry === undefined) throw new TamperError(`${where}: leaf ${i} of the log is no line of auditkeep`);
    if (seen.has(entry.key)) throw new TamperError(`${where}: ${entry.key} has two leaves in the log`);
    seen.add(entry.key);
    entries.push(entry);
  }
  return { entries, tree: buildTree(raw.map(hashLeaf)) };
}

/** All entries up to `size`. Throws TamperError that names the broken file. */
export async function readEntries(store: Store, size: number): Promise<Buffer[]> {
  const { entries, faults } = await readBundles(store, size);
  const fault = faults[0];
  if (fault !== undefined)
    throw new TamperError(`${store.url}: ${fault.key} of the log is ${fault.missing ? 'gone' : 'damaged'}`, {
      hint: 'restore it from a copy or an earlier version; "auditkeep verify" lists everything that is wrong',
    });
  return entries as Buffer[];
}

/** A batch fixes which entries follow a size: whoever creates it first decides, all others adopt it. */
export const BATCH_PREFIX = 'log/batch/';
export const batchKey = (from: number): string => `${BATCH_PREFIX}${String(from).padStart(12, '0')}`;

/** The size that a batch begins at; undefined for other keys. */
export function parseBatchKey(key: string): number | undefined {
  const m = /^log\/batch\/(\d{12})$/.exec(key);
  return m === null ? undefined : Number(m[1]);
}

export const encodeBatch = (entries: readonly Buffer[]): Buffer =>
  Buffer.concat(entries.flatMap((entry) => [entry, Buffer.from('\n')]));

/** Entries of a batch; undefined when it isn't one. */
export function parseBatch(bytes: Buffer): Buffer[] | undefined {
  const entries: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(10, at);
    if (end < 0) return undefined;
    entries.push(bytes.subarray(at, end));
    at = end + 1;
  }
  return entries.length === 0 ? undefined : entries;
}

/** Writes what never changes. Throws TamperError when other bytes have that key. */
export async function putOnce(store: Store, key: string, bytes: Buffer, contentType: string): Promise<void> {
  const sha256 = sha256Hex(bytes);
  try {
    await store.put(key, bytes, { ifAbsent: true, sha256, contentType });
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    const stored = await store.get(key);
    if (stored !== undefined && stored.bytes.equals(bytes)) return;
    throw new TamperError(`${store.url}: ${key} exists with other content`, {
      hint: 'nothing was signed; "auditkeep verify" shows what is wrong',
    });
  }
}

/**
 * Keys of the ledger that the log names; read once, when first asked for. None where there is no log, or where it is
 * damaged: sealing says so, and what can be collected must not be lost for it.
 */
export function sealedKeysOf(store: Store): () => Promise<ReadonlySet<string>> {
  let keys: Promise<ReadonlySet<string>> | undefined;
  const read = async (): Promise<ReadonlySet<string>> => {
    try {
      const stored = await readCheckpoint(store);
      const { entries } = await readBundles(store, stored?.checkpoint.size ?? 0);
      return new Set(entries.flatMap((bytes) => (bytes && parseEntry(bytes)?.key) ?? []));
    } catch (error) {
      if (error instanceof TamperError) return new Set();
      throw error;
    }
  };
  return () => (keys ??= read());
}
