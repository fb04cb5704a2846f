// The walk over one file: pages of lines with their arrival, from any offset on.

import { createHash } from 'node:crypto';
import { type ProviderRecord, type Span, StaleTokenError } from '../../src/provider.ts';
import { createArrivals } from './arrival.ts';
import { isStill, type LogFile } from './files.ts';
import type { ItemState } from './items.ts';
import { type Lines, type Reading, readLines } from './lines.ts';
import type { Reader } from './reader.ts';

/** Where a walk stands in a file: all that the next page needs to know. */
export interface Place {
  /** Offset of the next line, bytes of content. */
  readonly at: number;
  /** Largest usable time before it; absent at the start. */
  readonly max?: number;
  /** Lines that end at or before this are known to arrive at `max`. */
  readonly until?: number;
  /** Set inside of a list that is read item by item. */
  readonly list?: ItemState;
  /** How many bytes before `at` are checked, and their digest: another file under the same name is found out. */
  readonly before: number;
  readonly digest: string;
}

export const START: Place = { at: 0, before: 0, digest: '' };

export interface FilePage {
  readonly records: ProviderRecord[];
  /** Where to go on; absent when nothing more of this file can arrive before the end of the span. */
  readonly next?: Place;
  /** Where a walk for a later span may begin: all lines before it arrived at `max` or earlier. Only where there is no `next`. */
  readonly rest?: Place;
  /** Bytes of content that were read. */
  readonly bytes: number;
  readonly max: number | undefined;
}

const CHECKED = 64;
const digestOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex').slice(0, 16);

/** Throws StaleTokenError if the file isn't what it was when the place was noted: cut, or another one. */
async function check(file: LogFile, reader: Reader, place: Place): Promise<void> {
  const same =
    place.at === 0
      ? await isStill(file, reader)
      : digestOf(await reader.again(place.at - place.before, place.before)) === place.digest;
  if (!same) throw new StaleTokenError(`${reader.path} was cut or replaced while it was read`);
}

async function placeAt(reader: Reader, at: number, rest: Omit<Place, 'at' | 'before' | 'digest'>): Promise<Place> {
  const before = Math.min(CHECKED, at);
  return { ...rest, at, before, digest: digestOf(await reader.again(at - before, before)) };
}

/**
 * One page from `place` on: the records whose arrival lies in `span`. Throws StaleTokenError if the file was cut meanwhile
 * (logrotate's copytruncate): the walk starts again and finds the copy.
 */
export async function readPage(
  file: LogFile,
  reader: Reader,
  place: Place,
  span: Span,
  reading: Reading,
  signal: AbortSignal,
): Promise<FilePage> {
  // a plain file is checked after it was read: then it was the same all the time. A compressed one isn't cut, and is slow to read back
  if (reader.gzip) await check(file, reader, place);
  const page = await takePage(file, reader, place, span, reading, signal);
  if (!reader.gzip) await check(file, reader, place);
  return page;
}

async function takePage(
  file: LogFile,
  reader: Reader,
  place: Place,
  span: Span,
  reading: Reading,
  signal: AbortSignal,
): Promise<FilePage> {
  const { lines, end, eof, list } = await readLines(reader, place.at, place.list, reading);
  const records: ProviderRecord[] = [];
  let bytes = end - place.at;
  let given = 0;
  let max = place.max;
  let until = place.until;
  // the first line that arrives behind the span, and the arrival of those before it
  let behind: { readonly line: number; readonly max: number } | undefined;
  const give = (count: number, arrival: number) => {
    if (arrival >= span.to && max !== undefined) behind ??= { line: given, max };
    const to = Math.min(lines.length, given + count);
    if (arrival >= span.from && arrival < span.to)
      for (let i = given; i < to; i++)
        for (const record of lines[i]!.records) {
          record.arrival = arrival;
          records.push(record);
        }
    given = to;
    max = arrival;
  };
  const passed = () => max !== undefined && max >= span.to;

  // lines whose arrival an earlier page has found further on
  let known = 0;
  while (until !== undefined && known < lines.length && lines[known]!.end <= until) known++;
  if (known > 0) give(known, place.max!);

  const arrivals = createArrivals(max, reading.limit, (count, arrival, resolvedTo) => {
    // one time can settle two groups of lines: of what lies behind this page the first one matters, the next page finds the other
    if (given === lines.length) return;
    give(count, arrival);
    until = resolvedTo;
  });
  for (let i = known; i < lines.length && !passed(); i++) arrivals.push(lines[i]!.time, lines[i]!.end);
  /** The place of a line of this page, or behind the last one. */
  const placeOf = (line: number, more: Pick<Place, 'max' | 'until'>) => {
    const first = lines[line];
    const inList = first === undefined ? list : first.list;
    return placeAt(reader, first?.offset ?? end, { ...more, ...(inList !== undefined && { list: inList }) });
  };
  const nextPlace = () => {
    const at = lines[given]?.offset ?? end;
    return placeOf(given, { ...(max !== undefined && { max }), ...(until !== undefined && until > at && { until }) });
  };
  if (passed())
    return { records, bytes, max, ...(behind && { rest: await placeOf(behind.line, { max: behind.max }) }) };
  // a list without an item: there is nothing to look ahead for
  if (lines.length === 0 && !eof) return { records, next: await nextPlace(), bytes, max };
  // what end() says of the last lines is only true as long as nothing follows them
  const certain = { line: given, max };
  const fallback = file.final ? file.fallback : undefined;
  if (eof) arrivals.end(fallback);
  else if (given === 0) {
    // not one line of the page has a usable time: go on until one has, keeping nothing
    const more = await lookAhead(reader, { end, list }, { ...reading, memory: undefined }, signal, (time, to) => {
      arrivals.push(time, to);
      return given > 0;
    });
    if (given === 0) arrivals.end(fallback);
    bytes += more;
  }
  if (eof) {
    const rest = certain.max === undefined ? undefined : await placeOf(certain.line, { max: certain.max });
    return { records, bytes, max, ...(rest !== undefined && { rest }) };
  }
  if (passed() || given === 0) return { records, bytes, max };
  return { records, next: await nextPlace(), bytes, max };
}

/** Times of the lines from a place on until `onTime` gives true or the file ends. Gives the bytes read. */
async function lookAhead(
  reader: Reader,
  from: Pick<Lines, 'end' | 'list'>,
  reading: Reading,
  signal: AbortSignal,
  onTime: (time: number, end: number) => boolean,
): Promise<number> {
  for (let { end, list } = from; ;) {
    signal.throwIfAborted();
    const page = await readLines(reader, end, list, reading);
    ({ end, list } = page);
    for (const line of page.lines) if (onTime(line.time, line.end)) return end - from.end;
    if (page.eof) return end - from.end;
  }
}
