// The plan (rule 2): grid from the cluster's first window to now − settle, minus ledger. Pure: same input, same plan.

import { dayEnd, gridWindows } from '../archive/coverage.ts';
import { DAY, dateOf, dayStart, windowName } from '../archive/keys.ts';
import type { Ledger } from '../archive/ledger.ts';
import type { Span } from '../provider.ts';

export interface PlanInput {
  readonly ledger: Ledger;
  /** Length of a window, milliseconds. */
  readonly window: number;
  /** Spans that must be in the ledger, on the grid, sorted, not overlapping; the last may end at Infinity. */
  readonly obligations: readonly Span[];
  readonly now: number;
  readonly settle: number;
  /** How long after the end of a day it is rechecked; from then on a first read is wide enough to be final. */
  readonly recheckAfter: number;
  readonly lateness: { readonly first: number; readonly recheck: number };
  /** One walk may serve many windows. */
  readonly wide: boolean;
  /** Only windows inside of it (backfill); already on the grid. */
  readonly only?: Span;
  /** Only every n-th day, counted from 1 (backfill --shard i/n). */
  readonly shard?: { readonly index: number; readonly of: number };
}

/** One walk: consecutive windows of one day that are read together. */
export interface Scan {
  readonly windows: readonly Span[];
  readonly lateness: number;
  /** Nothing will be looked for again. */
  readonly final: boolean;
}

export interface Plan {
  readonly scans: readonly Scan[];
  /** Days to be rechecked, after the scans of this plan. */
  readonly rechecks: readonly string[];
  /** Windows in `scans`. */
  readonly windows: number;
  /** End of the last window that is closed now; windows after it are not due. */
  readonly closedUntil: number;
}

const within = (span: Span, outer: Span | undefined) =>
  outer === undefined || (span.from >= outer.from && span.to <= outer.to);

export function plan(input: PlanInput): Plan {
  const { ledger, window, now, settle, recheckAfter, only, shard } = input;
  const closedUntil = Math.floor((now - settle) / window) * window;
  const mine = (date: string) => shard === undefined || (dayStart(date) / DAY) % shard.of === shard.index - 1;
  const isLate = (date: string) => now >= dayEnd(date) + recheckAfter;

  const missing: Span[] = [];
  const days = new Map<string, { open: boolean }>();
  for (const obligation of input.obligations) {
    const due = { from: obligation.from, to: Math.min(obligation.to, closedUntil + window) };
    for (const span of gridWindows(due, window)) {
      const date = dateOf(span.from);
      if (!mine(date)) continue;
      const day = days.get(date) ?? { open: false };
      days.set(date, day);
      if (span.to > closedUntil) day.open = true;
      else if (ledger.windows.has(windowName(span))) continue;
      else if (within(span, only)) missing.push(span);
      else day.open = true; // a gap that this run was not asked to fill: the day can't be compared yet
    }
  }

  const scans: Scan[] = [];
  let group: Span[] = [];
  const flush = () => {
    if (group.length === 0) return;
    const final = isLate(dateOf(group[0]!.from));
    scans.push({ windows: group, final, lateness: final ? input.lateness.recheck : input.lateness.first });
    group = [];
  };
  for (const span of missing) {
    const last = group.at(-1);
    if (last !== undefined && (!input.wide || last.to !== span.from || dateOf(last.from) !== dateOf(span.from)))
      flush();
    group.push(span);
  }
  flush();

  const rechecks = [...days]
    .filter(([date, day]) => !day.open && isLate(date) && !ledger.rechecks.has(date))
    .filter(([date]) => only === undefined || (dayStart(date) < only.to && only.from < dayEnd(date)))
    .map(([date]) => date)
    .sort();
  return { scans, rechecks, windows: missing.length, closedUntil };
}
