// audit.log files as a source: walks all files that can hold a window's lines, oldest first.

import { resolve } from 'node:path';
import {
  AuditkeepError,
  type ClusterSettings,
  ConfigError,
  type Horizon,
  type Page,
  type ProviderRecord,
  type Query,
  type Source,
  type SourceDeps,
  StaleTokenError,
  type Visible,
} from '../../src/provider.ts';
import { createListing, inOrder, isRotated, type LogFile, unmatchedBackups } from './files.ts';
import { CHUNK } from './lines.ts';
import { openReader, type Reader } from './reader.ts';
import { type Place, readPage, START } from './walk.ts';

const DAY = 86_400_000;
/** Content that one call looks through at most to find records. */
const ENOUGH = 32 << 20;
/** Files kept open between pages. */
const OPEN = 8;
/** Files named in `visible`. */
const NAMED = 50;

interface Token extends Place {
  readonly id: string;
}

/** A file whose turn it is. */
interface Turn {
  readonly file: LogFile;
  /** Earliest arrival in the files behind it; -Infinity if one of them doesn't tell. */
  readonly later: number;
}

interface Open extends Turn {
  readonly reader: Reader;
}

const firstOf = ({ first = Number.NEGATIVE_INFINITY }: LogFile) => first;

function turnOf(files: readonly LogFile[], i: number): Turn | undefined {
  const file = files[i];
  if (file === undefined) return undefined;
  const later = files.slice(i + 1).reduce((least, other) => Math.min(least, firstOf(other)), Number.POSITIVE_INFINITY);
  return { file, later };
}

function parseToken(text: string): Token {
  try {
    return JSON.parse(text) as Token;
  } catch (cause) {
    throw new StaleTokenError('the page token is not one of this source', { cause });
  }
}

/** Can lines of this file arrive in the span? */
function mayHold(file: LogFile, query: Query): boolean {
  if (file.first !== undefined && file.first >= query.arrival.to) return false;
  // a line is written after its event: a file that wasn't touched since can't hold later ones, unless its clock is another one
  return file.changed + DAY >= query.arrival.from || file.order > file.changed;
}

/** @param chunk content read at once, bytes; tests make it small */
export function createSource(
  cluster: ClusterSettings,
  options: { readonly files: readonly string[] },
  deps: SourceDeps,
  chunk = CHUNK,
): Source {
  const patterns = [...new Set(options.files.map((file) => resolve(file)))].sort();
  const listing = createListing(patterns, deps.now);
  const name = patterns.join(',');
  /** Readers between two pages of a walk, by the token that the walk will come back with. */
  const open = new Map<string, Open>();
  let closed = false;
  /** Memory of pages whose records nobody has any more: fresh megabytes for each would keep the garbage collector busy. */
  const free: Buffer[] = [];
  /** Last arrival in final files that were walked to their end. */
  const lasts = new Map<string, number>();
  /** Where walks ended, by the file's id: a walk for a later span begins at the last one before it. */
  const ends = new Map<string, Place[]>();

  async function listed(): Promise<LogFile[]> {
    const files = await listing.files();
    if (files === undefined)
      throw new ConfigError(`cluster ${cluster.name}: no file matches ${patterns.join(', ')}`, {
        hint: 'check `files` of this cluster and --audit-log-path of its kube-apiserver; without --audit-policy-file it logs nothing',
      });
    return files;
  }

  async function keepOpen(token: string, one: Open): Promise<void> {
    open.set(token, one);
    const [oldest] = open.keys();
    if (open.size <= OPEN || oldest === undefined) return;
    const { reader } = open.get(oldest)!;
    open.delete(oldest);
    await reader.close();
  }

  /** Where a walk for the query begins in a file. */
  function beginOf(file: LogFile, { arrival }: Query): Place {
    let begin = START;
    for (const place of ends.get(file.id) ?? []) if (place.max! < arrival.from && place.at > begin.at) begin = place;
    return begin;
  }

  const lastKey = (file: LogFile) => `${file.id}:${file.size}:${file.inode}`;

  /** The first file behind `done` that can hold lines of the query. */
  async function nextFile(query: Query, done?: Pick<LogFile, 'order' | 'id'>): Promise<Turn | undefined> {
    const files = (await listed()).filter(
      (file) =>
        (done === undefined || inOrder(file, done) > 0) &&
        mayHold(file, query) &&
        (lasts.get(lastKey(file)) ?? Number.POSITIVE_INFINITY) >= query.arrival.from,
    );
    return turnOf(files, 0);
  }

  async function openFile(turn: Turn): Promise<Open> {
    const { file } = turn;
    const reader = await openReader(file.path);
    if (reader.inode === file.inode) return { ...turn, reader };
    await reader.close();
    throw new StaleTokenError(`${file.path} was renamed while the walk came to it`);
  }

  async function reopen(token: Token): Promise<Open> {
    const files = await listed();
    const turn = turnOf(
      files,
      files.findIndex((file) => file.id === token.id),
    );
    // renamed or compressed it would still be here: it was deleted
    if (turn === undefined) throw new StaleTokenError('the file that the walk was in is gone');
    return openFile(turn);
  }

  async function fetchPage(query: Query, token: string | undefined, signal: AbortSignal): Promise<Page> {
    signal.throwIfAborted();
    if (closed) throw new AuditkeepError(`the source of cluster ${cluster.name} is closed`);
    let current: Open | undefined;
    let place: Place = START;
    if (token === undefined) {
      const turn = await nextFile(query);
      if (turn === undefined) return { records: [], bytes: 0 };
      current = await openFile(turn);
      place = beginOf(turn.file, query);
    } else {
      const parsed = parseToken(token);
      place = parsed;
      current = open.get(token);
      open.delete(token);
      current ??= await reopen(parsed);
    }
    try {
      return await readFrom(current, place, query, signal);
    } catch (error) {
      // it may be no longer the file that the places are of
      ends.delete(current.file.id);
      await current.reader.close();
      throw error;
    }
  }

  async function readFrom(current: Open, from: Place, query: Query, signal: AbortSignal): Promise<Page> {
    const { file, later, reader } = current;
    const memory = free.pop() ?? Buffer.allocUnsafeSlow(chunk);
    let released = false;
    const release = () => {
      if (!released) free.push(memory);
      released = true;
    };
    let records: ProviderRecord[] = [];
    let bytes = 0;
    let place: Place | undefined = from;
    let max: number | undefined;
    const reading = { last: file.final, limit: deps.now() + DAY, chunk, memory };
    while (place !== undefined && records.length === 0 && bytes < ENOUGH) {
      signal.throwIfAborted();
      const page = await readPage(file, reader, place, query.arrival, reading, signal);
      records = page.records;
      bytes += page.bytes;
      max = page.max;
      place = page.next;
      if (page.rest !== undefined) ends.set(file.id, [...(ends.get(file.id) ?? []), page.rest]);
    }
    if (place !== undefined) {
      const next = JSON.stringify({ ...place, id: file.id });
      await keepOpen(next, current);
      return {
        records,
        next,
        bytes,
        ...(max !== undefined && { position: max, passed: Math.min(max, later) }),
        release,
      };
    }
    if (file.final && max !== undefined && max < query.arrival.to) lasts.set(lastKey(file), max);
    const following = await nextFile(query, file);
    if (following === undefined) {
      await reader.close();
      return { records, bytes, release };
    }
    const next = JSON.stringify({ ...beginOf(following.file, query), id: following.file.id });
    const opened = await openFile(following);
    await reader.close();
    await keepOpen(next, opened);
    return { records, next, bytes, passed: Math.min(firstOf(following.file), following.later), release };
  }

  async function horizon(): Promise<Horizon> {
    const files = await listed();
    const firsts = files.map((file) => file.first ?? file.order).filter(Number.isFinite);
    if (firsts.length === 0) return { because: 'unknown' };
    return { at: Math.min(...firsts), because: files.some((f) => isRotated(f.path)) ? 'retention' : 'unknown' };
  }

  async function visible(): Promise<Visible> {
    const notes: string[] = [];
    try {
      const paths = await listing.paths();
      for (const path of await unmatchedBackups(paths))
        notes.push(`${path} is a rotated backup that \`files\` doesn't match`);
      if (paths.length === 0) notes.push(`no file matches ${patterns.join(', ')}`);
      if (paths.length > NAMED) notes.push(`${paths.length} files, of which the first ${NAMED} are named`);
      for (const path of paths)
        await openReader(path).then(
          (reader) => reader.close(),
          (error: unknown) => notes.push((error as Error).message),
        );
      return { sources: paths.slice(0, NAMED), logging: paths.length > 0 ? 'on' : 'unknown', notes };
    } catch (error) {
      return { sources: patterns, logging: 'unknown', notes: [...notes, (error as Error).message] };
    }
  }

  return {
    quota: () => Promise.resolve({ key: `files:${name}`, perSecond: 1_000_000 }),
    settle: 120_000,
    lateness: { first: 0, recheck: 0, max: 0 },
    reads: 'wide',
    inTurn: true,
    bounds: (query) => query.arrival,
    describe: () => ({ files: name }),
    identity: () => Promise.resolve(`files:${name}`),
    horizon,
    visible,
    fetchPage,
    async close() {
      closed = true;
      const readers = [...open.values()];
      open.clear();
      for (const { reader } of readers) await reader.close();
    },
  };
}
