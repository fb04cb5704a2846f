// The plan: which windows are due, read together, final or to be rechecked, and shared out between shards.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { obligationsOf, reachOf, unite } from '../../src/archive/coverage.ts';
import { DAY, dateOf, HOUR, recheckName, windowName } from '../../src/archive/keys.ts';
import type { Ledger } from '../../src/archive/ledger.ts';
import { plan, type PlanInput } from '../../src/collect/plan.ts';
import type { Span } from '../../src/provider.ts';

const T = Date.parse('2026-06-20T00:00:00Z');
const SETTLE = 300_000;

function ledgerOf(windows: Iterable<Span>, rechecks: Iterable<string> = [], first = T, starts: Span[] = []): Ledger {
  return {
    cluster: 'c',
    file: { first: new Date(first).toISOString() } as NonNullable<Ledger['file']>,
    starts,
    windows: new Map([...windows].map((span) => [windowName(span), span])),
    rechecks: new Map([...rechecks].map((date) => [date, 1])),
    strangers: [],
  };
}

const input = (ledger: Ledger, over: Partial<PlanInput> = {}): PlanInput => ({
  ledger,
  window: HOUR,
  obligations: obligationsOf(ledger),
  now: T + 3 * HOUR + SETTLE,
  settle: SETTLE,
  recheckAfter: DAY,
  lateness: { first: HOUR, recheck: DAY },
  wide: true,
  ...over,
});

const hour = (n: number): Span => ({ from: T + n * HOUR, to: T + (n + 1) * HOUR });
const windowsOf = (planned: ReturnType<typeof plan>) => planned.scans.flatMap((scan) => scan.windows);

describe('plan', () => {
  it('a window is due when it is closed and has settled, to the millisecond', () => {
    for (const [now, due] of [
      [T + 3 * HOUR + SETTLE - 1, 2],
      [T + 3 * HOUR + SETTLE, 3],
    ] as const)
      expect(windowsOf(plan(input(ledgerOf([]), { now })))).toEqual([0, 1, 2].slice(0, due).map(hour));
  });

  it('is the grid of the obligations minus the ledger: no more, no less, each once, and one day a scan', () => {
    const hours = fc.uniqueArray(fc.integer({ min: 0, max: 80 }));
    fc.assert(
      fc.property(
        hours,
        fc.integer({ min: -10, max: 90 }),
        fc.array(fc.tuple(fc.integer({ min: -40, max: 60 }), fc.integer({ min: 1, max: 30 })), { maxLength: 3 }),
        fc.boolean(),
        fc.constantFrom(1, 2, 6, 24),
        (have, nowHours, backfills, wide, length) => {
          const window = length * HOUR;
          const starts = backfills.map(([from, n]) => ({ from: T + from * window, to: T + (from + n) * window }));
          const committed = have.map((n) => ({ from: T + n * window, to: T + (n + 1) * window }));
          const ledger = ledgerOf(committed, [], T, starts);
          const now = T + nowHours * window + SETTLE + 1;
          const planned = plan(input(ledger, { now, window, wide }));
          const expected: Span[] = [];
          for (let from = T - 40 * window; from + window + SETTLE <= now; from += window) {
            const span = { from, to: from + window };
            const owed = from >= T || starts.some((s) => s.from <= from && span.to <= s.to);
            if (owed && !ledger.windows.has(windowName(span))) expected.push(span);
          }
          expect(windowsOf(planned)).toEqual(expected);
          expect(planned.windows).toBe(expected.length);
          for (const { windows } of planned.scans) {
            expect(new Set(windows.map((span) => dateOf(span.from))).size).toBe(1);
            for (const [i, span] of windows.entries()) if (i > 0) expect(span.from).toBe(windows[i - 1]!.to);
            if (!wide) expect(windows).toHaveLength(1);
          }
        },
      ),
    );
  });

  it('shards share out the days of a plan: every window and recheck in exactly one', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 0, max: 200 })),
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 0, max: 230 }),
        (have, of, nowHours) => {
          const now = T + nowHours * HOUR;
          const ledger = ledgerOf(have.map(hour));
          const whole = plan(input(ledger, { now }));
          const shards = Array.from({ length: of }, (_, i) =>
            plan(input(ledger, { now, shard: { index: i + 1, of } })),
          );
          const byTime = (a: Span, b: Span) => a.from - b.from;
          expect(shards.flatMap(windowsOf).sort(byTime)).toEqual(windowsOf(whole));
          expect(shards.flatMap((shard) => shard.rechecks).sort()).toEqual(whole.rechecks);
        },
      ),
    );
  });

  it('a first read is final, and wide, once the recheck of its day would be due', () => {
    const day = Array.from({ length: 24 }, (_, n) => hour(n));
    for (const [now, final] of [
      [T + 2 * DAY - 1, false],
      [T + 2 * DAY, true],
    ] as const) {
      const { scans, rechecks } = plan(input(ledgerOf(day.slice(1)), { now, only: hour(0) }));
      expect(scans).toEqual([{ windows: [hour(0)], final, lateness: final ? DAY : HOUR }]);
      expect(rechecks).toEqual(final ? ['2026-06-20'] : []);
    }
  });

  it('rechecks a day once, when it is whole, and not while a window of it is missing', () => {
    const day = Array.from({ length: 24 }, (_, n) => hour(n));
    const now = T + 2 * DAY;
    const rechecks = (ledger: Ledger, over: Partial<PlanInput> = {}) => plan(input(ledger, { now, ...over })).rechecks;
    expect(rechecks(ledgerOf(day))).toEqual(['2026-06-20']);
    expect(rechecks(ledgerOf(day, ['2026-06-20']))).toEqual([]);
    // missing, but in this plan: the recheck comes after it
    expect(rechecks(ledgerOf(day.slice(1)))).toEqual(['2026-06-20']);
    // missing, and not in this plan
    expect(rechecks(ledgerOf(day.slice(1)), { only: hour(5) })).toEqual([]);
    expect(rechecks(ledgerOf(day), { now: now - 1 })).toEqual([]);
  });

  it('a retired cluster has no windows from then on, and its last day is rechecked like others', () => {
    const until = T + 30.5 * HOUR;
    const ledger = ledgerOf([]);
    const planned = plan(input(ledger, { now: T + 10 * DAY, obligations: obligationsOf(ledger, until) }));
    expect(windowsOf(planned)).toEqual(Array.from({ length: 31 }, (_, n) => hour(n)));
    expect(planned.rechecks).toEqual(['2026-06-20', '2026-06-21']);
    expect(obligationsOf(ledger, T)).toEqual([]);
  });
});

describe('coverage', () => {
  const spans = fc.array(
    fc
      .tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 8 }))
      .map(([from, n]) => ({ from, to: from + n })),
    { maxLength: 8 },
  );
  const members = (list: readonly Span[]) =>
    Array.from({ length: 50 }, (_, n) => list.some((s) => s.from <= n && n < s.to));

  it('united spans hold the same times, sorted and apart', () => {
    fc.assert(
      fc.property(spans, (list) => {
        const united = unite(list);
        expect(members(united)).toEqual(members(list));
        for (const [i, span] of united.entries()) {
          expect(span.from).toBeLessThan(span.to);
          if (i > 0) expect(span.from).toBeGreaterThan(united[i - 1]!.to);
        }
      }),
    );
  });

  it('reaches as far as nothing is missing, and final as far as days are rechecked', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 0, max: 71 }), { maxLength: 20 }),
        fc.subarray(['2026-06-20', '2026-06-21', '2026-06-22']),
        fc.integer({ min: 0, max: 72 }),
        (missing, rechecks, closed) => {
          const have = Array.from({ length: 72 }, (_, n) => n).filter((n) => !missing.includes(n));
          const ledger = ledgerOf(have.map(hour), rechecks);
          const reach = reachOf(ledger, obligationsOf(ledger), HOUR, T + closed * HOUR);
          const gap = Math.min(closed, ...missing);
          const open = ['2026-06-20', '2026-06-21', '2026-06-22'].findIndex((date) => !rechecks.includes(date));
          const final = Math.min(gap, open < 0 ? closed : open * 24);
          expect(reach.collectedUntil).toBe(gap === 0 ? undefined : T + gap * HOUR);
          expect(reach.finalUntil).toBe(final === 0 ? undefined : T + final * HOUR);
          const gaps = missing.filter((n) => n < closed).map(hour);
          expect(reach.gaps).toEqual(unite(gaps));
        },
      ),
    );
  });

  it('names of rechecks and windows of one day never meet', () => {
    expect(windowName({ from: T, to: T + DAY })).not.toBe(recheckName(dateOf(T)));
  });
});
