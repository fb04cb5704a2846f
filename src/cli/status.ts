// `auditkeep status`: per cluster, how far the archive reaches and what is wrong with it; reads the ledger alone.

import pLimit from 'p-limit';
import { dayStart, recheckName, windowName } from '../archive/keys.ts';
import { readLedger, readManifest, type Ledger } from '../archive/ledger.ts';
import type { Manifest } from '../archive/manifest.ts';
import type { Store } from '../archive/store/store.ts';
import type { Cluster } from '../config.ts';
import { ConfigError, EXIT } from '../errors.ts';
import { silentLog } from '../log.ts';
import { formatDuration, parseDuration } from '../time.ts';
import type { Cli, Run } from './io.ts';
import { type OpenRun, type RunOptions, withRun } from './open-run.ts';
import { formatBytes, formatCount, table } from './output.ts';
import { type ClusterStatus, statusOf } from './status-of.ts';
import { timeOption } from './when.ts';

interface StatusOptions extends RunOptions {
  from: string;
  maxLag: string;
}

/** Manifests read at a time. */
const AT_ONCE = 16;

export const status: Run<StatusOptions> = (cli) =>
  withRun(cli, async (run) => {
    const since = timeOption('--from', cli.options.from, run.now);
    const maxLag = parseDuration(cli.options.maxLag);
    if (Number.isNaN(maxLag))
      throw new ConfigError(`--max-lag ${cli.options.maxLag}: expected a duration such as 3h or 1d2h`);
    const limit = pLimit(AT_ONCE);
    const all = await Promise.all(
      run.clusters.map((cluster) => clusterStatus(cluster, run, since, maxLag, cli, limit)),
    );
    if (cli.options.output === 'json') for (const one of all) await cli.out.json(one);
    else await print(cli, all);
    return all.every((one) => one.state === 'ok') ? EXIT.done : EXIT.incomplete;
  });

async function clusterStatus(
  cluster: Cluster,
  run: OpenRun,
  since: number,
  maxLag: number,
  cli: Cli,
  limit: ReturnType<typeof pLimit>,
): Promise<ClusterStatus> {
  const ledger = await readLedger(run.store, cluster.name);
  const manifests = await manifestsSince(run.store, ledger, since, cli.signal, limit);
  return statusOf(cluster.name, {
    ledger,
    manifests,
    since,
    now: run.now,
    window: ledger.file === undefined ? run.config.collect.window : ledger.file.windowSeconds * 1000,
    settle: cluster.settle ?? (await settleOf(cluster, run.now)),
    silence: cluster.silence,
    maxLag,
    managed: cluster.provider !== 'kube',
    ...(cluster.until !== undefined && { until: cluster.until }),
  });
}

/** The source is connected, which opens nothing, only to know its settle time. */
async function settleOf(cluster: Cluster, now: number): Promise<number> {
  const source = cluster.implementation.connect(cluster, cluster.options, {
    log: silentLog,
    now: () => now,
    onServerDate() {},
  });
  const { settle } = source;
  await source.close();
  return settle;
}

async function manifestsSince(
  store: Store,
  ledger: Ledger,
  since: number,
  signal: AbortSignal,
  limit: ReturnType<typeof pLimit>,
): Promise<Manifest[]> {
  const names = [...ledger.windows.values()].filter((span) => span.to > since).map(windowName);
  for (const [date, rounds] of ledger.rechecks)
    if (dayStart(date) + 86_400_000 > since)
      for (let round = 1; round <= rounds; round++) names.push(recheckName(date, round));
  return Promise.all(
    names.map((name) =>
      limit(async () => {
        signal.throwIfAborted();
        return (await readManifest(store, ledger.cluster, name)).manifest;
      }),
    ),
  );
}

async function print(cli: Cli, all: readonly ClusterStatus[]): Promise<void> {
  const total = (one: ClusterStatus, of: 'events' | 'bytes' | 'rejected') =>
    one.days.reduce((sum, day) => sum + day[of], 0);
  const head = [
    'cluster',
    'state',
    'collected until',
    '>lag',
    'final until',
    '>gaps',
    '>events/day',
    '>bytes/day',
    '>rejected',
  ];
  const rows = all.map((one) => {
    const days = Math.max(1, one.days.length);
    return [
      one.cluster,
      one.state,
      one.collectedUntil ?? '-',
      one.lagSeconds === undefined ? '-' : formatDuration(Math.floor(one.lagSeconds / 60) * 60_000),
      one.finalUntil ?? '-',
      formatCount(one.gaps.length),
      formatCount(total(one, 'events') / days),
      formatBytes(total(one, 'bytes') / days),
      formatCount(total(one, 'rejected')),
    ];
  });
  for (const line of table([head, ...rows])) await cli.out.line(line);
  const details = all.flatMap(detailsOf);
  if (details.length === 0) return;
  await cli.out.line();
  for (const line of details) await cli.out.line(line);
}

/** What needs a word, and what to do about it. */
function detailsOf(one: ClusterStatus): string[] {
  const lines: string[] = [];
  const say = (text: string) => lines.push(`${one.cluster}: ${text}`);
  const span = (s: { from: string; to: string }) => `${s.from} to ${s.to}`;
  if (one.state === 'new') say('nothing was collected yet; "auditkeep collect" begins');
  for (const gap of one.gaps) say(`missing ${span(gap)}; "auditkeep collect" fills it while the source still holds it`);
  if (one.state === 'silent')
    say(
      `nothing received for ${formatDuration(one.silentSeconds * 1000)}; audit logging is ${one.logging === 'unknown' ? 'on or off, the role may not ask' : one.logging}: look whether it is on, and whether the log group is the right one`,
    );
  const silent = one.silent.slice(-5);
  for (const quiet of silent) say(`silent ${span(quiet)}`);
  if (one.silent.length > silent.length)
    say(`and ${one.silent.length - silent.length} earlier silent spans since ${one.since}`);
  for (const gone of one.expired)
    say(`expired ${span(gone)}: when it was read, the source held some or all of it no longer`);
  const inWords = (sums: Readonly<Record<string, number>>) =>
    Object.entries(sums)
      .map(([what, n]) => `${what} ${formatCount(n)}`)
      .join(', ');
  const reasons = inWords(one.rejectedByReason);
  if (reasons !== '') say(`rejected since ${one.since}: ${reasons}; they are kept under rejects/`);
  const bodies = inWords(one.omitted);
  if (bodies !== '')
    say(`bodies that the source had left out since ${one.since}: ${bodies}; events say so in auditkeep/omitted`);
  for (const note of one.notes) say(note);
  if (one.due > 0) say(`${formatCount(one.due)} windows are due for the next run`);
  return lines;
}
