// The slow path of the event scanner, in JavaScript: takes any line, and says why one is no Event.

import { isUtf8 } from 'node:buffer';
import {
  API_VERSIONS,
  AT,
  type Field,
  FIELDS,
  KINDS,
  LEVELS,
  type NotAnEvent,
  REQUIRED,
  type ScanResult,
  STAGES,
  TYPES,
  VERBS,
} from './event-shape.ts';
import { CUT, nameAt, skipSpace, skipValue, TOO_DEEP, walkObject } from '../json.ts';
import { microTimeAt, utcDate } from '../micro-time.ts';

const REQUIRED_AT = REQUIRED.map((name) => AT[name]);

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

const KIND = wordsOf(KINDS);
const API_VERSION = wordsOf(API_VERSIONS);
const LEVEL = wordsOf(LEVELS);
const STAGE = wordsOf(STAGES);
const VERB = wordsOf(VERBS);

const REPEATED = -10;
const found = new Int32Array(FIELDS.length * 2);

/** scanEvent without the fast path: four times slower, takes lines of any length, and knows why a line is none. Finds nothing clear. */
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
  return wrong === undefined ? checkEvent(line, found) : { not: wrong };
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

/** @param places of members that have the right types; copied */
function checkEvent(line: Buffer, places: Int32Array): ScanResult {
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
  const verb = wordAt(VERB, line, places, AT.verb) ?? verbAt(line, places[AT.verb]!, places[AT.verb + 1]!);
  return { line, spans: places.slice(), at: 0, level, stage, verb, stageTime, date: utcDate(stageTime), clear: false };
}

/** A verb that is none of VERBS: it may be spelled with escapes. */
export const verbAt = (line: Buffer, from: number, to: number) => JSON.parse(line.toString('utf8', from, to)) as string;
