// Clocks are not trusted (rule 13): the host's is compared with the Date headers of source and store.

import { AuditkeepError } from '../errors.ts';
import type { Log } from '../log.ts';
import { formatDuration, formatTime } from '../time.ts';

/** How far the host's clock may be from a server's before that is told, and before nothing is committed. Milliseconds. */
export const SKEW = { warn: 5 * 60_000, fail: 60 * 60_000 };

export interface Clock {
  /** The time that plans are made for: the host's, or that of --as-of. */
  now(): number;
  /** The host's clock, whatever time plans are made for. */
  host(): number;
  /** To be called with each Date header. */
  observe(who: string, date: number): void;
  /** To be called with a time that has certainly been reached: the host's clock may be later, but not earlier. */
  notBefore(who: string, time: number): void;
  /** Throws when the host's clock is more than an hour from what a server said. To be asked before anything is committed. */
  check(): void;
}

/**
 * @param now the host's clock, milliseconds
 * @param asOf the time to plan for, in the past; servers are still compared with the host's clock
 */
export function createClock(now: () => number, asOf: number | undefined, log: Log): Clock {
  let wrong: AuditkeepError | undefined;
  let warned = false;
  function observe(who: string, date: number): void {
    const skew = now() - date;
    if (Math.abs(skew) <= SKEW.warn) return;
    const text = `this host's clock is ${formatDuration(Math.abs(skew))} ${skew > 0 ? 'ahead of' : 'behind'} ${who}, which says ${formatTime(date)}`;
    if (Math.abs(skew) > SKEW.fail)
      wrong = new AuditkeepError(`${text}; nothing more is committed`, {
        hint: 'windows are cut by the clock, so a wrong one could close them too early: set the clock (NTP) and run again',
      });
    else if (!warned) {
      warned = true;
      log.warn({ skewSeconds: Math.round(skew / 1000) }, `${text}; windows may be read too early`);
    }
  }
  return {
    now: () => asOf ?? now(),
    host: now,
    observe,
    notBefore(who, time) {
      if (now() < time) observe(who, time);
    },
    check() {
      if (wrong !== undefined) throw wrong;
    },
  };
}
