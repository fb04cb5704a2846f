// The kill campaign: collectors of a real process are killed at random moments, phase by phase, until an archive is complete; then it must equal the source.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { openStore } from '../../src/archive/store/open.ts';
import type { Store } from '../../src/archive/store/store.ts';
import type { S3Options } from '../../src/config.ts';
import { formatTime } from '../../src/time.ts';
import { type CheckedArchive, checkArchive } from '../archive/check-archive.ts';

export const PHASES = ['read', 'put', 'manifest', 'sweep', 'recheck'] as const;
export type Phase = (typeof PHASES)[number];

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const root = join(import.meta.dirname, '../..');

/** A small deterministic generator: the campaign prints its seed, and the same seed kills at the same places. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The phase that a log line of a collector shows; undefined for lines that show none. */
export function phaseOf(line: string): Phase | undefined {
  let entry: { msg?: string; key?: string };
  try {
    entry = JSON.parse(line) as typeof entry;
  } catch {
    return undefined;
  }
  if (entry.msg === 'page') return 'read';
  if (entry.msg === 'sweep') return 'sweep';
  if (entry.msg === 'recheck') return 'recheck';
  if (entry.msg !== 'put' || entry.key === undefined) return undefined;
  if (/^(events|rejects|ids)\//.test(entry.key)) return entry.key.includes('_recheck') ? 'recheck' : 'put';
  return entry.key.includes('_recheck') ? 'recheck' : entry.key.startsWith('ledger/') ? 'manifest' : undefined;
}

/** A cloud whose clusters are collected under the knife. */
export interface Cloud {
  /** The story lies in `[from, to)`. */
  readonly from: number;
  readonly to: number;
  /** How long after its end a window is planned, milliseconds. */
  readonly settle: number;
  /** Entries of the config; their windows end a day after the story. */
  clusters(): object[];
  /** A new archive is begun: what comes late hasn't come yet. */
  begin?(): Promise<void>;
  /** From now on all can be found that could be at this time. */
  showUntil?(time: number): void;
  /** What is wrong with the archive, against what was sent. */
  compare(archive: CheckedArchive): string[];
  close(): Promise<void>;
}

/** 40 hours that ended days ago, so that all rechecks are due by now. */
export function storyTimes(): { from: number; to: number } {
  const to = Math.floor(Date.now() / DAY) * DAY - 2 * DAY;
  return { from: to - 40 * HOUR, to };
}

export interface Archive {
  readonly url: string;
  readonly config: string;
  readonly store: Store;
  readonly s3?: S3Options;
}

/** A config for a new archive over all clusters of the cloud. `secrets: keep`, so that lines can be compared byte for byte. */
export async function newArchive(cloud: Cloud, folder: string, url: string, s3?: S3Options): Promise<Archive> {
  await cloud.begin?.();
  const text = JSON.stringify({
    archive: url,
    ...(s3 !== undefined && { s3: { endpoint: s3.endpoint, forcePathStyle: true, region: 'us-east-1' } }),
    collect: { start: formatTime(cloud.from), window: '30m' },
    secrets: 'keep',
    rejects: { raw: true },
    clusters: cloud.clusters(),
  });
  const config = join(folder, `${url.replace(/[^a-z0-9]+/gi, '-')}.yaml`);
  await writeFile(config, text);
  const options = s3 ?? { forcePathStyle: false, tags: {}, timeout: 30_000 };
  return { url, config, store: await openStore(url, options, { onServerDate() {} }), ...(s3 && { s3 }) };
}

/** When, by the log, a run is killed: at the n-th line of a phase, after a short random wait. Absent: it runs to its end. */
export interface Kill {
  readonly phase: Phase;
  readonly nth: number;
  readonly wait: number;
}

export interface RunResult {
  readonly code: number | null;
  /** Phase of the last line before the kill; absent where the run ended before. */
  readonly killedIn?: Phase;
  readonly stderr: string;
}

/** One collector as its own process. */
export async function collectorRun(
  archive: Archive,
  asOf: number,
  kill?: Kill,
  args: string[] = [],
): Promise<RunResult> {
  const child: ChildProcess = spawn(
    process.execPath,
    [
      join(root, 'bin/auditkeep.ts'),
      'collect',
      '--config',
      archive.config,
      '--as-of',
      formatTime(asOf),
      '--log-level',
      'debug',
      ...args,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let seen = 0;
  let last: Phase | undefined;
  let killedIn: Phase | undefined;
  const stderr: string[] = [];
  const exited = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  for await (const line of createInterface({ input: child.stderr! })) {
    stderr.push(line);
    if (stderr.length > 200) stderr.shift();
    const phase = phaseOf(line);
    if (phase !== undefined) last = phase;
    if (kill === undefined || phase !== kill.phase || killedIn !== undefined || ++seen < kill.nth) continue;
    if (kill.wait > 0) await sleep(kill.wait);
    if (child.exitCode === null && child.kill('SIGKILL')) killedIn = last;
  }
  const code = await exited;
  return { code, stderr: stderr.join('\n'), ...(killedIn !== undefined && code === null && { killedIn }) };
}

/** Windows that a run at `asOf` would have to commit. */
export async function missingWindows(archive: Archive, cloud: Cloud, asOf: number): Promise<number> {
  const end = Math.min(asOf - cloud.settle, cloud.to + 24 * HOUR);
  let have = 0;
  for await (const { key } of archive.store.list('ledger/')) if (/\d{8}T\d{6}Z_\d{8}T\d{6}Z\.json$/.test(key)) have++;
  return cloud.clusters().length * Math.floor((end - cloud.from) / (HOUR / 2)) - have;
}

/** Everything that is wrong with a completed archive: against itself, and against the source. */
export async function differences(archive: Archive, cloud: Cloud): Promise<string[]> {
  const checked = await checkArchive(archive.store);
  const names = checked.manifests.map((m) => `${m.cluster}/${m.name}`);
  const twice = names.length === new Set(names).size ? [] : ['a manifest stands twice'];
  return [...checked.problems, ...twice, ...cloud.compare(checked)];
}

export interface CampaignResult {
  readonly kills: Record<Phase, number>;
  readonly archives: number;
  readonly runs: number;
  readonly wrong: readonly string[];
}

/**
 * Kills runs until `kills` of them (each with at least 20 windows to commit) have died, and at least `each` in every phase, over as many
 * archives as it takes.
 * Runs of one archive go on at later and later times, so that first reads, late events and rechecks all come under the knife.
 */
export async function campaign(
  cloud: Cloud,
  seed: number,
  kills: number,
  makeUrl: (n: number) => Promise<string>,
  { s3, each = 0 }: { s3?: S3Options | undefined; each?: number } = {},
): Promise<CampaignResult> {
  const random = seeded(seed);
  const folder = await mkdtemp(join(tmpdir(), 'campaign-'));
  const counts = Object.fromEntries(PHASES.map((phase) => [phase, 0])) as Record<Phase, number>;
  const wrong: string[] = [];
  let done = 0;
  let runs = 0;
  let archives = 0;
  const now = Math.floor(Date.now() / 1000) * 1000;
  try {
    const goesOn = () => done < kills || PHASES.some((phase) => counts[phase] < each);
    while (goesOn()) {
      const archive = await newArchive(cloud, folder, await makeUrl(archives++), s3);
      // first reads close to arrival, then the rest at once, then today with all rechecks
      for (const asOf of [cloud.from + 14 * HOUR + random() * 8 * HOUR, cloud.to + 2 * HOUR, now]) {
        cloud.showUntil?.(asOf);
        for (let round = 0; round < 6 && goesOn(); round++) {
          if ((await missingWindows(archive, cloud, asOf)) < 20 && asOf !== now) break;
          const wanted = PHASES.filter((phase) => counts[phase] < each);
          const phases = wanted.length === 0 ? PHASES : wanted;
          const phase = phases[Math.floor(random() * phases.length)]!;
          const nth =
            1 + Math.floor(random() ** 2 * (phase === 'read' || phase === 'sweep' || phase === 'recheck' ? 3 : 40));
          const due = await missingWindows(archive, cloud, asOf);
          const result = await collectorRun(archive, asOf, { phase, nth, wait: random() < 0.5 ? 0 : random() * 15 });
          runs++;
          if (result.killedIn === undefined) {
            if (result.code !== 0)
              wrong.push(
                `${archive.url}: a run that was not killed ended with ${result.code}: ${result.stderr.slice(-400)}`,
              );
            break; // it got to its end before the kill: on to a later time
          }
          if (due >= 20 || result.killedIn === 'recheck' || result.killedIn === 'sweep') {
            counts[result.killedIn]++;
            done++;
          }
        }
        const whole = await collectorRun(archive, asOf);
        runs++;
        if (whole.code !== 0)
          wrong.push(`${archive.url}: the run after the kills ended with ${whole.code}: ${whole.stderr.slice(-600)}`);
      }
      wrong.push(...(await differences(archive, cloud)).map((text) => `${archive.url} (seed ${seed}): ${text}`));
      await archive.store.close();
      if (wrong.length > 0) break;
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return { kills: counts, archives, runs, wrong };
}
