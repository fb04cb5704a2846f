// What the ledger says about one cluster: reach, gaps, silence, volumes, rejects. Pure.

import { obligationsOf, reachOf, unite } from '../archive/coverage.ts';
import { dateOf } from '../archive/keys.ts';
import type { Ledger } from '../archive/ledger.ts';
import { type Manifest, partsOf } from '../archive/manifest.ts';
import type { Span } from '../provider.ts';
import { formatTime } from '../time.ts';

export interface StatusInput {
  readonly ledger: Ledger;
  /** Manifests of windows and rechecks since `since`. */
  readonly manifests: readonly Manifest[];
  /** How far back manifests were read, milliseconds since the epoch. */
  readonly since: number;
  readonly now: number;
  /** Milliseconds. */
  readonly window: number;
  readonly settle: number;
  readonly silence: number;
  /** Windows that are due for less than this are not missed yet, milliseconds. */
  readonly maxLag: number;
  readonly until?: number;
  /** A cloud runs this cluster: its API server is hardly ever silent. */
  readonly managed: boolean;
}

export interface SpanText {
  readonly from: string;
  readonly to: string;
}

/** One line of the JSON output; its members are a stable interface (docs/cli.md). */
export interface ClusterStatus {
  readonly cluster: string;
  /** ok · gap: closed windows are missing · silent: nothing was received for too long · new: nothing was ever collected. */
  readonly state: 'ok' | 'gap' | 'silent' | 'new';
  readonly collectedFrom?: string;
  readonly collectedUntil?: string;
  readonly finalUntil?: string;
  /** From `collectedUntil` to now. */
  readonly lagSeconds?: number;
  /** Windows closed after the last committed one, not collected yet. */
  readonly due: number;
  readonly gaps: readonly SpanText[];
  /** From here on manifests were read: what follows is about this time. */
  readonly since: string;
  readonly silent: readonly SpanText[];
  readonly silentSeconds: number;
  readonly expired: readonly SpanText[];
  /** Days of arrival. */
  readonly days: readonly {
    readonly date: string;
    readonly events: number;
    readonly bytes: number;
    readonly rejected: number;
  }[];
  readonly rejectedByReason: Readonly<Record<string, number>>;
  /** Bodies of events that the source had left out. */
  readonly omitted: Readonly<Record<string, number>>;
  /** What the last window's read could see. */
  readonly logging: 'on' | 'off' | 'unknown';
  readonly notes: readonly string[];
}

export function statusOf(cluster: string, input: StatusInput): ClusterStatus {
  const { ledger, now, window, settle, until } = input;
  const closedUntil = Math.floor((now - settle) / window) * window;
  const obligations = obligationsOf(ledger, until);
  const reach = reachOf(ledger, obligations, window, closedUntil);
  const { gaps, due } = missed(reach.gaps, input);
  const windows = input.manifests.filter((m) => m.kind === 'window').sort((a, b) => (a.from < b.from ? -1 : 1));
  const silent = spansOf(windows, (m) => m.coverage === 'silent');
  const last = windows.at(-1);
  const trailing = silent.at(-1);
  const quiet =
    trailing !== undefined && last !== undefined && trailing.to === Date.parse(last.to)
      ? trailing.to - trailing.from
      : 0;
  const retired = until !== undefined && (reach.collectedUntil ?? 0) >= until;
  const tooQuiet = input.managed && !retired && quiet > input.silence;
  const state = ledger.file === undefined ? 'new' : gaps.length > 0 ? 'gap' : tooQuiet ? 'silent' : 'ok';
  return {
    cluster,
    state,
    ...(obligations[0] !== undefined && { collectedFrom: formatTime(obligations[0].from) }),
    ...(reach.collectedUntil !== undefined && {
      collectedUntil: formatTime(reach.collectedUntil),
      lagSeconds: retired ? 0 : Math.floor((now - reach.collectedUntil) / 1000),
    }),
    ...(reach.finalUntil !== undefined && { finalUntil: formatTime(reach.finalUntil) }),
    due,
    gaps: gaps.map(spanText),
    since: formatTime(input.since),
    silent: silent.map(spanText),
    silentSeconds: quiet / 1000,
    expired: spansOf(windows, (m) => m.coverage === 'expired' || m.coverage === 'partly-expired').map(spanText),
    days: daysOf(input.manifests),
    rejectedByReason: totals(input.manifests, (m) => m.rejectedByReason),
    omitted: totals(input.manifests, (m) => m.omitted ?? {}),
    logging: last?.visible.logging ?? 'unknown',
    notes: last?.visible.notes ?? [],
  };
}

/** Missing windows that are only just due are told apart from gaps: between two runs of cron nothing is wrong. */
function missed(missing: readonly Span[], input: StatusInput): { gaps: Span[]; due: number } {
  let lastCommitted = Number.NEGATIVE_INFINITY;
  for (const { to } of input.ledger.windows.values()) lastCommitted = Math.max(lastCommitted, to);
  const gaps: Span[] = [];
  let due = 0;
  for (const span of missing) {
    const tail = span.from >= lastCommitted;
    if (tail && input.now - span.from <= input.maxLag) due += (span.to - span.from) / input.window;
    else gaps.push(span);
  }
  return { gaps, due };
}

function spansOf(windows: readonly Manifest[], is: (m: Manifest) => boolean): Span[] {
  return unite(windows.filter(is).map((m) => ({ from: Date.parse(m.from), to: Date.parse(m.to) })));
}

function daysOf(manifests: readonly Manifest[]): ClusterStatus['days'] {
  const days = new Map<string, { events: number; bytes: number; rejected: number }>();
  for (const m of manifests) {
    const date = dateOf(Date.parse(m.from));
    const day = days.get(date) ?? { events: 0, bytes: 0, rejected: 0 };
    day.events += m.counts.written + m.counts.salvaged;
    day.rejected += m.counts.rejected;
    for (const part of partsOf(m)) day.bytes += part.bytes;
    days.set(date, day);
  }
  return [...days].sort(([a], [b]) => (a < b ? -1 : 1)).map(([date, day]) => ({ date, ...day }));
}

function totals(
  manifests: readonly Manifest[],
  of: (m: Manifest) => Readonly<Record<string, number>>,
): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const m of manifests) for (const [what, n] of Object.entries(of(m))) sums[what] = (sums[what] ?? 0) + n;
  return sums;
}

const spanText = (span: Span): SpanText => ({ from: formatTime(span.from), to: formatTime(span.to) });
