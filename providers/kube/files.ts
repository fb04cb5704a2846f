// Which files there are now: each content once, whatever its name, plain or compressed, oldest first.

import { createHash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join, parse } from 'node:path';
import { TransientError } from '../../src/provider.ts';
import { createArrivals } from './arrival.ts';
import { glob } from './glob.ts';
import { CHUNK, type Line, type Lines, readLines } from './lines.ts';
import { fileError, openReader, type Reader } from './reader.ts';

const DAY = 86_400_000;
/** What identifies a file: its content up to the first line with a time, at most this much of it. */
const HEAD = 256 << 10;
/** A rotated file that hasn't changed for this long is not being copied any more. */
const QUIET = 60_000;

// lumberjack, which the API server rotates with: audit-2026-06-22T10-00-00.000.log[.gz]
const ROTATED = /-(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d\.\d{3})\.[^/]*$/;
// logrotate: audit.log.1, audit.log-20260622
const NUMBERED = /(\.\d{1,5}|-\d{8,14})$/;

export interface LogFile {
  readonly path: string;
  readonly inode: string;
  readonly gzip: boolean;
  readonly size: number;
  /** Last change, milliseconds. */
  readonly changed: number;
  /** Identity of the content: stays through renaming and compression. */
  readonly id: string;
  /** How many bytes at its begin the identity is made of. */
  readonly head: number;
  /** Time of the first line that has one: the order of the files. Infinity if none was found in the head. */
  readonly order: number;
  /** Arrival of the first line; undefined if the head doesn't tell. */
  readonly first: number | undefined;
  /** Nothing will be added to it. */
  readonly final: boolean;
  /** Arrival of its lines if not one of them has a usable time: when it was rotated, else last changed. */
  readonly fallback: number;
}

/** Rotated away, by its name. */
export const isRotated = (path: string) => ROTATED.test(path) || NUMBERED.test(path.replace(/\.gz$/, ''));

function rotatedAt(path: string): number {
  const match = ROTATED.exec(path);
  return match === null ? Number.NaN : Date.parse(`${match[1]}T${match[2]}:${match[3]}:${match[4]}Z`);
}

/**
 * Rotated backups beside the given files that aren't among them, at most one of each: who reads only audit.log misses what was
 * rotated away before its window was read.
 */
export async function unmatchedBackups(paths: readonly string[]): Promise<string[]> {
  const missed: string[] = [];
  for (const path of paths) {
    if (isRotated(path)) continue;
    const { dir, name, ext } = parse(path);
    const names = await readdir(dir).catch(() => []);
    const backup = names.find(
      (n) => n.startsWith(`${name}-`) && n.includes(ext) && ROTATED.test(n) && !paths.includes(join(dir, n)),
    );
    if (backup !== undefined) missed.push(join(dir, backup));
  }
  return missed;
}

const headDigest = (part: Buffer) => createHash('sha256').update(part).digest('hex').slice(0, 24);

/** Is what is read now still the file that was listed? A file that was cut and begun again has the same inode. */
export async function isStill(file: LogFile, reader: Reader): Promise<boolean> {
  return file.id.startsWith(headDigest(await reader.read(0, file.head)));
}

interface Found {
  readonly path: string;
  readonly stats: BigIntStats;
}

const inodeOf = (stats: BigIntStats) => `${stats.dev}:${stats.ino}`;

async function look(patterns: readonly string[]): Promise<Found[]> {
  const found = new Map<string, Found>();
  for (const pattern of patterns) {
    let paths: string[];
    try {
      paths = await glob(pattern);
    } catch (error) {
      throw fileError(error, (error as NodeJS.ErrnoException).path ?? pattern);
    }
    for (const path of paths) {
      try {
        const stats = await stat(path, { bigint: true });
        // folders, sockets and pipes in the pattern's way are no logs; two names of one file are one
        if (stats.isFile() && !found.has(inodeOf(stats))) found.set(inodeOf(stats), { path, stats });
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        if (code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'ELOOP') throw fileError(error, path);
      }
    }
  }
  return [...found.values()];
}

/** A file that is renamed between listing the folder and looking at it shows up under no name: look until nothing moves. */
async function lookSteadily(patterns: readonly string[]): Promise<Found[]> {
  const names = (found: readonly Found[]) => found.map((f) => `${inodeOf(f.stats)} ${f.path}`).join('\n');
  let before = await look(patterns);
  for (let i = 0; i < 10; i++) {
    const now = await look(patterns);
    if (names(now) === names(before)) return now;
    before = now;
  }
  throw new TransientError(`files are renamed all the time at ${patterns.join(', ')}`);
}

async function readHead(found: Found, now: number): Promise<LogFile | undefined> {
  const { path, stats } = found;
  const reader = await openReader(path, true);
  try {
    // renamed since: the listing is out of date
    if (reader.inode !== inodeOf(stats)) return undefined;
    return await describeHead(reader, stats, now);
  } finally {
    await reader.close();
  }
}

/** A compressed file in which nothing can be read yet is no loss while the plain one stands beside it. */
async function checkEmpty(path: string): Promise<void> {
  const plain = path.replace(/\.gz$/, '');
  if (
    await stat(plain).then(
      () => true,
      () => false,
    )
  )
    return;
  const reader = await openReader(path);
  try {
    await reader.read(0, 1);
  } finally {
    await reader.close();
  }
}

async function describeHead(reader: Reader, stats: BigIntStats, now: number): Promise<LogFile | undefined> {
  const { path } = reader;
  const changed = Number(stats.mtimeMs);
  const head = await reader.read(0, HEAD);
  if (head.length === 0) {
    if (reader.gzip) await checkEmpty(path);
    return undefined;
  }
  const final = reader.gzip || now - changed > DAY || (isRotated(path) && now - changed > QUIET);
  const bounded: Reader = { ...reader, read: (at, n) => Promise.resolve(head.subarray(at, at + n)) };
  const lines: Line[] = [];
  let timed: Line | undefined;
  // a printed list is a page of its own, also one without an item
  for (let page: Lines | undefined; timed === undefined && page?.eof !== true;) {
    page = await readLines(bounded, page?.end ?? 0, page?.list, { last: false, limit: now + DAY, chunk: CHUNK });
    for (const line of page.lines) lines.push(line);
    timed = page.lines.find((line) => !Number.isNaN(line.time));
  }
  const part = timed !== undefined ? head.subarray(0, timed.end) : head;
  // without a line that has a time, a file that may grow has no identity yet, and no line whose arrival is known
  if (timed === undefined && head.length < HEAD && !final) return undefined;
  let first: number | undefined;
  const arrivals = createArrivals(undefined, now + DAY, (_count, arrival) => (first ??= arrival));
  for (const line of lines) arrivals.push(line.time, line.end);
  return {
    path,
    inode: inodeOf(stats),
    gzip: reader.gzip,
    size: Number(stats.size),
    changed,
    id: headDigest(part),
    head: part.length,
    order: timed?.time ?? Number.POSITIVE_INFINITY,
    first,
    final,
    fallback: Math.floor(Number.isNaN(rotatedAt(path)) ? changed : rotatedAt(path)),
  };
}

type Comparison = 'same' | 'shorter' | 'longer' | { readonly differ: readonly [string, string] };

/** How two files that begin alike go on: one may be the begin of the other (a copy), or they differ, where and by which byte. */
async function compare(a: LogFile, b: LogFile): Promise<Comparison> {
  const [x, y] = [await openReader(a.path, true), await openReader(b.path, true)];
  try {
    const STEP = 1 << 20;
    for (let at = 0; ; at += STEP) {
      const [p, q] = [await x.read(at, STEP), await y.read(at, STEP)];
      const n = Math.min(p.length, q.length);
      if (!p.subarray(0, n).equals(q.subarray(0, n))) {
        const i = p.findIndex((byte, k) => byte !== q[k]);
        return { differ: [`.${at + i}.${p[i]}`, `.${at + i}.${q[i]}`] };
      }
      if (p.length !== q.length) return p.length < q.length ? 'shorter' : 'longer';
      if (n < STEP) return 'same';
    }
  } finally {
    await x.close();
    await y.close();
  }
}

/** Oldest first; equal only for files that begin with the same event. */
export function inOrder(a: Pick<LogFile, 'order' | 'id'>, b: Pick<LogFile, 'order' | 'id'>): number {
  if (a.order !== b.order) return a.order < b.order ? -1 : 1;
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

/** Looks for files again and again during a run; heads and comparisons are remembered while the files don't change. */
export function createListing(patterns: readonly string[], now: () => number) {
  const heads = new Map<string, LogFile>();
  const compared = new Map<string, Comparison>();
  const signature = (f: LogFile) => `${f.inode}:${f.size}:${f.changed}`;

  async function head(found: Found): Promise<LogFile | undefined> {
    const key = `${found.path}:${inodeOf(found.stats)}:${found.stats.size}:${found.stats.mtimeNs}`;
    const known = heads.get(key);
    if (known?.final) return known;
    const file = await readHead(found, now());
    if (file !== undefined) heads.set(key, file);
    return file;
  }

  async function comparison(a: LogFile, b: LogFile) {
    const key = `${signature(a)} ${signature(b)}`;
    const known = compared.get(key) ?? (await compare(a, b));
    compared.set(key, known);
    return known;
  }

  /** Leaves out copies: of files where one is the begin of the other, the longer one; of equal ones the plain one. */
  async function distinct(files: readonly LogFile[]): Promise<LogFile[]> {
    const kept: LogFile[] = [];
    // files that begin alike but go on differently get an identity that says where
    const apart = new Map<LogFile, string>();
    next: for (const file of files) {
      for (const [i, other] of kept.entries()) {
        if (other.id !== file.id) continue;
        const how = await comparison(file, other);
        if (typeof how === 'object') {
          apart.set(file, (apart.get(file) ?? '') + how.differ[0]);
          apart.set(other, (apart.get(other) ?? '') + how.differ[1]);
          continue;
        }
        if (how === 'longer' || (how === 'same' && other.gzip && !file.gzip)) {
          kept[i] = file;
          apart.set(file, apart.get(other) ?? '');
        }
        continue next;
      }
      kept.push(file);
    }
    return kept.map((file) => ({ ...file, id: file.id + (apart.get(file) ?? '') }));
  }

  return {
    /** Paths that match now and are files, readable or not. */
    paths: async () => (await look(patterns)).map((found) => found.path),
    /** All files with content that can be told apart, oldest first; undefined if nothing matches. Throws AuthError for a file that can't be read. */
    async files(): Promise<LogFile[] | undefined> {
      for (let i = 0; i < 10; i++) {
        const found = await lookSteadily(patterns);
        if (found.length === 0) return undefined;
        try {
          const files: LogFile[] = [];
          for (const one of found) files.push(...[await head(one)].filter((f) => f !== undefined));
          const kept = await distinct(files);
          const again = await look(patterns);
          if (again.map((f) => f.path + inodeOf(f.stats)).join() === found.map((f) => f.path + inodeOf(f.stats)).join())
            return kept.sort(inOrder);
        } catch (error) {
          if ((error as Error).name !== 'StaleTokenError') throw error;
        }
      }
      throw new TransientError(`files are renamed all the time at ${patterns.join(', ')}`);
    },
  };
}
