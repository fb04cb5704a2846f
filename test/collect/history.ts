// A random history of a source and of the runs that collect it, played over a store in memory.

import fc from 'fast-check';
import { seeded } from '../../emulators/story/random.ts';
import type { Store } from '../../src/archive/store/store.ts';
import { AuditkeepError, StaleTokenError, ThrottledError, TransientError } from '../../src/errors.ts';
import { WindowTooLargeError } from '../../src/provider.ts';
import { eventLine, type FakeLog, fakeLog } from './fake-source.ts';
import { Dead, memoryStore, troubled } from './memory-store.ts';
import { witnessed } from './witness.ts';
import { DAY, HOUR, run } from './run.ts';

/** The source's first day; collecting begins a day later, backfills reach into it. */
export const T = Date.parse('2026-06-20T00:00:00Z');
export const FIRST = T + DAY;
export const WINDOW = 6 * HOUR;
/** All rechecks of the days that have records are due. */
export const END = T + 5 * DAY + HOUR;

const MINUTE = 60_000;

/** One record and its copies. Times in milliseconds. */
const recordArb = fc.record({
  /** Since T; bounds of windows and of their halves are where mistakes are made. */
  arrival: fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: 0, max: 3 * DAY - 1 }) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.integer({ min: 1, max: 11 * 8 }), fc.constantFrom(-1, 0, 1))
        .map(([n, by]) => (n * WINDOW) / 8 + by),
    },
  ),
  /** From the event to its arrival: the longest is what the recheck still finds. */
  delay: fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: MINUTE }) },
    { weight: 2, arbitrary: fc.integer({ min: 0, max: HOUR }) },
    { weight: 2, arbitrary: fc.integer({ min: HOUR, max: 22 * HOUR }) },
    { weight: 1, arbitrary: fc.integer({ min: -2 * HOUR + 1, max: 0 }) },
  ),
  /** From its arrival until a query finds it. */
  hidden: fc.oneof(
    { weight: 5, arbitrary: fc.constant(0) },
    { weight: 2, arbitrary: fc.integer({ min: 0, max: 5 * MINUTE }) },
    { weight: 2, arbitrary: fc.integer({ min: 5 * MINUTE, max: 20 * HOUR }) },
  ),
  kind: fc.oneof(
    { weight: 8, arbitrary: fc.constant('event' as const) },
    { weight: 1, arbitrary: fc.constantFrom('bad' as const, 'klog' as const) },
  ),
  /** Few: equal audit IDs with different content. */
  auditId: fc.integer({ min: 0, max: 9 }),
  /** Arrivals of identical copies after this one; some share its window and some don't. */
  copies: fc.oneof(
    { weight: 5, arbitrary: fc.constant<number[]>([]) },
    { weight: 2, arbitrary: fc.array(fc.integer({ min: 0, max: 2 * HOUR }), { minLength: 1, maxLength: 3 }) },
  ),
  /** Other events of the same millisecond. */
  burst: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.integer({ min: 2, max: 9 }) }),
});

/** One in `n + 1`. */
const seldom = <V>(n: number, arbitrary: fc.Arbitrary<V>) =>
  fc.oneof({ weight: n, arbitrary: fc.constant(null) }, { weight: 1, arbitrary });

const runArb = fc.record({
  /** Killed at this call of the store. */
  diesAt: seldom(2, fc.integer({ min: 1, max: 90 })),
  /** Ctrl-C at this page. */
  abortsAt: seldom(6, fc.integer({ min: 1, max: 12 })),
  /** Stopped at this call of the store, and woken after the runs of the next steps. */
  sleepsAt: seldom(2, fc.integer({ min: 2, max: 60 })),
  faults: fc.constantFrom(0, 0, 0.03),
  /** Everything goes to temporary files. */
  tiny: fc.boolean(),
  /** A backfill of this range, hours since T. */
  backfill: seldom(2, fc.tuple(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 1, max: 20 }))),
  version: fc.constantFrom('auditkeep 1', 'auditkeep 2'),
});

export const historyArb = fc.record({
  seed: fc.integer({ min: 0 }),
  reads: fc.constantFrom('wide' as const, 'exact' as const),
  passes: fc.constantFrom('never' as const, 'truly' as const, 'rashly' as const),
  ids: fc.boolean(),
  pageSize: fc.integer({ min: 1, max: 20 }),
  /** Longest span of arrival that one query takes, hours. */
  mostHours: fc.constantFrom(1, 4, 1000),
  sourceFaults: fc.constantFrom(0, 0.15),
  /** Runs may sleep: then nothing can be said of what a first read must find. */
  sleepers: fc.boolean(),
  records: fc.array(recordArb, { maxLength: 50 }),
  steps: fc.array(
    fc.record({
      hours: fc.double({ min: 0, max: 20, noNaN: true }),
      runs: fc.array(runArb, { minLength: 1, maxLength: 3 }),
    }),
    { minLength: 1, maxLength: 7 },
  ),
});

export type History = typeof historyArb extends fc.Arbitrary<infer H> ? H : never;

export function makeLog(history: History): FakeLog {
  const log = fakeLog(FIRST);
  log.reads = history.reads;
  log.passes = history.passes;
  log.pageSize = history.pageSize;
  const put = (time: number, arrival: number, hidden: number, content: Buffer) =>
    log.records.push({
      ...(history.ids && { id: `id-${log.records.length}` }),
      time,
      arrival,
      visibleAt: arrival + hidden,
      content,
    });
  for (const r of history.records) {
    const arrival = T + r.arrival;
    const time = arrival - r.delay;
    const line = eventLine(time, `audit-${r.auditId}`);
    const content =
      r.kind === 'event' ? line : r.kind === 'klog' ? Buffer.from(`klog ${time}`) : Buffer.from(`broken ${time}`);
    put(time, arrival, r.hidden, content);
    for (const after of r.copies) put(time, arrival + after, r.hidden, content);
    for (let n = 0; n < r.burst; n++) put(time, arrival, r.hidden, eventLine(time, `burst-${n}`));
  }
  return log;
}

type RunPlan = History['steps'][number]['runs'][number];

/** Errors that a run may well end with; all others are bugs. */
function isExpected(error: unknown): boolean {
  return error instanceof Dead || error instanceof TransientError || (error as Error)?.name === 'AbortError';
}

/** Plays all steps, then runs until nothing is due at END. Gives the store; throws what no run should throw. */
export async function play(history: History): Promise<{ store: Store; log: FakeLog }> {
  const store = witnessed(memoryStore());
  const log = makeLog(history);
  const random = seeded(history.seed, 'history');
  const tooLarge = history.reads === 'exact' ? history.mostHours * HOUR : Number.POSITIVE_INFINITY;
  let faults = history.sourceFaults;
  const pages = new Map<AbortController, number>();
  log.onFetch = async (query, token) => {
    // the last page of a query can be the one that shows that it was too large
    if (query.arrival.to - query.arrival.from > tooLarge && (token !== undefined || random.chance(0.7)))
      throw new WindowTooLargeError('too much');
    for (const [controller, left] of pages) {
      pages.set(controller, left - 1);
      if (left === 1) controller.abort();
    }
    if (random.chance(0.3)) await new Promise(setImmediate);
    if (!random.chance(faults)) return;
    const kind = random.int(token === undefined ? 2 : 3);
    if (kind === 0) throw new TransientError('503');
    if (kind === 1) throw new ThrottledError('slow down', { retryAfter: 0 });
    throw new StaleTokenError('expired');
  };

  async function start(plan: RunPlan, asleep: () => void): Promise<void> {
    const abort = new AbortController();
    if (plan.abortsAt !== null) pages.set(abort, plan.abortsAt);
    let sleepsAt = history.sleepers ? plan.sleepsAt : null;
    let sleeping: Promise<void> | undefined;
    let calls = 0;
    const reached = troubled(store, {
      random: () => random.unit(),
      faults: plan.faults,
      ...(plan.diesAt !== null && { diesAt: plan.diesAt }),
      async before() {
        if (++calls === sleepsAt) {
          sleepsAt = null;
          const { promise, resolve } = Promise.withResolvers<void>();
          wake.push(resolve);
          sleeping = promise;
          asleep();
        }
        await sleeping; // none of its calls goes on
      },
    });
    const [from, length] = plan.backfill ?? [0, 0];
    try {
      const summary = await run(reached, log, {
        config: {
          collect: { start: '2026-06-21', window: '6h', parallel: 2, ...(plan.tiny && { memory: 1 }) },
        },
        signal: abort.signal,
        version: plan.version,
        ...(plan.backfill !== null && { only: { from: T + from * HOUR, to: T + (from + length) * HOUR } }),
      });
      for (const error of summary.errors) if (!isExpected(error)) throw error;
    } catch (error) {
      if (!isExpected(error)) throw error;
    } finally {
      pages.delete(abort);
    }
  }

  let wake: (() => void)[] = [];
  let sleepers: Promise<void>[] = [];
  for (const step of history.steps) {
    log.now += step.hours * HOUR;
    const woken = wake;
    wake = [];
    const before = sleepers;
    sleepers = [];
    await Promise.all(
      step.runs.map((plan) => {
        const { promise: fellAsleep, resolve } = Promise.withResolvers<void>();
        const done = start(plan, () => resolve());
        sleepers.push(done);
        return Promise.race([done, fellAsleep]);
      }),
    );
    for (const go of woken) go();
    await Promise.all(before);
  }
  for (const go of wake) go();
  await Promise.all(sleepers);
  log.now = END;
  faults = 0;
  for (let round = 0; round < 2; round++) {
    const last = await run(store, log, { config: { collect: { start: '2026-06-21', window: '6h' } } });
    for (const error of last.errors) throw error;
    if (last.failed > 0) throw new AuditkeepError(`${last.failed} windows failed without an error`);
    if (round === 1 && last.planned > 0) throw new AuditkeepError('a run left something to do without saying so');
  }
  return { store, log };
}
