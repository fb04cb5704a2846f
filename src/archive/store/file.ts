// The archive in a directory: create-only and compare-and-swap puts that hold across processes and power cuts.

import { type FileHandle, link, lstat, open, readdir, realpath, rename, unlink } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { ConfigError, ConflictError, TransientError } from '../../errors.ts';
import { sha256Hex } from '../hash.ts';
import { codeOf, fileError } from './file-errors.ts';
import { checkKey, TEMPORARY } from './key-rules.ts';
import {
  checkSize,
  chunks,
  growingFile,
  hashFile,
  makeOne,
  makeRoot,
  openObject,
  syncFolder,
  vanished,
  writeBody,
} from './file-io.ts';
import { listFolder } from './file-list.ts';
import { ownName, parseOwner, stateOf } from './owner.ts';
import type { Body, ObjectHead, PutOptions, SpoolFile, Store, StoreDeps } from './store.ts';
import { LOCK, withLock } from './swap-lock.ts';

/** Temporary files of other hosts, whose processes can't be asked for, are removed after this long. */
const STRANGERS_KEPT = 86_400_000;

function absent(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error;
}

/**
 * Opens an archive in a directory; it is created by the first put or `check`.
 * @param root the directory; a symbolic link is followed here, but nowhere inside of it
 */
export function openFileStore(root: string, _deps: StoreDeps): Store {
  const url = resolve(root);
  const temporary = join(url, TEMPORARY);
  const folders = new Map<string, Promise<void>>();
  const pathOf = (key: string): string => {
    checkKey(key);
    return join(url, key);
  };
  const wrap = async <T>(action: string, path: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw fileError(error, action, path);
    }
  };

  /**
   * Makes a folder and sees to it that its entry in the parent is on disk, also when another process made it a moment ago.
   * Remembered, so that it costs nothing from the second put on.
   */
  const ensureFolder = (folder: string): Promise<void> => {
    const known = folders.get(folder);
    if (known !== undefined) return known;
    const made = makeFolder(folder).catch((error: unknown) => {
      folders.delete(folder);
      throw error;
    });
    folders.set(folder, made);
    return made;
  };
  const makeFolder = async (folder: string): Promise<void> => {
    if (folder === url) return makeRoot(url);
    await ensureFolder(dirname(folder));
    await makeOne(folder);
    // a link inside of the archive could lead anywhere
    if ((await realpath(folder)) !== join(await realpath(url), relative(url, folder)))
      throw new ConfigError(`${folder} is reached through a symbolic link`, {
        hint: 'only the archive directory itself may be a symbolic link',
      });
    await syncFolder(dirname(folder));
  };

  const openTemporary = async (): Promise<{ path: string; handle: FileHandle }> => {
    const path = join(temporary, ownName());
    const handle = await open(path, 'wx').catch(async (error: unknown) => {
      if (codeOf(error) !== 'ENOENT') throw error;
      // the folder was removed behind our back
      folders.clear();
      await ensureFolder(temporary);
      return open(path, 'wx');
    });
    return { path, handle };
  };

  /** Writes a temporary file, durable when it returns. Gives its path. */
  const writeTemporary = async (body: Body, expected: string): Promise<string> => {
    const { path, handle } = await openTemporary();
    try {
      try {
        const actual = await writeBody(handle, body);
        if (actual !== expected)
          throw new TransientError(`the body has SHA-256 ${actual} instead of ${expected}; nothing was stored`, {
            hint: 'if this repeats, check memory and disk of this machine',
          });
        await handle.sync();
      } finally {
        await handle.close();
      }
      return path;
    } catch (error) {
      await unlink(path).catch(() => {});
      throw error;
    }
  };

  /** Files that were begun here, until they are put or removed. */
  const spooled = new Set<string>();

  const spool = async (): Promise<SpoolFile> => {
    await ensureFolder(temporary);
    const { path, handle } = await openTemporary();
    spooled.add(path);
    const file = growingFile(path, handle);
    return {
      ...file,
      async remove() {
        spooled.delete(path);
        await file.remove();
      },
    };
  };

  /** Makes a spooled file durable. */
  const complete = async (path: string, size: number): Promise<void> => {
    const handle = await open(path, 'r+').catch(vanished);
    try {
      checkSize(path, (await handle.stat()).size, size);
      await handle.sync();
    } finally {
      await handle.close();
    }
  };

  const createOnly = async (source: string, target: string): Promise<void> => {
    const folder = dirname(target);
    await ensureFolder(folder);
    try {
      await link(source, target).catch(async (error: unknown) => {
        if (codeOf(error) !== 'ENOENT') throw error;
        folders.clear();
        await ensureFolder(folder);
        return link(source, target).catch(vanished);
      });
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
      // the winner may have died before its fsync: who adopts its object must know that it stays
      await syncFolder(folder);
      // on network file systems a link can succeed while its answer is lost
      const [mine, there] = await Promise.all([lstat(source), lstat(target).catch(absent)]);
      // removed since by whoever may: as if this put had come a moment later
      if (there === undefined) return createOnly(source, target);
      if (mine.ino !== there.ino || mine.dev !== there.dev)
        throw new ConflictError(`${target} exists already`, { cause: error });
    }
    await syncFolder(folder);
  };

  const put = async (key: string, body: Body, options: PutOptions): Promise<string> => {
    const target = pathOf(key);
    await ensureFolder(temporary);
    const taken = options.ifAbsent === true && !Buffer.isBuffer(body) && spooled.has(body.path);
    if (taken) await complete(body.path, body.size);
    const source = taken ? body.path : await writeTemporary(body, options.sha256);
    // another attempt needs what its owner hasn't removed
    let keep = taken;
    try {
      if (options.ifAbsent === true) await createOnly(source, target);
      else
        await withLock(temporary, key, async () => {
          if (options.ifMatch !== undefined) {
            const current = await hashFile(target);
            if (current?.sha256 !== options.ifMatch)
              throw new ConflictError(`${target} was ${current === undefined ? 'removed' : 'changed'} by another run`);
          }
          await ensureFolder(dirname(target));
          await rename(source, target).catch(vanished);
          await syncFolder(dirname(target));
        });
      keep = false;
      return options.sha256;
    } finally {
      // gone already after a rename; what stays behind otherwise is removed by `check`
      if (!keep) await unlink(source).catch(() => {});
    }
  };

  const check = async (): Promise<void> => {
    await ensureFolder(temporary);
    await removeLeftovers(temporary);
    const probe = Buffer.from('auditkeep probe\n');
    const source = await writeTemporary(probe, sha256Hex(probe));
    const target = join(temporary, ownName());
    try {
      await linkProbe(source, target, url);
      const again = await link(source, target).then(
        () => 'created twice',
        (error: unknown) => codeOf(error),
      );
      if (again !== 'EEXIST')
        throw new ConfigError(`${url} can't hold an archive: a file could be created twice (${again})`, {
          hint: 'put the archive on a local or NFS file system that keeps links exclusive',
        });
    } finally {
      for (const path of [source, target]) await unlink(path).catch(() => {});
    }
  };

  return {
    url,
    get: (key) => {
      const path = pathOf(key);
      return wrap('read', path, async () => {
        const handle = await openObject(path);
        if (handle === undefined) return undefined;
        try {
          const bytes = await handle.readFile();
          return { bytes, tag: sha256Hex(bytes) };
        } finally {
          await handle.close();
        }
      });
    },
    read: (key, range = { start: 0 }) => {
      const path = pathOf(key);
      return wrap('read', path, async () => {
        const handle = await openObject(path);
        if (handle === undefined) return undefined;
        const { start, end } = range;
        if (end !== undefined && end <= start) {
          await handle.close();
          return Readable.from([]);
        }
        return Readable.from(chunks(handle, path, start, end), { objectMode: false });
      });
    },
    head: (key) => {
      const path = pathOf(key);
      return wrap('read', path, async (): Promise<ObjectHead | undefined> => {
        const found = await hashFile(path);
        return found && { key, size: found.size, tag: found.sha256, sha256: found.sha256 };
      });
    },
    spool: () => wrap('write', temporary, spool),
    put: (key, body, options) => {
      checkKey(key);
      return wrap('write', join(url, key), () => put(key, body, options));
    },
    list: (prefix, after = '') => listFolder(url, prefix, after),
    delete: (key) => {
      const path = pathOf(key);
      return wrap('delete', path, async () => {
        await unlink(path).catch((error: unknown) => {
          const code = codeOf(error);
          if (code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'EISDIR') throw error;
        });
      });
    },
    check: () => wrap('use', url, check),
    close: () => Promise.resolve(),
  };
}

async function linkProbe(source: string, target: string, url: string): Promise<void> {
  try {
    await link(source, target);
  } catch (error) {
    // writing worked, so these mean that the file system has no hard links
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(codeOf(error) ?? '')) throw error;
    throw new ConfigError(`${url} can't hold an archive: its file system has no hard links (${codeOf(error)})`, {
      cause: error,
      hint: 'FAT, exFAT and some network shares have none: use another file system, or an S3 bucket',
    });
  }
}

/** Removes temporary files of processes that are gone. */
async function removeLeftovers(temporary: string): Promise<void> {
  for (const name of await readdir(temporary)) {
    const owner = name.startsWith(LOCK) ? undefined : parseOwner(name);
    if (owner === undefined) continue;
    const path = join(temporary, name);
    const state = stateOf(owner);
    try {
      if (state === 'gone' || (state === 'unknown' && Date.now() - (await lstat(path)).mtimeMs > STRANGERS_KEPT))
        await unlink(path);
    } catch (error) {
      // another run was faster, or the file is of another user: it harms nobody
      if (!['ENOENT', 'EACCES', 'EPERM'].includes(codeOf(error) ?? '')) throw error;
    }
  }
}
