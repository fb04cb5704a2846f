// Files that Google's tools wrote, for `auditkeep decode`: `gcloud logging read --format=json`, answers of entries.list, lines of entries, Pub/Sub messages.

import { ConfigError, type ProviderRecord, skipSpace, skipValue } from '../../src/provider.ts';
import { entryAt } from './page.ts';
import { createWalker, stringAt } from './walk.ts';

/** What is longer than this as one line or one element is refused. */
export const EXPORT_LIMIT = 256 * 1024 * 1024;

const LINE_END = 0x0a;

const wrapping = createWalker({ entries: true, logName: true, insertId: true, message: { data: true } });
const ENTRIES = wrapping.slot('entries');
const LOG_NAME = wrapping.slot('logName');
const INSERT_ID = wrapping.slot('insertId');
const DATA = wrapping.slot('message.data');

/** A file doesn't always tell the arrival: then the entry's time, or 0, stands for it. */
function toRecord(content: Buffer): ProviderRecord {
  const { id, arrival, time, origin } = entryAt(content, 0, content.length);
  return {
    arrival: arrival ?? time ?? 0,
    content,
    ...(id !== undefined && { id }),
    ...(time !== undefined && { time }),
    ...(origin !== undefined && { origin }),
  };
}

function* elementsOf(text: Buffer, from: number): Generator<ProviderRecord> {
  let i = skipSpace(text, from + 1, text.length);
  while (text[i] !== 0x5d) {
    const to = skipValue(text, i, text.length);
    yield* opened(text.subarray(i, to));
    i = skipSpace(text, to, text.length);
    if (text[i] === 0x2c) i = skipSpace(text, i + 1, text.length);
  }
}

/** The entries in one complete JSON value. What is none of the known forms is handed on as it is. */
function* opened(value: Buffer): Generator<ProviderRecord> {
  if (value[0] === 0x5b) return yield* elementsOf(value, 0);
  const end = value[0] === 0x7b ? wrapping.walk(value, 0, value.length) : -1;
  const { places } = wrapping;
  const isEntry = end < 0 || places[LOG_NAME]! >= 0 || places[INSERT_ID]! >= 0;
  const list = places[ENTRIES]!;
  if (!isEntry && list >= 0 && value[list] === 0x5b)
    return yield* elementsOf(value.subarray(0, places[ENTRIES + 1]), list);
  // a sink's message carries the entry as base64
  const data = isEntry ? undefined : stringAt(value, places[DATA]!, places[DATA + 1]!);
  yield toRecord(data === undefined ? value : Buffer.from(data, 'base64'));
}

/** One line: values that follow each other. From the first that is broken on, the rest is one record, to be counted as a reject. */
function* fromLine(line: Buffer): Generator<ProviderRecord> {
  let from = skipSpace(line, 0, line.length);
  while (from < line.length) {
    const to = skipValue(line, from, line.length);
    if (to < 0) {
      yield { arrival: 0, content: line.subarray(from) };
      return;
    }
    yield* opened(line.subarray(from, to));
    from = skipSpace(line, to, line.length);
  }
}

/** Tools that print for people break lines inside of a value. */
function opensDocument(line: Buffer): boolean {
  const from = skipSpace(line, 0, line.length);
  if (/^[{[]\s*$/.test(line.toString('latin1', from, from + 64))) return true;
  return line[from] === 0x5b && skipValue(line, from, line.length) < 0;
}

function tooLong(): ConfigError {
  return new ConfigError(`one entry or line of more than ${EXPORT_LIMIT / 1024 / 1024} MiB can't be read at once`, {
    hint: "write the entries as lines: jq -c '.[]' export.json > export.ndjson",
  });
}

/** Cuts a printed document into the elements of its arrays, or into the values that follow each other, without holding more than one. */
function createSplitter() {
  let pieces: Buffer[] = [];
  let size = 0;
  let depth = 0;
  let inString = false;
  let escaped = false;
  let inArray = false;

  const keep = (piece: Buffer) => {
    if (piece.length === 0) return;
    pieces.push(piece);
    size += piece.length;
    if (size > EXPORT_LIMIT) throw tooLong();
  };
  const take = () => {
    const whole = Buffer.concat(pieces);
    pieces = [];
    size = 0;
    return whole;
  };

  return {
    *add(chunk: Buffer): Generator<Buffer> {
      let from = 0;
      for (let i = 0; i < chunk.length; i++) {
        const c = chunk[i]!;
        if (inString) {
          if (escaped) escaped = false;
          else if (c === 0x5c) escaped = true;
          else if (c === 0x22) inString = false;
          continue;
        }
        if (c === 0x22) inString = true;
        else if (c === 0x5b && depth === 0 && !inArray) {
          inArray = true;
          from = i + 1;
        } else if (c === 0x7b || c === 0x5b) depth++;
        else if (c === 0x7d || c === 0x5d) {
          if (depth === 0) {
            // the end of the array itself
            inArray = false;
            keep(chunk.subarray(from, i));
            yield take();
            from = i + 1;
          } else if (--depth === 0) {
            keep(chunk.subarray(from, i + 1));
            yield take();
            from = i + 1;
          }
        } else if (c === 0x2c && depth === 0) {
          keep(chunk.subarray(from, i));
          yield take();
          from = i + 1;
        }
      }
      keep(Buffer.from(chunk.subarray(from)));
    },
    rest: take,
  };
}

function withoutReturn(line: Buffer): Buffer {
  return line.at(-1) === 0x0d ? line.subarray(0, -1) : line;
}

const isBlank = (text: Buffer) => skipSpace(text, 0, text.length) === text.length;

/**
 * Memory holds one line, or one element of a printed array. An empty line is no record.
 * @throws ConfigError for more than EXPORT_LIMIT bytes in one piece
 */
export async function* readExport(chunks: AsyncIterable<Buffer>): AsyncGenerator<ProviderRecord> {
  let splitter: ReturnType<typeof createSplitter> | undefined;
  let pieces: Buffer[] = [];
  let size = 0;
  let isFirst = true;
  const keep = (piece: Buffer) => {
    if (piece.length === 0) return;
    pieces.push(piece);
    size += piece.length;
    if (size > EXPORT_LIMIT) throw tooLong();
  };
  const take = () => {
    const whole = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
    pieces = [];
    size = 0;
    return withoutReturn(whole);
  };
  function* split(text: Buffer): Generator<ProviderRecord> {
    for (const value of splitter!.add(text)) if (!isBlank(value)) yield* fromLine(value);
  }

  for await (const chunk of chunks) {
    if (splitter !== undefined) {
      yield* split(chunk);
      continue;
    }
    let from = 0;
    for (let to = chunk.indexOf(LINE_END); to >= 0; to = chunk.indexOf(LINE_END, from)) {
      keep(chunk.subarray(from, to));
      const line = take();
      from = to + 1;
      if (isBlank(line)) continue;
      if (isFirst && opensDocument(line)) {
        splitter = createSplitter();
        yield* split(line);
        yield* split(chunk.subarray(to));
        break;
      }
      isFirst = false;
      yield* fromLine(line);
    }
    if (splitter === undefined) keep(Buffer.from(chunk.subarray(from)));
  }
  const rest = splitter === undefined ? take() : splitter.rest();
  if (!isBlank(rest)) yield* fromLine(rest);
}
