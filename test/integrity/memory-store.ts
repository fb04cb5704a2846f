// A store in memory over the files of a directory, for tests that verify thousands of variants of one archive. Only reads.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { sha256Hex } from '../../src/archive/hash.ts';
import { compareKeys } from '../../src/archive/store/key-rules.ts';
import type { Store } from '../../src/archive/store/store.ts';
import { filesOf } from './sealed.ts';

export type Files = Map<string, Buffer>;

export const loadFiles = (directory: string): Files =>
  new Map(filesOf(directory).map((key) => [key, readFileSync(join(directory, key))]));

export function memoryStore(files: Files): Store {
  const readOnly = () => Promise.reject(new Error('this store only reads'));
  return {
    url: 'memory',
    get: async (key) => {
      const bytes = files.get(key);
      return bytes && { bytes, tag: sha256Hex(bytes) };
    },
    read: async (key) => {
      const bytes = files.get(key);
      return bytes && Readable.from(bytes.length === 0 ? [] : [bytes], { objectMode: false });
    },
    head: async (key) => {
      const bytes = files.get(key);
      return bytes && { key, size: bytes.length, tag: sha256Hex(bytes), sha256: sha256Hex(bytes) };
    },
    async *list(prefix, after = '') {
      for (const key of [...files.keys()].sort(compareKeys))
        if (key.startsWith(prefix) && compareKeys(key, after) > 0) yield { key, size: files.get(key)!.length };
    },
    put: readOnly,
    delete: readOnly,
    check: readOnly,
    close: async () => undefined,
  };
}
