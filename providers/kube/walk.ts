// The walk over one file: pages of lines with their arrival, from any offset on.

import { createHash } from 'node:crypto';
import { type ProviderRecord, type Span, StaleTokenError } from '../../src/provider.ts';
import { createArrivals } from './arrival.ts';
import type { LogFile } from './files.ts';
import { type Line, readLines } from './lines.ts';
import type { Reader } from './reader.ts';

/** Where a walk stands in a file: all that the next page needs to know. */
export interface Place {
  /** Offset of the next line, bytes of content. */
  readonly at: number;
  /** Largest usable time before it; absent at the start. */
  readonly max?: number;
  /** Lines that end at or before this are known to arrive at `max`. */
  readonly until?: number;
  /** How many bytes before `at` are checked, and their digest: another file under the same name is found out. */
  readonly before: number;
  readonly digest: string;
}

export const START: Place = { at: 0, before: 0, digest: '' };

export interface FilePage {
  readonly records: ProviderRecord[];
  /** Where to go on; absent when nothing more of this file can arrive before the end of the span. */
  readonly next?: Place;
  /** Bytes of content that were read. */
  readonly bytes: number;
  readonly max: number | undefined;
}

const CHECKED = 64;
const digestOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex').slice(0, 16);

/** Throws StaleTokenError if the file isn't what it was when the place was noted: cut, or another one. */
async function check(reader: Reader, place: Place): Promise<void> {
  if (place.before === 0) return;
  const bytes = await reader.read(place.at - place.before, place.before);
  if (bytes.length < place.before || digestOf(bytes) !== place.digest)
    throw new StaleTokenError(`${reader.path} was cut or replaced while it was read`);
}

async function placeAt(reader: Reader, at: number, max: number | undefined, until?: number): Promise<Place> {
  const before = Math.min(CHECKED, at);
  const bytes = await reader.read(at - before, before);
  return {
    at,
    before,
    digest: digestOf(bytes),
    ...(max !== undefined && { max }),
    ...(until !== undefined && until > at && { until }),
  };
}

/**
 * One page from `place` on: the records whose arrival lies in `span`.
 * @param limit latest time that is usable, milliseconds
 */
export async function readPage(
  file: LogFile,
  reader: Reader,
  place: Place,
  span: Span,
  limit: number,
  signal: AbortSignal,
): Promise<FilePage> {
  await check(reader, place);
  const { lines, end, eof } = await readLines(reader, place.at, file.final, limit);
  const records: ProviderRecord[] = [];
  let given = 0;
  let max = place.max;
  const give = (count: number, arrival: number) => {
    const to = Math.min(lines.length, given + count);
    if (arrival >= span.from && arrival < span.to)
      for (let i = given; i < to; i++) for (const record of lines[i]!.records) records.push({ ...record, arrival });
    given = to;
    max = arrival;
  };

  // lines whose arrival the page before has found further on
  let known = 0;
  while (place.until !== undefined && known < lines.length && lines[known]!.end <= place.until) known++;
  if (known > 0) give(known, place.max!);

  let until = place.until !== undefined && place.until > (lines[known - 1]?.end ?? place.at) ? place.until : undefined;
  if (known === lines.length && until !== undefined && !eof)
    return { records, next: await placeAt(reader, end, max, until), bytes: end - place.at, max };

  const arrivals = createArrivals(max, limit, (count, arrival, resolvedTo) => {
    give(count, arrival);
    until = resolvedTo;
  });
  for (let i = known; i < lines.length; i++) {
    arrivals.push(lines[i]!.time, lines[i]!.end);
    if (max !== undefined && max >= span.to) return { records, bytes: end - place.at, max };
  }
  let bytes = end - place.at;
  if (eof) arrivals.end(file.final ? file.fallback : undefined);
  else if (given === 0) bytes += await lookAhead(file, reader, end, arrivals, limit, signal, () => given > 0);
  if (eof || (max !== undefined && max >= span.to) || given === 0) return { records, bytes, max };
  const at = given < lines.length ? lines[given]!.offset : end;
  return { records, next: await placeAt(reader, at, max, until), bytes, max };
}

/** Not one line of a whole page has a usable time: goes on until one has, keeping nothing. Gives the bytes read. */
async function lookAhead(
  file: LogFile,
  reader: Reader,
  from: number,
  arrivals: ReturnType<typeof createArrivals>,
  limit: number,
  signal: AbortSignal,
  found: () => boolean,
): Promise<number> {
  for (let at = from; ;) {
    signal.throwIfAborted();
    const { lines, end, eof } = await readLines(reader, at, file.final, limit);
    for (const line of lines as readonly Line[]) {
      arrivals.push(line.time, line.end);
      if (found()) return end - from;
    }
    at = end;
    if (eof) {
      arrivals.end(file.final ? file.fallback : undefined);
      return end - from;
    }
  }
}
