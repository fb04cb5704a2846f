// Cuts the content of a file into lines and finds the time of each; a line may be an Event, an EventList or anything else.

import { type ProviderRecord, type ScanResult, scanEvent } from '../../src/provider.ts';
import { itemEvent, KEPT, legacyTime, MAX_LINE, origins } from './decode.ts';
import { itemsOf } from './items.ts';
import type { Reader } from './reader.ts';

/** Content read at once. */
export const CHUNK = 2 << 20;

/** One line of a file. */
export interface Line {
  readonly offset: number;
  /** Behind its line end. */
  readonly end: number;
  /** Its records, without arrival. */
  readonly records: readonly Omit<ProviderRecord, 'arrival'>[];
  /** Event time in milliseconds, of an EventList the latest; NaN if there is none. */
  readonly time: number;
}

export interface Lines {
  readonly lines: readonly Line[];
  /** Behind the last line. */
  readonly end: number;
  /** Nothing follows `end` now but, at most, the begin of a line. */
  readonly eof: boolean;
}

const EVENT_LIST = Buffer.from('"EventList"');

/** The records of one line. `limit`: times of list items beyond it don't count. */
export function toLine(content: Buffer, path: string, offset: number, end: number, limit: number): Line {
  if (content[content.length - 1] === 0x0d) content = content.subarray(0, -1);
  const isList = content.subarray(0, 200).includes(EVENT_LIST);
  const scan: ScanResult = isList ? { not: 'wrong-kind' } : scanEvent(content);
  const origin = origins.line(path, offset);
  if (!('not' in scan)) return { offset, end, time: scan.stageTime, records: [{ content, origin, scan }] };
  if (isList || scan.not === 'wrong-kind') {
    const list = listRecords(content, path, offset, limit);
    if (list !== undefined) return { offset, end, ...list };
  }
  return {
    offset,
    end,
    time: legacyTime(content),
    records: [{ content, origin, scan: isList ? scanEvent(content) : scan }],
  };
}

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
    const at = itemTime(item);
    if (at <= limit && !(at <= time)) time = at;
    return { content: item, origin: origins.item(path, offset, index, list.apiVersion) };
  });
  return { records, time };
}

/** Event time of an item, milliseconds; NaN if it has none. */
export function itemTime(item: Buffer): number {
  const scan = scanEvent(itemEvent(item));
  return 'not' in scan ? Number.NaN : scan.stageTime;
}

/**
 * The lines that begin at `offset`, about one CHUNK of them, at least one if there is one. In bounded memory: of a line above
 * MAX_LINE only the first bytes are kept.
 * @param last the file is final: what follows the last line end is a line too
 */
export async function readLines(reader: Reader, offset: number, last: boolean, limit: number): Promise<Lines> {
  for (let size = CHUNK; ; size = Math.min(size * 4, MAX_LINE + 1)) {
    const chunk = await reader.read(offset, size);
    const eof = chunk.length < size;
    const lines: Line[] = [];
    let from = 0;
    for (let to = chunk.indexOf(0x0a); to >= 0; to = chunk.indexOf(0x0a, from)) {
      lines.push(toLine(chunk.subarray(from, to), reader.path, offset + from, offset + to + 1, limit));
      from = to + 1;
    }
    if (eof && last && from < chunk.length) {
      lines.push(toLine(chunk.subarray(from), reader.path, offset + from, offset + chunk.length, limit));
      from = chunk.length;
    }
    if (lines.length > 0 || eof) return { lines, end: offset + from, eof };
    if (size > MAX_LINE) return readTooLong(reader, offset, chunk, last);
  }
}

async function readTooLong(reader: Reader, offset: number, head: Buffer, last: boolean): Promise<Lines> {
  const content = Buffer.from(head.subarray(0, KEPT));
  const line = (to: number, end: number): Lines => {
    const record = { content, origin: origins.tooLong(reader.path, offset, to - offset) };
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
