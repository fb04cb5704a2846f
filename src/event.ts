// The audit.k8s.io/v1 Event as a line of bytes: where its members stand, without changing a byte of it.

import { isUtf8 } from 'node:buffer';
import { CUT, MAX_DEPTH, nameAt, skipSpace, skipValue, TOO_DEEP, walkObject } from './json.ts';
import { microTimeAt, utcDate } from './micro-time.ts';
import { ASCII, BEYOND_ASCII, CLEAR, createScanner } from './scan/scanner.ts';

export { parseMicroTime, utcDate } from './micro-time.ts';

/** Levels in rising order. None is no level an event can have. */
export const LEVELS = ['Metadata', 'Request', 'RequestResponse'] as const;
export type Level = (typeof LEVELS)[number];

export const STAGES = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'] as const;
export type Stage = (typeof STAGES)[number];

/** Members of an Event in the order in which the API server writes them (k8s.io/apiserver pkg/apis/audit/v1). */
export const FIELDS = [
  'kind',
  'apiVersion',
  'level',
  'auditID',
  'stage',
  'requestURI',
  'verb',
  'user',
  'impersonatedUser',
  'authenticationMetadata',
  'sourceIPs',
  'userAgent',
  'objectRef',
  'responseStatus',
  'requestObject',
  'responseObject',
  'requestReceivedTimestamp',
  'stageTimestamp',
  'annotations',
] as const;
export type Field = (typeof FIELDS)[number];

/** Why a line is no Event. Stable words: they are counted in manifests. */
export type NotAnEvent =
  | 'invalid-utf8'
  | 'not-json'
  | 'not-one-line'
  | 'truncated'
  | 'too-deep'
  | 'not-an-object'
  | 'repeated-member'
  | 'wrong-kind'
  | 'wrong-api-version'
  | 'missing-member'
  | 'wrong-type'
  | 'unknown-level'
  | 'unknown-stage'
  | 'bad-timestamp';

/** A line that is an Event. */
export interface AuditEvent {
  /** The whole line, without line end. */
  readonly line: Buffer;
  /** Two numbers a field of FIELDS, begin and end of its value in `line`: for beginOf and endOf. */
  readonly spans: Int32Array;
  readonly level: Level;
  readonly stage: Stage;
  readonly verb: string;
  /** stageTimestamp in milliseconds since the epoch, rounded down. */
  readonly stageTime: number;
  /** Day of stageTimestamp, UTC, `YYYY-MM-DD`: the partition. */
  readonly date: string;
  /** Its bodies and annotations hold nothing that the secrets guard would look at more closely; false where that wasn't found out. */
  readonly clear: boolean;
}

/** Either the event or why it is none. */
export type ScanResult = AuditEvent | { readonly not: NotAnEvent };

/** Where a field's begin stands in `spans`; its end is the next. */
const AT = Object.fromEntries(FIELDS.map((name, i) => [name, i * 2])) as Readonly<Record<Field, number>>;

/** What the first byte of each member's value may be; null is taken for absent, as Go's decoder does. */
const TYPES: Readonly<Record<Field, string>> = {
  kind: '"',
  apiVersion: '"',
  level: '"',
  auditID: '"',
  stage: '"',
  requestURI: '"',
  verb: '"',
  user: '{',
  impersonatedUser: '{',
  authenticationMetadata: '{',
  sourceIPs: '[',
  userAgent: '"',
  objectRef: '{',
  responseStatus: '{',
  requestObject: '',
  responseObject: '',
  requestReceivedTimestamp: '"',
  stageTimestamp: '"',
  annotations: '{',
};
/** `verb` may be empty, but the API server always writes these. */
const REQUIRED: readonly Field[] = [
  'level',
  'auditID',
  'stage',
  'requestURI',
  'verb',
  'user',
  'requestReceivedTimestamp',
  'stageTimestamp',
];
const REQUIRED_AT = REQUIRED.map((name) => AT[name]);

/** Where the value of a member begins in the line, its quotes and brackets included; -1 where it is absent or null. A body that is null begins like others. */
export function beginOf(event: AuditEvent, field: Field): number {
  return event.spans[AT[field]]!;
}

/** Behind the value of a member that is there. */
export function endOf(event: AuditEvent, field: Field): number {
  return event.spans[AT[field] + 1]!;
}

/** Words by their length: to compare bytes is cheaper than to build a string for each line. */
type Words<T extends string> = readonly (readonly { readonly text: T; readonly bytes: Uint8Array }[])[];

function wordsOf<T extends string>(list: readonly T[]): Words<T> {
  return Array.from({ length: Math.max(...list.map((text) => text.length)) + 1 }, (_, length) =>
    list.filter((text) => text.length === length).map((text) => ({ text, bytes: Buffer.from(text) })),
  );
}

/** The word that the string member at `i` of `spans` holds, or undefined. */
function wordAt<T extends string>(words: Words<T>, line: Uint8Array, spans: Int32Array, i: number): T | undefined {
  const from = spans[i]! + 1;
  const candidates = words[spans[i + 1]! - 1 - from];
  if (candidates === undefined) return undefined;
  for (let n = 0; n < candidates.length; n++) {
    const { text, bytes } = candidates[n]!;
    let k = 0;
    while (k < bytes.length && bytes[k] === line[from + k]) k++;
    if (k === bytes.length) return text;
  }
  return undefined;
}

const KIND = wordsOf(['Event']);
const API_VERSION = wordsOf(['audit.k8s.io/v1']);
const LEVEL = wordsOf(LEVELS);
const STAGE = wordsOf(STAGES);
// others are allowed: a client may send any HTTP method
const VERB = wordsOf(
  'get list watch create update patch delete deletecollection proxy connect post put head options trace'.split(' '),
);

const scanner = createScanner(
  FIELDS,
  MAX_DEPTH - 1,
  FIELDS.map((name) => TYPES[name]),
  ['requestObject', 'responseObject', 'annotations'],
);

/**
 * Validates one line and finds the Event's members in it. Checks JSON, UTF-8, types of the top-level members, level,
 * stage and both timestamps; unknown members are allowed (newer API servers), repeated known ones are not.
 * @param line the bytes without line end; kept, not copied
 */
export function scanEvent(line: Buffer): ScanResult {
  if (scanner === undefined) return scanWithReasons(line);
  const verdict = scanner.scan(line);
  const letters = verdict & ~CLEAR;
  if (letters === ASCII || (letters === BEYOND_ASCII && isUtf8(line)))
    return checkEvent(line, scanner.spans, (verdict & CLEAR) !== 0);
  return scanWithReasons(line);
}

const REPEATED = -10;
const found = new Int32Array(FIELDS.length * 2);

/** scanEvent without the fast path: four times slower, takes lines of any length, and knows why a line is none. */
export function scanWithReasons(line: Buffer): ScanResult {
  if (!isUtf8(line)) return { not: 'invalid-utf8' };
  const start = skipSpace(line, 0, line.length);
  if (start === line.length) return { not: 'not-json' };
  found.fill(-1);
  const isObject = line[start] === 0x7b;
  const end = isObject
    ? walkObject(line, start, line.length, (nameFrom, nameTo, from, to) => onMember(line, nameFrom, nameTo, from, to))
    : skipValue(line, start, line.length);
  if (end === TOO_DEEP) return { not: 'too-deep' };
  if (end === REPEATED) return { not: 'repeated-member' };
  if (end === CUT && isObject) return { not: 'truncated' };
  if (end < 0 || skipSpace(line, end, line.length) !== line.length) return { not: 'not-json' };
  if (!isObject) return { not: 'not-an-object' };
  // legal JSON, but no longer one line in a file of lines
  if (line.includes(0x0a)) return { not: 'not-one-line' };
  const wrong = checkTypes(line, found);
  return wrong === undefined ? checkEvent(line, found, false) : { not: wrong };
}

function onMember(line: Buffer, nameFrom: number, nameTo: number, from: number, to: number): number {
  const index = FIELDS.indexOf(nameAt(line, nameFrom, nameTo) as Field);
  if (index < 0) return 0;
  if (found[index * 2]! >= 0) return REPEATED;
  found[index * 2] = from;
  found[index * 2 + 1] = to;
  return 0;
}

/** The types of all members, which the scanner checks itself: wrong-type, or nothing, with members that are null made absent. */
function checkTypes(line: Buffer, places: Int32Array): NotAnEvent | undefined {
  for (let i = 0; i < FIELDS.length; i++) {
    const from = places[i * 2]!;
    const first = TYPES[FIELDS[i]!];
    if (from < 0 || first === '' || line[from] === first.charCodeAt(0)) continue;
    if (line[from] !== 0x6e) return 'wrong-type';
    places[i * 2] = -1;
    places[i * 2 + 1] = -2;
  }
  return undefined;
}

const PLACES = FIELDS.length * 2;
/** Events whose spans lie in the same memory: arrays of their own would be half of all garbage. */
const SHARED_BY = 128;
let shared = new Int32Array(PLACES * SHARED_BY);
let used = 0;

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

/** @param places of members that have the right types; copied */
function checkEvent(line: Buffer, places: Int32Array, clear: boolean): ScanResult {
  if (wordAt(KIND, line, places, AT.kind) === undefined) return { not: 'wrong-kind' };
  if (wordAt(API_VERSION, line, places, AT.apiVersion) === undefined) return { not: 'wrong-api-version' };
  for (const i of REQUIRED_AT) if (places[i]! < 0) return { not: 'missing-member' };
  if (places[AT.auditID]! + 2 === places[AT.auditID + 1]) return { not: 'missing-member' };
  const level = wordAt(LEVEL, line, places, AT.level);
  if (level === undefined) return { not: 'unknown-level' };
  const stage = wordAt(STAGE, line, places, AT.stage);
  if (stage === undefined) return { not: 'unknown-stage' };
  const stageTime = microTimeAt(line, places[AT.stageTimestamp]! + 1, places[AT.stageTimestamp + 1]! - 1);
  const received = AT.requestReceivedTimestamp;
  if (Number.isNaN(stageTime) || Number.isNaN(microTimeAt(line, places[received]! + 1, places[received + 1]! - 1)))
    return { not: 'bad-timestamp' };
  // an unknown one may be spelled with escapes
  const verb =
    wordAt(VERB, line, places, AT.verb) ??
    (JSON.parse(line.toString('utf8', places[AT.verb], places[AT.verb + 1])) as string);
  return { line, spans: keep(places), level, stage, verb, stageTime, date: utcDate(stageTime), clear };
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
