// How much of the calls that a cloud allows a backfill uses: one cluster on each emulator, which refuses what is over its quota.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startCloudLoggingEmulator } from '../emulators/cloud-logging/server.ts';
import { startCloudWatchEmulator } from '../emulators/cloudwatch/server.ts';
import { startLogAnalyticsEmulator } from '../emulators/log-analytics/server.ts';
import { registry } from '../providers/index.ts';
import { openFileStore } from '../src/archive/store/file.ts';
import { createClock } from '../src/collect/clock.ts';
import { collect } from '../src/collect/collect.ts';
import { parseConfig } from '../src/config.ts';
import { silentLog } from '../src/log.ts';
import type { Goal, Result } from './goal.ts';

const SHARE = 0.95;
const DAY = 86_400_000;
const NOW = Date.parse('2026-06-22T00:30:00Z');
const WORKSPACE = '0f3e5c1a-7b2d-4c8e-9f60-112233445566';
const SUBSCRIPTION = '/subscriptions/00000000-1111-2222-3333-444444444444/resourceGroups/rg/providers';
const RESOURCE = `${SUBSCRIPTION}/Microsoft.ContainerService/managedClusters/shop`;

interface Cloud {
  readonly name: string;
  /** Calls a second that it allows. */
  readonly allowed: number;
  readonly cluster: object;
  /** Calls that it answered so far. */
  answered(): number;
  close(): Promise<void>;
}

async function startEks(): Promise<Cloud> {
  const allowed = 5; // eu-central-1
  const emulator = await startCloudWatchEmulator({ clock: NOW, latency: 120, limits: { FilterLogEvents: allowed } });
  emulator.createLogGroup({ logGroup: '/aws/eks/c/cluster', creationTime: NOW - 400 * DAY });
  emulator.setCluster({ name: 'c', audit: true });
  return {
    name: 'EKS',
    allowed,
    cluster: { provider: 'eks', region: 'eu-central-1', cluster: 'c', endpoint: emulator.url, auth: 'none' },
    answered: () => emulator.statistics().actions['logs:FilterLogEvents']?.ok ?? 0,
    close: () => emulator.close(),
  };
}

async function startGke(): Promise<Cloud> {
  const callsPerMinute = 300; // a raised quota, so that the run is short
  const emulator = await startCloudLoggingEmulator({ clock: NOW, latency: 150, callsPerMinute });
  emulator.createProject({ project: 'acme-data', createTime: NOW - 400 * DAY });
  return {
    name: 'GKE',
    allowed: callsPerMinute / 60,
    cluster: {
      provider: 'gke',
      project: 'acme-data',
      location: 'europe-west1',
      cluster: 'data',
      callsPerMinute,
      endpoint: emulator.url,
      auth: 'none',
    },
    answered: () => emulator.calls().filter((call) => call.outcome === 'ok' && /entries/.test(call.action)).length,
    close: () => emulator.close(),
  };
}

async function startAks(): Promise<Cloud> {
  const allowed = 200 / 30;
  const emulator = await startLogAnalyticsEmulator({ clock: NOW, latency: 200, limits: { calls: 200, per: 30_000 } });
  const resourceId = `${SUBSCRIPTION}/Microsoft.OperationalInsights/workspaces/audit`;
  emulator.createWorkspace({ id: WORKSPACE, resourceId });
  emulator.createTable(WORKSPACE, 'AKSAudit', { retentionInDays: 400 });
  emulator.setDiagnosticSettings(RESOURCE, [
    { name: 'audit', workspace: resourceId, dedicated: true, categories: ['kube-audit'] },
  ]);
  return {
    name: 'AKS',
    allowed,
    cluster: {
      provider: 'aks',
      workspace: WORKSPACE,
      resource: RESOURCE,
      table: 'AKSAudit',
      category: 'kube-audit',
      endpoint: emulator.url,
      auth: 'none',
    },
    answered: () => emulator.statistics().queries,
    close: () => emulator.close(),
  };
}

/** Backfills until `calls` have been answered; the begin, in which credentials and clients are made, doesn't count. */
async function measure(cloud: Cloud, calls: number): Promise<{ goal: Goal; details: object }> {
  const directory = await mkdtemp(join(tmpdir(), 'auditkeep-quota-'));
  try {
    const text = JSON.stringify({ archive: directory, clusters: [{ name: 'c', ...cloud.cluster }] });
    const config = await parseConfig(text, registry, {});
    const stop = new AbortController();
    let first: { at: number; calls: number } | undefined;
    let last = { at: 0, calls: 0 };
    const watch = setInterval(() => {
      last = { at: performance.now(), calls: cloud.answered() };
      if (last.calls >= 10) first ??= last;
      if (last.calls >= calls) stop.abort();
    }, 20);
    await collect({
      config,
      clusters: config.clusters,
      store: openFileStore(directory, { onServerDate() {} }),
      clock: createClock(() => NOW, undefined, silentLog),
      log: silentLog,
      signal: stop.signal,
      version: 'auditkeep bench',
      only: { from: NOW - 300 * DAY, to: NOW },
      emit: () => undefined,
    }).catch((error: unknown) => {
      if (!stop.signal.aborted) throw error;
    });
    clearInterval(watch);
    if (first === undefined || last.calls < calls) throw new Error(`${cloud.name}: only ${last.calls} calls were made`);
    const seconds = (last.at - first.at) / 1000;
    const made = last.calls - first.calls;
    const share = made / (seconds * cloud.allowed);
    return {
      goal: {
        what: `quota: ${cloud.name}, share of the allowed calls used`,
        measured: share,
        goal: SHARE,
        unit: '',
        better: 'more',
      },
      details: { cloud: cloud.name, allowedPerSecond: cloud.allowed, made, seconds, share },
    };
  } finally {
    await cloud.close();
    await rm(directory, { recursive: true, force: true });
  }
}

export async function quota(quick: boolean): Promise<Result> {
  const goals: Goal[] = [];
  const details: object[] = [];
  for (const start of [startEks, startAks, startGke]) {
    const result = await measure(await start(), quick ? 60 : 200);
    goals.push(result.goal);
    details.push(result.details);
  }
  return { goals, details };
}
