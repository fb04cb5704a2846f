// Calls to a provider: the limiter's pace, retries, the page walk, and clocks; all with a time of the test's own.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createClock } from '../../src/collect/clock.ts';
import { createLimiter, createLimiters } from '../../src/collect/limiter.ts';
import { callProvider, type RetryDeps } from '../../src/collect/retry.ts';
import { createWalk, restarting } from '../../src/collect/walk.ts';
import { AuthError, StaleTokenError, ThrottledError, TransientError, WindowTooLargeError } from '../../src/errors.ts';
import { type Log, silentLog } from '../../src/log.ts';
import type { Page, ProviderRecord, Query, Source } from '../../src/provider.ts';

const quiet = new AbortController().signal;

/** A time that only waiting moves. */
function fakeTime() {
  let now = 0;
  return {
    now: () => now,
    pass: (ms: number) => void (now += ms),
    sleep: async (ms: number, signal: AbortSignal) => {
      signal.throwIfAborted();
      now += ms;
    },
  };
}

describe('limiter', () => {
  it('lets no more calls through than the rate allows, whatever the pauses', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 1, maxLength: 60 }),
        async (perSecond, burst, pauses) => {
          const time = fakeTime();
          const limiter = createLimiter(perSecond, burst, time.now, time.sleep);
          const calls: number[] = [];
          for (const pause of pauses) {
            time.pass(pause);
            await limiter.take(quiet);
            calls.push(time.now());
          }
          // any span holds at most what fits into it, and the burst
          for (const [i, from] of calls.entries())
            for (let k = i + 1; k < calls.length; k++)
              expect(k - i + 1).toBeLessThanOrEqual(((calls[k]! - from) / 1000) * perSecond + burst + 1e-6);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('keeps up with the rate when it is asked all the time', async () => {
    const time = fakeTime();
    const limiter = createLimiter(5, 1, time.now, time.sleep);
    for (let n = 0; n < 50; n++) await limiter.take(quiet);
    expect(time.now()).toBeCloseTo(49 * 200);
  });

  it('has its whole burst at once, however young the process is', async () => {
    const time = fakeTime();
    const limiter = createLimiter(5, 10, time.now, time.sleep);
    for (let n = 0; n < 10; n++) await limiter.take(quiet);
    expect(time.now()).toBe(0);
    await limiter.take(quiet);
    expect(time.now()).toBeCloseTo(200);
  });

  it('falls when throttled, holds the pause that was asked for, and comes back', async () => {
    const time = fakeTime();
    const limiter = createLimiter(10, 1, time.now, time.sleep);
    await limiter.take(quiet);
    limiter.throttled(3000);
    expect(limiter.rate).toBeCloseTo(7);
    await limiter.take(quiet);
    expect(time.now()).toBe(3000);
    for (let n = 0; n < 50; n++) limiter.throttled();
    expect(limiter.rate).toBe(0.2);
    time.pass(10_000);
    await limiter.take(quiet);
    expect(limiter.rate).toBeCloseTo(0.2 + 5);
    time.pass(60_000);
    await limiter.take(quiet);
    expect(limiter.rate).toBe(10);
  });

  it('an abort ends the waiting', async () => {
    const limiter = createLimiter(0.001);
    await limiter.take(quiet);
    const stop = new AbortController();
    const waiting = limiter.take(stop.signal);
    stop.abort();
    await expect(waiting).rejects.toThrow();
    await expect(limiter.take(stop.signal)).rejects.toThrow();
  });

  it('one key is one limiter, whoever asks', () => {
    const limiters = createLimiters();
    expect(limiters({ key: 'a', perSecond: 1 })).toBe(limiters({ key: 'a', perSecond: 5 }));
    expect(limiters({ key: 'a', perSecond: 1 })).not.toBe(limiters({ key: 'b', perSecond: 1 }));
  });
});

function retryDeps(log: Log = silentLog, signal = quiet) {
  const slept: number[] = [];
  const throttled: (number | undefined)[] = [];
  const deps: RetryDeps = {
    limiter: { take: async () => signal.throwIfAborted(), throttled: (pause) => void throttled.push(pause), rate: 1 },
    log,
    signal,
    sleep: async (ms) => void slept.push(ms),
  };
  return { deps, slept, throttled };
}

/** Fails with these errors, one after the other, then answers. */
function failing(errors: Error[]) {
  let calls = 0;
  const call = async () => {
    const error = errors[calls++];
    if (error !== undefined) throw error;
    return 'done';
  };
  return { call, calls: () => calls };
}

describe('retry', () => {
  it('waits out seven faults in a row, each within a bound that doubles, and gives up at the eighth', async () => {
    const { deps, slept } = retryDeps();
    const faults = Array.from({ length: 8 }, (_, n) => new TransientError(`fault ${n}`));
    expect(await callProvider('page', failing(faults.slice(0, 7)).call, deps)).toBe('done');
    expect(slept).toHaveLength(7);
    for (const [n, ms] of slept.entries()) expect(ms).toBeLessThanOrEqual(Math.min(20_000, 500 * 2 ** n));
    await expect(callProvider('page', failing(faults).call, deps)).rejects.toThrow('fault 7');
  });

  it('waits out throttling as long as asked for, tells the limiter, and doesn’t call it a fault', async () => {
    const { deps, slept, throttled } = retryDeps();
    const errors = Array.from({ length: 30 }, () => new ThrottledError('slow down', { retryAfter: 1500 }));
    expect(await callProvider('page', failing(errors).call, deps)).toBe('done');
    expect(slept).toEqual(throttled);
    expect(slept).toEqual(Array.from({ length: 30 }, () => 1500));
  });

  it('passes at once what someone else must act on', async () => {
    const { deps, slept } = retryDeps();
    for (const error of [
      new AuthError('no'),
      new StaleTokenError('old'),
      new WindowTooLargeError('much'),
      new Error('bug'),
    ]) {
      const { call, calls } = failing([error]);
      await expect(callProvider('page', call, deps)).rejects.toBe(error);
      expect(calls()).toBe(1);
    }
    expect(slept).toEqual([]);
  });

  it('an abort wins over the error that it caused', async () => {
    const stop = new AbortController();
    const { deps } = retryDeps(silentLog, stop.signal);
    const call = async () => {
      stop.abort(new Error('Ctrl-C'));
      throw new TransientError('torn');
    };
    await expect(callProvider('page', call, deps)).rejects.toThrow('Ctrl-C');
  });
});

const recordAt = (arrival: number): ProviderRecord => ({
  id: `${arrival}`,
  arrival,
  content: Buffer.from(`${arrival}`),
});

/** A source of records at every millisecond of [0, 1000); `wide` answers all of them to every query. */
function sourceOf(
  reads: 'wide' | 'exact',
  onFetch: (query: Query, token: string | undefined) => void,
  pageSize = 90,
): Source {
  return {
    reads,
    async fetchPage(query: Query, token: string | undefined): Promise<Page> {
      onFetch(query, token);
      const { from, to } = reads === 'wide' ? { from: 0, to: 1000 } : query.arrival;
      const at = token === undefined ? from : Number(token);
      const records = Array.from({ length: Math.min(pageSize, to - at) }, (_, i) => recordAt(at + i));
      return { records, bytes: records.length, ...(at + pageSize < to && { next: `${at + pageSize}` }) };
    },
  } as unknown as Source;
}

async function walkAll(source: Source): Promise<number[]> {
  const { deps } = retryDeps();
  const walk = createWalk(source, { arrival: { from: 0, to: 1000 }, lateness: 0 }, { reading: deps });
  return restarting(async () => {
    const arrivals: number[] = [];
    const pages = await walk.run(async (page) => void arrivals.push(...page.records.map((record) => record.arrival)));
    expect(pages).toBeGreaterThan(0);
    return arrivals;
  }, deps);
}

describe('walk', () => {
  const everyMillisecond = Array.from({ length: 1000 }, (_, n) => n);

  it.each(['wide', 'exact'] as const)(
    'halves what is too large until it fits: each record once (%s)',
    async (reads) => {
      for (const most of reads === 'wide' ? [1000, 999, 300] : [1000, 999, 300, 7])
        for (const late of [false, true]) {
          const source = sourceOf(reads, (query, token) => {
            const tooLarge = query.arrival.to - query.arrival.from > most;
            // some services see it only on a later page
            if (tooLarge && (!late || token !== undefined)) throw new WindowTooLargeError('too much');
          });
          expect(await walkAll(source)).toEqual(everyMillisecond);
        }
    },
  );

  it('fails where a single millisecond is too large', async () => {
    const source = sourceOf('exact', () => {
      throw new WindowTooLargeError('too much');
    });
    await expect(walkAll(source)).rejects.toThrow(WindowTooLargeError);
  });

  it('starts again after an expired token, and gives up after the fifth time', async () => {
    for (const [times, ok] of [
      [4, true],
      [5, false],
    ] as const) {
      let left = times;
      const source = sourceOf('wide', (_, token) => {
        if (token === '450' && left-- > 0) throw new StaleTokenError('expired');
      });
      if (ok) expect(await walkAll(source)).toEqual(everyMillisecond);
      else await expect(walkAll(source)).rejects.toThrow(TransientError);
    }
  });

  it('a service that goes in a circle is noticed, whatever the length of the circle', async () => {
    for (const length of [1, 2, 5]) {
      let page = 0;
      const source = {
        fetchPage: async () => ({ records: [], bytes: 0, next: `token ${page++ % length}` }),
      } as unknown as Source;
      await expect(walkAll(source)).rejects.toThrow(/lost its place 5 times.*twice/);
    }
  });

  it('goes on over empty pages', async () => {
    const pages = [0, 3, 0, 0, 2, 0];
    const source = {
      async fetchPage(_: Query, token = '0') {
        const n = Number(token);
        const records = Array.from({ length: pages[n]! }, (_x, i) => recordAt(n * 10 + i));
        return { records, bytes: 0, ...(n + 1 < pages.length && { next: `${n + 1}` }) };
      },
    } as unknown as Source;
    expect(await walkAll(source)).toEqual([10, 11, 12, 40, 41]);
  });

  /** As sourceOf, walked in pieces of event time, which here is arrival. */
  function piecewise(onFetch: (query: Query, token: string | undefined) => void | Promise<void>): Source {
    const source = sourceOf('exact', () => undefined, 30);
    return {
      ...source,
      pieces: (query: Query, most: number) =>
        Array.from({ length: most }, (_, n) => ({
          ...query,
          events: { from: Math.floor((1000 * n) / most), to: Math.floor((1000 * (n + 1)) / most) },
        })),
      async fetchPage(query: Query, token: string | undefined, signal: AbortSignal) {
        await onFetch(query, token);
        return source.fetchPage({ ...query, arrival: query.events! }, token, signal);
      },
    };
  }
  const whole: Query = { arrival: { from: 0, to: 1000 }, lateness: 0 };

  it('walks pieces of a query side by side, and hands out their pages one at a time', async () => {
    const { deps } = retryDeps();
    let most = 0;
    let fetching = 0;
    const source = piecewise(async () => {
      most = Math.max(most, ++fetching);
      await new Promise((done) => setTimeout(done, 1));
      fetching--;
    });
    const arrivals: number[] = [];
    let inHand = 0;
    const pages = await createWalk(source, whole, { reading: deps, pieces: 5 }).run(async (page) => {
      expect(++inHand).toBe(1);
      await new Promise((done) => setTimeout(done, 1));
      arrivals.push(...page.records.map((record) => record.arrival));
      inHand--;
    });
    expect(arrivals.sort((a, b) => a - b)).toEqual(everyMillisecond);
    expect(pages).toBe(5 * Math.ceil(200 / 30));
    expect(most).toBeGreaterThan(1);
    // five pieces, each one page ahead
    expect(most).toBeLessThanOrEqual(10);
  });

  it('hands out the pages of pieces in the same order, whichever comes first', async () => {
    const { deps } = retryDeps();
    const orderOf = async (delays: number) => {
      let n = 0;
      const source = piecewise(() => new Promise((done) => setTimeout(done, (n++ * delays) % 5)));
      const order: number[] = [];
      await createWalk(source, whole, { reading: deps, pieces: 3 }).run(
        async (page) => void order.push(page.records[0]!.arrival),
      );
      return order;
    };
    const order = await orderOf(1);
    expect(order.slice(0, 4)).toEqual([0, 333, 666, 30]);
    for (const delays of [2, 3, 4, 7]) expect(await orderOf(delays)).toEqual(order);
  });

  it('one piece that loses its place starts all of them again', async () => {
    const { deps } = retryDeps();
    let left = 2;
    const source = piecewise((query, token) => {
      if (query.events!.from === 500 && token === '530' && left-- > 0) throw new StaleTokenError('expired');
    });
    const walk = createWalk(source, whole, { reading: deps, pieces: 4 });
    const arrivals = await restarting(async () => {
      const taken: number[] = [];
      await walk.run(async (page) => void taken.push(...page.records.map((record) => record.arrival)));
      return taken;
    }, deps);
    expect(arrivals.sort((a, b) => a - b)).toEqual(everyMillisecond);
    expect(left).toBe(-1);
  });

  it('ends with the first error of a piece, when no other is under way any more', async () => {
    const { deps } = retryDeps();
    let failed = false;
    let after = 0;
    const source = piecewise((query, token) => {
      if (query.events!.from === 250 && token !== undefined) throw new AuthError('no longer allowed');
    });
    const run = createWalk(source, whole, { reading: deps, pieces: 4 }).run(async () => {
      if (failed) after++;
      await new Promise((done) => setTimeout(done, 1));
    });
    await expect(run).rejects.toThrow('no longer allowed');
    failed = true;
    await new Promise((done) => setTimeout(done, 20));
    expect(after).toBe(0);
  });

  /** As sourceOf, but says each page's next token before the page is ready. `spell` may spoil what it says. */
  function foretelling(asked: (string | undefined)[], spell: (next: string) => string, fail?: (n: number) => void) {
    const source = sourceOf('wide', (_, token) => void asked.push(token), 100);
    return {
      ...source,
      async fetchPage(query, token, signal, onNext) {
        const page = await source.fetchPage(query, token, signal);
        if (page.next !== undefined) onNext?.(spell(page.next));
        await new Promise((done) => setTimeout(done, 1));
        fail?.(asked.length);
        return page;
      },
    } satisfies Source;
  }

  it('asks for the next page as soon as its token is known, once', async () => {
    const asked: (string | undefined)[] = [];
    expect(await walkAll(foretelling(asked, (next) => next))).toEqual(everyMillisecond);
    expect(asked).toEqual([undefined, ...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => `${n}00`)]);
  });

  it('a token that was said too early and wrong costs a call, never a record', async () => {
    expect(await walkAll(foretelling([], (next) => `${Number(next) + 100}`))).toEqual(everyMillisecond);
    expect(await walkAll(foretelling([], () => '500'))).toEqual(everyMillisecond);
  });

  it('a page that fails after its token was said is asked for again, the one after it is not', async () => {
    const asked: (string | undefined)[] = [];
    let failures = 0;
    const source = foretelling(
      asked,
      (next) => next,
      (n) => {
        if (n === 4 && failures++ === 0) throw new TransientError('cut off');
      },
    );
    expect(await walkAll(source)).toEqual(everyMillisecond);
    expect(failures).toBeGreaterThan(0);
    expect(asked).toHaveLength(11);
  });

  it('asks ahead only while all walks of the run together hold little', async () => {
    const { deps } = retryDeps();
    const hand = { bytes: 0 };
    const source = sourceOf('wide', () => undefined);
    const heavy: Source = {
      ...source,
      fetchPage: async (query, token, signal) => ({
        ...(await source.fetchPage(query, token, signal)),
        bytes: 5 << 20,
      }),
    };
    const walk = () => createWalk(heavy, { arrival: { from: 0, to: 1000 }, lateness: 0 }, { reading: deps, hand });
    const most: number[] = [];
    const onPage = async () => {
      await new Promise((done) => setTimeout(done, 2));
      most.push(hand.bytes);
    };
    expect(await walk().run(onPage)).toBe(12);
    // alone it has a page in hand, and the next one that was asked for meanwhile
    expect(Math.max(...most)).toBe(10 << 20);
    most.length = 0;
    await Promise.all([walk().run(onPage), walk().run(onPage), walk().run(onPage)]);
    // three pages are worked on; of the first ones one could be asked for ahead
    expect(Math.max(...most)).toBeLessThanOrEqual(20 << 20);
    expect(most.filter((bytes) => bytes > 15 << 20).length).toBeLessThan(6);
    expect(hand.bytes).toBe(0);
    await expect(walk().run(() => Promise.reject(new Error('full')))).rejects.toThrow('full');
    await new Promise((done) => setTimeout(done, 5));
    expect(hand.bytes).toBe(0);
  });

  it('forgets a page that was asked for in vain', async () => {
    const { deps } = retryDeps();
    const hand = { bytes: 0 };
    const source = foretelling([], (next) => `${Number(next) + 1}`);
    const held: number[] = [];
    await createWalk(source, { arrival: { from: 0, to: 1000 }, lateness: 0 }, { reading: deps, hand }).run(async () => {
      await new Promise((done) => setTimeout(done, 5));
      held.push(hand.bytes);
    });
    // the page that is worked on, and the next one
    expect(Math.max(...held)).toBeLessThanOrEqual(200);
    expect(hand.bytes).toBe(0);
  });

  it('does not ask for more than one page ahead of the one that is worked on', async () => {
    const asked: (string | undefined)[] = [];
    const { deps } = retryDeps();
    const walk = createWalk(
      foretelling(asked, (next) => next),
      { arrival: { from: 0, to: 1000 }, lateness: 0 },
      { reading: deps },
    );
    let taken = 0;
    await walk.run(async () => {
      await new Promise((done) => setTimeout(done, 10));
      taken++;
      expect(asked.length).toBeLessThanOrEqual(taken + 2);
    });
  });

  it('ends with the error of whoever takes the pages, and asks for no more', async () => {
    const { deps } = retryDeps();
    let fetched = 0;
    const source = sourceOf('wide', () => void fetched++, 10);
    const walk = createWalk(source, { arrival: { from: 0, to: 1000 }, lateness: 0 }, { reading: deps });
    await expect(walk.run(async () => Promise.reject(new Error('disk full')))).rejects.toThrow('disk full');
    expect(fetched).toBeLessThanOrEqual(2);
  });
});

describe('clock', () => {
  const HOUR = 3_600_000;
  const at = Date.parse('2026-06-22T10:00:00Z');
  function watched(asOf?: number) {
    const warnings: string[] = [];
    const log = { ...silentLog, warn: (_: object, text: string) => void warnings.push(text) };
    return { clock: createClock(() => at, asOf, log), warnings };
  }

  it.each([
    [0, 0, false],
    [5 * 60_000, 0, false],
    [5 * 60_000 + 1, 1, false],
    [-HOUR, 1, false],
    [HOUR + 1, 0, true],
    [-49 * HOUR, 0, true],
  ])('a server that is %i ms off', (skew, warned, fails) => {
    const { clock, warnings } = watched();
    clock.observe('the source', at - skew);
    clock.observe('the source', at - skew);
    expect(warnings).toHaveLength(warned);
    if (fails) expect(() => clock.check()).toThrow(skew > 0 ? /ahead of the source/ : /2d1h behind the source/);
    else clock.check();
  });

  it('a time that was reached already shows a clock that went back, and none that goes ahead', () => {
    for (const [time, fails] of [
      [at - 30 * 24 * HOUR, false],
      [at, false],
      [at + 2 * HOUR, true],
    ] as const) {
      const { clock, warnings } = watched(at - 60 * 24 * HOUR);
      clock.notBefore('the ledger of one', time);
      if (fails) expect(() => clock.check()).toThrow(/2h behind the ledger of one/);
      else clock.check();
      expect(warnings).toEqual([]);
    }
  });

  it('plans for --as-of, but compares the host’s own time', () => {
    const { clock } = watched(at - 30 * 24 * HOUR);
    expect(clock.now()).toBe(at - 30 * 24 * HOUR);
    clock.observe('the source', at);
    clock.check();
  });
});
