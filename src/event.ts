// The audit.k8s.io/v1 Event as a line of bytes: where its members stand, without changing a byte of it.

import { isUtf8 } from 'node:buffer';
import {
  API_VERSIONS,
  AT,
  type AuditEvent,
  type Field,
  FIELDS,
  KINDS,
  LEVELS,
  REQUIRED,
  type ScanResult,
  STAGES,
  TYPES,
  VERBS,
} from './scan/event-shape.ts';
import { MAX_DEPTH } from './json.ts';
import { utcDate } from './micro-time.ts';
import { scanWithReasons, verbAt } from './scan/reasons.ts';
import {
  BEGIN,
  BEYOND_ASCII,
  CLEAR,
  createScanner,
  END,
  NEXT,
  NOT_SURE,
  OTHER_WORD,
  RECORD,
  SPANS_AT,
  TIME_AT,
  WHAT,
  wordOf,
} from './scan/scanner.ts';

export {
  type AuditEvent,
  type Field,
  FIELDS,
  type Level,
  LEVELS,
  type NotAnEvent,
  type ScanResult,
  type Stage,
  STAGES,
} from './scan/event-shape.ts';
export { scanWithReasons } from './scan/reasons.ts';
export { parseMicroTime, utcDate } from './micro-time.ts';

/** Where the value of a member begins in the line, its quotes and brackets included; -1 where it is absent or null. A body that is null begins like others. */
export function beginOf(event: AuditEvent, field: Field): number {
  return event.spans[event.at + AT[field]]!;
}

/** Behind the value of a member that is there. */
export function endOf(event: AuditEvent, field: Field): number {
  return event.spans[event.at + AT[field] + 1]!;
}

const scanner = createScanner(
  FIELDS,
  MAX_DEPTH - 1,
  FIELDS.map((name) => TYPES[name]),
  ['requestObject', 'responseObject', 'annotations'],
  {
    // accepted() knows the first three by their places
    words: [
      { name: 'level', list: LEVELS, others: false },
      { name: 'stage', list: STAGES, others: false },
      { name: 'verb', list: VERBS, others: true },
      { name: 'kind', list: KINDS, others: false },
      { name: 'apiVersion', list: API_VERSIONS, others: false },
    ],
    required: REQUIRED,
    filled: ['auditID'],
    times: ['stageTimestamp', 'requestReceivedTimestamp'],
    uri: 'requestURI',
    object: 'objectRef',
  },
);

/**
 * Validates one line and finds the Event's members in it. Checks JSON, UTF-8, types of the top-level members, level,
 * stage and both timestamps; unknown members are allowed (newer API servers), repeated known ones are not.
 * @param line the bytes without line end; kept, not copied
 */
export function scanEvent(line: Buffer): ScanResult {
  if (scanner === undefined) return scanWithReasons(line);
  const what = scanner.scan(line);
  if (what === NOT_SURE || !hasLetters(what, line)) return scanWithReasons(line);
  return accepted(line, what, keep(scanner.spans), 0, scanner.time[0]!);
}

/** The scanner doesn't check UTF-8. */
const hasLetters = (what: number, line: Buffer) => (what & BEYOND_ASCII) === 0 || isUtf8(line);

const PLACES = FIELDS.length * 2;
/** Events whose spans lie in the same memory: arrays of their own would be half of all garbage. */
const SHARED_BY = 128;
let shared = new Int32Array(PLACES * SHARED_BY);
let used = 0;

/** A copy. */
function keep(places: Int32Array): Int32Array {
  if (used === shared.length) {
    shared = new Int32Array(PLACES * SHARED_BY);
    used = 0;
  }
  const spans = shared.subarray(used, used + PLACES);
  spans.set(places);
  used += PLACES;
  return spans;
}

/** A line of a chunk: from `from` to `to`, `next` behind its line end. Of an event a carriage return before the line feed belongs to the line end. */
export type OnLine = (from: number, to: number, next: number, event: AuditEvent | undefined) => void;

/**
 * Finds the lines of a chunk from its begin on, and scans them many at a time.
 * @param onLine called for each line in order: with its event, or with none where nobody knows yet whether it is one: scanEvent finds
 *   out. The events keep the chunk
 */
export function scanLines(chunk: Buffer, onLine: OnLine): void {
  for (let from = 0; from < chunk.length;) {
    const lines = scanner?.lines(chunk, from);
    if (lines === undefined || lines.count === 0) {
      // a long line, or a cut one
      const to = chunk.indexOf(LINE_FEED, from);
      if (to < 0) return;
      onLine(from, to, to + 1, undefined);
      from = to + 1;
      continue;
    }
    const { count, records, times } = lines;
    for (let i = 0, at = 0; i < count; i++, at += RECORD) {
      const begin = from + records[at + BEGIN]!;
      const end = from + records[at + END]!;
      const what = records[at + WHAT]!;
      let event: AuditEvent | undefined;
      if (what !== NOT_SURE) {
        const line = chunk.subarray(begin, end);
        if (hasLetters(what, line)) event = accepted(line, what, records, at + SPANS_AT, times[(at >> 1) + TIME_AT]!);
      }
      onLine(begin, end, from + records[at + NEXT]!, event);
    }
    from = lines.end;
  }
}

const LINE_FEED = 0x0a;

/** The event of a line that the scanner accepts. */
function accepted(line: Buffer, what: number, spans: Int32Array, at: number, stageTime: number): AuditEvent {
  const verb = wordOf(what, 2);
  return {
    line,
    spans,
    at,
    level: LEVELS[wordOf(what, 0)]!,
    stage: STAGES[wordOf(what, 1)]!,
    verb: verb === OTHER_WORD ? verbAt(line, spans[at + AT.verb]!, spans[at + AT.verb + 1]!) : VERBS[verb]!,
    stageTime,
    date: utcDate(stageTime),
    clear: (what & CLEAR) !== 0,
  };
}

/** The raw JSON text of a member, or undefined where it is absent or null. A body that is null is one: `null`. */
export function fieldBytes(event: AuditEvent, field: Field): Buffer | undefined {
  const from = beginOf(event, field);
  return from < 0 ? undefined : event.line.subarray(from, endOf(event, field));
}

/** The parsed value of a member, or undefined where it is absent. Numbers lose what JavaScript can't hold: for decisions only, never to write. */
export function fieldValue(event: AuditEvent, field: Field): unknown {
  const bytes = fieldBytes(event, field);
  return bytes === undefined ? undefined : JSON.parse(bytes.toString('utf8'));
}
