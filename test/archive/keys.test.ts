// Names in the archive: what is formatted is parsed back, and nothing else is taken for one.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CLUSTER_NAME,
  clusterKey,
  compactTime,
  dateOf,
  dateOfKey,
  DAY,
  dayStart,
  HOUR,
  idsKey,
  manifestKey,
  manifestOfDataKey,
  manifestOfLedgerKey,
  parseCompactTime,
  parseManifestName,
  parseStartKey,
  partKey,
  recheckName,
  startKey,
  windowName,
} from '../../src/archive/keys.ts';

/** Whole seconds from 1970 to 9999. */
const second = fc.integer({ min: 0, max: 253_402_300_799 - 86_400 }).map((s) => s * 1000);
const span = fc
  .tuple(second, fc.integer({ min: 1, max: 86_400 }))
  .map(([from, length]) => ({ from, to: from + length * 1000 }));
const cluster = fc.stringMatching(/^[a-z0-9]([a-z0-9._-]{0,20}[a-z0-9])?$/);
const hash = fc.stringMatching(/^[0-9a-f]{64}$/);
const date = second.map(dateOf);

it('times and dates come back', () => {
  fc.assert(
    fc.property(second, (time) => {
      expect(parseCompactTime(compactTime(time))).toBe(time);
      expect(dayStart(dateOf(time))).toBe(Math.floor(time / DAY) * DAY);
    }),
  );
});

it('names of manifests come back, from every kind of key', () => {
  fc.assert(
    fc.property(
      cluster,
      span,
      date,
      fc.integer({ min: 1, max: 99 }),
      fc.nat(500),
      hash,
      (name, window, day, round, n, digest) => {
        const manifests = [
          { kind: 'window', name: windowName(window), span: window },
          { kind: 'recheck', name: recheckName(day, round), date: day, round },
        ];
        for (const manifest of manifests) {
          expect(parseManifestName(manifest.name)).toEqual(manifest);
          expect(manifestOfLedgerKey(manifestKey(name, manifest.name))).toEqual(manifest);
          expect(parseStartKey(manifestKey(name, manifest.name))).toBeUndefined();
          for (const extension of ['gz', 'zst']) {
            const key = partKey('events', name, day, manifest.name, n, digest, extension);
            expect(manifestOfDataKey(key)).toEqual(manifest);
            expect(dateOfKey(key)).toBe(day);
          }
          expect(manifestOfDataKey(idsKey(name, manifest.name, digest))).toEqual(manifest);
        }
        expect(parseStartKey(startKey(name, window))).toEqual(window);
        expect(manifestOfLedgerKey(startKey(name, window))).toBeUndefined();
        expect(manifestOfLedgerKey(clusterKey(name))).toBeUndefined();
      },
    ),
  );
});

it('the byte order of names is the order of time', () => {
  fc.assert(
    fc.property(fc.array(second, { maxLength: 20 }), (times) => {
      const names = times.map((from) => windowName({ from, to: from + HOUR })).sort();
      expect(names).toEqual([...times].sort((a, b) => a - b).map((from) => windowName({ from, to: from + HOUR })));
    }),
  );
});

describe('what is no name', () => {
  it.each([
    '',
    '_',
    'cluster',
    '20260622T100000Z',
    '20260622T110000Z_20260622T100000Z',
    '20260622T100000Z_20260622T100000Z',
    '20260622T100000Z_20260622T110000Z_x',
    '20261322T100000Z_20261322T110000Z',
    '20260622T250000Z_20260623T110000Z',
    '2026-06-22T10:00:00Z_2026-06-22T11:00:00Z',
    '20260622_recheck1',
    '20260622_recheck0',
    '20260622_recheck02',
    '20260622_recheck100',
    '20260632_recheck',
    '../20260622_recheck',
    '20260622_recheck\n',
    '__proto__',
  ])('%j', (name) => {
    expect(parseManifestName(name)).toBeUndefined();
    expect(manifestOfLedgerKey(`ledger/cluster=c/${name}.json`)).toBeUndefined();
    expect(manifestOfDataKey(`events/cluster=c/date=2026-06-22/${name}_0_0123456789abcdef.ndjson.gz`)).toBeUndefined();
  });

  it('a date that isn’t one is not taken for the next month', () => {
    expect(parseManifestName('20260230_recheck')).toBeUndefined();
    expect(parseManifestName('20260230T100000Z_20260230T110000Z')).toBeUndefined();
  });

  it('a copy of a ledger in a folder below commits nothing', () => {
    const window = windowName({ from: 0, to: HOUR });
    for (const below of ['backup/', 'cluster=c/']) {
      expect(manifestOfLedgerKey(`ledger/cluster=c/${below}${window}.json`)).toBeUndefined();
      expect(parseStartKey(`ledger/cluster=c/${below}start_${window}.json`)).toBeUndefined();
    }
  });

  it('nor is a copy of a part in a folder below one', () => {
    const part = partKey('events', 'c', '2026-06-22', '20260622_recheck', 0, 'a'.repeat(64), 'gz');
    expect(manifestOfDataKey(part)).toBeDefined();
    expect(manifestOfDataKey(part.replace('date=2026-06-22/', 'date=2026-06-22/backup/'))).toBeUndefined();
    expect(manifestOfDataKey(`log/${part}`)).toBeUndefined();
  });

  it('any text is a name of its own spelling, or none', () => {
    const near = fc.stringMatching(/^[0-9TZ_]{0,36}(_?recheck[0-9]{0,3})?$/);
    fc.assert(
      fc.property(fc.oneof(near, fc.string()), (text) => {
        const name = parseManifestName(text);
        if (name === undefined) return;
        expect(name.kind === 'window' ? windowName(name.span) : recheckName(name.date, name.round)).toBe(text);
      }),
      { numRuns: 2000 },
    );
  });
});

it('cluster names can’t leave their folder', () => {
  const bad = [
    '',
    '.',
    '..',
    '-a',
    'a-',
    '.a',
    'a.',
    'A',
    'a/b',
    'a\\b',
    'a b',
    'a\n',
    'a=b',
    'ä',
    'a\0',
    '%2e',
    '_a',
    'a'.repeat(64),
  ];
  for (const name of bad) expect(CLUSTER_NAME.test(name), name).toBe(false);
  for (const name of ['a', '0', 'prod-eu', 'a.b_c-d', 'a..b', 'a'.repeat(63)])
    expect(CLUSTER_NAME.test(name), name).toBe(true);
});
