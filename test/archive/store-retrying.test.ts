// The one owner of retries: what is tried again, how long, and how puts without a clear answer are settled.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openFileStore } from '../../src/archive/store/file.ts';
import { withRetries } from '../../src/archive/store/retrying.ts';
import type { Store } from '../../src/archive/store/store.ts';
import {
  AuditkeepError,
  AuthError,
  ConfigError,
  ConflictError,
  ThrottledError,
  TransientError,
} from '../../src/errors.ts';
import { silentLog } from '../../src/log.ts';
import { storeContract } from './store-contract.ts';
import { keysOf, putText, textOf } from './store-texts.ts';

let base = '';
let counter = 0;
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'auditkeep-retry-'));
});
afterAll(() => rm(base, { recursive: true, force: true }));
const directory = () => openFileStore(join(base, `${counter++}`), { onServerDate() {} });

/** Fails where `plan` says so: an error before the call is done, or (`after`) once it is done and only the answer is lost. */
function failing(store: Store, plan: () => { error: Error; after?: boolean } | undefined): Store {
  const around =
    <A extends unknown[], T>(work: (...args: A) => Promise<T>) =>
    async (...args: A): Promise<T> => {
      const fault = plan();
      if (fault === undefined) return work(...args);
      if (fault.after === true) await work(...args).catch(() => {});
      throw fault.error;
    };
  return {
    ...store,
    get: around(store.get),
    read: around(store.read),
    head: around(store.head),
    put: around(store.put),
    delete: around(store.delete),
    check: around(store.check),
    list: async function* (prefix, after) {
      for await (const object of store.list(prefix, after)) {
        const fault = plan();
        if (fault !== undefined) throw fault.error;
        yield object;
      }
    },
  };
}

function counted(store: Store, options: { attempts?: number; random?: () => number; signal?: AbortSignal } = {}) {
  const waits: number[] = [];
  const signal = options.signal ?? new AbortController().signal;
  const sleep = (ms: number, signal: AbortSignal) => {
    waits.push(ms);
    signal.throwIfAborted();
    return Promise.resolve();
  };
  return { store: withRetries(store, { signal, log: silentLog, sleep, ...options }), waits };
}

/** A plan that gives these faults in turn and then none. */
const inTurn =
  (...faults: ({ error: Error; after?: boolean } | undefined)[]) =>
  () =>
    faults.shift();
const lost = () => ({ error: new TransientError('lost'), after: true });
const broken = () => ({ error: new TransientError('broken') });

storeContract('directory behind retries', () => Promise.resolve(counted(directory()).store));

describe('what is tried again', () => {
  test('passing faults are, with waits that grow up to a bound', async () => {
    const { store, waits } = counted(failing(directory(), broken), { random: () => 1 });
    await expect(store.get('a')).rejects.toThrow('broken');
    expect(waits).toEqual([400, 800, 1600, 3200, 6400, 12_800, 20_000]);
  });

  test('a wait is drawn from the whole span', async () => {
    const { store, waits } = counted(failing(directory(), broken), { random: () => 0.25 });
    await expect(store.get('a')).rejects.toThrow(TransientError);
    expect(waits.slice(0, 3)).toEqual([100, 200, 400]);
  });

  test('a throttling server gets the time it asks for', async () => {
    const error = new ThrottledError('slow down', { retryAfter: 30_000 });
    const { store, waits } = counted(failing(directory(), inTurn({ error }, { error: new ThrottledError('again') })));
    expect(await store.get('a')).toBeUndefined();
    expect(waits[0]).toBe(30_000);
    expect(waits[1]).toBeLessThan(1000);
  });

  test('all other errors pass at once', async () => {
    for (const error of [
      new AuthError('no'),
      new ConfigError('no'),
      new ConflictError('no'),
      new AuditkeepError('disk full'),
      new TypeError('a bug'),
    ]) {
      const { store, waits } = counted(failing(directory(), () => ({ error })));
      const works = [
        () => store.get('a'),
        () => store.read('a'),
        () => store.head('a'),
        () => putText(store, 'a', 'x'),
        () => store.delete('a'),
        () => store.check(),
      ];
      for (const work of works) await expect(work()).rejects.toBe(error);
      expect(waits).toEqual([]);
    }
  });

  test('a fired signal ends it, before a call and while waiting', async () => {
    const abort = new AbortController();
    const reason = new Error('interrupted');
    let calls = 0;
    const plan = () => {
      if (++calls === 2) abort.abort(reason);
      return broken();
    };
    const { store } = counted(failing(directory(), plan), { signal: abort.signal });
    await expect(store.get('a')).rejects.toBe(reason);
    expect(calls).toBe(2);
    await expect(store.get('a')).rejects.toBe(reason);
    await expect(keysOf(store)).rejects.toBe(reason);
    expect(calls).toBe(2);
  });
});

describe('puts without a clear answer', () => {
  test('the put was done: its own bytes are no conflict', async () => {
    const plain = directory();
    const { store } = counted(failing(plain, inTurn(lost())));
    const tag = await putText(store, 'ledger/m', 'mine');
    expect((await plain.head('ledger/m'))?.tag).toBe(tag);
  });

  test('another run was faster: its other bytes are', async () => {
    const plain = directory();
    await putText(plain, 'ledger/m', 'theirs');
    const { store } = counted(failing(plain, inTurn(broken())));
    await expect(putText(store, 'ledger/m', 'mine')).rejects.toThrow(ConflictError);
    expect(await textOf(plain, 'ledger/m')).toBe('theirs');
  });

  test('a clear conflict stays one, even with the same bytes', async () => {
    const plain = directory();
    await putText(plain, 'ledger/m', 'same');
    await expect(putText(counted(plain).store, 'ledger/m', 'same')).rejects.toThrow(ConflictError);
  });

  test('swaps are settled in the same way, through faults while settling', async () => {
    const plain = directory();
    const tag = await putText(plain, 'log/checkpoint', 'one');
    const { store } = counted(failing(plain, inTurn(lost(), undefined, broken(), broken())));
    const next = await putText(store, 'log/checkpoint', 'two', { ifMatch: tag });
    expect(await plain.get('log/checkpoint')).toEqual({ bytes: Buffer.from('two'), tag: next });
    const unlucky = counted(failing(plain, inTurn(broken()))).store;
    await expect(putText(unlucky, 'log/checkpoint', 'three', { ifMatch: tag })).rejects.toThrow(ConflictError);
  });

  test('what vanished in between is a conflict', async () => {
    const plain = directory();
    await putText(plain, 'a', 'x');
    const faults = inTurn(broken());
    const { store } = counted({
      ...failing(plain, faults),
      put: async (key, body, options) => {
        const fault = faults();
        if (fault !== undefined) throw fault.error;
        await plain.put(key, body, options).finally(() => plain.delete(key));
        return '';
      },
    });
    await expect(putText(store, 'a', 'x')).rejects.toThrow(ConflictError);
  });

  test('any faults in any order: the result is as if there were none', async () => {
    const fault = fc.constantFrom(undefined, undefined, lost, broken);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fault, { maxLength: 20 }),
        fc.array(fc.nat(3), { maxLength: 6 }),
        async (faults, keys) => {
          const plain = directory();
          const { store } = counted(
            failing(plain, () => faults.shift()?.()),
            { attempts: 25 },
          );
          const model = new Map<string, string>();
          for (const [i, n] of keys.entries()) {
            const put = putText(store, `k${n}`, `text ${i}`);
            if (model.has(`k${n}`)) await expect(put).rejects.toThrow(ConflictError);
            else model.set(`k${n}`, (await put, `text ${i}`));
          }
          expect(await keysOf(store)).toEqual([...model.keys()].sort());
          for (const [key, text] of model) expect(await textOf(plain, key)).toBe(text);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('streams and lists', () => {
  /** A stream that breaks after these many chunks. */
  const breaking = (chunks: number) =>
    Readable.from(
      (function* () {
        for (let i = 0; i < chunks; i++) yield Buffer.from(`${i}`);
        throw new TransientError('broken');
      })(),
      { objectMode: false },
    );

  test('a stream is opened again before its first byte, and never after it', async () => {
    const plain = directory();
    await putText(plain, 'a', 'whole');
    const streams = [breaking(0), breaking(0)];
    const { store, waits } = counted({ ...plain, read: (key) => Promise.resolve(streams.shift() ?? plain.read(key)) });
    expect(Buffer.concat((await (await store.read('a'))!.toArray()) as Buffer[]).toString()).toBe('whole');
    expect(waits).toHaveLength(2);
    streams.push(breaking(2));
    const seen: string[] = [];
    const reading = async () => {
      for await (const chunk of (await store.read('a'))!) seen.push(String(chunk));
    };
    await expect(reading()).rejects.toThrow('broken');
    expect(seen.join('')).toBe('01');
    expect(waits).toHaveLength(2);
  });

  test('a list goes on where it broke: nothing twice, nothing left out', async () => {
    const plain = directory();
    const keys = Array.from({ length: 20 }, (_, i) => `k${10 + i}`);
    for (const key of keys) await putText(plain, key, 'x');
    let calls = 0;
    const { store, waits } = counted(
      failing(plain, () => (++calls % 2 === 0 ? broken() : undefined)),
      { attempts: 2 },
    );
    expect(await keysOf(store)).toEqual(keys);
    expect(waits.length).toBeGreaterThan(10);
    const hopeless = counted(failing(plain, broken), { attempts: 3 });
    await expect(keysOf(hopeless.store)).rejects.toThrow('broken');
    expect(hopeless.waits).toHaveLength(2);
  });
});
