// Checks one cluster through its source: credentials, permission to read, audit logging, and how long the source keeps what is not collected yet.

import type { Ledger } from '../archive/ledger.ts';
import { checkSame } from '../collect/begin.ts';
import type { createLimiters } from '../collect/limiter.ts';
import { latenessOf } from '../collect/plan-cluster.ts';
import { callProvider, type RetryDeps } from '../collect/retry.ts';
import type { Cluster } from '../config.ts';
import { AuditkeepError, AuthError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Horizon, Page, Source, Visible } from '../provider.ts';
import { formatDuration, formatTime } from '../time.ts';
import { counted, fail, failed, ok, type Point, type Report, reportOf, warn, watchClock } from './check-point.ts';
import { retentionPoints } from './check-retention.ts';

const MINUTE = 60_000;
/** A person waits for the answer: a fault is retried for seconds, throttling for a minute. */
const PATIENCE = { faults: 3, throttling: MINUTE };
/** For one attempt, whatever the `timeout` of the config: little is asked for. */
const LONGEST = MINUTE / 2;
/** The few calls beside the page. */
const ASKING = { perSecond: 5, burst: 10 };
/** What is read to try the permission: arrivals of this long before all that arrived must be visible, and since. */
const RECENT = 15 * MINUTE;
/** A source may begin with empty pages (a count, a stretch of the log without matches). */
const MOST_PAGES = 5;

export interface ClusterDeps {
  /** The host's clock. */
  now(): number;
  /** Length of the config's windows, milliseconds. */
  readonly window: number;
  /** What the archive has of it; undefined where the archive can't be read. */
  ledger(): Promise<Ledger | undefined>;
  readonly limiters: ReturnType<typeof createLimiters>;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Never throws but for an interruption: what fails is a point. */
export async function checkCluster(cluster: Cluster, deps: ClusterDeps): Promise<Report> {
  const clock = watchClock(deps.now);
  const source: Source = cluster.implementation.connect(cluster, cluster.options, {
    log: deps.log,
    now: deps.now,
    onServerDate: clock.onServerDate,
    takeSlot: async (caller) => deps.limiters(await source.quota()).take(caller),
  });
  try {
    const { points, facts } = await checkSource(cluster, source, clock.heard, deps);
    return reportOf('cluster', cluster.name, [...points, ...clock.points()], facts);
  } finally {
    await source.close();
  }
}

async function checkSource(
  cluster: Cluster,
  source: Source,
  heard: () => boolean,
  deps: ClusterDeps,
): Promise<{ points: Point[]; facts: Report['facts'] }> {
  const { log, signal, limiters } = deps;
  const points: Point[] = [];
  const facts: Record<string, string | number> = { provider: cluster.provider };
  const managed = cluster.provider !== 'kube';
  const asking: RetryDeps = {
    limiter: limiters({ key: `asking ${cluster.name}`, ...ASKING }),
    log,
    signal,
    patience: PATIENCE,
  };
  const ask = <T>(what: string, call: (signal: AbortSignal) => Promise<T>, under = asking) =>
    callProvider(what, () => inTime(what, call, signal), under);

  let identity: string;
  try {
    latenessOf(cluster, source);
    identity = await ask('identity', (stop) => source.identity(stop));
  } catch (error) {
    points.push(failed(error instanceof AuthError ? 'credentials' : 'source', error, signal));
    return { points, facts };
  }
  facts['source'] = identity;

  let horizon: Horizon | undefined;
  try {
    horizon = await ask('horizon', (stop) => source.horizon(stop));
    // who may not ask for it learns nothing from it
    if (horizon.at !== undefined) points.push(ok('source', `found: ${identity}`));
  } catch (error) {
    points.push(failed(error instanceof AuthError ? 'read' : 'source', error, signal));
  }

  let page: Pages | undefined;
  if (horizon !== undefined)
    try {
      const limiter = limiters(await ask('quota', () => source.quota()));
      const reading = { ...asking, limiter };
      page = await readRecent(source, deps.now(), (call) => ask('page', call, reading));
      if (horizon.at === undefined) points.push(ok('source', `found: ${identity}`));
      if (cluster.auth === 'none') points.push(ok('credentials', 'none are used (auth: none)'));
      else if (heard()) points.push(ok('credentials', 'they are accepted'));
      points.push(
        ok('read', `events may be read: ${counted(page.records, 'record')} on ${counted(page.pages, 'page')}`),
      );
    } catch (error) {
      points.push(failed('read', error, signal));
    }

  // says more than the error does: where logging is off, log groups and tables may be missing
  let visible: Visible | undefined;
  try {
    visible = await ask('visible', (stop) => source.visible(stop));
    facts['logging'] = visible.logging;
    if (page !== undefined || visible.logging !== 'unknown')
      points.push(...loggingPoints(visible, cluster, (page?.records ?? 0) > 0));
  } catch (error) {
    // where the source can't be reached at all, that was said
    const point = failed('logging', error, signal);
    if (page !== undefined) points.push(point);
  }

  const ledger = await deps.ledger();
  if (ledger?.file !== undefined)
    try {
      checkSame(ledger.file, { provider: cluster.provider, window: deps.window, source: identity });
      points.push(ok('ledger', `${counted(ledger.windows.size, 'window')} committed, all from this source`));
    } catch (error) {
      points.push(failed('ledger', error, signal));
    }
  if (horizon !== undefined && (page !== undefined || horizon.at !== undefined)) {
    if (horizon.at !== undefined) facts['holdsFrom'] = formatTime(horizon.at);
    if (horizon.retention !== undefined) facts['retentionSeconds'] = horizon.retention / 1000;
    const settle = cluster.settle ?? source.settle;
    points.push(...retentionPoints({ cluster, horizon, ledger, managed, now: deps.now(), settle }));
  }
  if (page !== undefined) {
    if (page.newest !== undefined) facts['newest'] = formatTime(page.newest);
    points.push(newestPoint(page, deps.now(), managed, visible?.logging));
  }
  return { points, facts };
}

/** One attempt of a call. Throws an AuditkeepError where it takes too long. */
async function inTime<T>(what: string, call: (stop: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
  const deadline = AbortSignal.timeout(LONGEST);
  try {
    return await call(AbortSignal.any([signal, deadline]));
  } catch (error) {
    if (signal.aborted || !deadline.aborted) throw error;
    throw new AuditkeepError(`no answer within ${formatDuration(LONGEST)} (${what})`, {
      cause: error,
      hint: 'check the network, proxies, and `endpoint` of this cluster if it is set',
    });
  }
}

interface Pages {
  readonly pages: number;
  readonly records: number;
  readonly more: boolean;
  readonly from: number;
  /** Arrival of the newest record, milliseconds since the epoch. */
  readonly newest?: number;
}

/** The first page of what arrived a short while ago that holds anything. */
async function readRecent(
  source: Source,
  now: number,
  ask: (call: (stop: AbortSignal) => Promise<Page>) => Promise<Page>,
): Promise<Pages> {
  const from = now - source.settle - RECENT;
  const query = { arrival: { from, to: now }, lateness: 0 };
  let pages = 0;
  let token: string | undefined;
  for (;;) {
    const { records, next, release } = await ask((stop) => source.fetchPage(query, token, stop));
    pages++;
    let newest: number | undefined;
    for (const { arrival } of records) newest = Math.max(arrival, newest ?? arrival);
    release?.();
    if (records.length === 0 && next !== undefined && next !== token && pages < MOST_PAGES) {
      token = next;
      continue;
    }
    return {
      pages,
      records: records.length,
      more: next !== undefined,
      from,
      ...(newest !== undefined && { newest }),
    };
  }
}

function loggingPoints({ logging, sources, notes }: Visible, { provider }: Cluster, received: boolean): Point[] {
  const readme = `providers/${provider}/README.md`;
  const what = sources.slice(0, 3).join(', ') + (sources.length > 3 ? ` and ${sources.length - 3} more` : '');
  const remarks = notes.map((note) => warn('logging', note));
  if (logging === 'on') return [ok('logging', `audit logging is on: ${what}`), ...remarks];
  if (logging === 'unknown')
    return [
      warn(
        'logging',
        'unknown whether audit logging is on: it could not be asked',
        `see "Permissions" in ${readme}, or look by hand`,
      ),
      ...remarks,
    ];
  const fix = `switch it on: "Enable" in ${readme}`;
  return [
    received
      ? warn('logging', `audit logging is off, or off in part, though events arrived a short while ago: ${what}`, fix)
      : fail('logging', `audit logging is off: nothing arrives in ${what}`, fix),
    ...remarks,
  ];
}

function newestPoint(page: Pages, now: number, managed: boolean, logging: Visible['logging'] | undefined): Point {
  const ago = (time: number) => formatDuration(Math.max(0, Math.floor((now - time) / 1000) * 1000));
  if (page.newest !== undefined) {
    const more = page.more ? '; newer ones may be on further pages' : '';
    return ok('newest', `the newest event seen arrived ${formatTime(page.newest)}, ${ago(page.newest)} ago${more}`);
  }
  const text = `nothing arrived in the last ${ago(page.from)}`;
  if (!managed) return ok('newest', text);
  const fix =
    logging === 'off'
      ? undefined
      : "an API server is hardly ever silent: is this the right cluster's log, and does its log service deliver?";
  return warn('newest', page.more ? `${text}, as far as ${page.pages} pages show` : text, fix);
}
