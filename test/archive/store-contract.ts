// What every store must do, whatever it is made of: run over a directory and over real S3 servers.

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sha256Hex } from '../../src/archive/hash.ts';
import type { Store } from '../../src/archive/store/store.ts';
import { withRetries } from '../../src/archive/store/retrying.ts';
import { ConfigError, ConflictError, TransientError } from '../../src/errors.ts';
import { silentLog } from '../../src/log.ts';
import { keysOf, putText, textOf } from './store-texts.ts';

const bytesOf = async (store: Store, key: string, range?: { start: number; end?: number }) =>
  Buffer.concat((await (await store.read(key, range))!.toArray()) as Buffer[]).toString();

/** `retrying`: a server may answer "busy" to racers; the core's retries then decide. */
const retrying = (store: Store): Store =>
  withRetries(store, { signal: new AbortController().signal, log: silentLog, sleep: (ms) => delay(ms / 10) });

/**
 * The contract suite.
 * @param makeStore an empty store of its own at each call
 */
export function storeContract(name: string, makeStore: () => Promise<Store>): void {
  describe(`store contract: ${name}`, () => {
    let folder = '';
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'auditkeep-store-'));
    });
    afterAll(() => rm(folder, { recursive: true }));

    test('what is put can be read back in every way', async () => {
      const store = await makeStore();
      const key = 'events/cluster=a/date=2026-06-22/x_0_0011.ndjson.gz';
      const tag = await putText(store, key, 'hello audit');
      expect(await store.get(key)).toEqual({ bytes: Buffer.from('hello audit'), tag });
      expect(await store.head(key)).toEqual({ key, size: 11, tag, sha256: sha256Hex(Buffer.from('hello audit')) });
      expect(await bytesOf(store, key)).toBe('hello audit');
      expect(await bytesOf(store, key, { start: 6 })).toBe('audit');
      expect(await bytesOf(store, key, { start: 1, end: 4 })).toBe('ell');
      expect(await bytesOf(store, key, { start: 4, end: 4 })).toBe('');
      expect(await bytesOf(store, key, { start: 99 })).toBe('');
    });

    test('what is not there is undefined, and deleting it is no error', async () => {
      const store = await makeStore();
      await putText(store, 'ids/cluster=a/x.bin', 'x');
      for (const key of ['none', 'ids', 'ids/cluster=a', 'ids/cluster=a/x.bin/below', 'ids/cluster=a/x']) {
        expect(await store.get(key), key).toBeUndefined();
        expect(await store.head(key), key).toBeUndefined();
        expect(await store.read(key), key).toBeUndefined();
        await store.delete(key);
      }
      expect(await textOf(store, 'ids/cluster=a/x.bin')).toBe('x');
      await store.delete('ids/cluster=a/x.bin');
      expect(await keysOf(store)).toEqual([]);
    });

    test('an object may be empty', async () => {
      const store = await makeStore();
      await putText(store, 'ids/empty.bin', '');
      expect((await store.get('ids/empty.bin'))?.bytes).toHaveLength(0);
      expect(await bytesOf(store, 'ids/empty.bin')).toBe('');
      expect((await store.head('ids/empty.bin'))?.sha256).toBe(sha256Hex(Buffer.alloc(0)));
    });

    test('create-only: the second put is refused and changes nothing', async () => {
      const store = await makeStore();
      await putText(store, 'ledger/m.json', 'first');
      await expect(putText(store, 'ledger/m.json', 'second')).rejects.toThrow(ConflictError);
      await expect(putText(store, 'ledger/m.json', 'first')).rejects.toThrow(ConflictError);
      expect(await textOf(store, 'ledger/m.json')).toBe('first');
      await store.delete('ledger/m.json');
      await putText(store, 'ledger/m.json', 'third');
      expect(await textOf(store, 'ledger/m.json')).toBe('third');
    });

    test('create-only: of 16 racers one wins, round after round', async () => {
      const store = retrying(await makeStore());
      for (let round = 0; round < 5; round++) {
        const key = `ledger/race-${round}.json`;
        const racers = Array.from({ length: 16 }, (_, i) => putText(store, key, `racer ${i}`));
        const outcomes = await Promise.allSettled(racers);
        const winners = outcomes.flatMap((o, i) => (o.status === 'fulfilled' ? [i] : []));
        expect(winners).toHaveLength(1);
        for (const o of outcomes) if (o.status === 'rejected') expect(o.reason).toBeInstanceOf(ConflictError);
        expect(await textOf(store, key)).toBe(`racer ${winners[0]}`);
      }
      expect(await keysOf(store)).toHaveLength(5);
    });

    test('compare and swap: only the holder of the present tag gets through', async () => {
      const store = await makeStore();
      const key = 'log/checkpoint';
      await expect(putText(store, key, 'x', { ifMatch: '"nothing"' })).rejects.toThrow(ConflictError);
      const one = await putText(store, key, 'one');
      const two = await putText(store, key, 'two', { ifMatch: one });
      await expect(putText(store, key, 'three', { ifMatch: one })).rejects.toThrow(ConflictError);
      expect(await store.get(key)).toEqual({ bytes: Buffer.from('two'), tag: two });
      expect((await store.head(key))?.tag).toBe(two);
      await putText(store, key, 'over', { over: true });
      expect(await textOf(store, key)).toBe('over');
    });

    test('compare and swap: racing increments lose none', async () => {
      const store = retrying(await makeStore());
      await putText(store, 'log/checkpoint', '0');
      let wins = 0;
      const racer = async () => {
        for (let i = 0; i < 4; i++) {
          const { bytes, tag } = (await store.get('log/checkpoint'))!;
          try {
            await putText(store, 'log/checkpoint', `${Number(bytes.toString()) + 1}`, { ifMatch: tag });
            wins++;
          } catch (error) {
            expect(error).toBeInstanceOf(ConflictError);
          }
        }
      };
      await Promise.all(Array.from({ length: 8 }, racer));
      expect(wins).toBeGreaterThan(0);
      expect(await textOf(store, 'log/checkpoint')).toBe(`${wins}`);
    });

    test('a body that is not what its hash says is refused, and nothing is stored', async () => {
      const store = await makeStore();
      const options = { ifAbsent: true, sha256: sha256Hex(Buffer.from('other')) };
      await expect(store.put('events/x', Buffer.from('body!'), options)).rejects.toThrow(TransientError);
      const path = join(folder, 'body');
      await writeFile(path, 'body!');
      await expect(store.put('events/x', { path, size: 5 }, options)).rejects.toThrow(TransientError);
      const sha256 = sha256Hex(Buffer.from('body!'));
      await expect(store.put('events/x', { path, size: 6 }, { ifAbsent: true, sha256 })).rejects.toThrow(/6/);
      await expect(
        store.put('events/x', { path: `${path}-none`, size: 5 }, { ifAbsent: true, sha256 }),
      ).rejects.toThrow(/ENOENT/);
      expect(await keysOf(store)).toEqual([]);
    });

    test('large bodies go from a file, and come back as a stream', async () => {
      const store = await makeStore();
      const body = randomBytes(9 << 20);
      const path = join(folder, 'large');
      await writeFile(path, body);
      const sha256 = sha256Hex(body);
      await store.put('events/large', { path, size: body.length }, { ifAbsent: true, sha256 });
      expect(await store.head('events/large')).toMatchObject({ size: body.length, sha256 });
      const chunks = (await (await store.read('events/large'))!.toArray()) as Buffer[];
      expect(sha256Hex(Buffer.concat(chunks))).toBe(sha256);
      expect(chunks.length).toBeGreaterThan(1);
      await expect(store.put('events/large', { path, size: body.length }, { ifAbsent: true, sha256 })).rejects.toThrow(
        ConflictError,
      );
    });

    test('a stream may be left before its end', async () => {
      const store = await makeStore();
      const body = Buffer.alloc(3 << 20, 7);
      await store.put('events/large', body, { ifAbsent: true, sha256: sha256Hex(body) });
      for (let i = 0; i < 100; i++) {
        for await (const chunk of (await store.read('events/large'))!) {
          expect((chunk as Buffer)[0]).toBe(7);
          break;
        }
      }
      expect((await store.head('events/large'))?.size).toBe(body.length);
    });

    test('lists in byte order of the whole key, by prefix and after a key', async () => {
      const store = await makeStore();
      const keys = ['a!/x', 'a', 'a/b', 'a/b-c', 'a-b/c', 'a/b0', 'a/c/d', 'b', 'ab/c', 'a0', 'é', '～', '😀'];
      for (const key of keys.filter((key) => !['a', 'a/b'].includes(key))) await putText(store, key, key);
      const sorted = keys
        .filter((key) => !['a', 'a/b'].includes(key))
        .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      expect(await keysOf(store)).toEqual(sorted);
      for (const prefix of ['a', 'a/', 'a/b', 'a/c/d', 'z', 'a/c/d/', ''])
        for (const after of ['', 'a', 'a/', 'a/b', 'a/b0', 'a/b\u{10ffff}', 'a0', 'zz', '～'])
          expect(await keysOf(store, prefix, after), `${prefix} after ${after}`).toEqual(
            sorted.filter((key) => key.startsWith(prefix) && Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0),
          );
      for await (const { key, size } of store.list('')) expect(size).toBe(Buffer.byteLength(key));
    });

    test('a long list is whole', async () => {
      const store = await makeStore();
      const keys = Array.from({ length: 1105 }, (_, i) => `ledger/cluster=a/${String(i).padStart(5, '0')}.json`);
      for (let i = 0; i < keys.length; i += 50)
        await Promise.all(keys.slice(i, i + 50).map((key) => putText(store, key, 'x')));
      expect(await keysOf(store, 'ledger/cluster=a/')).toEqual(keys);
      expect(await keysOf(store, 'ledger/', keys[1001])).toEqual(keys.slice(1002));
    });

    test('keys may hold odd characters', async () => {
      const store = await makeStore();
      const keys = [
        'x/a b+c=d&e.json',
        'x/100%25.json',
        'x/%2e%2e',
        "x/'q'\"<>",
        'x/..a/b..',
        'x/é\u{1f600}',
        'x/#?!*()~',
      ];
      for (const key of keys) await putText(store, key, key);
      for (const key of keys) expect(await textOf(store, key)).toBe(key);
      expect(new Set(await keysOf(store, 'x/'))).toEqual(new Set(keys));
      for (const key of keys) await store.delete(key);
      expect(await keysOf(store)).toEqual([]);
    });

    test('keys that leave the archive or mean two things are refused', async () => {
      const store = await makeStore();
      const bad = [
        '',
        '/',
        '/etc/passwd',
        '../x',
        'a/../../x',
        'a/..',
        './a',
        'a//b',
        'a/',
        'a\0b',
        '.tmp/x',
        '\ud800',
      ];
      for (const key of bad) {
        const label = JSON.stringify(key);
        await expect(async () => putText(store, key, 'x'), label).rejects.toThrow(ConfigError);
        await expect(async () => store.get(key), label).rejects.toThrow(ConfigError);
        await expect(async () => store.read(key), label).rejects.toThrow(ConfigError);
        await expect(async () => store.head(key), label).rejects.toThrow(ConfigError);
        await expect(async () => store.delete(key), label).rejects.toThrow(ConfigError);
      }
      for (const prefix of ['../', '/', 'a/../b', '..', 'a//', '.tmp/'])
        await expect(keysOf(store, prefix), prefix).rejects.toThrow(ConfigError);
      expect(await keysOf(store)).toEqual([]);
    });

    test('any operations in a row do what they do to a map', async () => {
      const key = fc.constantFrom('a', 'b/c', 'b/d', 'e/f/g');
      const step = fc.oneof(
        fc.record({ do: fc.constant('create' as const), key, text: fc.string() }),
        fc.record({ do: fc.constant('swap' as const), key, text: fc.string() }),
        fc.record({ do: fc.constant('delete' as const), key, text: fc.constant('') }),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
          const store = await makeStore();
          const model = new Map<string, string>();
          for (const { do: what, key, text } of steps) {
            if (what === 'delete') {
              await store.delete(key);
              model.delete(key);
            } else {
              const tag = what === 'swap' ? ((await store.head(key))?.tag ?? '"none"') : undefined;
              const fits = what === 'swap' ? model.has(key) : !model.has(key);
              const put = putText(store, key, text, tag === undefined ? {} : { ifMatch: tag });
              if (fits) model.set(key, (await put, text));
              else await expect(put).rejects.toThrow(ConflictError);
            }
          }
          const sorted = [...model.keys()].sort();
          expect(await keysOf(store)).toEqual(sorted);
          for (const k of sorted) expect(await textOf(store, k)).toBe(model.get(k));
        }),
        { numRuns: 15 },
      );
    });

    test('check accepts it, again and again and at the same time, and leaves the archive as it was', async () => {
      const store = await makeStore();
      await Promise.all([store.check(), store.check(), store.check()]);
      await store.check();
      const keys = (await keysOf(store)).filter((key) => !key.startsWith('.probe/'));
      expect(keys).toEqual([]);
    });
  });
}
