// `auditkeep decode`: records that a cloud's own tools exported → Events on stdout, the rest counted on stderr.

import { createReadStream } from 'node:fs';
import { addAbortSignal, pipeline, Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { AuditkeepError, ConfigError, EXIT } from '../errors.ts';
import { scanEvent } from '../event.ts';
import type { Provider, ProviderRecord } from '../provider.ts';
import { guard } from '../policy/guard.ts';
import type { Cli, Run } from './io.ts';
import { formatCount } from './output.ts';

/** What became of the records of one file; the JSON output. */
export interface DecodeSummary {
  provider: string;
  file: string;
  received: number;
  written: number;
  skipped: number;
  rejected: number;
  skippedByReason: Record<string, number>;
  rejectedByReason: Record<string, number>;
  /** Events whose bodies the guard took away. */
  redacted: number;
}

/** Exit code 0 if every record was decoded or skipped, 3 if some were rejected, 1 if the input can't be read. */
export const decode: Run<{ secrets: 'redact' | 'keep' }, readonly string[]> = async (cli, name = '', file = '') => {
  const provider = await loadProvider(cli.registry, name);
  const parsed = provider.options.safeParse({});
  const counts: DecodeSummary = {
    provider: name,
    file,
    received: 0,
    written: 0,
    skipped: 0,
    rejected: 0,
    skippedByReason: {},
    rejectedByReason: {},
    redacted: 0,
  };
  const quiet = cli.options.output === 'json';
  const lines = batch(cli.out.write);
  try {
    for await (const record of provider.readExport(guarded(unpack(input(file, cli)), file, counts))) {
      cli.signal.throwIfAborted();
      counts.received++;
      const line = decodeOne(provider, parsed.data, record, cli.options.secrets, counts);
      if (line !== undefined && !quiet) await lines.add(line);
      if (cli.out.closed) break;
    }
  } catch (error) {
    await lines.end();
    throw error;
  }
  await lines.end();
  if (quiet) await cli.out.json(counts);
  else cli.tell(inWords(counts));
  return counts.rejected > 0 ? EXIT.incomplete : EXIT.done;
};

async function loadProvider(registry: Parameters<typeof decode>[0]['registry'], name: string): Promise<Provider> {
  const load = Object.hasOwn(registry, name) ? registry[name] : undefined;
  if (load === undefined)
    throw new ConfigError(`"${name}" is no provider`, { hint: `providers: ${Object.keys(registry).join(', ')}` });
  return load();
}

/** The line to print, if the record gives one; counts what became of it. */
function decodeOne(
  provider: Provider,
  options: unknown,
  record: ProviderRecord,
  secrets: 'redact' | 'keep',
  counts: DecodeSummary,
): Buffer | undefined {
  const decoded = provider.decode(record, options);
  if ('skip' in decoded) {
    counts.skipped++;
    add(counts.skippedByReason, decoded.skip);
    return undefined;
  }
  const event = 'event' in decoded ? (decoded.scan ?? scanEvent(decoded.event)) : { not: decoded.reject };
  if ('not' in event) {
    counts.rejected++;
    add(counts.rejectedByReason, event.not);
    return undefined;
  }
  counts.written++;
  if (secrets === 'keep') return event.line;
  const checked = guard(event);
  if (checked.lowered) counts.redacted++;
  return checked.line;
}

function add(counts: Record<string, number>, reason: string): void {
  counts[reason] = (counts[reason] ?? 0) + 1;
}

/** Ends with an error when the signal fires, also while it waits for more. */
function input(file: string, { stdin, signal }: Cli): AsyncIterable<Buffer> {
  const stream = file === '-' ? (stdin as Readable) : createReadStream(file, { highWaterMark: 1 << 18 });
  return addAbortSignal(signal, stream);
}

/** Unzips what begins like gzip or zstd; passes on the rest. */
async function* unpack(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const source = chunks[Symbol.asyncIterator]();
  let head: Buffer = Buffer.alloc(0);
  while (head.length < 4) {
    const { value, done } = await source.next();
    if (done === true) break;
    head = Buffer.concat([head, value]);
  }
  const whole = (async function* () {
    yield head;
    for (let next = await source.next(); next.done !== true; next = await source.next()) yield next.value;
  })();
  const gzip = head.length >= 2 && head.readUInt16BE(0) === 0x1f8b;
  const zstd = head.length >= 4 && head.readUInt32BE(0) === 0x28b52ffd;
  if (!gzip && !zstd) return yield* whole;
  // a failure of either side ends the iteration with that error
  const unzip = gzip ? createGunzip() : createZstdDecompress();
  yield* pipeline(Readable.from(whole), unzip, () => {}) as AsyncIterable<Buffer>;
}

/** What goes wrong below the provider is told here, where the file's name is known. */
async function* guarded(chunks: AsyncIterable<Buffer>, file: string, counts: DecodeSummary): AsyncGenerator<Buffer> {
  try {
    yield* chunks;
  } catch (error) {
    throw unreadable(error, file, counts);
  }
}

/** Collects lines into larger writes. */
function batch(write: (chunk: Buffer) => Promise<void>) {
  let held: Buffer[] = [];
  let size = 0;
  const newline = Buffer.from('\n');
  const end = async () => {
    if (size === 0) return;
    const chunk = Buffer.concat(held);
    held = [];
    size = 0;
    await write(chunk);
  };
  return {
    end,
    async add(line: Buffer): Promise<void> {
      held.push(line, newline);
      size += line.length + 1;
      if (size >= 1 << 16) await end();
    },
  };
}

function unreadable(error: unknown, file: string, counts: DecodeSummary): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ABORT_ERR' || error instanceof AuditkeepError || typeof code !== 'string') return error;
  const what = file === '-' ? 'stdin' : file;
  if (code === 'ENOENT') return new ConfigError(`${what}: no such file`, { cause: error });
  const soFar = `${formatCount(counts.received)} records were decoded before that and are printed`;
  if (code.startsWith('Z_') || code.startsWith('ZSTD_'))
    return new AuditkeepError(`${what}: the compressed data ends early or is damaged (${(error as Error).message})`, {
      cause: error,
      hint: `${soFar}; fetch the file again`,
    });
  return new AuditkeepError(`${what} can't be read: ${(error as Error).message}`, { cause: error, hint: soFar });
}

function inWords(counts: DecodeSummary): string {
  const reasons = (by: Record<string, number>) =>
    Object.entries(by)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([reason, n]) => `${reason} ${formatCount(n)}`)
      .join(', ');
  const parts = [`${formatCount(counts.received)} records: ${formatCount(counts.written)} events`];
  if (counts.redacted > 0) parts.push(`${formatCount(counts.redacted)} of them without their secret bodies`);
  if (counts.skipped > 0) parts.push(`${formatCount(counts.skipped)} skipped (${reasons(counts.skippedByReason)})`);
  if (counts.rejected > 0) parts.push(`${formatCount(counts.rejected)} rejected (${reasons(counts.rejectedByReason)})`);
  return parts.join(', ');
}
