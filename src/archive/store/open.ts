// Opens the archive that the config names: a bucket or a directory.

import { resolve } from 'node:path';
import type { S3Options } from '../../config.ts';
import { ConfigError } from '../../errors.ts';
import { openFileStore } from './file.ts';
import type { Store, StoreDeps } from './store.ts';

/**
 * Writes nothing and asks no server yet: `check` does. The S3 SDK is loaded only where it is needed.
 * Throws ConfigError for other URLs, bad bucket names and prefixes, and when no region is known.
 * @param archive `s3://bucket/prefix` or a directory, relative to the working directory
 */
export async function openStore(archive: string, s3: S3Options, deps: StoreDeps): Promise<Store> {
  if (archive.startsWith('s3://')) {
    const { openS3Store } = await import('./s3.ts');
    return openS3Store(archive, s3, deps);
  }
  if (/^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(archive))
    throw new ConfigError(`archive: ${archive.slice(0, archive.indexOf(':'))}:// is not supported`, {
      hint: 'write s3://bucket/prefix or the path of a directory',
    });
  if (archive.trim() === '' || archive.includes('\0')) throw new ConfigError('archive: no path was given');
  return openFileStore(resolve(archive), deps);
}
