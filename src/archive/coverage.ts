// How far a cluster's ledger reaches, by names alone: collected until, final until, gaps.

import type { Span } from '../provider.ts';
import { DAY, dateOf, dayStart, windowName } from './keys.ts';
import type { Ledger } from './ledger.ts';

/** Joins spans that touch or overlap. */
export function unite(spans: readonly Span[]): Span[] {
  const sorted = [...spans].filter((s) => s.from < s.to).sort((a, b) => a.from - b.from);
  const united: Span[] = [];
  for (const span of sorted) {
    const last = united.at(-1);
    if (last !== undefined && span.from <= last.to)
      united[united.length - 1] = { from: last.from, to: Math.max(last.to, span.to) };
    else united.push(span);
  }
  return united;
}

/**
 * What a cluster must have: from its first window on, and what backfills added, up to its retirement.
 * The last span may end at Infinity.
 */
export function obligationsOf(ledger: Ledger, until = Number.POSITIVE_INFINITY): Span[] {
  if (ledger.file === undefined) return [];
  const first = Date.parse(ledger.file.first);
  return unite([...ledger.starts, { from: first, to: Number.POSITIVE_INFINITY }])
    .map((span) => ({ from: span.from, to: Math.min(span.to, until) }))
    .filter((span) => span.from < span.to);
}

/** Windows of the grid that begin inside `span`. */
export function* gridWindows(span: Span, window: number): Generator<Span> {
  for (let from = Math.ceil(span.from / window) * window; from < span.to; from += window)
    yield { from, to: from + window };
}

export interface Reach {
  /** End of the unbroken run of committed windows of the last obligation; absent when its first window is missing. */
  readonly collectedUntil?: number;
  /** The same for windows that won't be looked at again: days that were rechecked. */
  readonly finalUntil?: number;
  /** Closed windows that are missing, joined. */
  readonly gaps: readonly Span[];
}

/** @param closedUntil end of the last window that is due */
export function reachOf(ledger: Ledger, obligations: readonly Span[], window: number, closedUntil: number): Reach {
  const gaps: Span[] = [];
  let collectedUntil: number | undefined;
  let finalUntil: number | undefined;
  for (const [i, obligation] of obligations.entries()) {
    const current = i === obligations.length - 1;
    let unbroken = true;
    let final = true;
    for (const span of gridWindows({ from: obligation.from, to: Math.min(obligation.to, closedUntil) }, window)) {
      const committed = ledger.windows.has(windowName(span));
      if (!committed) gaps.push(span);
      unbroken &&= committed;
      final &&= unbroken && ledger.rechecks.has(dateOf(span.from));
      if (current && unbroken) collectedUntil = span.to;
      if (current && final) finalUntil = span.to;
    }
  }
  return {
    ...(collectedUntil !== undefined && { collectedUntil }),
    ...(finalUntil !== undefined && { finalUntil }),
    gaps: unite(gaps),
  };
}

/** Midnight after a day. */
export const dayEnd = (date: string): number => dayStart(date) + DAY;
