// The sweep and the commit: only strays of committed manifests go, the loser adopts the winner, sums must hold.

import { describe, expect, it } from 'vitest';
import { commit } from '../../src/archive/commit.ts';
import { sha256Hex } from '../../src/archive/hash.ts';
import {
  idsKey,
  manifestKey,
  type ManifestName,
  markKey,
  parseMarkKey,
  partKey,
  windowName,
} from '../../src/archive/keys.ts';
import { readManifest } from '../../src/archive/ledger.ts';
import { decodeManifest, encodeManifest, type Manifest, sumErrors } from '../../src/archive/manifest.ts';
import type { Store } from '../../src/archive/store/store.ts';
import { withRetries } from '../../src/archive/store/retrying.ts';
import { scopesOfDates, scopesSince, sweep } from '../../src/archive/sweep.ts';
import { AuthError, TamperError, TransientError } from '../../src/errors.ts';
import { silentLog } from '../../src/log.ts';
import { memoryStore } from '../collect/memory-store.ts';
import { keysOf, putText } from './store-texts.ts';

const DAY = '2026-06-22';
const T = Date.parse(`${DAY}T10:00:00Z`);
const NAME = windowName({ from: T, to: T + 3_600_000 });
const hash = (text: string) => sha256Hex(Buffer.from(text));
const part = (n: number, text: string, date = DAY) => partKey('events', 'c', date, NAME, n, hash(text), 'gz');

/** A manifest of three records, of which one was written, one skipped and one rejected. */
function manifestOf(over: Partial<Manifest> = {}): Manifest {
  const object = { bytes: 3, sha256: hash('a'), contentBytes: 10, contentSha256: hash('b'), lines: 1 };
  const time = '2026-06-22T10:00:00Z';
  return decodeManifest(
    encodeManifest({
      format: 1,
      kind: 'window',
      cluster: 'c',
      name: NAME,
      from: time,
      to: '2026-06-22T11:00:00Z',
      final: false,
      visible: { sources: ['x'], logging: 'on', notes: [], holdsBecause: 'unknown' },
      coverage: 'complete',
      made: { at: time, by: 'auditkeep test', configSha256: hash('c'), policySha256: hash('p') },
      counts: { received: 3, written: 1, duplicate: 0, dropped: 0, skipped: 1, rejected: 1, salvaged: 0 },
      droppedByRule: {},
      skippedByReason: { klog: 1 },
      rejectedByReason: { 'not-json': 1 },
      lowered: {},
      byLevel: { Metadata: 1 },
      byStage: { ResponseComplete: 1 },
      byVerb: { get: 1 },
      ids: { key: idsKey('c', NAME, hash('ids')), count: 3, sha256: hash('ids') },
      parts: [{ ...object, key: part(0, 'a'), lineRoot: hash('r'), firstStage: time, lastStage: time }],
      rejects: [{ ...object, key: partKey('rejects', 'c', DAY, NAME, 0, hash('rejects'), 'gz') }],
      ...over,
    } as Manifest),
  );
}

const keysIn = async (store: Store) => (await keysOf(store)).filter((key) => !key.startsWith('ledger/'));

/** The objects of the manifest and strays beside them; the manifest itself is committed unless said otherwise. */
async function archiveWith(strays: readonly string[], committed = true): Promise<{ store: Store; own: string[] }> {
  const store = memoryStore();
  const manifest = manifestOf();
  const own = [manifest.parts[0]!.key, manifest.rejects[0]!.key, manifest.ids!.key];
  for (const key of [...own, ...strays]) await putText(store, key, key);
  if (committed) await commit(store, manifest);
  return { store, own: own.sort() };
}

const deps = (store: Store) => ({
  store,
  cluster: 'c',
  isCommitted: ({ name }: ManifestName) => name === NAME,
  known: () => undefined,
  opens: 'no others' as const,
  log: silentLog,
});

describe('sweep', () => {
  const strays = [part(0, 'other'), part(1, 'a'), idsKey('c', NAME, hash('other ids'))].sort();

  it('removes what a committed manifest doesn’t list, and nothing else', async () => {
    const { store, own } = await archiveWith(strays);
    const swept = await sweep(scopesOfDates('c', [DAY]), deps(store));
    expect({ removed: [...swept.removed].sort(), left: swept.left }).toEqual({ removed: strays, left: [] });
    expect(await keysIn(store)).toEqual(own);
    expect((await sweep(scopesSince('c', DAY), deps(store))).removed).toEqual([]);
  });

  it('never touches objects of a manifest that may still come, nor strangers', async () => {
    const strangers = [
      'events/cluster=c/date=2026-06-22/notes.txt',
      `events/cluster=c/date=${DAY}/x_0_0123456789abcdef.ndjson.gz`,
    ];
    const { store } = await archiveWith([...strays, ...strangers], false);
    const before = await keysIn(store);
    for (const opens of ['no others', 'rechecks', 'all'] as const)
      expect(await sweep(scopesSince('c', DAY), { ...deps(store), isCommitted: () => false, opens })).toEqual({
        removed: [],
        left: [],
        waiting: before.length - strangers.length,
        marks: [],
      });
    expect(await keysIn(store)).toEqual(before);
  });

  it('finds a stray that no number gives away where it is told to be thorough', async () => {
    const hidden = part(0, 'hidden', '2026-06-21');
    const { store, own } = await archiveWith([hidden]);
    const scopes = scopesOfDates('c', [DAY, '2026-06-21']);
    expect((await sweep(scopes, deps(store))).removed).toEqual([]);
    expect((await sweep(scopes, { ...deps(store), opens: 'all' })).removed).toEqual([hidden]);
    expect(await keysIn(store)).toEqual(own);
  });

  it('comes across the marks of runs, wherever it looks for fingerprints, and leaves them', async () => {
    const mark = markKey('c', T + 1, '00ff');
    expect(mark).toBe('ids/cluster=c/open_20260622T100000Z_00ff.json');
    expect(parseMarkKey(mark)).toBe(T);
    for (const other of [idsKey('c', NAME, hash('a')), part(0, 'a'), `${mark}.bak`, mark.replace('0622', '0632')])
      expect(parseMarkKey(other)).toBeUndefined();
    const { store, own } = await archiveWith([mark]);
    for (const scopes of [scopesSince('c', DAY), scopesSince('c', '2027-01-01'), scopesSince('c', '')])
      expect(await sweep(scopes, deps(store))).toMatchObject({ removed: [], marks: [mark] });
    expect(await keysIn(store)).toEqual([...own, mark].sort());
  });

  it('leaves and names what the role may not delete', async () => {
    const { store } = await archiveWith(strays);
    const readOnly: Store = { ...store, delete: () => Promise.reject(new AuthError('not allowed: s3:DeleteObject')) };
    const swept = await sweep(scopesOfDates('c', [DAY]), deps(readOnly));
    expect({ removed: swept.removed, left: [...swept.left].sort() }).toEqual({ removed: [], left: strays });
    const broken: Store = { ...store, delete: () => Promise.reject(new TransientError('503')) };
    await expect(sweep(scopesOfDates('c', [DAY]), deps(broken))).rejects.toThrow(TransientError);
  });
});

describe('commit', () => {
  const other = () => manifestOf({ made: { ...manifestOf().made, by: 'auditkeep other' } });

  it('stores what it is given, byte for byte', async () => {
    const store = memoryStore();
    expect(await commit(store, manifestOf())).toEqual({ manifest: manifestOf(), won: true });
    expect((await readManifest(store, 'c', NAME)).bytes.equals(encodeManifest(manifestOf()))).toBe(true);
  });

  it('who comes second adopts the first one’s', async () => {
    const store = memoryStore();
    await commit(store, other());
    expect(await commit(store, manifestOf())).toEqual({ manifest: other(), won: false });
    expect((await readManifest(store, 'c', NAME)).manifest.made.by).toBe('auditkeep other');
  });

  const retrying = (store: Store) =>
    withRetries(store, { signal: new AbortController().signal, log: silentLog, sleep: async () => undefined });

  it('after an answer that was lost, the stored bytes tell who won', async () => {
    for (const first of [manifestOf(), other()]) {
      const inner = memoryStore();
      let lost = false;
      const store = retrying({
        ...inner,
        async put(key, body, options) {
          if (lost) return inner.put(key, body, options);
          lost = true;
          await commit(inner, first); // ours arrived, or another run's did
          throw new TransientError('no answer');
        },
      });
      const mine = first.made.by === 'auditkeep test';
      expect(await commit(store, manifestOf())).toEqual({ manifest: first, won: mine });
    }
  });

  it('a loser that finds something else there says so', async () => {
    const store = memoryStore();
    await putText(store, manifestKey('c', NAME), '{}');
    await expect(commit(store, manifestOf())).rejects.toThrow(TamperError);
  });

  const broken: [string, Partial<Manifest>, RegExp][] = [
    ['received', { counts: { ...manifestOf().counts, received: 4 } }, /received: 4 instead of 3/],
    ['written', { counts: { ...manifestOf().counts, written: 2, skipped: 0 } }, /lines in parts: 1 instead of 2/],
    ['salvaged', { counts: { ...manifestOf().counts, salvaged: 1 } }, /lines in parts: 1 instead of 2/],
    ['rejects', { rejects: [] }, /lines in rejects: 0 instead of 1/],
    ['dropped', { droppedByRule: { 'rule 1': 1 } }, /dropped by rule: 1 instead of 0/],
    ['skipped', { skippedByReason: {} }, /skipped by reason: 0 instead of 1/],
    ['rejected', { rejectedByReason: { 'not-json': 2 } }, /rejected by reason: 2 instead of 1/],
    ['fingerprints', { ids: { ...manifestOf().ids!, count: 2 } }, /fingerprints: 2 instead of 3/],
    ['levels', { byLevel: {} }, /byLevel: 0 instead of 1/],
    ['stages', { byStage: { Panic: 2 } }, /byStage: 2 instead of 1/],
    ['verbs', { byVerb: {} }, /byVerb: 0 instead of 1/],
  ];
  it.each(broken)('a manifest whose sum of %s doesn’t hold is refused and named', async (_, over, message) => {
    expect(sumErrors(manifestOf())).toEqual([]);
    const store = memoryStore();
    await expect(commit(store, manifestOf(over))).rejects.toThrow(message);
    expect(await keysIn(store)).toEqual([]);
    await expect(readManifest(store, 'c', NAME)).rejects.toThrow('is gone');
  });
});
