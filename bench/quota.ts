// How much of the calls that a cloud allows a backfill uses: one cluster on each emulator, which refuses what is over its quota. It runs
// for longer than the period by which the service counts, so that being refused costs what it costs.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { dayOfAksRows } from '../emulators/story/aks.ts';
import { dayOfLogEntries } from '../emulators/story/gke.ts';
import { registry } from '../providers/index.ts';
import { openFileStore } from '../src/archive/store/file.ts';
import { createClock } from '../src/collect/clock.ts';
import { collect } from '../src/collect/collect.ts';
import { parseConfig } from '../src/config.ts';
import { silentLog } from '../src/log.ts';
import { type EmulatorProcess, startEmulator } from './emulator.ts';
import type { Goal, Result } from './goal.ts';

const SHARE = 0.95;
/** Share of the calls that must not be refused for coming too fast. */
const TAKEN = 0.99;
/** Calls of the first seconds don't count: clients are made, and what the quota allows at once is used up. */
const BEGIN = 10;
const DAY = 86_400_000;
const NOW = Date.parse('2026-06-22T00:30:00Z');
const FROM = Date.parse('2026-06-22T00:00:00Z') - 300 * DAY;
/** The first windows hold events, as many as take several pages; the last ones are empty, each one call. */
const STORY = {
  seed: 3,
  cluster: { name: 'c', account: '111122223333', region: 'eu-central-1' },
  from: FROM,
  to: FROM + 4 * DAY,
  eventsPerHour: 120,
};
const WORKSPACE = '0f3e5c1a-7b2d-4c8e-9f60-112233445566';
const SUBSCRIPTION = '/subscriptions/00000000-1111-2222-3333-444444444444/resourceGroups/rg/providers';
const RESOURCE = `${SUBSCRIPTION}/Microsoft.ContainerService/managedClusters/shop`;
const CLOCK = `--clock=${new Date(NOW).toISOString()}`;

/** Calls that use up the quota, of whatever kind. */
interface Calls {
  readonly answered: number;
  readonly refused: number;
}

interface Cloud {
  readonly name: string;
  /** Calls a second that it allows, for as long as one likes. */
  readonly allowed: number;
  readonly cluster: object;
  /** So far. */
  calls(): Promise<Calls>;
  stop(): Promise<void>;
}

function ndjson(values: Iterable<unknown>): Readable {
  const lines = function* () {
    for (const value of values) yield `${JSON.stringify(value)}\n`;
  };
  return Readable.from(lines(), { objectMode: false });
}

/** Of the emulators that count calls by action. */
const callsOf = (emulator: EmulatorProcess, action: string) => async (): Promise<Calls> => {
  type Read = { actions: Record<string, { ok: number; throttled: number } | undefined> };
  const { actions } = await emulator.order<Read>('statistics', {});
  return { answered: actions[action]?.ok ?? 0, refused: actions[action]?.throttled ?? 0 };
};

async function startEks(): Promise<Cloud> {
  const allowed = 5; // eu-central-1
  const emulator = await startEmulator('cloudwatch', [CLOCK, '--latency=120']);
  const region = 'eu-central-1';
  await emulator.order('limits', { FilterLogEvents: allowed });
  await emulator.order('log-groups', { region, logGroup: '/aws/eks/c/cluster', creationTime: NOW - 400 * DAY });
  await emulator.order('clusters', { region, name: 'c', audit: true });
  return {
    name: 'EKS',
    allowed,
    cluster: { provider: 'eks', region, cluster: 'c', endpoint: emulator.url, auth: 'none' },
    calls: callsOf(emulator, 'logs:FilterLogEvents'),
    stop: () => emulator.stop(),
  };
}

async function startGke(): Promise<Cloud> {
  const callsPerMinute = 300; // a raised quota, so that there is something to count
  const args = [CLOCK, '--latency=150', `--calls-per-minute=${callsPerMinute}`];
  // pages that are not full, as a search over much else gives them
  const emulator = await startEmulator('cloud-logging', [...args, '--search-limit=40']);
  const { cluster: _, ...story } = STORY;
  const cluster = { project: 'acme-data', location: 'europe-west1', cluster: 'data' };
  const { project } = cluster;
  await emulator.order('projects', { project, createTime: NOW - 400 * DAY });
  await emulator.order('retention', { project, days: 400 });
  await emulator.order(`entries?project=${project}`, ndjson(dayOfLogEntries({ ...story, cluster })));
  return {
    name: 'GKE',
    allowed: callsPerMinute / 60,
    cluster: { provider: 'gke', ...cluster, callsPerMinute, endpoint: emulator.url, auth: 'none' },
    calls: callsOf(emulator, 'entries.list'),
    stop: () => emulator.stop(),
  };
}

async function startAks(): Promise<Cloud> {
  const limits = { calls: 200, per: 30_000 };
  const emulator = await startEmulator('log-analytics', [CLOCK, '--latency=200']);
  const workspace = `${SUBSCRIPTION}/Microsoft.OperationalInsights/workspaces/audit`;
  await emulator.order('limits', limits);
  await emulator.order('workspaces', { id: WORKSPACE, resourceId: workspace });
  await emulator.order('tables', { workspace: WORKSPACE, name: 'AKSAudit', retentionInDays: 400 });
  const origin = { resource: RESOURCE, pod: 'kube-apiserver-0' };
  const rows = ndjson(dayOfAksRows({ ...STORY, origin }));
  await emulator.order(`rows?workspace=${WORKSPACE}&table=AKSAudit`, rows);
  const settings = [{ name: 'audit', workspace, dedicated: true, categories: ['kube-audit'] }];
  await emulator.order('diagnostic-settings', { resource: RESOURCE, settings });
  return {
    name: 'AKS',
    allowed: limits.calls / (limits.per / 1000),
    cluster: {
      provider: 'aks',
      workspace: WORKSPACE,
      resource: RESOURCE,
      table: 'AKSAudit',
      category: 'kube-audit',
      // a window is too much for one answer: it is counted, and read in pieces
      pageRows: 40,
      endpoint: emulator.url,
      auth: 'none',
    },
    // queries that count rows, or look for the table, are calls like any other
    async calls() {
      const { queries, throttled } = await emulator.order<{ queries: number; throttled: number }>('statistics', {});
      return { answered: queries - throttled, refused: throttled };
    },
    stop: () => emulator.stop(),
  };
}

/** Backfills until told to stop. */
async function backfill({ name, cluster }: Cloud, signal: AbortSignal): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'auditkeep-quota-'));
  try {
    const text = JSON.stringify({ archive: directory, clusters: [{ name: 'c', ...cluster }] });
    const config = await parseConfig(text, registry, {});
    await collect({
      config,
      clusters: config.clusters,
      store: openFileStore(directory, { onServerDate() {} }),
      clock: createClock(() => NOW, undefined, silentLog),
      log: silentLog,
      signal,
      version: 'auditkeep bench',
      only: { from: FROM, to: NOW },
      emit: () => undefined,
    });
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  if (!signal.aborted) throw new Error(`the backfill of ${name} ended too soon`);
}

async function readAll(clouds: readonly Cloud[]) {
  return Promise.all(clouds.map(async (cloud) => ({ at: performance.now(), ...(await cloud.calls()) })));
}

/** Watches for `seconds` after the begin of all clouds. */
async function watch(clouds: readonly Cloud[], seconds: number, signal: AbortSignal) {
  let first;
  do {
    await sleep(100, undefined, { signal });
    first = await readAll(clouds);
  } while (first.some(({ answered }) => answered < BEGIN));
  await sleep(seconds * 1000, undefined, { signal });
  return { first, last: await readAll(clouds) };
}

export async function quota(quick: boolean): Promise<Result> {
  // at the same time: they are mostly waiting, and have nothing in common
  const clouds = await Promise.all([startEks(), startAks(), startGke()]);
  const stop = new AbortController();
  const running = Promise.all(clouds.map((cloud) => backfill(cloud, stop.signal)));
  try {
    const failed = running.then(() => Promise.reject(new Error('all backfills ended too soon')));
    const { first, last } = await Promise.race([watch(clouds, quick ? 65 : 150, stop.signal), failed]);
    const goals: Goal[] = [];
    const details: object[] = [];
    for (const [i, { name, allowed }] of clouds.entries()) {
      const seconds = (last[i]!.at - first[i]!.at) / 1000;
      const made = last[i]!.answered - first[i]!.answered;
      const share = made / (seconds * allowed);
      const taken = last[i]!.answered / (last[i]!.answered + last[i]!.refused);
      const common = { unit: '', better: 'more' } as const;
      goals.push({ what: `quota: ${name}, share of the allowed calls used`, measured: share, goal: SHARE, ...common });
      goals.push({ what: `quota: ${name}, share of its calls not refused`, measured: taken, goal: TAKEN, ...common });
      details.push({ cloud: name, allowedPerSecond: allowed, made, seconds, share, taken, refused: last[i]!.refused });
    }
    return { goals, details };
  } finally {
    stop.abort();
    await running.catch(() => undefined);
    await Promise.all(clouds.map((cloud) => cloud.stop()));
  }
}
