// The map of a run: for each cluster plan → read → decode → guard → pack → commit, then recheck and sweep.

import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pLimit, { type LimitFunction } from 'p-limit';
import { createBudget } from '../archive/budget.ts';
import { obligationsOf, reachOf } from '../archive/coverage.ts';
import { sha256Hex } from '../archive/hash.ts';
import { dateOf, policyKey, windowName } from '../archive/keys.ts';
import { type Ledger, readLedger } from '../archive/ledger.ts';
import { type Manifest, partsOf } from '../archive/manifest.ts';
import { createScratch, type Scratch } from '../archive/spool.ts';
import type { Store } from '../archive/store/store.ts';
import { scopesOfDates, scopesSince, sweep } from '../archive/sweep.ts';
import type { Cluster, Config } from '../config.ts';
import { AuditkeepError, AuthError, ConfigError } from '../errors.ts';
import type { Log } from '../log.ts';
import { policyFor } from '../policy/apply.ts';
import type { ChosenPolicy } from '../policy/chosen.ts';
import { redactorFor } from '../policy/redact.ts';
import type { Horizon, Source, Span } from '../provider.ts';
import { formatTime } from '../time.ts';
import { addStart, begin, checkSame, firstWindow } from './begin.ts';
import { putOnce } from './build.ts';
import type { Clock } from './clock.ts';
import type { ClusterContext, Outcome, RunEvent } from './context.ts';
import { createLimiters, type Sleep } from './limiter.ts';
import { type Plan, plan } from './plan.ts';
import { recheckDay } from './recheck.ts';
import { callProvider } from './retry.ts';
import { checkBegun, withoutSealed } from './sealed.ts';
import { policyOptions, runScan } from './scan.ts';

export interface RunInput {
  readonly config: Config;
  readonly clusters: readonly Cluster[];
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** `auditkeep 0.1.0`. */
  readonly version: string;
  /** Keys of the ledger that the signed log names: what of these is gone is never collected again. */
  sealedKeys?(): Promise<ReadonlySet<string>>;
  /** Backfill: only these arrival times; widened to the grid. */
  readonly only?: Span;
  readonly shard?: { readonly index: number; readonly of: number };
  emit(event: RunEvent): void;
  /** How limiters and retries wait; in real time when absent. */
  readonly sleep?: Sleep;
}

/** What a run did for one cluster; the run summary of the command line. */
export interface ClusterSummary {
  readonly cluster: string;
  /** Windows and rechecks that were due. */
  readonly planned: number;
  readonly committed: number;
  /** Windows that another run committed first. */
  readonly adopted: number;
  readonly failed: number;
  readonly silent: number;
  readonly expired: number;
  readonly received: number;
  readonly written: number;
  readonly duplicate: number;
  readonly skipped: number;
  readonly rejected: number;
  /** Late events that rechecks found. */
  readonly late: number;
  /** Bytes written to the archive, compressed. */
  readonly bytes: number;
  readonly collectedUntil?: string;
  readonly finalUntil?: string;
  readonly gaps: number;
  /** What the source holds before the first window, and how to save it. */
  readonly notice?: string;
  readonly errors: readonly Error[];
}

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

interface Shared {
  readonly input: RunInput;
  readonly scratch: Scratch;
  /** Scans and rechecks in hand: while some are committed, others are read. */
  readonly scans: LimitFunction;
  readonly reads: LimitFunction;
  readonly commits: LimitFunction;
  readonly limiters: ReturnType<typeof createLimiters>;
  /** Writes the policy's text before the first commit under it, once a run. */
  storePolicy(policy: ChosenPolicy): Promise<void>;
}

/** Windows that are packed and put side by side. */
const COMMITS_AT_ONCE = 8;

/** The few calls beside the pages have quotas of their own, and at most ten are made for a walk. */
const ASKING = { perSecond: 5, burst: 10 };

/** Collects what is due. Failures of one cluster don't stop the others; an abort rejects. */
export async function collect(input: RunInput): Promise<ClusterSummary[]> {
  const directory = await makeScratch();
  const storing = new Map<string, Promise<void>>();
  const shared: Shared = {
    input,
    scratch: createScratch(directory, createBudget(input.config.collect.memory)),
    scans: pLimit(2 * input.config.collect.parallel),
    reads: pLimit(input.config.collect.parallel),
    commits: pLimit(COMMITS_AT_ONCE),
    limiters: createLimiters(input.sleep),
    storePolicy: ({ text, sha256 }) => {
      let put = storing.get(sha256);
      if (put === undefined) {
        put = putOnce(input.store, policyKey(sha256), Buffer.from(text), sha256);
        storing.set(sha256, put);
      }
      return put;
    },
  };
  try {
    await input.store.check();
    return await Promise.all(input.clusters.map((cluster) => collectCluster(cluster, shared)));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
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

interface Opened {
  readonly source: Source;
  readonly asking: ClusterContext['asking'];
}

function open(cluster: Cluster, input: RunInput, limiters: Shared['limiters']): Opened {
  const { log, clock, signal } = input;
  const source = cluster.implementation.connect(cluster, cluster.options, {
    log,
    now: () => clock.now(),
    onServerDate: (date) => clock.observe(`the source of ${cluster.name}`, date),
  });
  const asking = {
    limiter: limiters({ key: `asking ${cluster.name}`, ...ASKING }),
    log,
    signal,
    sleep: input.sleep,
  };
  return { source, asking };
}

async function wouldBegin(cluster: Cluster, { source, asking }: Opened, input: RunInput) {
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
function noticeOf(cluster: string, horizon: Horizon, first: number): string | undefined {
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
function addedStart(ledger: Ledger, input: RunInput): Span | undefined {
  if (input.only === undefined || ledger.file === undefined) return undefined;
  const range = onGrid(input.only, input.config.collect.window);
  const span = { from: range.from, to: Math.min(range.to, Date.parse(ledger.file.first)) };
  if (span.from >= span.to) return undefined;
  return obligationsOf(ledger).some((have) => have.from <= span.from && span.to <= have.to) ? undefined : span;
}

function withBackfill(ledger: Ledger, input: RunInput): Ledger {
  const added = addedStart(ledger, input);
  return added === undefined ? ledger : { ...ledger, starts: [...ledger.starts, added] };
}

function latenessOf(cluster: Cluster, source: Source): { first: number; recheck: number } {
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

function planCluster(cluster: Cluster, source: Source, ledger: Ledger, input: RunInput): Plan {
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

async function collectCluster(cluster: Cluster, shared: Shared): Promise<ClusterSummary> {
  const { input } = shared;
  const opened = open(cluster, input, shared.limiters);
  try {
    return await collectOpened(cluster, opened, shared);
  } catch (error) {
    input.signal.throwIfAborted();
    input.emit({ type: 'failed', cluster: cluster.name, what: 'cluster', windows: 0, error: error as Error });
    return summarize(cluster.name, [], 0, 0, [error as Error]);
  } finally {
    await opened.source.close();
  }
}

async function collectOpened(cluster: Cluster, opened: Opened, shared: Shared): Promise<ClusterSummary> {
  const { input } = shared;
  const { store, config, clock, log, signal } = input;
  const { source, asking } = opened;
  let ledger = await readLedger(store, cluster.name);
  // a clock that went back would find nothing due, and call that success
  for (const { to } of ledger.windows.values()) clock.notBefore(`the ledger of ${cluster.name}`, to);
  clock.check();
  let notice: string | undefined;
  if (ledger.file === undefined) {
    if (ledger.windows.size > 0)
      throw new AuditkeepError(`${store.url}: the ledger of ${cluster.name} has manifests but no cluster.json`, {
        hint: 'restore cluster.json from a copy or an earlier version of the object: it fixes the plan of this cluster',
      });
    checkBegun(cluster.name, (await input.sealedKeys?.()) ?? new Set());
    const { horizon, begins } = await wouldBegin(cluster, opened, input);
    clock.check();
    const file = await begin(store, begins);
    ledger = { ...ledger, file };
    notice = noticeOf(cluster.name, horizon, Date.parse(file.first));
  }
  checkSame(ledger.file!, { provider: cluster.provider, window: config.collect.window });
  const added = addedStart(ledger, input);
  if (added !== undefined) {
    await addStart(store, cluster.name, added, clock.now(), input.version);
    ledger = withBackfill(ledger, input);
  }
  const due = planCluster(cluster, source, ledger, input);
  input.emit({ type: 'plan', cluster: cluster.name, plan: due, ledger });

  const sealed = due.scans.length + due.rechecks.length === 0 ? undefined : await input.sealedKeys?.();
  const { plan: allowed, refused } = withoutSealed(due, cluster.name, sealed ?? new Set());
  for (const { name: what, error } of refused)
    input.emit({ type: 'failed', cluster: cluster.name, what, windows: 1, error });
  const outcomes: Outcome[] = [...refused];
  const manifests = new Map<string, Manifest>();
  const touched = new Set<string>();
  const committed = new Map(ledger.windows);
  if (allowed.scans.length > 0 || allowed.rechecks.length > 0) {
    const identity = await callProvider('identity', () => source.identity(signal), asking);
    checkSame(ledger.file!, { provider: cluster.provider, window: config.collect.window, source: identity });
    await shared.storePolicy(cluster.policy);
    const redact = redactorFor(config.redact);
    const context: ClusterContext = {
      cluster,
      source,
      store,
      config,
      clock,
      log,
      signal,
      scratch: shared.scratch,
      reads: shared.reads,
      commits: shared.commits,
      looked: {},
      reading: {
        limiter: shared.limiters(await callProvider('quota', () => source.quota(), asking)),
        log,
        signal,
        sleep: input.sleep,
      },
      asking,
      lateness: latenessOf(cluster, source),
      configSha256: sha256Hex(Buffer.from(config.canonical)),
      apply: policyFor(cluster.policy.policy, policyOptions(cluster, config)),
      ...(redact !== undefined && { redact }),
      version: input.version,
      manifests,
      touched,
      emit: input.emit,
    };
    // who must act first: without rights or with a wrong config the other scans would only fail the same way
    let hopeless: Error | undefined;
    const one = async (windows: number, what: string, work: () => Promise<Outcome[]>) => {
      if (hopeless !== undefined) return;
      const results = await work();
      const errors = results.flatMap((result) => ('error' in result ? [result.error] : []));
      hopeless ??= errors.find((error) => error instanceof AuthError || error instanceof ConfigError);
      for (const error of new Set(errors)) input.emit({ type: 'failed', cluster: cluster.name, what, windows, error });
      for (const result of results)
        if ('manifest' in result && result.manifest.kind === 'window') committed.set(result.name, result.span);
      outcomes.push(...results);
    };
    await Promise.all(
      allowed.scans.map((scan) =>
        shared.scans(() => one(scan.windows.length, windowName(scan.windows[0]!), () => runScan(scan, context))),
      ),
    );
    const after = { ...ledger, windows: committed };
    // a day of which a window is still missing can't be compared yet
    const incomplete = new Set(
      due.scans
        .flatMap((scan) => scan.windows)
        .filter((span) => !committed.has(windowName(span)))
        .map((span) => dateOf(span.from)),
    );
    const ready = allowed.rechecks.filter((date) => !incomplete.has(date));
    await Promise.all(
      ready.map((date) =>
        shared.scans(() => one(1, `recheck of ${date}`, async () => [await recheckDay(date, after, context)])),
      ),
    );
    signal.throwIfAborted();
  }
  await sweepAfter(cluster.name, { ...ledger, windows: committed }, touched, manifests, shared);
  const end = { ...ledger, windows: committed, rechecks: new Map([...ledger.rechecks, ...recheckedDays(outcomes)]) };
  const reach = reachOf(end, obligationsOf(end, cluster.until), config.collect.window, due.closedUntil);
  const failed = due.windows + due.rechecks.length - outcomes.filter((outcome) => 'manifest' in outcome).length;
  const errors = outcomes.flatMap((outcome) => ('error' in outcome ? [outcome.error] : []));
  return summarize(
    cluster.name,
    outcomes,
    due.windows + due.rechecks.length,
    failed,
    [...new Set(errors)],
    reach,
    notice,
  );
}

function recheckedDays(outcomes: readonly Outcome[]): [string, number][] {
  return outcomes.flatMap((outcome) =>
    'manifest' in outcome && outcome.manifest.kind === 'recheck'
      ? [[dateOf(outcome.span.from), 1] as [string, number]]
      : [],
  );
}

/** Strays of the days this run wrote to, and of the last two days: a run killed before its own sweep left them to us. */
async function sweepAfter(
  cluster: string,
  ledger: Ledger,
  touched: ReadonlySet<string>,
  manifests: ReadonlyMap<string, Manifest>,
  { input }: Shared,
): Promise<void> {
  const days = [...new Set([...ledger.windows.values()].map((span) => dateOf(span.from)))].sort();
  const recent = days.at(-2) ?? days.at(-1);
  if (recent === undefined) return;
  const older = [...touched].filter((date) => date < recent);
  await sweep([...scopesSince(cluster, recent), ...scopesOfDates(cluster, older)], {
    store: input.store,
    cluster,
    isCommitted: (name) => ledger.windows.has(name) || manifests.has(name),
    known: (name) => manifests.get(name),
    thorough: false,
    log: input.log,
  });
}

function summarize(
  cluster: string,
  outcomes: readonly Outcome[],
  planned: number,
  failed: number,
  errors: readonly Error[],
  reach?: ReturnType<typeof reachOf>,
  notice?: string,
): ClusterSummary {
  const done = outcomes.flatMap((outcome) => ('manifest' in outcome ? [outcome] : []));
  const own = done.filter((outcome) => outcome.won).map((outcome) => outcome.manifest);
  const total = (of: (manifest: Manifest) => number) => own.reduce((sum, manifest) => sum + of(manifest), 0);
  const is = (coverage: Manifest['coverage']) =>
    own.filter((manifest) => manifest.kind === 'window' && manifest.coverage === coverage).length;
  return {
    cluster,
    planned,
    committed: own.length,
    adopted: done.length - own.length,
    failed,
    silent: is('silent'),
    expired: is('expired') + is('partly-expired'),
    received: total((m) => m.counts.received),
    written: total((m) => m.counts.written),
    duplicate: total((m) => m.counts.duplicate),
    skipped: total((m) => m.counts.skipped),
    rejected: total((m) => m.counts.rejected),
    late: total((m) => (m.kind === 'recheck' ? m.counts.received : 0)),
    bytes: total((m) => partsOf(m).reduce((sum, part) => sum + part.bytes, 0)),
    ...(reach?.collectedUntil !== undefined && { collectedUntil: formatTime(reach.collectedUntil) }),
    ...(reach?.finalUntil !== undefined && { finalUntil: formatTime(reach.finalUntil) }),
    gaps: reach?.gaps.length ?? 0,
    ...(notice !== undefined && { notice }),
    errors,
  };
}

/** A folder for what doesn't fit into memory. */
async function makeScratch(): Promise<string> {
  try {
    await removeOldScratch();
    return await mkdtemp(join(tmpdir(), `auditkeep-${process.pid}-`));
  } catch (error) {
    throw new AuditkeepError(`no temporary folder can be made in ${tmpdir()}: ${(error as Error).message}`, {
      cause: error,
      hint: 'windows that outgrow collect.memory are kept there while they are packed: set TMPDIR to a folder that can be written',
    });
  }
}

/** Folders of runs that were killed; those of other users stay. */
async function removeOldScratch(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = Number(/^auditkeep-(\d+)-/.exec(name)?.[1]);
    if (Number.isNaN(pid) || isAlive(pid)) continue;
    await rm(join(tmpdir(), name), { recursive: true, force: true }).catch(() => undefined);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
