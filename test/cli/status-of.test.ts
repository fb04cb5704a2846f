import { describe, expect, it } from 'vitest';
import { windowName } from '../../src/archive/keys.ts';
import type { Ledger } from '../../src/archive/ledger.ts';
import type { Coverage, Manifest } from '../../src/archive/manifest.ts';
import { type StatusInput, statusOf } from '../../src/cli/status-of.ts';
import { formatTime } from '../../src/time.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const T0 = Date.parse('2026-06-20T00:00:00Z');

/** A ledger whose windows are the hours of `marks` after T0: c complete, s silent, e expired, p partly expired, - missing. */
function input(marks: string, over: Partial<StatusInput> = {}): StatusInput {
  const COVERAGE: Record<string, Coverage> = { c: 'complete', s: 'silent', e: 'expired', p: 'partly-expired' };
  const windows = new Map<string, { from: number; to: number }>();
  const manifests: Manifest[] = [];
  for (const [i, mark] of [...marks].entries()) {
    if (mark === '-') continue;
    const span = { from: T0 + i * HOUR, to: T0 + (i + 1) * HOUR };
    windows.set(windowName(span), span);
    const n = mark === 'c' ? 7 : 0;
    manifests.push({
      kind: 'window',
      name: windowName(span),
      from: formatTime(span.from),
      to: formatTime(span.to),
      coverage: COVERAGE[mark],
      counts: {
        received: n,
        written: n && n - 2,
        rejected: n && 2,
        salvaged: n && 1,
        duplicate: 0,
        dropped: 0,
        skipped: 0,
      },
      rejectedByReason: n > 0 ? { 'not-json': 1, truncated: 1 } : {},
      ...(n > 0 && { omitted: { responseObject: 2 } }),
      parts: n > 0 ? [{ bytes: 100 }] : [],
      rejects: n > 0 ? [{ bytes: 10 }] : [],
      visible: { sources: [], logging: 'on', notes: ['a note'], holdsBecause: 'created' },
    } as unknown as Manifest);
  }
  const ledger = {
    cluster: 'x',
    file: { first: formatTime(T0) },
    starts: [],
    windows,
    rechecks: new Map(),
    strangers: [],
  } as unknown as Ledger;
  return {
    ledger,
    manifests,
    since: T0 - DAY,
    now: T0 + marks.length * HOUR + HOUR / 2,
    window: HOUR,
    settle: 60_000,
    silence: 2 * HOUR,
    maxLag: 26 * HOUR,
    managed: true,
    ...over,
  };
}

const of = (marks: string, over: Partial<StatusInput> = {}) => statusOf('x', input(marks, over));
const hour = (n: number) => formatTime(T0 + n * HOUR);

describe('state', () => {
  it.each([
    ['cccc', 'ok'],
    ['ccss', 'ok'],
    ['csss', 'silent'],
    ['sssc', 'ok'],
    ['ssss', 'silent'],
    ['c-cc', 'gap'],
    ['-ccc', 'gap'],
    ['c-ss', 'gap'],
    ['eeec', 'ok'],
  ])('%s is %s', (marks, state) => expect(of(marks).state).toBe(state));

  it('only a managed cluster is too silent, and only before it is retired', () => {
    expect(of('csss', { managed: false }).state).toBe('ok');
    expect(of('csss', { until: T0 + 4 * HOUR }).state).toBe('ok');
    expect(of('csss', { silence: 3 * HOUR }).state).toBe('ok');
  });

  it('a retired cluster has no lag', () => {
    expect(of('cccc', { until: T0 + 4 * HOUR, now: T0 + 400 * DAY })).toMatchObject({
      state: 'ok',
      lagSeconds: 0,
      gaps: [],
    });
    expect(of('cccc', { now: T0 + 400 * DAY }).state).toBe('gap');
  });

  it('new: nothing was ever collected', () => {
    const { ledger, ...rest } = input('');
    const bare: { -readonly [K in keyof Ledger]: Ledger[K] } = { ...ledger };
    delete bare.file;
    expect(statusOf('x', { ...rest, ledger: bare })).toMatchObject({ state: 'new', gaps: [], due: 0 });
  });
});

describe('spans', () => {
  it('gaps are joined; the tail is due until it is too old', () => {
    const status = of('c--c--');
    expect(status.gaps).toEqual([{ from: hour(1), to: hour(3) }]);
    expect(status.due).toBe(2);
    expect(status.collectedUntil).toBe(hour(1));
    expect(of('c--c--', { maxLag: HOUR }).gaps).toEqual([
      { from: hour(1), to: hour(3) },
      { from: hour(4), to: hour(6) },
    ]);
  });

  it('silent and expired spans are joined each for itself', () => {
    const status = of('epcsscsc');
    expect(status.expired).toEqual([{ from: hour(0), to: hour(2) }]);
    expect(status.silent).toEqual([
      { from: hour(3), to: hour(5) },
      { from: hour(6), to: hour(7) },
    ]);
    expect(status.silentSeconds).toBe(0);
    expect(of('css').silentSeconds).toBe(7200);
  });

  it('final until follows the rechecks', () => {
    const day = input('c'.repeat(26));
    expect(statusOf('x', day).finalUntil).toBeUndefined();
    const ledger = { ...day.ledger, rechecks: new Map([['2026-06-20', 1]]) };
    expect(statusOf('x', { ...day, ledger }).finalUntil).toBe(hour(24));
  });
});

it('volumes and rejects are summed by day of arrival', () => {
  const status = of(`${'c'.repeat(24)}c`);
  expect(status.days).toEqual([
    { date: '2026-06-20', events: 24 * 6, bytes: 24 * 110, rejected: 48 },
    { date: '2026-06-21', events: 6, bytes: 110, rejected: 2 },
  ]);
  expect(status.rejectedByReason).toEqual({ 'not-json': 25, truncated: 25 });
  expect(status.omitted).toEqual({ responseObject: 50 });
  expect(status).toMatchObject({ logging: 'on', notes: ['a note'] });
});
