// Lists the objects of a directory archive in byte order of their keys, as a bucket does.

import { lstatSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError } from '../../errors.ts';
import { codeOf, fileError } from './file-errors.ts';
import { checkPrefix, compareKeys, TEMPORARY } from './key-rules.ts';
import type { ObjectInfo } from './store.ts';

/**
 * Walks only into folders that can hold keys of `prefix` beyond `after`. What vanishes meanwhile is left out.
 * Throws ConfigError for symbolic links and special files: they are no objects, and skipping them would hide them.
 */
export async function* listFolder(root: string, prefix: string, after: string): AsyncGenerator<ObjectInfo> {
  checkPrefix(prefix);
  try {
    yield* walk(root, prefix.slice(0, prefix.lastIndexOf('/') + 1), prefix, after);
  } catch (error) {
    throw fileError(error, 'list', join(root, prefix));
  }
}

/** @param folder the key of the folder: empty or with a `/` at its end */
async function* walk(root: string, folder: string, prefix: string, after: string): AsyncGenerator<ObjectInfo> {
  const entries = await readdir(join(root, folder), { withFileTypes: true }).catch((error: unknown) => {
    const code = codeOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  });
  const found: { readonly key: string; readonly isFolder: boolean; readonly odd: boolean }[] = [];
  for (const entry of entries) {
    if (folder === '' && entry.name === TEMPORARY) continue;
    const isFolder = entry.isDirectory();
    // with its `/` a folder sorts where its keys sort
    const key = `${folder}${entry.name}${isFolder ? '/' : ''}`;
    if (!key.startsWith(prefix) && !(isFolder && prefix.startsWith(key))) continue;
    if (compareKeys(key, after) <= 0 && !(isFolder && after.startsWith(key))) continue;
    found.push({ key, isFolder, odd: !isFolder && !entry.isFile() });
  }
  found.sort((a, b) => compareKeys(a.key, b.key));
  for (const { key, isFolder, odd } of found) {
    if (odd)
      throw new ConfigError(`${join(root, key)} is neither a file nor a folder`, {
        hint: 'an archive holds no symbolic links or special files: move it away',
      });
    if (isFolder) {
      yield* walk(root, key, prefix, after);
      continue;
    }
    // synchronous: a local stat takes 2 µs, handing it to a thread ten times that, and a ledger has thousands of files
    const size = lstatSync(join(root, key), { throwIfNoEntry: false })?.size;
    if (size !== undefined) yield { key, size };
  }
}
