// What a check comes to: points that are fine, worth a word or wrong, each with what to do about it.

import { SKEW } from '../collect/clock.ts';
import { AuditkeepError, TransientError } from '../errors.ts';
import { formatDuration, formatTime } from '../time.ts';
import { formatCount } from './output.ts';

export type PointState = 'ok' | 'warn' | 'fail';

/** One thing that was looked at; its members are a stable interface (docs/cli.md). */
export interface Point {
  /** What was looked at: a stable kebab-case word. */
  readonly point: string;
  readonly state: PointState;
  readonly message: string;
  /** What to do next. */
  readonly fix?: string;
  /** Class of the error that it failed with (src/errors.ts). */
  readonly error?: string;
}

/** All points about one thing: one line of the JSON output. */
export interface Report {
  readonly subject: 'config' | 'archive' | 'integrity' | 'cluster';
  /** Config file, archive, or cluster. */
  readonly name: string;
  /** The gravest of its points. */
  readonly state: PointState;
  readonly points: readonly Point[];
  /** What was found, for scripts; absent where it isn't known. */
  readonly facts: Readonly<Record<string, string | number | boolean>>;
}

/** `1 window`, `1,234 windows`. */
export const counted = (n: number, what: string): string => `${formatCount(n)} ${what}${n === 1 ? '' : 's'}`;

export const ok = (point: string, message: string): Point => ({ point, state: 'ok', message });

export const warn = (point: string, message: string, fix?: string): Point => ({
  point,
  state: 'warn',
  message,
  ...(fix !== undefined && { fix }),
});

export const fail = (point: string, message: string, fix?: string): Point => ({
  point,
  state: 'fail',
  message,
  ...(fix !== undefined && { fix }),
});

/** The point that an error makes. An interrupted run is none: its reason is thrown. */
export function failed(point: string, error: unknown, signal: AbortSignal): Point {
  signal.throwIfAborted();
  const { message, name } = error instanceof Error ? error : new Error(String(error));
  const hint = (error instanceof AuditkeepError ? error.hint : undefined) ?? hintOf(error);
  return { ...fail(point, message, hint), error: name };
}

/** Faults that pass mostly say nothing of what to do, because a collector only has to try again. */
const hintOf = (error: unknown): string | undefined =>
  error instanceof TransientError
    ? 'tried several times: check the network, proxies, and `endpoint` where it is set, then run again'
    : undefined;

export function reportOf(
  subject: Report['subject'],
  name: string,
  points: readonly Point[],
  facts: Report['facts'] = {},
): Report {
  const state = (['fail', 'warn'] as const).find((one) => points.some((point) => point.state === one)) ?? 'ok';
  return { subject, name, state, points, facts };
}

/** Compares the host's clock with the Date headers of one server (rule 13). */
export function watchClock(now: () => number) {
  let worst: { readonly skew: number; readonly date: number } | undefined;
  return {
    onServerDate(date: number): void {
      const skew = now() - date;
      if (worst === undefined || Math.abs(skew) > Math.abs(worst.skew)) worst = { skew, date };
    },
    /** Has a server said what time it is? */
    heard: () => worst !== undefined,
    /** Nothing where no server was heard. */
    points(): Point[] {
      if (worst === undefined) return [];
      const { skew, date } = worst;
      const off = Math.abs(skew);
      // headers have whole seconds
      if (off < 2000) return [ok('clock', "this host's clock and the server's agree")];
      const text = `this host's clock is ${formatDuration(off)} ${skew > 0 ? 'ahead of' : 'behind'} the server, which says ${formatTime(date)}`;
      if (off <= SKEW.warn) return [ok('clock', text)];
      const fix = 'set the clock of this host (NTP)';
      if (off <= SKEW.fail) return [warn('clock', `${text}; windows may be read too early`, fix)];
      return [fail('clock', `${text}; with more than ${formatDuration(SKEW.fail)} collect commits nothing`, fix)];
    },
  };
}

export type ClockWatch = ReturnType<typeof watchClock>;
