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

const isTrue = (u: Buffer, path: 'operation.first' | 'operation.last') =>
  envelope.from(path) >= 0 && u[envelope.from(path)] === TRUE;

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

/** `walked`: the envelope has just been found in `u`. */
function envelopeOf(u: Buffer): Envelope {
  const text = (path: 'insertId' | 'logName' | 'timestamp' | 'receiveTimestamp') =>
    stringAt(u, envelope.from(path), envelope.to(path));
  const insertId = text('insertId');
  const logName = text('logName');
  const timestamp = text('timestamp');
  const received = text('receiveTimestamp');
  const arrival = parseTimestamp(received ?? '');
  const time = parseTimestamp(timestamp ?? '');
  // insertId alone repeats: over the two halves of a long request, and wherever a client chose it
  const id =
    insertId && logName && timestamp && received
      ? `${logName} ${timestamp} ${insertId} ${isTrue(u, 'operation.first') ? 'f' : ''}${isTrue(u, 'operation.last') ? 'l' : ''} ${received}`
      : undefined;
  return {
    ...(id !== undefined && { id }),
    ...(!Number.isNaN(arrival) && { arrival }),
    ...(!Number.isNaN(time) && { time }),
    ...(logName !== undefined && { origin: logName }),
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
  const list = answer.from('entries');
  const listEnd = answer.to('entries');
  const token = stringAt(u, answer.from('nextPageToken'), answer.to('nextPageToken'));
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
