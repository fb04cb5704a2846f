// An answer of the query API → the records of a piece; says so when it isn't the whole piece.

import { type ProviderRecord, type Span, TransientError } from '../../src/provider.ts';
import { answerColumns } from './kql.ts';
import type { Table } from './options.ts';

/** The service cut the answer, or it is as long as it may be. */
export interface TooMuch {
  readonly tooMuch: string;
}

export interface Rows {
  readonly rows: readonly (readonly unknown[])[];
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

/**
 * The rows of the first table, checked to have the columns that were asked for.
 * @throws TransientError for what is no answer of the service
 */
export function readRows(text: string, columns: readonly string[]): Rows | TooMuch {
  let answer: Answer;
  try {
    answer = JSON.parse(text) as Answer;
  } catch (cause) {
    // its message quotes the text, which holds events
    const where = cause instanceof SyntaxError ? '' : ' (too long)';
    throw new TransientError(`the query API answered ${text.length} characters that are no JSON${where}`);
  }
  if (typeof answer !== 'object' || answer === null)
    throw new TransientError('the query API answered JSON that is no object');
  // over its limits the service answers 200, some of the rows, and this
  if (answer.error !== undefined && answer.error !== null)
    return { tooMuch: `only part of the rows came (${errorCodes(answer.error)})` };
  const table = answer.tables?.[0];
  const names = table?.columns?.map((column) => column.name);
  if (table?.rows === undefined || !Array.isArray(table.rows) || names?.join() !== columns.join())
    throw new TransientError(`the query API answered without the columns ${columns.join(', ')}`);
  const whole = table.rows.every((row) => Array.isArray(row) && row.length === columns.length);
  if (!whole) throw new TransientError('the query API answered a row with too few columns');
  return { rows: table.rows as unknown[][] };
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/;

/** Text order is time order: the service writes seven fraction digits. */
function byArrival(a: Found, b: Found): number {
  if (a.arrivalText !== b.arrivalText) return a.arrivalText < b.arrivalText ? -1 : 1;
  return Buffer.compare(a.record.content, b.record.content);
}

interface Found {
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
  const found = rows.map((row): Found => {
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
