// An answer of the query API → the records of a piece; says so when it isn't the whole piece.

import { type ProviderRecord, skipSpace, skipValue, type Span, TransientError } from '../../src/provider.ts';
import { answerColumns } from './kql.ts';
import type { Table } from './options.ts';

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
}

/** Splits an answer at its rows without making strings of them; undefined if it is laid out in another way. */
function splitAnswer(body: Buffer): Found | undefined {
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

/**
 * The rows of the first table, checked to have the columns that were asked for.
 * @throws TransientError for what is no answer of the service, also while the rows are read
 */
export function readRows(body: Buffer, columns: readonly string[]): Rows | TooMuch {
  const { answer, count, rows } = splitAnswer(body) ?? wholeAnswer(body);
  // over its limits the service answers 200, some of the rows, and this
  if (answer.error !== undefined && answer.error !== null)
    return { tooMuch: `only part of the rows came (${errorCodes(answer.error)})` };
  const table = answer.tables?.[0];
  const names = table?.columns?.map((column) => column.name);
  if (table === undefined || !Array.isArray(table.rows) || names?.join() !== columns.join())
    throw new TransientError(`the query API answered without the columns ${columns.join(', ')}`);
  return {
    count,
    rows: (function* () {
      for (const row of rows()) {
        if (!Array.isArray(row) || row.length !== columns.length)
          throw new TransientError('the query API answered a row with too few columns');
        yield row;
      }
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

/**
 * Records in order of arrival, rows of one tick by content: the service promises no order.
 * A record's content is its row as JSON, columns in a fixed order, without the arrival: the same row always has the same bytes.
 * @throws TransientError for a row without ingestion time, or one that wasn't asked for
 */
export function toRecords(rows: Rows['rows'], table: Table, asked: Span): ProviderRecord[] {
  const names = answerColumns(table);
  const found = Array.from(rows, (row): Dated => {
    const arrivalText = row[0];
    if (typeof arrivalText !== 'string' || !TIME.test(arrivalText))
      throw new TransientError(
        `a row of ${table} has no ingestion_time(), so nobody can tell which window it belongs to`,
        { hint: 'if this stays: ask Microsoft to switch the ingestion time policy of the table on' },
      );
    // Date.parse drops what lies below a millisecond
    const arrival = Date.parse(arrivalText);
    if (!(arrival >= asked.from && arrival < asked.to))
      throw new TransientError(`the query API answered a row of ${arrivalText}, which wasn't asked for`);
    const members: Record<string, unknown> = { Type: table };
    for (let i = 1; i < names.length; i++) members[names[i]!] = row[i];
    const time = Date.parse(String(members['TimeGenerated']));
    const pod = members['PodName'] ?? members['pod_s'];
    return {
      arrivalText,
      record: {
        arrival,
        content: Buffer.from(JSON.stringify(members)),
        ...(!Number.isNaN(time) && { time }),
        origin: typeof pod === 'string' && pod !== '' ? `${table}/${pod}` : table,
      },
    };
  });
  return found.sort(byArrival).map(({ record }) => record);
}
