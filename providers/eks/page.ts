// Reads an answer of FilterLogEvents from its bytes: messages become bytes without ever being JavaScript strings (docs/decisions/0002-eks-page-parsing.md).

import { isUtf8 } from 'node:buffer';
import { type ProviderRecord, skipSpace, skipString, skipValue, TransientError } from '../../src/provider.ts';
import { createFastPage, type ReadEvents } from './fast-page.ts';
import { unescapeInPlace } from './unescape.ts';

/** One answer of FilterLogEvents. */
export interface ParsedPage {
  readonly records: ProviderRecord[];
  readonly next?: string;
  /** What the records' contents lie in. */
  readonly memory: Buffer;
}

const NAMES = ['eventId', 'ingestionTime', 'logStreamName', 'message', 'timestamp'] as const;
const [ID, ARRIVAL, STREAM, MESSAGE, TIME] = [0, 1, 2, 3, 4];
const NAME_BYTES = NAMES.map((name) => Buffer.from(name));

// Never the text itself: it may hold what must not reach a log.
const broken = (at: number) =>
  new TransientError(`FilterLogEvents gave an answer that is cut off or no JSON (at byte ${at} or soon after)`);

const QUOTE = 0x22;
const COLON = 0x3a;
const COMMA = 0x2c;
/** First letter of null. */
const NULL = 0x6e;

/** The bytes being read. In place: unescaping makes text shorter, never longer. */
let u: Buffer = Buffer.alloc(0);
let end = 0;
// where the value that was read last ends
let at = 0;
// streams repeat: the last name is kept
let streamBytes: Buffer = Buffer.alloc(0);
let streamName = '';

function same(bytes: Buffer, from: number, to: number): boolean {
  if (bytes.length !== to - from) return false;
  for (let k = 0; k < bytes.length; k++) if (bytes[k] !== u[from + k]) return false;
  return true;
}

function plainText(from: number, to: number): string {
  const text = u.toString('utf8', from, to);
  return text.includes('\\') ? (JSON.parse(`"${text}"`) as string) : text;
}

/** Index of an event's member name, -1 for others. */
function nameAt(from: number, to: number): number {
  for (let k = 0; k < NAME_BYTES.length; k++) if (same(NAME_BYTES[k]!, from, to)) return k;
  // a name spelled with escapes means the same
  const text = plainText(from, to);
  return text.length === to - from ? -1 : NAMES.indexOf(text as never);
}

/** Position behind a value of any kind. */
function skip(i: number): number {
  const to = skipValue(u, i, end);
  if (to < 0) throw broken(i);
  return to;
}

/** `i` points at a member's opening quote. Gives the end of the name; `at` is where its value begins. */
function readName(i: number): number {
  if (u[i] !== QUOTE) throw broken(i);
  const to = skipString(u, i + 1, end);
  if (to < 0) throw broken(i);
  const colon = skipSpace(u, to, end);
  if (u[colon] !== COLON) throw broken(colon);
  at = skipSpace(u, colon + 1, end);
  return to - 1;
}

/** After a member or element: the position of the next one, or -1 behind the closing bracket (`at` stands after it). */
function nextItem(i: number, close: number): number {
  i = skipSpace(u, i, end);
  if (u[i] === COMMA) return skipSpace(u, i + 1, end);
  if (u[i] !== close) throw broken(i);
  at = i + 1;
  return -1;
}

function readString(i: number): string | undefined {
  at = skip(i);
  return u[i] === QUOTE ? plainText(i + 1, at - 1) : undefined;
}

function readStream(i: number): string | undefined {
  at = skip(i);
  if (u[i] !== QUOTE) return undefined;
  if (!same(streamBytes, i + 1, at - 1)) {
    streamName = plainText(i + 1, at - 1);
    streamBytes = Buffer.from(u.subarray(i + 1, at - 1));
  }
  return streamName;
}

function readTime(i: number): number | undefined {
  at = skip(i);
  if (u[i] === QUOTE) return undefined;
  const time = Number(u.toString('latin1', i, at));
  return Number.isSafeInteger(time) ? time : undefined;
}

function readMessage(i: number): Buffer | undefined {
  if (u[i] !== QUOTE) {
    at = skip(i);
    return undefined;
  }
  const result = unescapeInPlace(u, i + 1, end);
  if (result.next < 0) throw broken(i);
  at = result.next;
  return u.subarray(i + 1, result.to);
}

/** The event whose `{` is at `i`. */
function readEvent(i: number): ProviderRecord {
  let id: string | undefined;
  let arrival: number | undefined;
  let stream: string | undefined;
  let content: Buffer | undefined;
  let time: number | undefined;
  if (u[i] !== 0x7b) throw broken(i);
  i = skipSpace(u, i + 1, end);
  if (u[i] === 0x7d) at = i + 1;
  else
    while (i >= 0) {
      const name = nameAt(i + 1, readName(i));
      if (name === ID) id = readString(at);
      else if (name === ARRIVAL) arrival = readTime(at);
      else if (name === STREAM) stream = readStream(at);
      else if (name === MESSAGE) content = readMessage(at);
      else if (name === TIME) time = readTime(at);
      else at = skip(at);
      i = nextItem(at, 0x7d);
    }
  if (id === undefined || id === '' || arrival === undefined || stream === undefined || content === undefined) {
    const lost = Object.entries({
      eventId: id || undefined,
      ingestionTime: arrival,
      logStreamName: stream,
      message: content,
    });
    const names = lost.filter(([, value]) => value === undefined).map(([name]) => name);
    throw new TransientError(
      `FilterLogEvents gave an event without ${names.join(', ')}: without them it can't be counted once`,
    );
  }
  return time === undefined ? { id, arrival, content, origin: stream } : { id, arrival, time, content, origin: stream };
}

function readEvents(i: number): ProviderRecord[] {
  const records: ProviderRecord[] = [];
  if (u[i] !== 0x5b) throw broken(i);
  i = skipSpace(u, i + 1, end);
  if (u[i] === 0x5d) {
    at = i + 1;
    return records;
  }
  while (i >= 0) {
    records.push(readEvent(i));
    i = nextItem(at, 0x5d);
  }
  return records;
}

const TOKEN = Buffer.from('"nextToken":"');
/** The service writes the token before or behind the events; it has up to about 700 letters. */
const NEAR = 4096;

/** The token of the next page, at a glance. Text of events can't be mistaken for it, its quotes are escaped; what is spelled unusually isn't found. */
export function tokenAhead(body: Buffer): string | undefined {
  for (const part of [body.subarray(-NEAR), body.subarray(0, NEAR)]) {
    const begin = part.lastIndexOf(TOKEN);
    if (begin < 0) continue;
    const from = begin + TOKEN.length;
    const token = part.toString('latin1', from, part.indexOf(QUOTE, from));
    return /^[\w+/=.-]+$/.test(token) ? token : undefined;
  }
  return undefined;
}

let made: { readonly read: ReadEvents | undefined } | undefined;
// made with the first page, not with the module: `--help` needs none
const usual = () => (made ??= { read: createFastPage() }).read;

/**
 * Reads one answer; `fast` takes the ordinary ones faster, null leaves all to this file. `body` is changed, and where the result's memory is that of
 * `body`, the records are parts of it.
 * Throws TransientError for a body that is cut off or no JSON, and for events that lack what makes them countable.
 */
export function parsePage(body: Buffer, fast: ReadEvents | null = usual() ?? null): ParsedPage {
  u = isUtf8(body) ? body : Buffer.from(body.toString('utf8'));
  end = u.length;
  try {
    let records: ProviderRecord[] | undefined;
    let next: string | undefined;
    let memory = u;
    let i = skipSpace(u, 0, end);
    if (u[i] !== 0x7b) throw broken(i);
    i = skipSpace(u, i + 1, end);
    if (u[i] === 0x7d) at = i + 1;
    else
      while (i >= 0) {
        const name = plainText(i + 1, readName(i));
        if (name === 'events') {
          const found = fast?.(u, at);
          records = found?.records ?? readEvents(at);
          memory = found?.memory ?? u;
          at = found?.end ?? at;
        } else if (name === 'nextToken') {
          // a token that can't be read must not look like the end of the walk
          const value = at;
          next = readString(value);
          if (next === undefined && u[value] !== NULL) throw broken(value);
        } else at = skip(at);
        i = nextItem(at, 0x7d);
      }
    if (skipSpace(u, at, end) !== end) throw broken(at);
    // an answer of something else than the service must not look like an empty page
    if (records === undefined) throw new TransientError('FilterLogEvents gave an answer without events');
    return next === undefined ? { records, memory } : { records, next, memory };
  } finally {
    // not kept alive by this module
    u = Buffer.alloc(0);
  }
}
