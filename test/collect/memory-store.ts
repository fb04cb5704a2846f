// A store in memory, and what can happen to one run's connection to it: faults, lost answers, death in the middle.

import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { sha256Hex } from '../../src/archive/hash.ts';
import { checkKey, checkPrefix, compareKeys } from '../../src/archive/store/key-rules.ts';
import type { Body, Store } from '../../src/archive/store/store.ts';
import { ConflictError, TransientError } from '../../src/errors.ts';

/** Behaves as the contract says; the suite of all stores runs over it as well. */
export function memoryStore(): Store {
  const objects = new Map<string, { bytes: Buffer; tag: string }>();
  async function bytesOf(body: Body): Promise<Buffer> {
    if (Buffer.isBuffer(body)) return Buffer.from(body);
    const bytes = await readFile(body.path);
    if (bytes.length !== body.size) throw new TransientError(`${bytes.length} bytes instead of ${body.size}`);
    return bytes;
  }
  return {
    url: 'memory',
    async get(key) {
      checkKey(key);
      const found = objects.get(key);
      return found && { bytes: Buffer.from(found.bytes), tag: found.tag };
    },
    async read(key, range) {
      checkKey(key);
      const found = objects.get(key);
      if (found === undefined) return undefined;
      const bytes = found.bytes.subarray(range?.start ?? 0, range?.end);
      const chunks: Buffer[] = [];
      for (let at = 0; at < bytes.length; at += 65_536) chunks.push(bytes.subarray(at, at + 65_536));
      return Readable.from(chunks, { objectMode: false });
    },
    async head(key) {
      checkKey(key);
      const found = objects.get(key);
      return found && { key, size: found.bytes.length, tag: found.tag, sha256: sha256Hex(found.bytes) };
    },
    async put(key, body, { ifAbsent, ifMatch, sha256 }) {
      checkKey(key);
      const bytes = await bytesOf(body);
      if (sha256Hex(bytes) !== sha256) throw new TransientError(`the body of ${key} is not what its hash says`);
      // no await from here on: this is what makes it atomic
      const found = objects.get(key);
      if (ifAbsent === true && found !== undefined) throw new ConflictError(`${key} exists`);
      if (ifMatch !== undefined && found?.tag !== ifMatch) throw new ConflictError(`${key} changed`);
      const tag = `"${randomUUID()}"`;
      objects.set(key, { bytes, tag });
      return tag;
    },
    async *list(prefix, after = '') {
      checkPrefix(prefix);
      const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && compareKeys(key, after) > 0);
      for (const key of keys.sort(compareKeys)) {
        const size = objects.get(key)?.bytes.length;
        // deleted since: a listing may or may not have it
        if (size !== undefined) yield { key, size, stamp: objects.get(key)!.tag };
        await new Promise(setImmediate); // others write and delete in between
      }
    },
    async delete(key) {
      checkKey(key);
      objects.delete(key);
    },
    check: async () => undefined,
    close: async () => undefined,
  };
}

export interface Trouble {
  /** A number in [0, 1) for each call. */
  random(): number;
  /** Share of calls that fail, half of them after they had their effect. */
  readonly faults: number;
  /** The process dies at this call: from there on nothing has an effect any more. Half of the deaths come after the effect. */
  readonly diesAt?: number;
  /** Awaited before each call. */
  before?(): Promise<void>;
}

/** What a run that was killed sees of its own calls. */
export class Dead extends Error {
  override readonly name = 'Dead';
}

/** The store as one run reaches it. */
export function troubled(store: Store, { random, faults, diesAt = Infinity, before }: Trouble): Store {
  let calls = 0;
  async function call<T>(what: string, work: () => Promise<T>): Promise<T> {
    const mine = ++calls;
    await before?.();
    const late = random() < 0.5;
    if (mine > diesAt) throw new Dead(what);
    if (mine === diesAt) {
      if (late) await work().catch(() => undefined);
      throw new Dead(what);
    }
    const fails = random() < faults;
    // lets other runs in between
    for (let n = Math.floor(random() * 4); n > 0; n--) await new Promise(setImmediate);
    if (!fails) return work();
    if (late) await work().catch(() => undefined);
    throw new TransientError(`${what}: no answer`);
  }
  return {
    url: store.url,
    get: (key) => call('get', () => store.get(key)),
    read: (key, range) => call('read', () => store.read(key, range)),
    head: (key) => call('head', () => store.head(key)),
    put: (key, body, options) => call('put', () => store.put(key, body, options)),
    async *list(prefix, after) {
      yield* await call('list', async () => store.list(prefix, after));
    },
    delete: (key) => call('delete', () => store.delete(key)),
    check: () => call('check', () => store.check()),
    close: () => store.close(),
  };
}
