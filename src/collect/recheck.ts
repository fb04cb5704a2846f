// The recheck (rule 4): a day is read again, wider; what the windows have not counted is committed under the recheck's manifest.

import pLimit from 'p-limit';
import { commit } from '../archive/commit.ts';
import { DAY, dateOf, dateOfKey, policyKey, recheckName, windowName } from '../archive/keys.ts';
import { holds, type Ledger, readManifest } from '../archive/ledger.ts';
import { manifestDigest, type Manifest, partsOf } from '../archive/manifest.ts';
import { type Digest, FINGERPRINT_BYTES, sha256Hex } from '../archive/hash.ts';
import { includesKey } from '../archive/sorted-keys.ts';
import { scopesOfDates, sweep } from '../archive/sweep.ts';
import { TamperError } from '../errors.ts';
import { policyFor } from '../policy/apply.ts';
import { chosenPolicy } from '../policy/chosen.ts';
import type { ProviderRecord, Query, Span } from '../provider.ts';
import { fingerprintOf } from './build.ts';
import type { ClusterContext, Outcome } from './context.ts';
import { describeManifest } from './describe.ts';
import { builderFor, look, policyOptions } from './scan.ts';
import { createWalk, restarting, type Walk } from './walk.ts';

interface Covered {
  readonly name: string;
  readonly span: Span;
  readonly sha256: string;
  readonly manifest: Manifest;
}

/** Rechecks one day whose windows are all committed. A failure is an outcome, except an abort. */
export async function recheckDay(date: string, ledger: Ledger, context: ClusterContext): Promise<Outcome> {
  const name = recheckName(date, (ledger.rechecks.get(date) ?? 0) + 1);
  const windows = [...ledger.windows.values()]
    .filter((span) => dateOf(span.from) === date)
    .sort((a, b) => a.from - b.from);
  const span = { from: windows[0]!.from, to: windows.at(-1)!.to };
  context.log.debug({ cluster: context.cluster.name, date }, 'recheck');
  try {
    const limit = pLimit(8);
    const covered = await Promise.all(
      windows.map((window) =>
        limit(async (): Promise<Covered> => {
          const windowsName = windowName(window);
          const { manifest, bytes } = await readManifest(context.store, context.cluster.name, windowsName);
          context.manifests.set(windowsName, manifest);
          return { name: windowsName, span: window, sha256: manifestDigest(bytes), manifest };
        }),
      ),
    );
    const open = covered.filter((one) => !one.manifest.final);
    const query = open.length === 0 ? undefined : queryOf(open, context);
    const walk = query && createWalk(context.source, query, context);
    return await restarting(
      () => attempt({ name, span, covered, open, query, walk }, ledger, context),
      context.reading,
    );
  } catch (error) {
    context.signal.throwIfAborted();
    return { name, span, error: error as Error };
  }
}

function queryOf(open: readonly Covered[], context: ClusterContext): Query {
  return {
    arrival: { from: open[0]!.span.from, to: open.at(-1)!.span.to },
    lateness: context.lateness.recheck,
  };
}

interface Task {
  readonly name: string;
  readonly span: Span;
  readonly covered: readonly Covered[];
  /** Those of `covered` that are to be looked at again. */
  readonly open: readonly Covered[];
  /** Absent where `open` is empty. */
  readonly query: Query | undefined;
  readonly walk: Walk | undefined;
}

async function attempt(task: Task, ledger: Ledger, context: ClusterContext): Promise<Outcome> {
  const { name, span, covered, open, query, walk } = task;
  const builder = builderFor(context, name, true);
  const known = createKnown(open, context);
  const policies = await policiesOf(open, context);
  try {
    let read: { query: Query; pages: number } | undefined;
    if (query !== undefined && walk !== undefined) {
      const pages = await walk.run(async (page) => {
        context.scratch.budget.force(page.bytes);
        try {
          await known.load(page.records);
          for (const record of page.records) {
            const fingerprint = fingerprintOf(record);
            if (known.isNew(record, fingerprint))
              builder.add(record, fingerprint, known.windowOf(record), policies.of(known.manifestOf(record)));
          }
          await builder.settle();
        } finally {
          context.scratch.budget.give(page.bytes);
        }
        const { bytes, records, position } = page;
        context.emit({
          type: 'page',
          cluster: context.cluster.name,
          bytes,
          records: records.length,
          ...(position !== undefined && { position }),
        });
      });
      read = { query, pages };
    }
    const seen = await look(context);
    const built = await builder.finish();
    context.clock.check();
    // Before the commit: a day with a recheck has been swept, so no later run needs to look there again.
    const dates = new Set(covered.flatMap(({ manifest }) => partsOf(manifest).map((part) => dateOfKey(part.key))));
    // also where a broken attempt had events, and the one that was committed none: under another policy
    const { from, to } = context.source.bounds({ arrival: span, lateness: context.lateness.first });
    for (let time = from; dateOf(time) <= dateOf(to - 1); time += DAY) dates.add(dateOf(time));
    const { left } = await sweep(scopesOfDates(context.cluster.name, dates), {
      store: context.store,
      cluster: context.cluster.name,
      isCommitted: (other) => holds(ledger, other),
      known: (other) => context.manifests.get(other),
      opens: 'all',
      log: context.log,
    });
    const manifest = describeManifest(context, {
      kind: 'recheck',
      name,
      span,
      final: true,
      covers: covered.map((one) => ({ name: one.name, sha256: one.sha256 })),
      built,
      seen,
      known: known.count,
      strays: left,
      ...(read !== undefined && { read }),
    });
    const { manifest: stored, won } = await commit(context.store, manifest);
    context.manifests.set(name, stored);
    context.emit({ type: 'manifest', cluster: context.cluster.name, manifest: stored, won });
    return { name, span, manifest: stored, won };
  } finally {
    known.dispose();
    for (const date of builder.dates) context.touched.add(date);
    await builder.dispose();
  }
}

/** New records pass under the policy that their window was committed under (rule 4): its text is in the archive. */
async function policiesOf(windows: readonly Covered[], context: ClusterContext) {
  const { cluster, config, store } = context;
  const own = cluster.policy.sha256;
  const prepared = new Map([[own, context.apply]]);
  for (const sha256 of new Set(windows.map((one) => one.manifest.made.policySha256))) {
    if (prepared.has(sha256)) continue;
    const found = await store.get(policyKey(sha256));
    if (found === undefined || sha256Hex(found.bytes) !== sha256)
      throw new TamperError(
        `${store.url}: ${policyKey(sha256)} is ${found === undefined ? 'gone' : 'not what its name says'}`,
        {
          hint: 'windows were collected under this policy: restore it from a copy or an earlier version of the object',
        },
      );
    const { policy } = chosenPolicy(policyKey(sha256), found.bytes.toString('utf8'));
    prepared.set(sha256, policyFor(policy, policyOptions(cluster, config)));
  }
  return { of: (manifest: Manifest) => prepared.get(manifest.made.policySha256) };
}

/** Fingerprints of the windows, loaded as the walk reaches them and given back in the order of their last use. */
function createKnown(windows: readonly Covered[], context: ClusterContext) {
  const { budget } = context.scratch;
  const first = windows[0]?.span.from ?? 0;
  const length = windows.length === 0 ? 1 : windows[0]!.span.to - first;
  const byIndex = new Map(windows.map((one) => [(one.span.from - first) / length, one]));
  const loaded = new Map<number, Buffer>();
  let held = 0;
  let count = 0;
  const indexOf = (record: ProviderRecord) => Math.floor((record.arrival - first) / length);

  async function fingerprintsOf({ manifest, name }: Covered): Promise<Buffer> {
    if (manifest.ids === undefined) return Buffer.alloc(0);
    const found = await context.store.get(manifest.ids.key);
    if (found === undefined || sha256Hex(found.bytes) !== manifest.ids.sha256)
      throw new TamperError(
        `${context.store.url}: ${manifest.ids.key} is ${found === undefined ? 'gone' : 'not what the manifest says'}`,
        {
          hint: `it holds the fingerprints of ${name}: restore it from a copy or an earlier version of the object`,
        },
      );
    return found.bytes;
  }

  return {
    get count() {
      return count;
    },
    async load(records: readonly ProviderRecord[]): Promise<void> {
      const needed = new Set<number>();
      for (const record of records) {
        const index = indexOf(record);
        if (byIndex.has(index)) needed.add(index);
      }
      for (const index of needed) {
        let bytes = loaded.get(index);
        if (bytes === undefined) {
          bytes = await fingerprintsOf(byIndex.get(index)!);
          held += bytes.length;
          budget.force(bytes.length);
        } else loaded.delete(index);
        loaded.set(index, bytes); // the last used stand last
      }
      for (const [index, bytes] of loaded) {
        if (held <= budget.limit / 4 || needed.has(index)) break;
        loaded.delete(index);
        held -= bytes.length;
        budget.give(bytes.length);
      }
    },
    /** Manifest of the window that it arrived in; to be asked for new records only. */
    manifestOf: (record: ProviderRecord): Manifest => byIndex.get(indexOf(record))!.manifest,
    /** Start of the window that it arrived in. */
    windowOf: (record: ProviderRecord) => first + indexOf(record) * length,
    /** Of a window that is looked at, and not counted there. */
    isNew(record: ProviderRecord, fingerprint: Digest): boolean {
      const fingerprints = loaded.get(indexOf(record));
      if (fingerprints === undefined) return false;
      if (!includesKey(fingerprints, FINGERPRINT_BYTES, Buffer.from(fingerprint, 'latin1'))) return true;
      count++;
      return false;
    },
    dispose() {
      budget.give(held);
      held = 0;
      loaded.clear();
    },
  };
}
