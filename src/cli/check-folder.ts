// Can this directory hold an archive? Leaves nothing behind, no folder either.

import { constants } from 'node:fs';
import { access, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { codeOf, fileError } from '../archive/store/file-errors.ts';
import { TEMPORARY } from '../archive/store/key-rules.ts';
import type { Store } from '../archive/store/store.ts';
import { failed, ok, type Point, warn } from './check-point.ts';

/** Is there a folder? Throws the system's error, ENOTDIR where something else stands there or on the way. */
export async function isFolder(path: string): Promise<boolean> {
  try {
    if ((await stat(path)).isDirectory()) return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
  throw Object.assign(new Error(`${path} is not a directory`), { code: 'ENOTDIR' });
}

/** May this user make files in `folder`, or make it where it doesn't exist? Gives the folder that decides; throws the system's error. */
export async function writableFolder(folder: string): Promise<string> {
  if (!(await isFolder(folder)) && dirname(folder) !== folder) return writableFolder(dirname(folder));
  await access(folder, constants.W_OK | constants.X_OK);
  return folder;
}

/** @param store over the directory `store.url`, which exists */
export async function checkFolder(store: Store, signal: AbortSignal): Promise<Point> {
  const temporary = join(store.url, TEMPORARY);
  try {
    const before = await isFolder(temporary);
    await store.check();
    // of an archive to be, nothing stays
    if (!before) await rmdir(temporary).catch(() => {});
  } catch (error) {
    return failed('create', fileError(error, 'use', store.url), signal);
  }
  return ok('create', `files can be written there, and created only once (tried in ${TEMPORARY}/, and removed)`);
}

/** Nothing where the directory exists; else: could the first run make it? `option` names it in the config. */
export async function checkMissingFolder(
  point: string,
  folder: string,
  option: string,
  signal: AbortSignal,
): Promise<Point | undefined> {
  const correct = `if it should be there already: is \`${option}\` spelt right, and is its disk mounted?`;
  try {
    if (await isFolder(folder)) return undefined;
    const parent = await writableFolder(dirname(folder));
    return warn(point, `${folder} isn't there yet; the first run makes it in ${parent}`, correct);
  } catch (error) {
    return failed(point, fileError(error, 'use', folder), signal);
  }
}
