// Cuts the content of a file into lines and finds the time of each; a line may be an Event, an EventList or anything else.

import { type AuditEvent, type NotAnEvent, type ProviderRecord, scanEvent, scanLines } from '../../src/provider.ts';
import { itemEvent, KEPT, legacyTime, MAX_LINE, origins } from './decode.ts';
import { type ItemState, itemsOf, newItemState, scanItems } from './items.ts';
import type { Reader } from './reader.ts';

/** Content read at once. */
export const CHUNK = 2 << 20;

/** How a file is read. */
export interface Reading {
  /** The file is final: what follows the last line end is a line too. */
  readonly last: boolean;
  /** Latest time that is usable, milliseconds. */
  readonly limit: number;
  /** Content read at once, bytes; CHUNK unless a test wants it small. */
  readonly chunk: number;
  /** Memory of that size, for lines that aren't wanted beyond the next read; else they have memory of their own. */
  readonly memory?: Buffer | undefined;
}

/** A record whose arrival is set when it is known; NaN until then. */
export type Arriving = Omit<ProviderRecord, 'arrival'> & { arrival: number };

/** One line of a file. */
export interface Line {
  readonly offset: number;
  /** Behind its line end. */
  readonly end: number;
  readonly records: readonly Arriving[];
  /** Event time in milliseconds, of an EventList the latest; NaN if there is none. */
  readonly time: number;
  /** Set for an item of a list that is read piece by piece: the state of the scan before it. */
  readonly list?: ItemState;
}

export interface Lines {
  readonly lines: readonly Line[];
  /** Behind the last line. */
  readonly end: number;
  /** Nothing follows `end` now but, at most, the begin of a line. */
  readonly eof: boolean;
  /** `end` lies inside of a list that is read piece by piece: the state of the scan there. */
  readonly list?: ItemState | undefined;
}

const EVENT_LIST = Buffer.from('"EventList"');
const isList = (line: Buffer) => line.subarray(0, 200).includes(EVENT_LIST);

/** The records of one line. `limit`: times of list items beyond it don't count. */
export function toLine(content: Buffer, path: string, offset: number, end: number, limit: number): Line {
  // a carriage return before the line end belongs to the line end
  if (content[content.length - 1] === 0x0d) content = content.subarray(0, -1);
  const scan = scanEvent(content);
  if (!('not' in scan)) return eventLine(scan, offset, end);
  if (LIST_OR_CUT.has(scan.not)) {
    const list = listRecords(content, path, offset, limit);
    if (list !== undefined) return { offset, end, ...list };
  }
  const origin = origins.line(path, offset);
  return { offset, end, time: legacyTime(content), records: [{ arrival: Number.NaN, content, origin, scan }] };
}

/** What a scan says of an EventList whose brackets can be trusted. */
const LIST_OR_CUT: ReadonlySet<NotAnEvent> = new Set(['wrong-kind', 'truncated', 'invalid-utf8']);

function listRecords(
  content: Buffer,
  path: string,
  offset: number,
  limit: number,
): Pick<Line, 'records' | 'time'> | undefined {
  const list = itemsOf(content);
  if (list === undefined) return undefined;
  const spans = [...list.items];
  // a list that was cut: what is left of its last item is a record as well
  if (list.rest >= 0) spans.push([list.rest, content.length]);
  let time = Number.NaN;
  const records = spans.map(([from, to], index) => {
    const item = content.subarray(from, to);
    const at = itemEvent(item).time;
    if (at <= limit && !(at <= time)) time = at;
    return { arrival: Number.NaN, content: item, origin: origins.item(path, offset, index, list.apiVersion) };
  });
  return { records, time };
}

/** A file that is one printed EventList: its first line is a lone bracket, which no log line is. */
function isPrintedList(chunk: Buffer): boolean {
  const head = chunk.toString('latin1', 0, 400);
  return (
    /^\s*\{\s*\n\s*"(kind": *"EventList|apiVersion": *"audit\.k8s\.io\/)/.test(head) && head.includes('"EventList"')
  );
}

/** The lines that end in a chunk. A function of its own: V8 is slow to optimize loops in an async one. */
function wholeLines(chunk: Buffer, path: string, offset: number, limit: number): Line[] {
  const lines: Line[] = [];
  scanLines(chunk, (from, to, next, event) => {
    lines.push(
      event === undefined
        ? toLine(chunk.subarray(from, to), path, offset + from, offset + next, limit)
        : eventLine(event, offset + from, offset + next),
    );
  });
  return lines;
}

/** An Event is never a reject, so nobody asks where it came from: a text less for nearly every line. */
function eventLine(scan: AuditEvent, offset: number, end: number): Line {
  return { offset, end, time: scan.stageTime, records: [{ arrival: Number.NaN, content: scan.line, scan }] };
}

/**
 * The lines that begin at `offset`, about one CHUNK of them, at least one if there is one. In bounded memory: of a line above
 * MAX_LINE only the first bytes are kept. A list that is longer than that, or printed over many lines, is read item by item.
 * @param list state of the scan if `offset` lies inside of such a list
 */
export async function readLines(
  reader: Reader,
  offset: number,
  list: ItemState | undefined,
  reading: Reading,
): Promise<Lines> {
  const { last, limit } = reading;
  if (list !== undefined) return readItems(reader, offset, list, reading);
  for (let size = reading.chunk; ; size = Math.min(size * 4, MAX_LINE + 1)) {
    const chunk = await reader.read(offset, size, size === reading.memory?.length ? reading.memory : undefined);
    const eof = chunk.length < size;
    if (offset === 0 && isPrintedList(size < 400 ? await reader.read(0, 400) : chunk))
      return readItems(reader, 0, newItemState(), reading);
    const lines = wholeLines(chunk, reader.path, offset, limit);
    let from = lines.length === 0 ? 0 : lines.at(-1)!.end - offset;
    if (eof && last && from < chunk.length) {
      lines.push(toLine(chunk.subarray(from), reader.path, offset + from, offset + chunk.length, limit));
      from = chunk.length;
    }
    if (lines.length > 0 || eof) return { lines, end: offset + from, eof };
    if (size <= MAX_LINE) continue;
    if (isList(chunk)) return readItems(reader, offset, newItemState(), reading);
    return readTooLong(reader, offset, chunk, last);
  }
}

async function readTooLong(reader: Reader, offset: number, head: Buffer, last: boolean): Promise<Lines> {
  const content = Buffer.from(head.subarray(0, KEPT));
  const line = (to: number, end: number): Lines => {
    const record = { arrival: Number.NaN, content, origin: origins.tooLong(reader.path, offset, to - offset) };
    return { lines: [{ offset, end, records: [record], time: Number.NaN }], end, eof: false };
  };
  for (let at = offset + head.length; ;) {
    const chunk = await reader.read(at, CHUNK);
    const to = chunk.indexOf(0x0a);
    if (to >= 0) return line(at + to, at + to + 1);
    at += chunk.length;
    if (chunk.length === CHUNK) continue;
    return last ? line(at, at) : { lines: [], end: offset, eof: true };
  }
}

/** Items of a list from `offset` on, as lines of their own; what follows the list is read as lines again. */
async function readItems(reader: Reader, offset: number, from: ItemState, reading: Reading): Promise<Lines> {
  const { last } = reading;
  for (let size = reading.chunk; ; size = Math.min(size * 4, MAX_LINE + 1)) {
    const chunk = await reader.read(offset, size);
    const eof = chunk.length < size;
    const state = { ...from };
    const lines: Line[] = [];
    let before = from;
    const add = (begin: number, end: number) => {
      const content = chunk.subarray(begin - offset, end - offset);
      const origin = origins.item(reader.path, begin, before.count, state.apiVersion);
      lines.push({
        offset: lines.at(-1)?.end ?? offset,
        end,
        records: [{ arrival: Number.NaN, content, origin }],
        time: itemEvent(content).time,
        list: before,
      });
      before = { ...state };
    };
    const stop = scanItems(chunk, offset, state, add);
    if (state.depth <= 0) {
      const rest = chunk.subarray(stop - offset);
      const lineEnd = /^[ \t\r]*\n/.exec(rest.toString('latin1', 0, 100))?.[0].length ?? 0;
      return { lines, end: stop + lineEnd, eof: eof && rest.length === lineEnd };
    }
    if (eof && last && state.begin >= 0) {
      add(state.begin, offset + chunk.length);
      return { lines, end: offset + chunk.length, eof };
    }
    if (lines.length > 0) return { lines, end: lines.at(-1)!.end, eof, list: before };
    if (eof) return { lines, end: offset, eof, list: from };
    if (size > MAX_LINE) return readTooLongItem(reader, offset, chunk, state, last);
  }
}

/** An item above MAX_LINE: its first bytes are kept, and its end is looked for. */
async function readTooLongItem(
  reader: Reader,
  offset: number,
  head: Buffer,
  state: ItemState,
  last: boolean,
): Promise<Lines> {
  // the list's own members, or white space, are that long: nothing to keep
  const begin = state.begin;
  const content = begin < 0 ? Buffer.alloc(0) : Buffer.from(head.subarray(begin - offset, begin - offset + KEPT));
  for (let at = offset + head.length; ;) {
    const chunk = await reader.read(at, CHUNK);
    let end = -1;
    let after: ItemState | undefined;
    scanItems(chunk, at, state, (_from, to) => {
      if (end >= 0) return;
      end = to;
      after = { ...state };
    });
    at += chunk.length;
    if (begin >= 0 && end < 0 && last && chunk.length < CHUNK) end = at;
    if (end >= 0 && begin >= 0) {
      const record = { arrival: Number.NaN, content, origin: origins.tooLong(reader.path, begin, end - begin) };
      const line: Line = { offset, end, records: [record], time: Number.NaN };
      return { lines: [line], end, eof: false, list: after ?? { ...state, begin: -1 } };
    }
    if (chunk.length < CHUNK) return { lines: [], end: offset, eof: true };
  }
}
