// One scan: a walk whose records go to the windows they arrived in; then each window is packed and committed.

import { setImmediate } from 'node:timers/promises';
import { commit } from '../archive/commit.ts';
import { dayEnd } from '../archive/coverage.ts';
import { dateOf, windowName } from '../archive/keys.ts';
import { AuditkeepError, TransientError } from '../errors.ts';
import type { Cluster, Config } from '../config.ts';
import type { PolicyOptions } from '../policy/apply.ts';
import type { ProviderRecord, Query, Span } from '../provider.ts';
import { formatDuration } from '../time.ts';
import { type Builder, createBuilder, fingerprintOf } from './build.ts';
import type { ClusterContext, Outcome, Seen } from './context.ts';
import { describeManifest } from './describe.ts';
import type { Scan } from './plan.ts';
import { callProvider } from './retry.ts';
import { createWalk, restarting, type Walk } from './walk.ts';

/** What a new scan waits for in the budget before it opens: pages in hand and first blocks. */
const ROOM = 8 << 20;
/** For so long, milliseconds, an answer about horizon and visibility serves further reads: thousands of short ones would ask the same. */
const LOOK_AGAIN = 60_000;
/** Content bytes worked on in one turn of the event loop: the next answer is taken in meanwhile, and doesn't wait for the end of this page. */
const TURN = 128 << 10;
/** From this many rejects on their share of a window is looked at. */
const MANY_REJECTS = 100;
/** A window that the source forgets within this time is committed whatever its rejects. */
const FORGETS_SOON = 48 * 3_600_000;

/**
 * What could be seen at the end of a read: asked after it, or taken from an answer of at most LOOK_AGAIN before, of which retention is
 * reckoned on. So nothing that the read missed counts as held.
 */
export async function look(context: ClusterContext): Promise<Seen> {
  const { source, asking, looked } = context;
  const ask = async (): Promise<Seen> => ({
    horizon: await callProvider('horizon', () => source.horizon(context.signal), asking),
    visible: await callProvider('visible', () => source.visible(context.signal), asking),
  });
  const now = performance.now();
  const fresh = looked.last !== undefined && now - looked.last.at < LOOK_AGAIN;
  const last = fresh ? looked.last! : { at: now, seen: ask() };
  looked.last = last;
  try {
    const { horizon, visible } = await last.seen;
    // retention goes on eating while an answer is kept
    const eaten =
      horizon.because === 'retention' && horizon.at !== undefined ? { at: horizon.at + (now - last.at) } : {};
    return { horizon: { ...horizon, ...eaten }, visible };
  } catch (error) {
    if (looked.last === last) delete looked.last;
    throw error;
  }
}

/** How policies are applied to the events of a cluster. */
export function policyOptions(cluster: Cluster, config: Config): PolicyOptions {
  return { secrets: config.secrets, groups: cluster.implementation.groups ?? 'known', panics: config.panics };
}

/** @param marked its strays would not be found by a later recheck of the day: there is none, or it may be over by then */
export function builderFor(context: ClusterContext, name: string, marked: boolean): Builder {
  const { cluster, config, store, scratch, mark } = context;
  return createBuilder(cluster.name, name, {
    store,
    scratch,
    compression: config.compression,
    apply: context.apply,
    ...(context.redact !== undefined && { redact: context.redact }),
    rawRejects: config.rejects.raw,
    keepRaw: cluster.implementation.keepsRaw?.(cluster.options) ?? false,
    decode: (record) => cluster.implementation.decode(record, cluster.options),
    ...(marked && { beforePut: () => mark.put() }),
  });
}

/** Reads and commits the windows of a scan. Failures are outcomes, except an abort. */
export async function runScan(scan: Scan, context: ClusterContext): Promise<Outcome[]> {
  const { windows, lateness } = scan;
  const query: Query = { arrival: { from: windows[0]!.from, to: windows.at(-1)!.to }, lateness };
  try {
    await context.scratch.budget.room(ROOM, context.signal);
    const walk = createWalk(context.source, query, context);
    let early = true;
    return await restarting(() => {
      const ending = attempt(scan, query, walk, context, early);
      // perhaps it was too early
      early = false;
      return ending;
    }, context.reading);
  } catch (error) {
    context.signal.throwIfAborted();
    return windows.map((span) => ({ name: windowName(span), span, error: error as Error }));
  }
}

/**
 * Hands the records from `at` on to the builders of their windows, about TURN bytes of them. Gives the place of the first one left.
 * A function of its own: V8 is slow to optimize loops in an async one.
 */
function addTurn(
  records: readonly ProviderRecord[],
  at: number,
  builders: readonly Builder[],
  from: number,
  length: number,
): number {
  let i = at;
  for (let worked = 0; i < records.length && worked < TURN; i++) {
    const record = records[i]!;
    builders[Math.floor((record.arrival - from) / length)]?.add(record, fingerprintOf(record));
    worked += record.content.length;
  }
  return i;
}

/** @param early windows that the walk has passed are packed and put while it goes on */
async function attempt(
  scan: Scan,
  query: Query,
  walk: Walk,
  context: ClusterContext,
  early: boolean,
): Promise<Outcome[]> {
  const { budget } = context.scratch;
  const { windows } = scan;
  const length = windows[0]!.to - windows[0]!.from;
  const builders = windows.map((span) => builderFor(context, windowName(span), scan.final));
  let passed = 0;
  let over = false;
  const pass = (time: number) => {
    for (; windows[passed] !== undefined && windows[passed]!.to <= time; passed++) {
      const builder = builders[passed]!;
      if (tooManyRejects(builder, context)) continue;
      // its failure is that of the window, which asks again
      context.commits(async () => over || (await builder.finish())).catch(() => undefined);
    }
  };
  try {
    const pages = await walk.run(async (page) => {
      budget.force(page.bytes);
      try {
        for (let at = 0; at < page.records.length;) {
          at = addTurn(page.records, at, builders, query.arrival.from, length);
          if (at < page.records.length) await setImmediate();
        }
        for (const builder of builders) {
          const settling = builder.settle();
          if (settling !== undefined) await settling;
        }
      } finally {
        budget.give(page.bytes);
      }
      if (early && page.passed !== undefined) pass(page.passed);
      const { bytes, records, position } = page;
      context.emit({
        type: 'page',
        cluster: context.cluster.name,
        bytes,
        records: records.length,
        ...(position !== undefined && { position }),
      });
    });
    const seen = await look(context);
    const finish = async (span: Span, builder: Builder): Promise<Outcome> => {
      try {
        return await finishWindow(scan, span, builder, { query, pages }, seen, context);
      } catch (error) {
        context.signal.throwIfAborted();
        return { name: windowName(span), span, error: error as Error };
      } finally {
        await builder.dispose();
      }
    };
    // settled, not raced: no commit may still be under way when this returns
    const results = await Promise.allSettled(
      windows.map((span, i) => context.commits(() => finish(span, builders[i]!))),
    );
    return results.map((result) => {
      if (result.status === 'fulfilled') return result.value;
      throw result.reason;
    });
  } finally {
    over = true;
    for (const builder of builders) {
      for (const date of builder.dates) context.touched.add(date);
      await builder.dispose();
    }
  }
}

async function finishWindow(
  scan: Scan,
  span: Span,
  builder: Builder,
  read: { query: Query; pages: number },
  seen: Seen,
  context: ClusterContext,
): Promise<Outcome> {
  const name = windowName(span);
  context.signal.throwIfAborted();
  checkRejects(name, span, builder, seen, context);
  const built = await builder.finish();
  context.clock.check();
  // A run that was suspended must not commit a window as "to be rechecked" when its day's recheck may be over.
  if (!scan.final && context.clock.now() >= dayEnd(dateOf(span.from)) + context.cluster.recheckAfter)
    throw new TransientError(`${name} was read too long ago to be committed now; the next run reads it again`);
  const manifest = describeManifest(context, { kind: 'window', name, span, final: scan.final, built, seen, read });
  const { manifest: stored, won } = await commit(context.store, manifest);
  context.manifests.set(name, stored);
  context.touched.add(dateOf(span.from));
  context.emit({ type: 'manifest', cluster: context.cluster.name, manifest: stored, won });
  return { name, span, manifest: stored, won };
}

function tooManyRejects({ counts }: Builder, { config }: ClusterContext): boolean {
  return counts.rejected >= MANY_REJECTS && counts.rejected > config.rejects.maxRatio * counts.received;
}

/** A changed format must not pass as "all rejected" (rejects.maxRatio). */
function checkRejects(name: string, span: Span, builder: Builder, seen: Seen, context: ClusterContext): void {
  if (!tooManyRejects(builder, context)) return;
  const { rejected, received } = builder.counts;
  const { maxRatio } = context.config.rejects;
  const share = `${rejected} of ${received} records of ${name} can't be decoded`;
  const { retention } = seen.horizon;
  const left = retention === undefined ? Number.POSITIVE_INFINITY : span.from + retention - context.clock.now();
  if (left > FORGETS_SOON)
    throw new AuditkeepError(`${share}, more than rejects.maxRatio (${maxRatio}) allows; the window is not committed`, {
      hint: 'look at a sample with `auditkeep decode`; to archive it as it is, raise rejects.maxRatio and run again',
    });
  context.log.error(
    { cluster: context.cluster.name, window: name, rejected, received },
    `${share}; committed all the same, since the source forgets it in ${formatDuration(Math.max(0, left))}`,
  );
}
