// Short forms of store calls, for tests and for the processes they start (no test framework in here).

import { sha256Hex } from '../../src/archive/hash.ts';
import type { Store } from '../../src/archive/store/store.ts';

/** Puts text, by default create-only. */
export function putText(store: Store, key: string, text: string, options: { ifMatch?: string; over?: true } = {}) {
  const body = Buffer.from(text);
  const condition =
    options.ifMatch !== undefined ? { ifMatch: options.ifMatch } : options.over === true ? {} : { ifAbsent: true };
  return store.put(key, body, { ...condition, sha256: sha256Hex(body) });
}

export async function textOf(store: Store, key: string): Promise<string | undefined> {
  return (await store.get(key))?.bytes.toString();
}

export async function keysOf(store: Store, prefix = '', after?: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix, after)) keys.push(key);
  return keys;
}
