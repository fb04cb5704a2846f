// Limits of the query API: calls in any thirty seconds, queries at once, and what one answer may hold.

import { ServiceFault } from './fault.ts';

export interface Limits {
  /** Calls within `per` milliseconds; default: no limit. The service allows 200 in 30 s. */
  readonly calls?: number;
  readonly per?: number;
  /** Queries at once; default 5. Further ones are refused at once, where the service lets them wait first. */
  readonly atOnce?: number;
  /** Rows of an answer; default 500,000. */
  readonly rows?: number;
  /** Bytes of an answer; default 64,000,000. */
  readonly bytes?: number;
}

export const DEFAULT_LIMITS = { per: 30_000, atOnce: 5, rows: 500_000, bytes: 64_000_000 } as const;

/** Counts calls and queries under way, in real time. */
export function createGate(limits: () => Limits, now: () => number = () => performance.now()) {
  let times: number[] = [];
  let busy = 0;
  let busiest = 0;
  return {
    get busiest() {
      return busiest;
    },
    /** @throws ServiceFault 429 */
    enter(): void {
      const { calls, per, atOnce } = { ...DEFAULT_LIMITS, ...limits() };
      const at = now();
      times = times.filter((time) => at - time < per);
      if (calls !== undefined && times.length >= calls)
        throw new ServiceFault(429, 'ThrottledError', 'The request is throttled because of the rate of requests', {
          retryAfter: Math.max(1, Math.ceil((times[0]! + per - at) / 1000)),
        });
      if (busy >= atOnce)
        throw new ServiceFault(429, 'ThrottledError', `More than ${atOnce} queries are running`, { retryAfter: 1 });
      times.push(at);
      busy++;
      busiest = Math.max(busiest, busy);
    },
    leave(): void {
      busy--;
    },
  };
}
