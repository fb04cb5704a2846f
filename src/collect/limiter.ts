// One limiter per quota key (rule 12): evenly spaced calls, slower after throttling, and back up when the service allows.

import { setTimeout as wait } from 'node:timers/promises';

/** Waits; rejects when the signal aborts. */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;

export const inRealTime: Sleep = (ms, signal) => wait(ms, undefined, { signal });

export interface Limiter {
  /** Waits for the next free slot. Rejects when the signal aborts. */
  take(signal: AbortSignal): Promise<void>;
  /** The service said "slow down": others use the same quota. `pause` = milliseconds it asked to wait. */
  throttled(pause?: number): void;
  /** The current rate, calls per second. */
  readonly rate: number;
}

/** After throttling the rate falls to this share … */
const FALL = 0.7;
/** … and comes back by this share of the full rate for each second without throttling. */
const RISE = 0.05;
const SLOWEST = 0.2;
/** Calls of this many seconds are caught up on after a delay of our own, rather than lost: services count by the second or longer. */
const CATCH_UP = 0.9;

/**
 * @param perSecond calls that the quota allows
 * @param burst calls that may go out at once after a pause
 */
export function createLimiter(
  perSecond: number,
  burst = 1,
  now: () => number = () => performance.now(),
  sleep: Sleep = inRealTime,
): Limiter {
  let rate = perSecond;
  // nothing was used before the first call, and the clock may have begun with the process
  let next = Number.NEGATIVE_INFINITY;
  let changed = now();
  const recover = (at: number) => {
    rate = Math.min(perSecond, rate + ((at - changed) / 1000) * RISE * perSecond);
    changed = at;
  };
  return {
    get rate() {
      return rate;
    },
    async take(signal) {
      signal.throwIfAborted();
      const at = now();
      recover(at);
      // what was not used is kept, up to the burst
      const slot = Math.max(at - ((burst - 1) * 1000) / rate, next);
      next = slot + 1000 / rate;
      if (slot > at) await sleep(slot - at, signal);
    },
    throttled(pause = 0) {
      const at = now();
      recover(at);
      rate = Math.max(SLOWEST, rate * FALL);
      next = Math.max(next, at + pause);
    },
  };
}

/** Limiters by quota key, shared by all clusters of a run. */
export function createLimiters(sleep?: Sleep): (quota: { key: string; perSecond: number; burst?: number }) => Limiter {
  const limiters = new Map<string, Limiter>();
  return ({ key, perSecond, burst }) => {
    let limiter = limiters.get(key);
    if (limiter === undefined) {
      limiter = createLimiter(perSecond, burst ?? Math.max(1, perSecond * CATCH_UP), undefined, sleep);
      limiters.set(key, limiter);
    }
    return limiter;
  };
}
