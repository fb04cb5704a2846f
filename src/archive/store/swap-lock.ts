// A lock for compare-and-swap in a directory: held across processes, given up when its process dies.

import { link, readdir, readFile, stat, unlink, writeFile } from 'node:fs/promises';
import { hash } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TransientError } from '../../errors.ts';
import { codeOf } from './file-errors.ts';
import { isOwn, ownName, parseOwner, stateOf } from './owner.ts';

/** Lock files begin with this, so that the sweep of temporary files lets them be. */
export const LOCK = 'swap_';

/** How long to wait for another holder: it only reads and renames one small file. */
const PATIENCE = 10_000;
/** After this long a holder on another host, whose life can't be asked, counts as gone. */
const STRANGER = 600_000;
/** Locks below the highest are kept this long, far longer than anyone needs between reading the folder and its next step. */
const KEPT = 7 * 86_400_000;

/** Names in the locks that this thread holds or tries to get; any other lock in this thread's name was not let go by accident. */
const inUse = new Set<string>();

/*
 * Locks of a key are numbered and only ever go up: `swap_<key>_<n>`, with `swap_<key>_<n>.free` once let go.
 * The highest number decides. Whoever finds it free, or its process gone, tries to create the next number by an
 * exclusive link; one wins. A plain "remove the stale lock, then create it" would let two finders remove each other's.
 * A number is never used twice, because the highest is never removed; who got one that turns out not to be the highest
 * (it had read the folder long ago) doesn't hold the lock.
 */

/**
 * Runs `work` while no other process runs one for the same key. Throws TransientError when another process doesn't let go.
 * @param folder where lock files lie
 */
export async function withLock<T>(folder: string, key: string, work: () => Promise<T>): Promise<T> {
  const stem = `${LOCK}${hash('sha256', key, 'hex').slice(0, 16)}_`;
  const name = ownName();
  const token = join(folder, name);
  inUse.add(name);
  try {
    // not fsynced: after a power cut no process is left to respect the lock
    await writeFile(token, name, { flag: 'wx' });
    const path = await acquire(folder, stem, token, key);
    try {
      return await work();
    } finally {
      // if this fails the lock still counts as free: for this process by `inUse`, for others once it ends
      await link(token, `${path}.free`).catch(() => {});
    }
  } finally {
    inUse.delete(name);
    await unlink(token).catch(() => {});
  }
}

async function acquire(folder: string, stem: string, token: string, key: string): Promise<string> {
  const deadline = performance.now() + PATIENCE;
  for (;;) {
    const found = await numbers(folder, stem);
    const path = join(folder, `${stem}${found.highest}`);
    if (found.highest > 0 && !found.free.has(found.highest)) {
      const holder = await holderOf(path);
      if (holder !== undefined) {
        if (performance.now() > deadline)
          throw new TransientError(`${key} is being changed by another process (${holder})`, {
            hint: 'if that process hangs, end it and run again',
          });
        await sleep(2 + Math.random() * 20);
        continue;
      }
    }
    const next = join(folder, `${stem}${found.highest + 1}`);
    try {
      await link(token, next);
    } catch (error) {
      if (codeOf(error) === 'EEXIST') continue;
      throw error;
    }
    const after = await numbers(folder, stem);
    if (after.highest !== found.highest + 1) continue;
    await removeOld(folder, stem, after.all, after.highest);
    return next;
  }
}

async function numbers(folder: string, stem: string) {
  const free = new Set<number>();
  const all: string[] = [];
  let highest = 0;
  for (const name of await readdir(folder)) {
    if (!name.startsWith(stem)) continue;
    const isFree = name.endsWith('.free');
    const n = Number(name.slice(stem.length, isFree ? -5 : undefined));
    if (!Number.isSafeInteger(n)) continue;
    all.push(name);
    if (isFree) free.add(n);
    highest = Math.max(highest, n);
  }
  return { highest, free, all };
}

/** Who holds the lock; undefined when its process is gone. */
async function holderOf(path: string): Promise<string | undefined> {
  let name: string;
  let age: number;
  try {
    name = await readFile(path, 'latin1');
    age = Date.now() - (await stat(path)).mtimeMs;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return 'unknown';
    throw error;
  }
  const owner = parseOwner(name);
  if (owner === undefined || (isOwn(name) && !inUse.has(name))) return undefined;
  const state = stateOf(owner);
  if (state === 'gone' || (state === 'unknown' && age > STRANGER)) return undefined;
  return `process ${owner.pid} on ${owner.host}`;
}

async function removeOld(folder: string, stem: string, names: readonly string[], highest: number): Promise<void> {
  for (const name of names) {
    if (Number.parseInt(name.slice(stem.length), 10) >= highest) continue;
    const path = join(folder, name);
    try {
      if (Date.now() - (await stat(path)).mtimeMs > KEPT) await unlink(path);
    } catch {
      // another process was faster, or this role may not: nothing depends on it
    }
  }
}
