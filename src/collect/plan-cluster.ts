// The plan of one cluster as it stands today: its source opened, its ledger read, its obligations and a backfill's range put together.

import { obligationsOf } from '../archive/coverage.ts';
import { type Ledger, readLedger } from '../archive/ledger.ts';
import type { Cluster } from '../config.ts';
import { ConfigError } from '../errors.ts';
import type { Horizon, Source, Span } from '../provider.ts';
import { formatTime } from '../time.ts';
import { checkSame, firstWindow } from './begin.ts';
import type { ClusterContext } from './context.ts';
import { createLimiters } from './limiter.ts';
import { type Plan, plan } from './plan.ts';
import { callProvider } from './retry.ts';
import type { RunInput } from './run-input.ts';

/** A cluster as planned, with what it took to plan it. */
export interface ClusterPlan {
  readonly cluster: string;
  readonly ledger: Ledger;
  readonly plan: Plan;
  /** Why the first window is where it is. */
  readonly because: string;
  readonly first: number;
  /** The first run has not been yet: nothing of this is fixed. */
  readonly fresh: boolean;
  readonly notice?: string;
}

/** The few calls beside the pages have quotas of their own, and at most ten are made for a walk. */
const ASKING = { perSecond: 5, burst: 10 };

export interface Opened {
  readonly source: Source;
  readonly asking: ClusterContext['asking'];
}

export function open(cluster: Cluster, input: RunInput, limiters: ReturnType<typeof createLimiters>): Opened {
  const { log, clock, signal } = input;
  const source: Source = cluster.implementation.connect(cluster, cluster.options, {
    log,
    now: () => clock.now(),
    onServerDate: (date) => clock.observe(`the source of ${cluster.name}`, date),
    takeSlot: async (caller) => limiters(await source.quota()).take(caller),
  });
  const asking = {
    limiter: limiters({ key: `asking ${cluster.name}`, ...ASKING }),
    log,
    signal,
    sleep: input.sleep,
  };
  return { source, asking };
}

export async function wouldBegin(cluster: Cluster, { source, asking }: Opened, input: RunInput) {
  const identity = await callProvider('identity', () => source.identity(input.signal), asking);
  const horizon = await callProvider('horizon', () => source.horizon(input.signal), asking);
  const begins = {
    cluster: cluster.name,
    provider: cluster.provider,
    source: identity,
    window: input.config.collect.window,
    start: input.config.collect.start,
    horizon,
    now: input.clock.now(),
    version: input.version,
  };
  const { first, because } = firstWindow(begins);
  const file = {
    format: 1 as const,
    cluster: cluster.name,
    provider: cluster.provider,
    source: identity,
    windowSeconds: begins.window / 1000,
    first: formatTime(first),
    because,
    made: { at: formatTime(begins.now), by: input.version },
  };
  return { horizon, begins, file };
}

/** What the source holds before the first window is not collected by itself: say so while it can be saved. */
export function noticeOf(cluster: string, horizon: Horizon, first: number): string | undefined {
  if (horizon.at === undefined || horizon.at >= first) return undefined;
  const expires =
    horizon.retention === undefined
      ? 'It is kept without a limit'
      : `The oldest of it expires now, the last at ${formatTime(first + horizon.retention)}`;
  return `the source also holds events from ${formatTime(horizon.at)} to ${formatTime(first)}, before the first window. ${expires}. To save it: auditkeep backfill --cluster ${cluster} --from ${formatTime(horizon.at)} --to ${formatTime(first)}`;
}

/** The range of a backfill on the grid: never smaller than asked for. */
export function onGrid(span: Span, window: number): Span {
  return { from: Math.floor(span.from / window) * window, to: Math.ceil(span.to / window) * window };
}

/** Start that a backfill adds: the part of its range before the first window, as far as no earlier start has it. */
export function addedStart(ledger: Ledger, input: RunInput): Span | undefined {
  if (input.only === undefined || ledger.file === undefined) return undefined;
  const range = onGrid(input.only, input.config.collect.window);
  const span = { from: range.from, to: Math.min(range.to, Date.parse(ledger.file.first)) };
  if (span.from >= span.to) return undefined;
  return obligationsOf(ledger).some((have) => have.from <= span.from && span.to <= have.to) ? undefined : span;
}

export function withBackfill(ledger: Ledger, input: RunInput): Ledger {
  const added = addedStart(ledger, input);
  return added === undefined ? ledger : { ...ledger, starts: [...ledger.starts, added] };
}

export function latenessOf(cluster: Cluster, source: Source): { first: number; recheck: number } {
  const lateness = {
    first: cluster.lateness ?? source.lateness.first,
    recheck: cluster.recheckLateness ?? source.lateness.recheck,
  };
  for (const [name, value] of [
    ['lateness', lateness.first],
    ['recheck.lateness', lateness.recheck],
  ] as const)
    if (value > source.lateness.max)
      throw new ConfigError(
        `cluster ${cluster.name}: ${name} is longer than ${cluster.provider} can deliver late (${source.lateness.max / 3_600_000} h)`,
      );
  return lateness;
}

export function planCluster(cluster: Cluster, source: Source, ledger: Ledger, input: RunInput): Plan {
  const { window } = input.config.collect;
  return plan({
    ledger,
    window,
    obligations: obligationsOf(ledger, cluster.until),
    now: input.clock.now(),
    settle: cluster.settle ?? source.settle,
    recheckAfter: cluster.recheckAfter,
    lateness: latenessOf(cluster, source),
    wide: source.reads === 'wide',
    ...(input.only !== undefined && { only: onGrid(input.only, window) }),
    ...(input.shard !== undefined && { shard: input.shard }),
  });
}

/** What collect would do; writes nothing. */
export async function planOnly(input: RunInput): Promise<ClusterPlan[]> {
  const limiters = createLimiters(input.sleep);
  return Promise.all(
    input.clusters.map(async (cluster) => {
      const opened = open(cluster, input, limiters);
      try {
        const ledger = await readLedger(input.store, cluster.name);
        if (ledger.file !== undefined) {
          checkSame(ledger.file, { provider: cluster.provider, window: input.config.collect.window });
          const due = planCluster(cluster, opened.source, withBackfill(ledger, input), input);
          return {
            cluster: cluster.name,
            ledger,
            plan: due,
            because: ledger.file.because,
            first: Date.parse(ledger.file.first),
            fresh: false,
          };
        }
        const { horizon, file } = await wouldBegin(cluster, opened, input);
        const imagined = withBackfill({ ...ledger, file }, input);
        const notice = noticeOf(cluster.name, horizon, Date.parse(file.first));
        return {
          cluster: cluster.name,
          ledger,
          plan: planCluster(cluster, opened.source, imagined, input),
          because: file.because,
          first: Date.parse(file.first),
          fresh: true,
          ...(notice !== undefined && { notice }),
        };
      } finally {
        await opened.source.close();
      }
    }),
  );
}
