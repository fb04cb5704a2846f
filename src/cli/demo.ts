// `auditkeep demo`: a believable day of two EKS clusters, served over the real protocol, and real kube-apiserver lines, into a local archive.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CloudWatchEmulator, startCloudWatchEmulator } from '../../emulators/cloudwatch/server.ts';
import { writeKubeLogs } from '../../emulators/story/fixture.ts';
import { dayOfLogEvents, intruderFacts, type LogEventOptions, storySecrets } from '../../emulators/story/index.ts';
import { openStore } from '../archive/store/open.ts';
import { withRetries } from '../archive/store/retrying.ts';
import { createClock } from '../collect/clock.ts';
import { type ClusterSummary, collect } from '../collect/collect.ts';
import { parseConfig } from '../config.ts';
import { ConfigError, EXIT } from '../errors.ts';
import { formatTime } from '../time.ts';
import { VERSION } from '../version.ts';
import { readDemoArchive } from './demo-archive.ts';
import type { Cli } from './io.ts';

export interface DemoOptions {
  readonly archive?: string;
  readonly seed?: string;
  readonly events?: string;
}

const DAY = Date.parse('2026-11-19T00:00:00Z');
const ACCOUNT = '111122223333';
/** When the demo's collector runs, as if by cron: at noon, after midnight, and two days later for the rechecks. */
const RUNS = [
  { at: DAY + 12 * 3_600_000 + 360_000, what: 'at noon' },
  { at: DAY + 24 * 3_600_000 + 360_000, what: 'after midnight' },
  { at: DAY + 89.5 * 3_600_000, what: 'two days later, with the rechecks' },
];

interface DemoCluster {
  readonly name: string;
  readonly region: string;
  readonly story: LogEventOptions;
}

function demoClusters(seed: number, eventsPerHour: number): DemoCluster[] {
  return [
    { name: 'prod-eu', region: 'eu-central-1', intruder: true },
    { name: 'prod-us', region: 'us-east-1', intruder: false },
  ].map(({ name, region, intruder }, i) => ({
    name,
    region,
    story: {
      seed: seed + i,
      cluster: { name, account: ACCOUNT, region },
      from: DAY,
      to: DAY + 24 * 3_600_000,
      eventsPerHour,
      shape: { intruder, leaks: intruder },
      late: 0.002,
      lateUpTo: 5 * 3_600_000,
      duplicates: 0.002,
      truncated: 0.0005,
      klogPerHour: 20,
    },
  }));
}

/** Messages of the audit streams that the service took in before `until`, as the source has them. */
type Sent = { readonly message: string; readonly ingestionTime: number };

function serve(emulator: CloudWatchEmulator, cluster: DemoCluster): Sent[] {
  const group = { account: ACCOUNT, region: cluster.region, logGroup: `/aws/eks/${cluster.name}/cluster` };
  emulator.createLogGroup({ ...group, creationTime: DAY, retentionInDays: 90 });
  emulator.setCluster({ account: ACCOUNT, region: cluster.region, name: cluster.name, audit: true });
  const byStream = Map.groupBy(dayOfLogEvents(cluster.story), (event) => event.logStreamName);
  const sent: Sent[] = [];
  for (const [stream, events] of byStream) {
    emulator.putEvents(group, stream, events);
    if (stream.startsWith('kube-apiserver-audit-')) sent.push(...events);
  }
  return sent;
}

function configText(archive: string, endpoint: string, logs: string): string {
  const eks = (name: string, region: string) =>
    `  - {name: ${name}, provider: eks, region: ${region}, cluster: ${name}, until: "2026-11-20T06:00:00Z", endpoint: "${endpoint}", auth: none}\n`;
  return `# Written by "auditkeep demo". The emulated clouds are gone, but status, plan and decode work.
archive: ${JSON.stringify(archive)}
collect: {start: 2026-11-19, window: 1h}
clusters:
${eks('prod-eu', 'eu-central-1')}${eks('prod-us', 'us-east-1')}  - {name: lab, provider: kube, files: ${JSON.stringify(`${logs}/*.log*`)}, until: "2026-11-22T17:00:00Z"}
`;
}

function numberOption(flag: string, text: string | undefined, fallback: number): number {
  const value = text === undefined ? fallback : Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new ConfigError(`${flag} ${text}: expected a whole number above 0`);
}

const n = (value: number) => value.toLocaleString('en-US');

export async function demo(cli: Cli<DemoOptions>): Promise<number> {
  const { out, options } = cli;
  const seed = numberOption('--seed', options.seed, 1);
  const events = numberOption('--events', options.events, 12_000);
  const archive = resolve(options.archive ?? 'demo-archive');
  const configFile = `${archive}.yaml`;
  const log = await cli.openLog();
  const logs = await mkdtemp(join(tmpdir(), 'auditkeep-demo-'));
  const clusters = demoClusters(seed, events / 24);
  let now = RUNS[0]!.at;
  const emulator = await startCloudWatchEmulator({ account: ACCOUNT, clock: () => now });
  try {
    await out.line(
      'Two EKS clusters are emulated on loopback (the real CloudWatch Logs protocol, read through the AWS SDK),',
    );
    await out.line('and the audit log of a real kube-apiserver lies in a folder. Your cloud is not touched.');
    await out.line();
    const sent = new Map(clusters.map((cluster) => [cluster.name, serve(emulator, cluster)]));
    const kube = await writeKubeLogs(logs);
    for (const { name, region } of clusters)
      await out.line(`  ${name.padEnd(8)} ${n(sent.get(name)!.length)} audit records of 2026-11-19 in ${region}`);
    await out.line(
      `  ${'lab'.padEnd(8)} ${n(kube.lines.length)} lines of a kube-apiserver, one log file rotated and gzipped`,
    );
    await out.line();

    const text = configText(archive, emulator.url, logs);
    const config = await parseConfig(text, cli.registry, {}, configFile);
    await writeFile(configFile, text);
    const store = withRetries(await openStore(archive, config.s3, { onServerDate() {} }), {
      signal: cli.signal,
      log,
      sleep: (ms, signal) => sleep(ms, undefined, { signal }),
    });
    await out.line(`auditkeep collect, as cron would run it, into ${archive}:`);
    let failed = 0;
    for (const { at, what } of RUNS) {
      now = at;
      const chosen = at > kube.to ? config.clusters : config.clusters.filter((cluster) => cluster.name !== 'lab');
      const summaries = await collect({
        config,
        clusters: chosen,
        store,
        clock: createClock(() => now, undefined, log),
        log,
        signal: cli.signal,
        version: `auditkeep ${VERSION}`,
        emit: () => undefined,
      });
      failed += summaries.reduce((sum, summary) => sum + summary.failed + summary.errors.length, 0);
      await out.line(`  ${formatTime(at)}  ${what}`);
      for (const summary of summaries) await out.line(`    ${runLine(summary)}`);
    }
    await out.line();

    const kept = await readDemoArchive(
      store,
      config.clusters.map((cluster) => cluster.name),
    );
    const expected = new Map([...sent].map(([name, records]) => [name, records.length]));
    expected.set('lab', kube.lines.length);
    let missing = 0;
    await out.line('What the source sent, and where it is now:');
    for (const [name, total] of expected) {
      const counts = kept.counts.get(name)!;
      const accounted = counts.written + counts.duplicate + counts.dropped + counts.rejected;
      missing += Math.abs(total - accounted);
      await out.line(
        `  ${name.padEnd(8)} ${n(total)} sent = ${n(counts.written)} in the archive + ${n(counts.duplicate)} identical copies + ${n(counts.rejected)} cut by the source (${n(counts.salvaged)} of them saved as Metadata)` +
          (counts.skipped > 0 ? `; ${n(counts.skipped)} lines of other logs skipped` : ''),
      );
    }
    await out.line(
      missing === 0
        ? `  every record is accounted for; ${n(kept.lowered)} events had bodies of Secrets or tokens taken out; ${n(kept.bytes)} bytes on disk for ${n(kept.contentBytes)} of events`
        : `  ${n(missing)} RECORDS ARE NOT ACCOUNTED FOR: this is a bug`,
    );
    const leaked = clusters
      .filter(({ story }) => story.shape?.leaks === true)
      .flatMap(({ story }) => storySecrets(story.seed));
    const found = leaked.filter((secret) => kept.text.some((line) => line.includes(secret)));
    if (found.length > 0) await out.line(`  ${found.length} SECRETS ARE IN THE ARCHIVE: this is a bug`);
    await out.line();
    await tellStory(cli, archive, clusters[0]!);
    await out.line();
    await out.line('Try next:');
    await out.line(`  auditkeep status --config ${configFile}`);
    await out.line(`  auditkeep plan   --config ${configFile}`);
    await out.line('  auditkeep init                # a config for your own clusters');
    return failed === 0 && missing === 0 && found.length === 0 ? EXIT.done : EXIT.failed;
  } finally {
    await emulator.close();
    await rm(logs, { recursive: true, force: true });
  }
}

function runLine(summary: ClusterSummary): string {
  const parts = [
    `${summary.cluster.padEnd(8)} ${n(summary.committed)} committed (windows and rechecks), ${n(summary.written)} events`,
  ];
  if (summary.duplicate > 0) parts.push(`${n(summary.duplicate)} copies dropped`);
  if (summary.late > 0) parts.push(`${n(summary.late)} that came late`);
  if (summary.planned === 0) parts.push('nothing was due');
  if (summary.errors.length > 0) parts.push(`FAILED: ${summary.errors[0]!.message}`);
  return parts.join(', ');
}

/** What to look for in the archive with nothing but zcat and grep. */
async function tellStory({ out }: Cli<DemoOptions>, archive: string, cluster: DemoCluster): Promise<void> {
  const facts = intruderFacts(cluster.story);
  await out.line(
    `Somebody was in ${cluster.name} between ${formatTime(facts.first)} and ${formatTime(facts.last)}. Plain lines, plain tools:`,
  );
  const files = join(archive, `events/cluster=${cluster.name}/date=2026-11-19/*.gz`);
  await out.line(
    `  zcat ${files} | grep -F '"${facts.ip}"' | jq -r '[.stageTimestamp,.user.username,.verb,.requestURI,.responseStatus.code]|@tsv'`,
  );
  await out.line(
    `  (${facts.requests.length} requests: 401s, 403s, ${facts.secrets.length} secrets read, a privileged pod, exec, a binding to cluster-admin, a CronJob)`,
  );
}
