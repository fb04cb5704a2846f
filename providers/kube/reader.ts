// Content of one file, plain or gzip, by offset: what is in hand stays valid when the file is renamed or deleted meanwhile.

import { readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { constants, createGunzip } from 'node:zlib';
import { AuthError, StaleTokenError, TransientError } from '../../src/provider.ts';

/** Reads content (of a gzip file: what is inside). Offsets count bytes of content. */
export interface Reader {
  readonly path: string;
  /** Device and inode: what the path stood for when it was opened. */
  readonly inode: string;
  readonly gzip: boolean;
  /**
   * Up to `length` bytes from `offset` on; fewer only at the end of what is there now. The bytes are the caller's to keep.
   * Going forward is cheap; going back in a gzip file starts it again.
   * @param memory where to put them, at least `length` bytes; else memory of their own
   */
  read(offset: number, length: number, memory?: Buffer): Promise<Buffer>;
  /**
   * The same for a few bytes that were read a moment ago: of a plain file at once, for the system still has them. On a busy machine
   * a turn of a pool thread takes milliseconds, and the walk would wait for it at each page.
   */
  again(offset: number, length: number): Buffer | Promise<Buffer>;
  close(): Promise<void>;
}

/** A gzip file that ends too early or isn't gzip behind its first bytes. */
export function isDamage(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'Z_BUF_ERROR' || code === 'Z_DATA_ERROR';
}

/** Turns a system error about `path` into the class that says who must act. */
export function fileError(error: unknown, path: string): Error {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'EACCES' || code === 'EPERM')
    return new AuthError(`no permission to read ${path}`, {
      cause: error,
      hint: 'audit logs belong to root with mode 0600: run as root, or give the user of auditkeep read access (setfacl -m u:NAME:r FILE, and rx on its folders)',
    });
  if (code === 'ENOENT')
    return new StaleTokenError(`${path} was renamed or deleted while it was read`, { cause: error });
  if (isDamage(error))
    return new TransientError(`${path} is not complete: it is still being compressed, copied, or it is damaged`, {
      cause: error,
      hint: `if this stays: \`zcat ${path} > ${path.replace(/\.gz$/, '')}\` saves what can be read; then remove the damaged file`,
    });
  if (typeof code === 'string')
    return new TransientError(`can't read ${path}: ${(error as Error).message}`, { cause: error });
  return error as Error;
}

async function readPlain(handle: FileHandle, offset: number, length: number, memory?: Buffer): Promise<Buffer> {
  // never of Node's pool: records keep parts of it
  const buffer = memory ?? Buffer.allocUnsafeSlow(length);
  let have = 0;
  while (have < length) {
    const { bytesRead } = await handle.read(buffer, have, length - have, offset + have);
    if (bytesRead === 0) break;
    have += bytesRead;
  }
  return buffer.subarray(0, have);
}

function readAgain(fd: number, offset: number, length: number): Buffer {
  const buffer = Buffer.allocUnsafeSlow(length);
  return buffer.subarray(0, readSync(fd, buffer, 0, length, offset));
}

/** A file from its begin on. Not a stream of the handle: that one closes it when it is stopped, and reading back starts another. */
async function* contentOf(handle: FileHandle): AsyncGenerator<Buffer> {
  for (let at = 0; ;) {
    const chunk = await readPlain(handle, at, 256 << 10);
    if (chunk.length === 0) return;
    yield chunk;
    at += chunk.length;
  }
}

/** Content that comes in order. `start` begins again from the first byte. */
interface Stream {
  readonly chunks: AsyncIterator<Buffer>;
  stop(): void;
}

function inflate(input: Readable, tolerant: boolean): Stream {
  const gunzip = createGunzip({ chunkSize: 256 << 10, ...(tolerant && { finishFlush: constants.Z_SYNC_FLUSH }) });
  input.on('error', (error) => gunzip.destroy(error));
  input.pipe(gunzip);
  const stop = () => {
    input.destroy();
    gunzip.destroy();
  };
  return { chunks: gunzip[Symbol.asyncIterator]() as AsyncIterator<Buffer>, stop };
}

/** Reads by offset from content that comes in order: going back before what is in hand starts it again. */
function sequential(start: () => Stream) {
  let running: Stream | undefined;
  // content in hand: `pieces` begin at `begin` and hold `have` bytes
  let pieces: Buffer[] = [];
  let begin = 0;
  let have = 0;
  let ended = false;

  function restart(): void {
    running?.stop();
    running = start();
    pieces = [];
    begin = have = 0;
    ended = false;
  }

  /** Forgets what lies before `offset`. */
  function drop(offset: number): void {
    let gone = 0;
    while (gone < pieces.length && begin + pieces[gone]!.length <= offset) {
      begin += pieces[gone]!.length;
      have -= pieces[gone]!.length;
      gone++;
    }
    if (gone > 0) pieces.splice(0, gone);
  }

  return {
    async read(offset: number, length: number, memory?: Buffer): Promise<Buffer> {
      if (running === undefined || offset < begin) restart();
      for (;;) {
        drop(offset);
        if (ended || begin + have >= offset + length) break;
        const next = await running!.chunks.next();
        if (next.done === true) ended = true;
        else {
          pieces.push(next.value);
          have += next.value.length;
        }
      }
      const size = Math.max(0, Math.min(length, begin + have - offset));
      const out = memory?.subarray(0, size) ?? Buffer.allocUnsafeSlow(size);
      let to = 0;
      let from = offset - begin;
      for (const piece of pieces) {
        if (to >= out.length) break;
        to += piece.copy(out, to, from);
        from = 0;
      }
      return out;
    },
    stop: () => running?.stop(),
  };
}

const isGzip = (head: Uint8Array) => head[0] === 0x1f && head[1] === 0x8b;

/** Content that comes from elsewhere, in order and once; gzip is opened too. Not to be read backwards by more than a little. */
export async function readerOf(chunks: AsyncIterable<Buffer>, path: string): Promise<Reader> {
  const iterator = chunks[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  let done = false;
  while (head.length < 2 && !done) {
    const next = await iterator.next();
    if (next.done === true) done = true;
    else head = Buffer.concat([head, next.value]);
  }
  async function* all(): AsyncGenerator<Buffer> {
    yield head;
    for (;;) {
      const next = await iterator.next();
      if (next.done === true) return;
      yield next.value;
    }
  }
  const content = sequential(() =>
    isGzip(head) ? inflate(Readable.from(all(), { objectMode: true }), false) : { chunks: all(), stop() {} },
  );
  async function read(offset: number, length: number, memory?: Buffer): Promise<Buffer> {
    try {
      return await content.read(offset, length, memory);
    } catch (error) {
      throw fileError(error, path);
    }
  }
  return {
    path,
    inode: '',
    gzip: isGzip(head),
    read,
    again: read,
    async close() {
      content.stop();
      await iterator.return?.();
    },
  };
}

/**
 * Opens a file. Whether it is gzip is told by its first bytes, not by its name.
 * @param tolerant a gzip file that ends too early just ends (to compare copies); else reading it throws TransientError
 */
export async function openReader(path: string, tolerant = false): Promise<Reader> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'r');
    const opened = handle;
    const { dev, ino } = await opened.stat({ bigint: true });
    const magic = await readPlain(opened, 0, 2);
    const content = isGzip(magic)
      ? sequential(() => inflate(Readable.from(contentOf(opened), { objectMode: true }), tolerant))
      : undefined;
    const read = async (offset: number, length: number, memory?: Buffer) => {
      try {
        return await (content === undefined
          ? readPlain(opened, offset, length, memory)
          : content.read(offset, length, memory));
      } catch (error) {
        throw fileError(error, path);
      }
    };
    return {
      path,
      inode: `${dev}:${ino}`,
      gzip: content !== undefined,
      read,
      again(offset, length) {
        if (content !== undefined) return read(offset, length);
        try {
          return readAgain(opened.fd, offset, length);
        } catch (error) {
          throw fileError(error, path);
        }
      },
      async close() {
        content?.stop();
        await opened.close();
      },
    };
  } catch (error) {
    await handle?.close();
    throw fileError(error, path);
  }
}
