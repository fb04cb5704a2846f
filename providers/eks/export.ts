// Files that AWS tools wrote, for `auditkeep decode`: answers of filter-log-events and get-log-events, subscription payloads, plain Event lines.

import { ConfigError, type ProviderRecord, skipSpace, skipValue } from '../../src/provider.ts';

/** Lines are read as they come; what is longer than this as one line or one printed document is refused. */
export const EXPORT_LIMIT = 256 * 1024 * 1024;

const LINE_END = 0x0a;

interface LogEvent {
  readonly eventId?: unknown;
  readonly id?: unknown;
  readonly timestamp?: unknown;
  readonly ingestionTime?: unknown;
  readonly logStreamName?: unknown;
  readonly message?: unknown;
}

interface Envelope extends LogEvent {
  readonly auditID?: unknown;
  readonly events?: unknown;
  readonly logEvents?: unknown;
  readonly logStream?: unknown;
  readonly messageType?: unknown;
}

const isLogEvent = (value: unknown): value is LogEvent =>
  typeof value === 'object' && value !== null && typeof (value as LogEvent).message === 'string';

/** A file doesn't always tell the arrival: then the event's time, or 0, stands for it. */
function toRecord(event: LogEvent, stream?: unknown): ProviderRecord {
  const id = event.eventId ?? event.id;
  const origin = event.logStreamName ?? stream;
  const { timestamp, ingestionTime } = event;
  const arrival = [ingestionTime, timestamp, 0].find((t): t is number => Number.isSafeInteger(t)) ?? 0;
  return {
    arrival,
    content: Buffer.from(event.message as string),
    ...(typeof id === 'string' && { id }),
    ...(typeof origin === 'string' && { origin }),
    ...(Number.isSafeInteger(timestamp) && { time: timestamp as number }),
  };
}

/** The log events of what AWS wrote; undefined if the value is nothing of the kind. */
function opened(value: unknown): ProviderRecord[] | undefined {
  if (Array.isArray(value)) return value.every(isLogEvent) ? value.map((e) => toRecord(e)) : undefined;
  if (typeof value !== 'object' || value === null || 'auditID' in value) return undefined;
  const { events, logEvents, logStream, messageType } = value as Envelope;
  if (Array.isArray(events) && events.every(isLogEvent)) return events.map((e) => toRecord(e));
  if (Array.isArray(logEvents) && logEvents.every(isLogEvent)) {
    // health checks of the subscription are counted as records of another stream
    const stream = messageType === 'CONTROL_MESSAGE' ? messageType : logStream;
    return logEvents.map((e) => toRecord(e, stream));
  }
  return isLogEvent(value) ? [toRecord(value)] : undefined;
}

function parse(text: Buffer): unknown {
  try {
    return JSON.parse(text.toString('utf8'));
  } catch {
    // cut or no JSON: the caller hands it on as it is
    return undefined;
  }
}

/** Values that follow each other, as Firehose writes payloads. What is no envelope is handed on untouched, with all that follows it. */
function* records(text: Buffer): Generator<ProviderRecord> {
  let from = skipSpace(text, 0, text.length);
  while (from < text.length) {
    const to = skipValue(text, from, text.length);
    const found = to < 0 ? undefined : opened(parse(text.subarray(from, to)));
    if (found === undefined) {
      yield { arrival: 0, content: text.subarray(from) };
      return;
    }
    yield* found;
    from = skipSpace(text, to, text.length);
  }
}

function withoutReturn(line: Buffer): Buffer {
  return line.at(-1) === 0x0d ? line.subarray(0, -1) : line;
}

/** Tools that print for people put the opening bracket on a line of its own. */
const opensDocument = (line: Buffer): boolean => /^\s*[{[]\s*$/.test(line.subarray(0, 64).toString('latin1'));

function tooLong(): ConfigError {
  return new ConfigError(`one document or line of more than ${EXPORT_LIMIT / 1024 / 1024} MiB can't be read at once`, {
    hint: "write the events as lines: jq -c '.events[]' export.json > export.ndjson",
  });
}

/**
 * Memory holds one line, or the whole input where it is printed over many lines. An empty line is no record.
 * @throws ConfigError for more than EXPORT_LIMIT bytes in one piece
 */
export async function* readExport(chunks: AsyncIterable<Buffer>): AsyncGenerator<ProviderRecord> {
  // pieces of the line, or document, that is not complete yet
  let pieces: Buffer[] = [];
  let size = 0;
  let document = false;
  let first = true;
  const take = () => {
    const whole = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
    pieces = [];
    size = 0;
    return whole;
  };
  const keep = (piece: Buffer) => {
    if (piece.length === 0) return;
    pieces.push(piece);
    size += piece.length;
    if (size > EXPORT_LIMIT) throw tooLong();
  };
  for await (const chunk of chunks) {
    let from = 0;
    for (let to = document ? -1 : chunk.indexOf(LINE_END); to >= 0; to = chunk.indexOf(LINE_END, from)) {
      keep(chunk.subarray(from, to));
      const line = withoutReturn(take());
      from = to + 1;
      if (skipSpace(line, 0, line.length) === line.length) continue;
      document = first && opensDocument(line);
      first = false;
      if (document) {
        keep(line);
        break;
      }
      yield* records(line);
    }
    keep(Buffer.from(chunk.subarray(from)));
  }
  const rest = withoutReturn(take());
  if (skipSpace(rest, 0, rest.length) < rest.length) yield* records(rest);
}
