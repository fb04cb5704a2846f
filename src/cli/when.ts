// Times, ranges and shards on the command line: what is allowed, and a clear refusal of the rest.

import { ConfigError } from '../errors.ts';
import type { Span } from '../provider.ts';
import { formatTime, parseTime } from '../time.ts';

/** A time option in milliseconds since the epoch. Throws ConfigError if it is none. */
export function timeOption(flag: string, text: string, now: number): number {
  const time = parseTime(text, now);
  if (Number.isNaN(time))
    throw new ConfigError(`${flag} ${text}: not a time`, {
      hint: 'use 2026-06-22, 2026-06-22T10:00:00Z (UTC unless an offset is given), 36h or -7d (that long ago), or now',
    });
  return time;
}

/** The run's `now`: the clock, or `--as-of`, which may only lie in the past (rule 13). */
export function nowOption(asOf: string | undefined, now: number): number {
  if (asOf === undefined) return now;
  const time = timeOption('--as-of', asOf, now);
  if (time > now)
    throw new ConfigError(`--as-of ${asOf} lies in the future (it is ${formatTime(now)})`, {
      hint: 'a window that is not over yet can’t be collected; leave --as-of out',
    });
  return time;
}

/** `--from` and `--to`; without `--to` the range ends now. Not yet widened to a grid. */
export function rangeOption(from: string, to: string | undefined, now: number): Span {
  const span = { from: timeOption('--from', from, now), to: to === undefined ? now : timeOption('--to', to, now) };
  if (span.from >= span.to)
    throw new ConfigError(`--from ${formatTime(span.from)} is not before --to ${formatTime(span.to)}`, {
      hint: 'the range is half-open: --from 2026-06-22 --to 2026-06-23 is one day',
    });
  if (span.from > now) throw new ConfigError(`--from ${from} lies in the future (it is ${formatTime(now)})`);
  return span;
}

/** `--shard 2/4`: the second of four shares; `index` counts from 1. */
export function shardOption(text: string): { readonly index: number; readonly of: number } {
  const m = /^(\d{1,4})\/(\d{1,4})$/.exec(text);
  const index = Number(m?.[1]);
  const of = Number(m?.[2]);
  if (m === null || index < 1 || index > of)
    throw new ConfigError(`--shard ${text}: expected i/n with 1 ≤ i ≤ n, such as 2/4`);
  return { index, of };
}
