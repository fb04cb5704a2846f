// The content of a file or of stdin, unzipped, with errors that name the file.

import { createReadStream } from 'node:fs';
import { addAbortSignal, pipeline, Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { AuditkeepError, ConfigError } from '../errors.ts';
import type { Io } from './io.ts';

type Streams = Pick<Io, 'stdin' | 'signal'>;

/**
 * The content, chunk by chunk; gzip and zstd are unzipped.
 * Throws ConfigError where there is no such file, AuditkeepError where it can't be read to its end.
 * @param file `-` is stdin
 * @param soFar what was done with the content before an error, for its hint
 */
export async function* contentOf(file: string, cli: Streams, soFar: () => string): AsyncGenerator<Buffer> {
  try {
    yield* unpack(input(file, cli));
  } catch (error) {
    throw unreadable(error, file, soFar());
  }
}

/** Ends with an error when the signal fires, also while it waits for more. */
function input(file: string, { stdin, signal }: Streams): AsyncIterable<Buffer> {
  const stream = file === '-' ? (stdin as Readable) : createReadStream(file, { highWaterMark: 1 << 18 });
  return addAbortSignal(signal, stream);
}

/** Unzips what begins like gzip or zstd; passes on the rest. */
export async function* unpack(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
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

function unreadable(error: unknown, file: string, hint: string): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ABORT_ERR' || error instanceof AuditkeepError || typeof code !== 'string') return error;
  const what = file === '-' ? 'stdin' : file;
  if (code === 'ENOENT') return new ConfigError(`${what}: no such file`, { cause: error });
  if (code.startsWith('Z_') || code.startsWith('ZSTD_'))
    return new AuditkeepError(`${what}: the compressed data ends early or is damaged (${(error as Error).message})`, {
      cause: error,
      hint: `${hint}; fetch the file again`,
    });
  return new AuditkeepError(`${what} can't be read: ${(error as Error).message}`, { cause: error, hint });
}
