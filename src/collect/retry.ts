// The one owner of retries for calls to providers: page by page, with growing random pauses.

import { ThrottledError, TransientError } from '../errors.ts';
import type { Log } from '../log.ts';
import { inRealTime, type Limiter, type Sleep } from './limiter.ts';

const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 20_000;
/** Faults of network or service in a row before a call is given up. */
const MOST_FAULTS = 8;
/** Throttling is no fault: it is waited out, but not for ever. */
const LONGEST_THROTTLING = 15 * 60_000;

export interface RetryDeps {
  readonly limiter: Limiter;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** How to wait; in real time when absent. */
  readonly sleep?: Sleep | undefined;
  /** When a call is given up, for who can't wait as long as a collector: faults in a row, and milliseconds of throttling. */
  readonly patience?: { readonly faults: number; readonly throttling: number };
}

const PATIENT: NonNullable<RetryDeps['patience']> = { faults: MOST_FAULTS, throttling: LONGEST_THROTTLING };

/** Calls until it succeeds, a fault stays, or an error says that someone else must act. `what` names the call in the log. */
export async function callProvider<T>(what: string, call: () => Promise<T>, deps: RetryDeps): Promise<T> {
  const { sleep = inRealTime, patience = PATIENT } = deps;
  let faults = 0;
  let throttlings = 0;
  const begin = performance.now();
  for (;;) {
    await deps.limiter.take(deps.signal);
    try {
      return await call();
    } catch (error) {
      deps.signal.throwIfAborted();
      let pause: number;
      if (error instanceof ThrottledError) {
        if (performance.now() - begin > patience.throttling) throw error;
        pause = error.retryAfter ?? backoff(throttlings++);
        deps.limiter.throttled(pause);
        deps.log.debug({ what, rate: deps.limiter.rate }, 'throttled by the service; slowing down');
      } else if (error instanceof TransientError) {
        if (++faults >= patience.faults) throw error;
        pause = backoff(faults);
        deps.log.warn(
          { what, attempt: faults, error: error.message },
          'a call failed and is tried again; nothing lost',
        );
      } else throw error;
      await sleep(pause, deps.signal);
    }
  }
}

/** Full jitter: anything up to the exponential bound, so that many collectors don't come back together. */
function backoff(attempt: number): number {
  return Math.random() * Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** attempt);
}
