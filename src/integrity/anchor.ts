// The anchor: a copy of each checkpoint in another bucket (best of another account), so that the log can't be rolled back alone.

import pLimit from 'p-limit';
import type { Store } from '../archive/store/store.ts';
import { sha256Hex } from '../archive/hash.ts';
import { ConflictError, TamperError } from '../errors.ts';
import { PARALLEL } from './read-log.ts';
import { type Checkpoint, describeCheckpoint, parseCheckpoint, type SignedCheckpoint } from './checkpoint.ts';

/** Folder of a log's checkpoints; an origin may hold what a key can't. */
const folderOf = (origin: string): string =>
  `checkpoints/${origin.replace(/[^A-Za-z0-9._-]+/g, '_')}_${sha256Hex(Buffer.from(origin)).slice(0, 8)}/`;

const keyOf = ({ origin, size }: Checkpoint): string => `${folderOf(origin)}${String(size).padStart(12, '0')}`;

/** Adds a checkpoint; create-only. Throws TamperError when the anchor has another tree of that size. */
export async function putAnchor(anchor: Store, checkpoint: SignedCheckpoint): Promise<void> {
  const key = keyOf(checkpoint);
  try {
    await anchor.put(key, checkpoint.bytes, {
      ifAbsent: true,
      sha256: sha256Hex(checkpoint.bytes),
      contentType: 'text/plain; charset=utf-8',
    });
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    const there = parseCheckpoint((await anchor.get(key))?.bytes ?? Buffer.alloc(0));
    if (there?.root.equals(checkpoint.root) === true) return;
    throw new TamperError(
      `${anchor.url}: ${key} is another checkpoint of the same size than ${describeCheckpoint(checkpoint)}`,
      { hint: 'two different logs were signed under one origin: compare archive and anchor before anything else' },
    );
  }
}

/** All checkpoints of a log, the smallest first; what can't be read as one comes as its key. */
export async function readAnchor(
  anchor: Store,
  origin: string,
): Promise<{ readonly checkpoints: readonly SignedCheckpoint[]; readonly broken: readonly string[] }> {
  const keys: string[] = [];
  for await (const { key } of anchor.list(folderOf(origin))) keys.push(key);
  const limit = pLimit(PARALLEL);
  const read = await Promise.all(
    keys.map((key) =>
      limit(async () => {
        const checkpoint = parseCheckpoint((await anchor.get(key))?.bytes ?? Buffer.alloc(0));
        return checkpoint?.origin === origin && keyOf(checkpoint) === key ? checkpoint : undefined;
      }),
    ),
  );
  return {
    checkpoints: read.filter((checkpoint) => checkpoint !== undefined),
    broken: keys.filter((_key, i) => read[i] === undefined),
  };
}

/** The newest checkpoint of a log in the anchor; undefined when it has none. */
export async function latestAnchor(anchor: Store, origin: string): Promise<SignedCheckpoint | undefined> {
  let last: string | undefined;
  for await (const { key } of anchor.list(folderOf(origin))) last = key;
  if (last === undefined) return undefined;
  const checkpoint = parseCheckpoint((await anchor.get(last))?.bytes ?? Buffer.alloc(0));
  if (checkpoint?.origin === origin) return checkpoint;
  throw new TamperError(`${anchor.url}: ${last} is not a checkpoint of ${origin}`);
}
