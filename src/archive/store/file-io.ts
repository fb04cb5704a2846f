// System calls of the directory store with their quirks: folders that are made and kept, objects that are read and written.

import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, stat, unlink } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import { AuditkeepError, TransientError } from '../../errors.ts';
import { sha256Hex } from '../hash.ts';
import { codeOf, fileError } from './file-errors.ts';
import type { Body, SpoolFile } from './store.ts';

const READ = constants.O_RDONLY | constants.O_NOFOLLOW;

/** A temporary file that is gone was taken for a leftover: this run slept for a day. Another attempt writes a new one. */
export function vanished(error: unknown): never {
  if (codeOf(error) !== 'ENOENT') throw error;
  throw new TransientError('a temporary file vanished before its object was made', { cause: error });
}

/** Makes one folder; false if it was there. Throws ENOTDIR where a file has its name. */
export async function makeOne(folder: string): Promise<boolean> {
  try {
    await mkdir(folder);
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    if (!(await stat(folder)).isDirectory()) throw Object.assign(new Error(folder), { code: 'ENOTDIR', cause: error });
    return false;
  }
}

/** Makes a folder and all that are missing above it, each on disk when it returns. */
export async function makeRoot(path: string): Promise<void> {
  try {
    if (await makeOne(path)) await syncFolder(dirname(path));
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error;
    await makeRoot(dirname(path));
    await makeRoot(path);
  }
}

/** Puts a folder's entries on disk. Some file systems don't offer this and need it not. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch((error: unknown) => {
    // a parent above the archive may be unreadable
    if (codeOf(error) !== 'EACCES') throw error;
    return undefined;
  });
  try {
    await handle?.sync();
  } catch (error) {
    if (!['EINVAL', 'ENOTSUP', 'ENOSYS', 'EPERM'].includes(codeOf(error) ?? '')) throw error;
  } finally {
    await handle?.close();
  }
}

/** Opens an object for reading; undefined if there is none. A folder is no object, just as in a bucket. */
export async function openObject(path: string): Promise<FileHandle | undefined> {
  let handle: FileHandle;
  try {
    handle = await open(path, READ);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
  try {
    if ((await handle.stat()).isFile()) return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
  await handle.close();
  return undefined;
}

/** The bytes [start, end) of an open file; closes it. */
export async function* chunks(handle: FileHandle, path: string, start: number, end?: number): AsyncGenerator<Buffer> {
  try {
    // the stream closes the handle, also when it isn't read to its end
    yield* handle.createReadStream({ start, ...(end !== undefined && { end: end - 1 }), highWaterMark: 1 << 18 });
  } catch (error) {
    throw fileError(error, 'read', path);
  }
}

/** Size and SHA-256 of an object; undefined if there is none. */
export async function hashFile(path: string): Promise<{ readonly size: number; readonly sha256: string } | undefined> {
  const handle = await openObject(path);
  if (handle === undefined) return undefined;
  const digest = createHash('sha256');
  try {
    const size = await readThrough(handle, (chunk) => void digest.update(chunk));
    return { size, sha256: digest.digest('hex') };
  } finally {
    await handle.close();
  }
}

/** Reads a file to its end, piece by piece into the same memory: fresh memory for each would pile up until it is collected. */
async function readThrough(handle: FileHandle, onChunk: (chunk: Buffer) => void | Promise<void>): Promise<number> {
  const memory = Buffer.allocUnsafeSlow(1 << 18);
  for (let size = 0; ;) {
    const { bytesRead } = await handle.read(memory, 0, memory.length, size);
    if (bytesRead === 0) return size;
    size += bytesRead;
    await onChunk(memory.subarray(0, bytesRead));
  }
}

/** Throws unless a file that is to be put has the size that its writer counted. */
export function checkSize(path: string, size: number, counted: number): void {
  if (size !== counted)
    throw new AuditkeepError(`${path} has ${size} bytes instead of ${counted}; nothing was stored`, {
      hint: 'something else wrote to it or cut it: run again, and if it repeats, check the disk of this machine',
    });
}

/**
 * A new file, open, as one that grows.
 * @param explain makes of an error of node:fs what its operator is told
 */
export function growingFile(
  path: string,
  handle: FileHandle,
  explain = (error: unknown) => fileError(error, 'write', path),
): SpoolFile {
  const write = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      throw explain(error);
    }
  };
  return {
    path,
    write: (bytes) => write(() => handle.writeFile(bytes)),
    close: () => write(() => handle.close()),
    async remove() {
      // it may be closed, and gone
      await handle.close().catch(() => {});
      await unlink(path).catch(() => {});
    },
  };
}

/** Writes a body and gives the SHA-256 of what was written. */
export async function writeBody(handle: FileHandle, body: Body): Promise<string> {
  if (Buffer.isBuffer(body)) {
    await handle.writeFile(body);
    return sha256Hex(body);
  }
  const digest = createHash('sha256');
  const source = await open(body.path, 'r');
  let size: number;
  try {
    size = await readThrough(source, async (chunk) => {
      digest.update(chunk);
      await handle.writeFile(chunk);
    });
  } finally {
    await source.close();
  }
  checkSize(body.path, size, body.size);
  return digest.digest('hex');
}
