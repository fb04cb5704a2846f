// `auditkeep check`: config, credentials, permissions, audit logging, archive, lock; says what to fix. Writes nothing but a probe.

import { createLimiters } from '../collect/limiter.ts';
import { type Cluster, type Config, loadConfig } from '../config.ts';
import { EXIT } from '../errors.ts';
import { advise } from '../policy/advice.ts';
import { type ArchiveDeps, checkArchive, openForCheck } from './check-archive.ts';
import { checkCluster } from './check-cluster.ts';
import { checkIntegrity } from './check-integrity.ts';
import { counted, ok, type Point, type PointState, type Report, reportOf, warn, watchClock } from './check-point.ts';
import type { Cli, Run } from './io.ts';
import { selectClusters } from './select.ts';

interface CheckOptions {
  cluster?: string[];
}

export const check: Run<CheckOptions> = async (cli) => {
  const { options, signal } = cli;
  const config = await loadConfig(options.config, cli.registry, cli.env);
  const clusters = selectClusters(config.clusters, options.cluster);
  const log = await cli.openLog();
  const deps: ArchiveDeps = { config, clusters, clock: watchClock(cli.now), log, signal };
  // a config that leaves the region open is no reason to leave the clusters unchecked
  const store = await openForCheck(config.archive, deps).catch((error: unknown) => error as Error);
  try {
    const archive = checkArchive(store, deps);
    const limiters = createLimiters();
    const reports = [
      Promise.resolve(checkConfig(options.config, config, clusters)),
      archive.then(({ report }) => report),
      checkIntegrity({
        integrity: config.integrity,
        env: cli.env,
        signal,
        open: (url) => openForCheck(url, { ...deps, clock: watchClock(cli.now) }),
      }),
      ...clusters.map((cluster) =>
        checkCluster(cluster, {
          now: cli.now,
          window: config.collect.window,
          ledger: async () => (await archive).ledgers.get(cluster.name),
          limiters,
          log,
          signal,
        }),
      ),
    ];
    // a call that knows no signal ends when the store is closed
    const interrupted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
    for (const one of [...reports, interrupted]) one.catch(() => {});
    const done: Report[] = [];
    // in order, each as soon as those before it are done
    for (const report of reports) {
      signal.throwIfAborted();
      done.push(await Promise.race([report, interrupted]));
      await print(cli, done.at(-1)!);
    }
    if (options.output === 'text') await cli.out.line(summary(done));
    return exitCodeOf(done);
  } finally {
    if (!(store instanceof Error)) await store.close();
  }
};

function checkConfig(file: string, config: Config, clusters: readonly Cluster[]): Report {
  const chosen =
    clusters.length === config.clusters.length ? '' : ` (${clusters.length} of them chosen with --cluster)`;
  const points: Point[] = [
    ok('config', `${counted(config.clusters.length, 'cluster')}${chosen}, archive ${config.archive}`),
  ];
  const advice = new Set<string>();
  for (const { policy: chosen, implementation } of clusters)
    if (chosen.policy !== undefined)
      for (const text of advise(chosen.policy, { groups: implementation.groups ?? 'known' }))
        advice.add(`policy ${chosen.name}: ${text}`);
  return reportOf('config', file, [...points, ...[...advice].map((text) => warn('policy', text))]);
}

/** One line of the JSON output; its members are a stable interface (docs/cli.md). */
function reportJson({ subject, name, state, points, facts }: Report): object {
  return { subject, name, state, ...facts, points };
}

const LABEL: Readonly<Record<PointState, string>> = { ok: 'ok', warn: 'warn', fail: 'FAIL' };

async function print({ out, options }: Cli, report: Report): Promise<void> {
  if (options.output === 'json') return out.json(reportJson(report));
  const { subject, name } = report;
  await out.line(`${subject} ${name}`);
  const width = Math.max(...report.points.map(({ point }) => point.length));
  const indent = ' '.repeat(width + 10);
  for (const { point, state, message, fix } of report.points) {
    const [first = '', ...rest] = message.split('\n');
    await out.line(`  ${LABEL[state].padEnd(4)}  ${point.padEnd(width)}  ${first}`);
    for (const line of rest) await out.line(indent + line);
    for (const line of fix?.split('\n') ?? []) await out.line(`${indent}→ ${line}`);
  }
  await out.line();
}

function summary(reports: readonly Report[]): string {
  const points = reports.flatMap((report) => report.points);
  const count = (state: PointState) => points.filter((point) => point.state === state).length;
  const [failures, warnings] = [count('fail'), count('warn')];
  if (failures + warnings === 0) return `all ${points.length} points are fine`;
  const what = [failures > 0 ? `${failures} FAIL` : '', warnings > 0 ? `${warnings} warn` : ''].filter((t) => t !== '');
  return `${what.join(', ')}, ${count('ok')} ok; what to do stands behind →`;
}

/** 4 something stored is not what it should be · 1 something fails · 0 also with warnings. A config that can't be read is 2, and was thrown. */
function exitCodeOf(reports: readonly Report[]): number {
  const failures = reports.flatMap((report) => report.points).filter((point) => point.state === 'fail');
  if (failures.some(({ error }) => error === 'TamperError')) return EXIT.tampered;
  return failures.length > 0 ? EXIT.failed : EXIT.done;
}
