// What the ledger has and the log lacks: new files, checked, and the batch that fixes which of them follow.

import pLimit from 'p-limit';
import { sha256Hex } from '../archive/hash.ts';
import { clusterFileSchema, decodeManifest, startFileSchema, sumErrors } from '../archive/manifest.ts';
import { compareKeys } from '../archive/store/key-rules.ts';
import type { Store } from '../archive/store/store.ts';
import { ConflictError, TamperError } from '../errors.ts';
import { clusterOfKey, encodeEntry, type Entry, entryKind, parseEntry } from './entry.ts';
import { batchKey, encodeBatch, type Log, PARALLEL, parseBatch, putOnce } from './read-log.ts';
import { TILE_WIDTH } from './tiles.ts';
import { vkeyKey } from './trust.ts';
import type { Verifier } from './vkey.ts';

/** Leaves that one checkpoint adds at most: bounds memory and what a crash has to repeat. */
const BATCH_ENTRIES = 64 * TILE_WIDTH;

export interface PendingInput {
  readonly store: Store;
  /** A key that shall sign from now on. */
  readonly announce?: Verifier;
}

/** Ledger files without a leaf, in byte order of their keys. */
export async function newEntries(
  input: PendingInput,
  old: Log,
): Promise<{ readonly fresh: readonly Entry[]; readonly refused: readonly string[] }> {
  const { store } = input;
  const open = new Set(old.entries.map(({ key }) => key).filter((key) => key.startsWith('ledger/')));
  const known = new Set(old.entries.map(({ key }) => key));
  const keys: string[] = [];
  for await (const { key } of store.list('ledger/')) {
    open.delete(key);
    if (!known.has(key) && entryKind(key) !== undefined) keys.push(key);
  }
  if (open.size > 0) {
    const gone = [...open].sort(compareKeys);
    throw new TamperError(
      `${store.url}: ${gone.length} sealed ${gone.length === 1 ? 'file is' : 'files are'} gone: ${gone.slice(0, 10).join(', ')}${gone.length > 10 ? ' …' : ''}`,
      { hint: 'nothing was signed; restore them from a copy or earlier versions of the objects' },
    );
  }
  if (input.announce !== undefined) {
    const key = vkeyKey(input.announce.keyId);
    await putOnce(store, key, Buffer.from(`${input.announce.vkey}\n`), 'text/plain; charset=utf-8');
    if (!known.has(key)) keys.push(key);
  }
  const refused: string[] = [];
  const limit = pLimit(PARALLEL);
  const read = await Promise.all(
    keys.sort(compareKeys).map((key) =>
      limit(async (): Promise<Entry | undefined> => {
        const bytes = (await store.get(key))?.bytes;
        const why = bytes === undefined ? 'it vanished' : faultOf(key, bytes);
        if (why === undefined) return { key, sha256: sha256Hex(bytes!) };
        refused.push(`${key}: ${why}`);
        return undefined;
      }),
    ),
  );
  return { fresh: read.filter((entry) => entry !== undefined), refused: refused.sort() };
}

/** Why a ledger file can't be signed; undefined when it can. */
export function faultOf(key: string, bytes: Buffer): string | undefined {
  try {
    const cluster = clusterOfKey(key);
    const kind = entryKind(key);
    if (kind === 'key') return undefined;
    if (kind === 'manifest') {
      const manifest = decodeManifest(bytes);
      if (key !== `ledger/cluster=${manifest.cluster}/${manifest.name}.json`)
        return `it calls itself ${manifest.cluster}/${manifest.name}`;
      return sumErrors(manifest)[0];
    }
    const schema = kind === 'cluster' ? clusterFileSchema : startFileSchema;
    const named = schema.parse(JSON.parse(bytes.toString('utf8'))).cluster;
    return named === cluster ? undefined : `it calls itself ${named}`;
  } catch {
    return 'it is not what auditkeep writes';
  }
}

/** The entries that follow: those of a batch that stands already, or a new one. */
export async function nextBatch(
  input: PendingInput,
  old: Log,
  size: number,
  fresh: readonly Entry[],
): Promise<Buffer[]> {
  const { store } = input;
  const key = batchKey(size);
  let stored = (await store.get(key))?.bytes;
  if (stored === undefined) {
    if (fresh.length === 0) return [];
    const mine = fresh.slice(0, BATCH_ENTRIES).map(encodeEntry);
    const bytes = encodeBatch(mine);
    try {
      await store.put(key, bytes, {
        ifAbsent: true,
        sha256: sha256Hex(bytes),
        contentType: 'text/plain; charset=utf-8',
      });
      return mine;
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      stored = (await store.get(key))?.bytes;
    }
  }
  // begun by another run, alive or dead: the same leaves in the same order, so that no size has two trees
  const bad = (why: string) =>
    new TamperError(`${store.url}: ${key} ${why}`, {
      hint: 'nothing was signed; if no run wrote this batch, remove it and seal again',
    });
  const batch = parseBatch(stored ?? Buffer.alloc(0));
  if (batch === undefined) throw bad('is no batch of entries');
  const known = new Set(old.entries.map((entry) => entry.key));
  const wanted = new Map(fresh.map((entry) => [entry.key, entry.sha256]));
  for (const line of batch) {
    const entry = parseEntry(line);
    if (entry === undefined || known.has(entry.key)) throw bad('holds what is no new entry');
    known.add(entry.key);
    if (wanted.get(entry.key) === entry.sha256) continue;
    if (entryKind(entry.key) === 'key') throw bad(`announces a key: finish that with "auditkeep seal --announce VKEY"`);
    const found = (await store.get(entry.key))?.bytes;
    if (found === undefined || sha256Hex(found) !== entry.sha256 || faultOf(entry.key, found) !== undefined)
      throw bad(`names ${entry.key}, which is not so in the ledger`);
  }
  return batch;
}
