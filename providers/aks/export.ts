// Files that Azure wrote, for `auditkeep decode`: rows that az printed, answers of the query API, Event Hub bodies, blobs of a storage account, plain Event lines.

import { ConfigError, nameAt, type ProviderRecord, skipSpace, skipValue, walkObject } from '../../src/provider.ts';

/** Lines are read as they come; what is longer than this as one line or one printed document is refused. */
export const EXPORT_LIMIT = 256 * 1024 * 1024;

const LINE_END = 0x0a;
const OPEN_ARRAY = 0x5b;
const OPEN_OBJECT = 0x7b;

/** A file tells only when the record was made: that stands for the arrival, or 0. */
function toRecord(content: Buffer, time: number): ProviderRecord {
  return { content, arrival: Number.isNaN(time) ? 0 : time, ...(!Number.isNaN(time) && { time }) };
}

const timeOf = (text: Buffer, from: number, to: number) =>
  text[from] === 0x22 && to - from < 64 ? Date.parse(text.toString('latin1', from + 1, to - 1)) : Number.NaN;

/** Rows of `{tables: [{columns, rows}]}`, the query API's own answer: each becomes an object by column. */
function* answerRows(tables: Buffer): Generator<ProviderRecord> {
  type Table = { columns?: { name?: unknown }[]; rows?: unknown[][] };
  for (const { columns = [], rows = [] } of JSON.parse(tables.toString('utf8')) as Table[]) {
    const names = columns.map(({ name }) => String(name));
    for (const row of rows) {
      const members = Object.fromEntries(names.map((name, i) => [name, row[i]]));
      yield toRecord(Buffer.from(JSON.stringify(members)), Date.parse(String(members['TimeGenerated'])));
    }
  }
}

function* elements(text: Buffer, from: number, to: number): Generator<ProviderRecord> {
  let i = skipSpace(text, from + 1, to);
  while (i < to - 1) {
    const end = skipValue(text, i, to);
    yield* opened(text, i, end);
    i = skipSpace(text, end, to);
    if (text[i] === 0x2c) i = skipSpace(text, i + 1, to);
  }
}

/** The records of one valid JSON value at [from, to). */
function* opened(text: Buffer, from: number, to: number): Generator<ProviderRecord> {
  if (text[from] === OPEN_ARRAY) return yield* elements(text, from, to);
  let time = Number.NaN;
  let inner: readonly ['records' | 'tables', number, number] | undefined;
  if (text[from] === OPEN_OBJECT)
    walkObject(text, from, to, (nameFrom, nameTo, valueFrom, valueTo) => {
      const length = nameTo - nameFrom;
      if (length !== 4 && length !== 6 && length !== 7 && length !== 13) return 0;
      const name = nameAt(text, nameFrom, nameTo);
      if (name === 'time' || name === 'TimeGenerated') time = timeOf(text, valueFrom, valueTo);
      if ((name === 'records' || name === 'tables') && text[valueFrom] === OPEN_ARRAY)
        inner = [name, valueFrom, valueTo];
      return 0;
    });
  if (inner === undefined) yield toRecord(text.subarray(from, to), time);
  else if (inner[0] === 'records') yield* elements(text, inner[1], inner[2]);
  else yield* answerRows(text.subarray(inner[1], inner[2]));
}

/** Values that follow each other. What is no JSON is handed on untouched, with all that follows it. */
function* values(text: Buffer): Generator<ProviderRecord> {
  let from = skipSpace(text, 0, text.length);
  while (from < text.length) {
    const to = skipValue(text, from, text.length);
    if (to < 0) return yield toRecord(text.subarray(from), Number.NaN);
    yield* opened(text, from, to);
    from = skipSpace(text, to, text.length);
  }
}

/** Tools that print for people put the opening brackets on lines of their own. */
const opensDocument = (line: Buffer): boolean => /^\s*[{[]+\s*$/.test(line.toString('latin1', 0, 64));

function tooLong(): ConfigError {
  return new ConfigError(`one document or line of more than ${EXPORT_LIMIT / 1024 / 1024} MiB can't be read at once`, {
    hint: "write the rows as lines: jq -c '.[]' export.json > export.ndjson",
  });
}

/**
 * Memory holds one line, or the whole input where it is printed over many lines. An empty line is no record.
 * @throws ConfigError for more than EXPORT_LIMIT bytes in one piece
 */
export async function* readExport(chunks: AsyncIterable<Buffer>): AsyncGenerator<ProviderRecord> {
  let pieces: Buffer[] = [];
  let size = 0;
  let mode: 'unknown' | 'lines' | 'document' = 'unknown';
  const keep = (piece: Buffer) => {
    pieces.push(piece);
    size += piece.length;
    if (size > EXPORT_LIMIT) throw tooLong();
  };
  for await (const chunk of chunks) {
    let from = 0;
    while (mode !== 'document') {
      const to = chunk.indexOf(LINE_END, from);
      if (to < 0) break;
      keep(chunk.subarray(from, to + 1));
      from = to + 1;
      const line = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
      if (mode === 'unknown' && opensDocument(line)) {
        mode = 'document';
        break;
      }
      pieces = [];
      size = 0;
      if (skipSpace(line, 0, line.length) === line.length) continue;
      mode = 'lines';
      yield* values(withoutEnd(line));
    }
    if (from < chunk.length) keep(Buffer.from(chunk.subarray(from)));
  }
  const rest = withoutEnd(Buffer.concat(pieces));
  if (skipSpace(rest, 0, rest.length) < rest.length) yield* values(rest);
}

function withoutEnd(line: Buffer): Buffer {
  let end = line.length;
  if (line[end - 1] === LINE_END) end--;
  if (line[end - 1] === 0x0d) end--;
  return line.subarray(0, end);
}
