// The map of a run: for each cluster plan → read → decode → guard → pack → commit, then recheck and sweep.

import { rm } from 'node:fs/promises';
import pLimit, { type LimitFunction } from 'p-limit';
import { createBudget } from '../archive/budget.ts';
import { obligationsOf, reachOf } from '../archive/coverage.ts';
import { sha256Hex } from '../archive/hash.ts';
import { dateOf, policyKey, windowName } from '../archive/keys.ts';
import { readLedger } from '../archive/ledger.ts';
import type { Manifest } from '../archive/manifest.ts';
import { createScratch, type Scratch } from '../archive/spool.ts';
import type { Cluster } from '../config.ts';
import { AuditkeepError, AuthError, ConfigError } from '../errors.ts';
import { policyFor } from '../policy/apply.ts';
import type { ChosenPolicy } from '../policy/chosen.ts';
import { redactorFor } from '../policy/redact.ts';
import { addStart, begin, checkSame } from './begin.ts';
import { cleanUp, createMark } from './clean-up.ts';
import type { ClusterContext, Outcome } from './context.ts';
import { createLimiters } from './limiter.ts';
import { putOnce } from './part-files.ts';
import {
  addedStart,
  latenessOf,
  noticeOf,
  open,
  type Opened,
  planCluster,
  withBackfill,
  wouldBegin,
} from './plan-cluster.ts';
import { recheckDay } from './recheck.ts';
import { callProvider } from './retry.ts';
import type { RunInput } from './run-input.ts';
import { policyOptions, runScan } from './scan.ts';
import { makeScratch } from './scratch-folder.ts';
import { checkBegun, withoutSealed } from './sealed.ts';
import { type ClusterSummary, summarize } from './summary.ts';
import type { Hand, InSlot } from './walk.ts';

export type { RunInput } from './run-input.ts';
export type { ClusterSummary } from './summary.ts';
export { type ClusterPlan, onGrid, planOnly } from './plan-cluster.ts';

interface Shared {
  readonly input: RunInput;
  readonly scratch: Scratch;
  /** Scans and rechecks in hand: while some are committed, others are read. */
  readonly scans: LimitFunction;
  readonly reads: LimitFunction;
  readonly hand: Hand;
  readonly commits: LimitFunction;
  readonly limiters: ReturnType<typeof createLimiters>;
  /** Writes the policy's text before the first commit under it, once a run. */
  storePolicy(policy: ChosenPolicy): Promise<void>;
}

/** Windows that are packed and put side by side. */
const COMMITS_AT_ONCE = 6;

/** One at a time; the others wait outside of `slots`, where other clusters may need them. */
function inTurn(slots: InSlot): InSlot {
  const turn = pLimit(1);
  return (work) => turn(() => slots(work));
}

/** Collects what is due. Failures of one cluster don't stop the others; an abort rejects. */
export async function collect(input: RunInput): Promise<ClusterSummary[]> {
  const directory = await makeScratch();
  const storing = new Map<string, Promise<void>>();
  const shared: Shared = {
    input,
    scratch: createScratch(directory, createBudget(input.config.collect.memory)),
    scans: pLimit(2 * input.config.collect.parallel),
    reads: pLimit(input.config.collect.parallel),
    hand: { bytes: 0 },
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
  const mark = createMark(cluster.name, store, clock, input.version);
  const committed = new Map(ledger.windows);
  if (allowed.scans.length > 0 || allowed.rechecks.length > 0) {
    const identity = await callProvider('identity', () => source.identity(signal), asking);
    checkSame(ledger.file!, { provider: cluster.provider, window: config.collect.window, source: identity });
    await shared.storePolicy(cluster.policy);
    const redact = redactorFor(config.redact);
    const walks = Math.max(allowed.scans.length, allowed.rechecks.length);
    const context: ClusterContext = {
      cluster,
      source,
      store,
      config,
      clock,
      log,
      signal,
      scratch: shared.scratch,
      reads: source.inTurn === true ? inTurn(shared.reads) : shared.reads,
      hand: shared.hand,
      pieces: Math.max(1, Math.floor(config.collect.parallel / (walks * input.clusters.length))),
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
      firstEnd: Date.parse(ledger.file!.first) + config.collect.window,
      configSha256: sha256Hex(Buffer.from(config.canonical)),
      apply: policyFor(cluster.policy.policy, policyOptions(cluster, config)),
      ...(redact !== undefined && { redact }),
      version: input.version,
      manifests,
      touched,
      mark,
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
  const end = { ...ledger, windows: committed, rechecks: new Map([...ledger.rechecks, ...recheckedDays(outcomes)]) };
  const complete = outcomes.every((outcome) => 'manifest' in outcome);
  await cleanUp(cluster.name, { store, clock, log, ledger: end, manifests, touched, mark, complete });
  const reach = reachOf(end, obligationsOf(end, cluster.until), config.collect.window, due.closedUntil);
  const failed = due.windows + due.rechecks.length - outcomes.filter((outcome) => 'manifest' in outcome).length;
  const errors = outcomes.flatMap((outcome) => ('error' in outcome ? [outcome.error] : []));
  return summarize(
    cluster.name,
    outcomes,
    due.windows + due.rechecks.length,
    failed,
    [...new Set(errors)],
    end,
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
