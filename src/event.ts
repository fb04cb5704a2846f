// The audit.k8s.io/v1 Event as a line of bytes: where its members stand, without changing a byte of it.

import { isUtf8 } from 'node:buffer';
import { CUT, skipSpace, TOO_DEEP, walkObject } from './json.ts';

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
  /** Two numbers a field of FIELDS, begin and end of its value in `line`; -1 where absent. */
  readonly spans: Int32Array;
  readonly level: Level;
  readonly stage: Stage;
  readonly verb: string;
  /** stageTimestamp in milliseconds since the epoch, rounded down. */
  readonly stageTime: number;
  /** Day of stageTimestamp, UTC, `YYYY-MM-DD`: the partition. */
  readonly date: string;
}

/** Either the event or why it is none. */
export type ScanResult = AuditEvent | { readonly not: NotAnEvent };

const NAMES = FIELDS.map((name) => Buffer.from(name));
const INDEX: Readonly<Record<Field, number>> = Object.fromEntries(FIELDS.map((name, i) => [name, i])) as Record<
  Field,
  number
>;

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
const FIRST = FIELDS.map((name) => (TYPES[name] === '' ? 0 : TYPES[name].charCodeAt(0)));
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
const REQUIRED_INDEX = REQUIRED.map((name) => INDEX[name]);

const REPEATED = -10;
const found = new Int32Array(FIELDS.length * 2);
let expected = 0;
let bytes: Uint8Array = found as unknown as Uint8Array;

function sameName(index: number, from: number, to: number): boolean {
  const name = NAMES[index]!;
  if (name.length !== to - from) return false;
  for (let k = 0; k < name.length; k++) if (name[k] !== bytes[from + k]) return false;
  return true;
}

/** The field with this name, or -1. Members nearly always come in the API server's order, so the search goes on where it was. */
function fieldAt(from: number, to: number): number {
  for (let i = expected; i < FIELDS.length; i++) if (sameName(i, from, to)) return i;
  for (let i = 0; i < expected; i++) if (sameName(i, from, to)) return i;
  return -1;
}

function onMember(nameFrom: number, nameTo: number, from: number, to: number): number {
  let index = fieldAt(nameFrom, nameTo);
  if (index < 0) {
    const name = (bytes as Buffer).subarray(nameFrom, nameTo);
    // a name spelled with escapes means the same to every decoder
    if (name.includes(0x5c)) index = FIELDS.indexOf(JSON.parse(`"${name.toString('utf8')}"`));
    if (index < 0) return 0;
  }
  if (found[index * 2]! >= 0) return REPEATED;
  found[index * 2] = from;
  found[index * 2 + 1] = to;
  expected = index + 1;
  return 0;
}

/** MicroTime as kube tooling reads it: six fraction digits, Z or a numeric offset. NaN if it isn't one, or out of the years 2000 to 2099. */
export function parseMicroTime(text: string): number {
  if (!/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)$/.test(text)) return Number.NaN;
  return Date.parse(text.slice(0, 23) + text.slice(26));
}

// Days repeat: the date text of the last one is kept.
let lastDay = Number.NaN;
let lastDate = '';

/** UTC day of a time in milliseconds, `YYYY-MM-DD`. */
export function utcDate(time: number): string {
  const day = Math.floor(time / 86_400_000);
  if (day !== lastDay) {
    lastDay = day;
    lastDate = new Date(day * 86_400_000).toISOString().slice(0, 10);
  }
  return lastDate;
}

function wordAt<T extends string>(words: readonly T[], line: Buffer, from: number, to: number): T | undefined {
  const text = line.toString('latin1', from + 1, to - 1);
  return words.find((word) => word === text);
}

/**
 * Validates one line and finds the Event's members in it. Checks JSON, UTF-8, types of the top-level members, level,
 * stage and both timestamps; unknown members are allowed (newer API servers), repeated known ones are not.
 * @param line the bytes without line end; kept, not copied
 */
export function scanEvent(line: Buffer): ScanResult {
  if (!isUtf8(line)) return { not: 'invalid-utf8' };
  const start = skipSpace(line, 0, line.length);
  if (start === line.length) return { not: 'not-json' };
  if (line[start] !== 0x7b) return { not: isJson(line) ? 'not-an-object' : 'not-json' };
  found.fill(-1);
  expected = 0;
  bytes = line;
  const end = walkObject(line, start, line.length, onMember);
  if (end < 0) {
    if (end === REPEATED) return { not: 'repeated-member' };
    if (end === CUT) return { not: 'truncated' };
    return { not: end === TOO_DEEP ? 'too-deep' : 'not-json' };
  }
  if (skipSpace(line, end, line.length) !== line.length) return { not: 'not-json' };
  return checkEvent(line, found.slice());
}

function isJson(line: Buffer): boolean {
  try {
    JSON.parse(line.toString('utf8'));
    return true;
  } catch {
    return false;
  }
}

function checkEvent(line: Buffer, spans: Int32Array): ScanResult {
  for (let i = 0; i < FIELDS.length; i++) {
    const from = spans[i * 2]!;
    if (from < 0) continue;
    const first = line[from]!;
    if (FIRST[i] === 0 || first === FIRST[i]) continue;
    if (first !== 0x6e) return { not: 'wrong-type' };
    spans[i * 2] = -1;
    spans[i * 2 + 1] = -1;
  }
  const text = (field: Field) => {
    const i = INDEX[field];
    return spans[i * 2]! < 0 ? undefined : line.toString('latin1', spans[i * 2]! + 1, spans[i * 2 + 1]! - 1);
  };
  if (text('kind') !== 'Event') return { not: 'wrong-kind' };
  if (text('apiVersion') !== 'audit.k8s.io/v1') return { not: 'wrong-api-version' };
  for (const i of REQUIRED_INDEX) if (spans[i * 2]! < 0) return { not: 'missing-member' };
  if (text('auditID') === '') return { not: 'missing-member' };
  const at = (field: Field): [number, number] => [spans[INDEX[field] * 2]!, spans[INDEX[field] * 2 + 1]!];
  const level = wordAt(LEVELS, line, ...at('level'));
  if (level === undefined) return { not: 'unknown-level' };
  const stage = wordAt(STAGES, line, ...at('stage'));
  if (stage === undefined) return { not: 'unknown-stage' };
  const stageTime = parseMicroTime(text('stageTimestamp')!);
  if (Number.isNaN(stageTime) || Number.isNaN(parseMicroTime(text('requestReceivedTimestamp')!)))
    return { not: 'bad-timestamp' };
  const verb = text('verb')!;
  return { line, spans, level, stage, verb, stageTime, date: utcDate(stageTime) };
}

/** The raw JSON text of a member, or undefined where it is absent (or null). */
export function fieldBytes(event: AuditEvent, field: Field): Buffer | undefined {
  const i = INDEX[field] * 2;
  const from = event.spans[i]!;
  return from < 0 ? undefined : event.line.subarray(from, event.spans[i + 1]!);
}

/** The parsed value of a member, or undefined where it is absent. Numbers lose what JavaScript can't hold: for decisions only, never to write. */
export function fieldValue(event: AuditEvent, field: Field): unknown {
  const bytes = fieldBytes(event, field);
  return bytes === undefined ? undefined : JSON.parse(bytes.toString('utf8'));
}
