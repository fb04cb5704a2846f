// An answer of the query API → the records of a piece; says so when it isn't the whole piece.

import { isUtf8 } from 'node:buffer';
import {
  type ProviderRecord,
  skipSpace,
  skipValue,
  type Span,
  takeMemory,
  TransientError,
} from '../../src/provider.ts';
import { answerColumns } from './kql.ts';
import type { Table } from './options.ts';
import { createRowCopier } from './row-text.ts';

const CLOSE = 0x5d;
const COMMA = 0x2c;

/** The service cut the answer, or it is as long as it may be. */
export interface TooMuch {
  readonly tooMuch: string;
}

/** Rows one by one, so that no more than one of them is in memory twice. */
export interface Rows {
  readonly count: number;
  readonly rows: Iterable<readonly unknown[]>;
  /** Where each row stands in the answer, begin and end by turns; absent if the answer was laid out in another way. */
  readonly places?: readonly number[];
}

interface Answer {
  readonly tables?: readonly {
    readonly name?: unknown;
    readonly columns?: readonly { readonly name?: unknown }[];
    readonly rows?: readonly unknown[];
  }[];
  readonly error?: unknown;
}

interface ErrorInfo {
  readonly code?: unknown;
  readonly details?: readonly ErrorInfo[];
  readonly innererror?: ErrorInfo;
}

/** Error codes from the outside in, such as `PartialError/EngineError/-2133196797`. */
export function errorCodes(error: unknown): string {
  const codes: string[] = [];
  let at = error as ErrorInfo | null | undefined;
  for (let depth = 0; depth < 10 && typeof at === 'object' && at !== null; depth++) {
    if (typeof at.code === 'string' || typeof at.code === 'number') codes.push(String(at.code));
    at = at.innererror ?? at.details?.[0];
  }
  return codes.join('/') || 'unknown';
}

/** Where the rows begin, as the service writes its answers: one table, columns before rows. */
const ROWS = Buffer.from('"rows":[');

const noJson = (length: number) => new TransientError(`the query API answered ${length} bytes that are no JSON`);

function parse(text: string, length: number): Answer {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    // the error would quote the text, which holds events
    throw noJson(length);
  }
  if (typeof answer === 'object' && answer !== null) return answer;
  throw new TransientError('the query API answered JSON that is no object');
}

interface Found {
  readonly answer: Answer;
  readonly count: number;
  readonly rows: () => Generator<readonly unknown[]>;
  readonly places?: readonly number[];
}

/** Splits an answer at its rows without making strings of them; undefined if it is laid out in another way. */
function splitAnswer(body: Buffer): Found | undefined {
  if (!isUtf8(body)) return undefined;
  const begin = body.indexOf(ROWS) + ROWS.length;
  const head = body.toString('utf8', 0, begin);
  if (begin < ROWS.length || !/^\s*\{\s*"tables"\s*:\s*\[\s*\{/.test(head)) return undefined;
  const places: number[] = [];
  let i = skipSpace(body, begin, body.length);
  while (i < body.length && body[i] !== CLOSE) {
    const to = skipValue(body, i, body.length);
    if (to < 0) throw noJson(body.length);
    places.push(i, to);
    i = skipSpace(body, to, body.length);
    if (body[i] === COMMA) i = skipSpace(body, i + 1, body.length);
    else if (body[i] !== CLOSE) throw noJson(body.length);
  }
  let answer: Answer;
  try {
    answer = JSON.parse(head + body.toString('utf8', i)) as Answer;
  } catch {
    return undefined;
  }
  if (answer.tables?.[0]?.rows?.length !== 0) return undefined;
  return {
    answer,
    count: places.length / 2,
    places,
    *rows() {
      for (let k = 0; k < places.length; k += 2)
        yield JSON.parse(body.toString('utf8', places[k], places[k + 1])) as unknown[];
    },
  };
}

function wholeAnswer(body: Buffer): Found {
  const answer = parse(body.toString('utf8'), body.length);
  const rows = answer.tables?.[0]?.rows ?? [];
  return {
    answer,
    count: rows.length,
    *rows() {
      yield* rows as unknown[][];
    },
  };
}

function checkRow(row: unknown, columns: number): readonly unknown[] {
  if (Array.isArray(row) && row.length === columns) return row;
  throw new TransientError('the query API answered a row with too few columns');
}

/**
 * The rows of the first table, checked to have the columns that were asked for.
 * @throws TransientError for what is no answer of the service, also while the rows are read
 */
export function readRows(body: Buffer, columns: readonly string[]): Rows | TooMuch {
  const { answer, count, rows, places } = splitAnswer(body) ?? wholeAnswer(body);
  // over its limits the service answers 200, some of the rows, and this
  if (answer.error !== undefined && answer.error !== null)
    return { tooMuch: `only part of the rows came (${errorCodes(answer.error)})` };
  const table = answer.tables?.[0];
  const names = table?.columns?.map((column) => column.name);
  if (table === undefined || !Array.isArray(table.rows) || names?.join() !== columns.join())
    throw new TransientError(`the query API answered without the columns ${columns.join(', ')}`);
  return {
    count,
    ...(places !== undefined && { places }),
    rows: (function* () {
      for (const row of rows()) yield checkRow(row, columns.length);
    })(),
  };
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/;

/** Text order is time order: the service writes seven fraction digits. */
function byArrival(a: Dated, b: Dated): number {
  if (a.arrivalText !== b.arrivalText) return a.arrivalText < b.arrivalText ? -1 : 1;
  return Buffer.compare(a.record.content, b.record.content);
}

interface Dated {
  readonly arrivalText: string;
  readonly record: ProviderRecord;
}

export interface Records {
  readonly records: readonly ProviderRecord[];
  /** What holds their contents: for `giveMemory`. */
  readonly memory: Buffer;
}

/**
 * Records in order of arrival, rows of one tick by content: the service promises no order.
 * A record's content is its row as JSON, columns in a fixed order, without the arrival: the same row always has the same bytes.
 * @param body the answer that the rows come from
 * @throws TransientError for a row without ingestion time, or one that wasn't asked for
 */
export function toRecords({ rows, count, places }: Rows, body: Buffer, table: Table, asked: Span): Records {
  const names = answerColumns(table);
  const copier = createRowCopier(table);
  const memory = takeMemory(body.length + count * copier.more);
  let filled = 0;

  /** The text's bytes; of their own where they don't fit any more. */
  function write(text: string): Buffer {
    const most = memory.length - filled;
    // no character takes more than three bytes for each of its units
    if (text.length * 3 > most && Buffer.byteLength(text) > most) return Buffer.from(text);
    const from = filled;
    filled += memory.write(text, from);
    return memory.subarray(from, filled);
  }

  // pods are few, and records wait in memory
  const origins = new Map<string, string>();
  function originOf(pod: unknown): string {
    if (typeof pod !== 'string' || pod === '') return table;
    let origin = origins.get(pod);
    if (origin === undefined) origins.set(pod, (origin = `${table}/${pod}`));
    return origin;
  }

  function dated(arrivalText: unknown, timeText: unknown, pod: unknown, content: () => Buffer): Dated {
    if (typeof arrivalText !== 'string' || !TIME.test(arrivalText))
      throw new TransientError(
        `a row of ${table} has no ingestion_time(), so nobody can tell which window it belongs to`,
        { hint: 'if this stays: ask Microsoft to switch the ingestion time policy of the table on' },
      );
    // Date.parse drops what lies below a millisecond
    const arrival = Date.parse(arrivalText);
    if (!(arrival >= asked.from && arrival < asked.to))
      throw new TransientError(`the query API answered a row of ${arrivalText}, which wasn't asked for`);
    const time = Date.parse(String(timeText));
    return {
      arrivalText,
      record: {
        arrival,
        content: content(),
        ...(!Number.isNaN(time) && { time }),
        origin: originOf(pod),
      },
    };
  }

  function parsed(row: readonly unknown[]): Dated {
    const members: Record<string, unknown> = { Type: table };
    for (let i = 1; i < names.length; i++) members[names[i]!] = row[i];
    const pod = members['PodName'] ?? members['pod_s'];
    return dated(row[0], members['TimeGenerated'], pod, () => write(JSON.stringify(members)));
  }

  function copiedOrParsed(from: number, to: number): Dated {
    const copied = copier.copy(body, from, to, memory, filled);
    if (copied === undefined)
      return parsed(checkRow(JSON.parse(body.toString('utf8', from, to)) as unknown, names.length));
    const content = memory.subarray(filled, filled + copied.length);
    filled += copied.length;
    return dated(copied.arrival, copied.time, copied.pod, () => content);
  }

  const found =
    places === undefined
      ? Array.from(rows, parsed)
      : Array.from({ length: count }, (_, k) => copiedOrParsed(places[2 * k]!, places[2 * k + 1]!));
  return { records: found.sort(byArrival).map(({ record }) => record), memory };
}
