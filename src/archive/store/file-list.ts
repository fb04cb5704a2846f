// Lists the objects of a directory archive in byte order of their keys, as a bucket does.

import { lstatSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError } from '../../errors.ts';
import { codeOf, fileError } from './file-errors.ts';
import { checkPrefix, compareKeys, TEMPORARY } from './key-rules.ts';
import type { ObjectInfo } from './store.ts';

interface Entry {
  /** A folder's name ends in `/`: so it sorts where its keys sort. */
  readonly name: string;
  readonly kind: 'folder' | 'file' | 'odd';
}

/** A folder on the way: its key (empty, or with `/` at its end) and what is still to come in it. */
interface Level {
  readonly folder: string;
  readonly entries: readonly Entry[];
  next: number;
}

/**
 * Walks only into folders that can hold keys of `prefix` beyond `after`. What vanishes meanwhile is left out.
 * Throws ConfigError for symbolic links and special files: they are no objects, and skipping them would hide them.
 */
export async function* listFolder(root: string, prefix: string, after: string): AsyncGenerator<ObjectInfo> {
  checkPrefix(prefix);
  try {
    // one loop with a stack: a generator inside of a generator costs more than reading the disk
    const levels = [await enter(root, prefix.slice(0, prefix.lastIndexOf('/') + 1), prefix, after)];
    for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
      const entry = level.entries[level.next++];
      if (entry === undefined) {
        levels.pop();
        continue;
      }
      const key = level.folder + entry.name;
      if (entry.kind === 'odd')
        throw new ConfigError(`${join(root, key)} is neither a file nor a folder`, {
          hint: 'an archive holds no symbolic links or special files: move it away',
        });
      if (entry.kind === 'folder') {
        levels.push(await enter(root, key, prefix, after));
        continue;
      }
      // synchronous: a local stat takes 2 µs, handing it to a thread ten times that, and a ledger has thousands of files
      const stat = lstatSync(`${root}/${key}`, { throwIfNoEntry: false });
      if (stat !== undefined) yield { key, size: stat.size, stamp: `${stat.ino} ${stat.mtimeMs} ${stat.ctimeMs}` };
    }
  } catch (error) {
    throw fileError(error, 'list', join(root, prefix));
  }
}

async function enter(root: string, folder: string, prefix: string, after: string): Promise<Level> {
  const entries = await readdir(join(root, folder), { withFileTypes: true }).catch((error: unknown) => {
    const code = codeOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  });
  const found: Entry[] = [];
  for (const entry of entries) {
    if (folder === '' && entry.name === TEMPORARY) continue;
    const kind = entry.isDirectory() ? 'folder' : entry.isFile() ? 'file' : 'odd';
    const name = kind === 'folder' ? `${entry.name}/` : entry.name;
    const key = folder + name;
    if (!key.startsWith(prefix) && !(kind === 'folder' && prefix.startsWith(key))) continue;
    if (after !== '' && compareKeys(key, after) <= 0 && !(kind === 'folder' && after.startsWith(key))) continue;
    found.push({ name, kind });
  }
  found.sort((a, b) => compareKeys(a.name, b.name));
  return { folder, entries: found, next: 0 };
}
