// The body of an answer to a query, cut where it is too large.

import type { Result } from './kql-run.ts';
import type { Limits } from './limits.ts';

/** Over its limits the service answers 200, the rows that fit, and an error. */
function tooLarge(what: string): object {
  return {
    code: 'PartialError',
    message: 'There were some errors when processing your query.',
    details: [
      {
        code: 'EngineError',
        message: 'Something went wrong processing your query on the server.',
        innererror: { code: '-2133196797', message: what, severity: 2, severityName: 'Error' },
      },
    ],
  };
}

/** @param spoil half of the rows, and an error, as if they were too many */
export function render({ columns, rows }: Result, limits: Required<Pick<Limits, 'rows' | 'bytes'>>, spoil: boolean) {
  const head = `{"tables":[{"name":"PrimaryResult","columns":${JSON.stringify(columns)},"rows":[`;
  const texts: string[] = [];
  let bytes = head.length;
  let error: object | undefined;
  const most = spoil ? Math.floor(rows.length / 2) : limits.rows;
  for (const row of rows) {
    if (texts.length >= most) {
      error = tooLarge(`The results of this query exceed the set limit of ${most} records.`);
      break;
    }
    const text = JSON.stringify(row);
    bytes += text.length + 1;
    if (bytes > limits.bytes) {
      error = tooLarge(`The results of this query exceed the set limit of ${limits.bytes} bytes.`);
      break;
    }
    texts.push(text);
  }
  // nothing to leave out, and yet the service says so
  if (spoil && error === undefined) error = tooLarge('A part of the query failed.');
  const tail = error === undefined ? ']}]}' : `]}],"error":${JSON.stringify(error)}}`;
  return { body: `${head}${texts.join(',')}${tail}`, rows: texts.length, partial: error !== undefined };
}
