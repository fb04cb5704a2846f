// `auditkeep demo`: a believable day on three clouds, served over their real protocols, and real kube-apiserver lines, into a local archive.

import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeKubeLogs } from '../../emulators/story/fixture.ts';
import { intruderFacts } from '../../emulators/story/index.ts';
import type { Manifest } from '../archive/manifest.ts';
import { openStore } from '../archive/store/open.ts';
import { withRetries } from '../archive/store/retrying.ts';
import { createClock } from '../collect/clock.ts';
import { type ClusterSummary, collect } from '../collect/collect.ts';
import { parseConfig } from '../config.ts';
import { ConfigError, EXIT } from '../errors.ts';
import { formatTime } from '../time.ts';
import { VERSION } from '../version.ts';
import { readDemoArchive } from './demo-archive.ts';
import { type DemoCloud, type DemoClouds, startDemoClouds } from './demo-clouds.ts';
import type { Cli } from './io.ts';

export interface DemoOptions {
  readonly archive?: string;
  readonly seed?: string;
  readonly events?: string;
}

const HOUR = 3_600_000;
const DAY = Date.parse('2026-11-19T00:00:00Z');
/** When the demo's collector runs, as if by cron: at noon, after midnight, and two days later for the rechecks. */
const RUNS = [
  { at: DAY + 12.4 * HOUR, what: 'at noon' },
  { at: DAY + 24.4 * HOUR, what: 'after midnight' },
  { at: DAY + 89.5 * HOUR, what: 'two days later, with the rechecks' },
];
/** Seven hours after the day: all that came late has come. */
const UNTIL = formatTime(DAY + 31 * HOUR);

function configText(archive: string, clouds: readonly DemoCloud[], logs: string): string {
  return `# Written by "auditkeep demo". The emulated clouds are gone, but status, verify and the like work.
archive: ${JSON.stringify(archive)}
collect: {start: 2026-11-19, window: 1h}
clusters:
${clouds.map((cloud) => `  - ${cloud.config}\n`).join('')}  - {name: lab, provider: kube, files: ${JSON.stringify(`${logs}/*.log*`)}, until: "2026-11-22T17:00:00Z"}
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
  const events = numberOption('--events', options.events, 6_000);
  const archive = resolve(options.archive ?? 'demo-archive');
  const configFile = `${archive}.yaml`;
  const log = await cli.openLog();
  let now = RUNS[0]!.at;
  await refuseUsed(archive, configFile);
  const logs = await mkdtemp(join(tmpdir(), 'auditkeep-demo-'));
  await out.line(
    'EKS, AKS and GKE clusters are emulated on loopback (the real protocols, read through the real SDKs),',
  );
  await out.line('and the audit log of a real kube-apiserver lies in a folder. Your clouds are not touched.');
  await out.line();
  const day = { seed, from: DAY, to: DAY + 24 * HOUR, eventsPerHour: events / 24, until: UNTIL, now: () => now };
  const emulated = await startDemoClouds(day);
  const { clouds } = emulated;
  try {
    const kube = await writeKubeLogs(logs);
    for (const { name, where, sent } of clouds)
      await out.line(`  ${name.padEnd(8)} ${n(sent).padStart(7)} audit records of 2026-11-19   ${where}`);
    await out.line(
      `  ${'lab'.padEnd(8)} ${n(kube.lines.length).padStart(7)} lines of a kube-apiserver, a rotated and gzipped file among them`,
    );
    await out.line();

    const text = configText(archive, clouds, logs);
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
    const expected = new Map(clouds.map(({ name, sent }) => [name, sent]));
    expected.set('lab', kube.lines.length);
    let missing = 0;
    await out.line('What the source sent, and where it is now:');
    for (const [name, total] of expected) {
      const counts = kept.counts.get(name)!;
      const accounted = counts.written + counts.duplicate + counts.dropped + counts.rejected;
      missing += Math.abs(total - accounted);
      await out.line(`  ${name.padEnd(8)} ${n(total)} sent = ${whereabouts(counts)}`);
    }
    await out.line(
      missing === 0
        ? `  every record is accounted for; ${n(kept.lowered)} events had bodies of Secrets or tokens taken out; ${n(kept.bytes)} bytes on disk for ${n(kept.contentBytes)} of events`
        : `  ${n(missing)} RECORDS ARE NOT ACCOUNTED FOR: this is a bug`,
    );
    const leaked = emulated.secrets;
    const found = leaked.filter((secret) => kept.text.some((line) => line.includes(secret)));
    if (found.length > 0) await out.line(`  ${found.length} SECRETS ARE IN THE ARCHIVE: this is a bug`);
    await out.line();
    await tellStory(cli, archive, emulated);
    await out.line();
    await out.line('Try next:');
    await out.line(`  auditkeep status --config ${configFile}`);
    await out.line(`  auditkeep policy test production --archive --config ${configFile}`);
    await out.line('  auditkeep init                # a config for your own clusters');
    return failed === 0 && missing === 0 && found.length === 0 ? EXIT.done : EXIT.failed;
  } finally {
    await emulated.close();
    await rm(logs, { recursive: true, force: true });
  }
}

/** Clusters of an earlier demo have the same names, but their ledger is further than this one's clock. */
async function refuseUsed(archive: string, configFile: string): Promise<void> {
  const [found] = existsSync(archive) ? await readdir(archive) : [];
  if (found === undefined) return;
  throw new ConfigError(`${archive} is not empty`, {
    hint: `an earlier demo? "auditkeep status --config ${configFile}" shows it; remove it, or choose another folder with --archive`,
  });
}

function whereabouts({ written, duplicate, rejected, salvaged, skipped }: Manifest['counts']): string {
  const parts = [`${n(written)} in the archive`];
  if (duplicate > 0) parts.push(`${n(duplicate)} identical copies`);
  if (rejected > 0) parts.push(`${n(rejected)} cut by the source (${n(salvaged)} of them saved as Metadata)`);
  return parts.join(' + ') + (skipped > 0 ? `; ${n(skipped)} lines of other logs skipped` : '');
}

function runLine(summary: ClusterSummary): string {
  const parts = [
    `${summary.cluster.padEnd(8)} ${n(summary.committed)} committed (windows and rechecks), ${n(summary.written)} event${summary.written === 1 ? '' : 's'}`,
  ];
  if (summary.duplicate > 0) parts.push(`${n(summary.duplicate)} copies dropped`);
  if (summary.late > 0) parts.push(`${n(summary.late)} that came late`);
  if (summary.planned === 0) parts.push('nothing was due');
  if (summary.errors.length > 0) parts.push(`FAILED: ${summary.errors[0]!.message}`);
  return parts.join(', ');
}

/** What to look for in the archive with nothing but zcat, grep and jq: the same person did the same on three clouds. */
async function tellStory({ out }: Cli<DemoOptions>, archive: string, { clouds }: DemoClouds): Promise<void> {
  const facts = intruderFacts(clouds[0]!.story);
  await out.line(
    `Somebody from ${facts.ip} was in prod-eu, shop and data between ${formatTime(facts.first)} and ${formatTime(facts.last)}:`,
  );
  await out.line(
    `  ${facts.requests.length} requests: 401s, 403s, ${facts.secrets.length} secrets read, a privileged pod, exec, a binding to cluster-admin, a CronJob (on AKS and GKE one fewer: who may enter is no ConfigMap there).`,
  );
  await out.line('Plain lines, plain tools, one form for all clouds:');
  await out.line(`  zcat ${join(archive, 'events')}/*/date=2026-11-19/*.gz | grep -F '"${facts.ip}"' \\`);
  await out.line("    | jq -r '[.stageTimestamp,.user.username,.verb,.requestURI,.responseStatus.code]|@tsv' | sort");
}
