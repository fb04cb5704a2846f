// Reads one answer of entries:list without building its entries: each record's content is its own text, byte for byte.

import { isUtf8 } from 'node:buffer';
import { type ProviderRecord, skipSpace, TransientError } from '../../src/provider.ts';
import { parseTimestamp } from './timestamp.ts';
import { createWalker, stringAt } from './walk.ts';

export interface ParsedPage {
  readonly records: ProviderRecord[];
  readonly next?: string;
}

const envelope = createWalker({
  insertId: true,
  logName: true,
  timestamp: true,
  receiveTimestamp: true,
  operation: { first: true, last: true },
});

const answer = createWalker({ entries: true, nextPageToken: true, error: true });

const TRUE = 0x74;

const INSERT_ID = envelope.slot('insertId');
const LOG_NAME = envelope.slot('logName');
const TIMESTAMP = envelope.slot('timestamp');
const RECEIVED = envelope.slot('receiveTimestamp');
const FIRST = envelope.slot('operation.first');
const LAST = envelope.slot('operation.last');
const ENTRIES = answer.slot('entries');
const NEXT = answer.slot('nextPageToken');

const isTrue = (u: Buffer, slot: number) => envelope.places[slot]! >= 0 && u[envelope.places[slot]!] === TRUE;

function broken(at: number): TransientError {
  return new TransientError(`entries.list gave a body that is cut off or no JSON (byte ${at})`);
}

/** What identifies an entry and its arrival. Absent where the text is an object without them. */
export interface Envelope {
  readonly id?: string;
  /** From receiveTimestamp, milliseconds rounded down: never into the next window. */
  readonly arrival?: number;
  readonly time?: number;
  readonly origin?: string;
}

// log names repeat: the last one is kept
let logName = '';
let logBytes = Buffer.alloc(0);

function logNameAt(u: Buffer): string | undefined {
  const from = envelope.places[LOG_NAME]!;
  const to = envelope.places[LOG_NAME + 1]!;
  if (from >= 0 && to - from === logBytes.length && logBytes.compare(u, from, to) === 0) return logName;
  const text = stringAt(u, from, to);
  if (text !== undefined) {
    logName = text;
    logBytes = Buffer.from(u.subarray(from, to));
  }
  return text;
}

/** Of the entry that has just been walked. */
function envelopeOf(u: Buffer): Envelope {
  const { places } = envelope;
  const text = (slot: number) => stringAt(u, places[slot]!, places[slot + 1]!);
  const insertId = text(INSERT_ID);
  const origin = logNameAt(u);
  const timestamp = text(TIMESTAMP);
  const received = text(RECEIVED);
  const arrival = parseTimestamp(received ?? '');
  const time = parseTimestamp(timestamp ?? '');
  // insertId alone repeats: over the two halves of a long request, and wherever a client chose it
  const id =
    insertId && origin && timestamp && received
      ? `${origin} ${timestamp} ${insertId} ${isTrue(u, FIRST) ? 'f' : ''}${isTrue(u, LAST) ? 'l' : ''} ${received}`
      : undefined;
  return {
    ...(id !== undefined && { id }),
    ...(!Number.isNaN(arrival) && { arrival }),
    ...(!Number.isNaN(time) && { time }),
    ...(origin !== undefined && { origin }),
  };
}

/** The envelope of the entry at `from`, and where the entry ends; below zero as the scan functions have it. */
export function entryAt(u: Buffer, from: number, end: number): Envelope & { readonly end: number } {
  const to = envelope.walk(u, from, end);
  return to < 0 || u[from] !== 0x7b ? { end: to } : { ...envelopeOf(u), end: to };
}

function recordAt(u: Buffer, from: number, end: number): { record: ProviderRecord; end: number } {
  if (u[from] !== 0x7b) throw broken(from);
  const { id, arrival, time, origin, end: to } = entryAt(u, from, end);
  if (to < 0) throw broken(from);
  if (id === undefined || arrival === undefined)
    throw new TransientError(
      'entries.list gave an entry without insertId, logName, timestamp or receiveTimestamp: without them it is impossible to count it once',
    );
  const content = u.subarray(from, to);
  return {
    record: {
      id,
      arrival,
      content,
      ...(time !== undefined && { time }),
      ...(origin !== undefined && { origin }),
    },
    end: to,
  };
}

/**
 * Throws TransientError for a body that is cut off, no JSON or something else's answer, and for entries that lack what makes them countable.
 * Records share the memory of `body`.
 */
export function parsePage(body: Buffer): ParsedPage {
  const u = isUtf8(body) ? body : Buffer.from(body.toString('utf8'));
  const start = skipSpace(u, 0, u.length);
  if (u[start] !== 0x7b) throw broken(start);
  const end = answer.walk(u, start, u.length);
  if (end < 0 || skipSpace(u, end, u.length) !== u.length) throw broken(Math.max(0, end));
  const list = answer.places[ENTRIES]!;
  const listEnd = answer.places[ENTRIES + 1]!;
  const token = stringAt(u, answer.places[NEXT]!, answer.places[NEXT + 1]!);
  // an answer without entries is legal, one of something else must not look like it
  if (list < 0 && token === undefined && skipSpace(u, start + 1, u.length) !== end - 1)
    throw new TransientError('entries.list gave an answer that has neither entries nor a token');
  const records: ProviderRecord[] = [];
  if (list >= 0) {
    if (u[list] !== 0x5b) throw broken(list);
    let i = skipSpace(u, list + 1, listEnd);
    while (u[i] !== 0x5d) {
      const { record, end: to } = recordAt(u, i, listEnd);
      records.push(record);
      i = skipSpace(u, to, listEnd);
      if (u[i] === 0x2c) i = skipSpace(u, i + 1, listEnd);
    }
  }
  return token === undefined || token === '' ? { records } : { records, next: token };
}
