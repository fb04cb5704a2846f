// AKS and GKE for the kill campaign: a cluster each, whose records come late in the ways of its cloud.

import { type CloudLoggingEmulator, startCloudLoggingEmulator } from '../../emulators/cloud-logging/server.ts';
import { type LogAnalyticsEmulator, startLogAnalyticsEmulator } from '../../emulators/log-analytics/server.ts';
import { type AksDayRow, dayOfAksRows } from '../../emulators/story/aks.ts';
import { type DayLogEntry, dayOfLogEntries } from '../../emulators/story/gke.ts';
import { provider as aks } from '../../providers/aks/index.ts';
import { provider as gke } from '../../providers/gke/index.ts';
import { formatTime } from '../../src/time.ts';
import type { CheckedArchive } from '../archive/check-archive.ts';
import { type Cloud, seeded, storyTimes } from './campaign.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const SUBSCRIPTION = '/subscriptions/00000000-1111-2222-3333-444444444444/resourceGroups/shop/providers';
const WORKSPACE = '0f3e5c1a-7b2d-4c8e-9f60-112233445566';
const WORKSPACE_ID = `${SUBSCRIPTION}/Microsoft.OperationalInsights/workspaces/audit`;
const RESOURCE = `${SUBSCRIPTION}/Microsoft.ContainerService/managedClusters/shop`;
const GKE = { project: 'acme-data', location: 'europe-west1', cluster: 'data' };
/** A day's recheck comes 12 hours after its end, and must find what hid before. */
const RECHECK_AFTER = 12 * HOUR;
const HIDDEN = 10 * HOUR;

interface Kept<T> {
  readonly record: T;
  readonly visibleAt: number;
}

/** `start` gives an empty emulator; records are put into it when they can be found, since it tells the real time. */
function cloudOf<T>(
  kept: readonly Kept<T>[],
  settle: number,
  start: () => Promise<{ emulator: { url: string; close(): Promise<void> }; put(records: readonly T[]): void }>,
  cluster: object,
  decoded: (record: T) => string,
): Cloud {
  const { from, to } = storyTimes();
  const expected = kept.map(({ record }) => decoded(record)).sort();
  let open: Awaited<ReturnType<typeof start>> | undefined;
  let shown = Number.NEGATIVE_INFINITY;
  const close = async () => open?.emulator.close();
  return {
    from,
    to,
    settle,
    clusters: () => [
      {
        name: 'one',
        ...cluster,
        endpoint: open!.emulator.url,
        auth: 'none',
        recheck: { after: `${RECHECK_AFTER / HOUR}h` },
        until: formatTime(to + DAY),
      },
    ],
    async begin() {
      await close();
      open = await start();
      shown = Number.NEGATIVE_INFINITY;
    },
    showUntil(time) {
      open!.put(kept.filter(({ visibleAt }) => visibleAt > shown && visibleAt <= time).map(({ record }) => record));
      shown = time;
    },
    compare: (archive) => compareLines(archive, expected),
    close,
  };
}

function compareLines({ lines, manifests }: CheckedArchive, expected: readonly string[]): string[] {
  const got = [...(lines.get('one') ?? [])].sort();
  const wrong: string[] = [];
  const counted = manifests.reduce((sum, { counts }) => sum + counts.received - counts.skipped, 0);
  if (counted !== expected.length) wrong.push(`${counted} records were counted, ${expected.length} were sent`);
  if (got.length !== expected.length) wrong.push(`${got.length} lines for ${expected.length} records`);
  const at = expected.findIndex((line, i) => line !== got[i]);
  if (at >= 0) wrong.push(`not the same lines: ${expected[at]} is ${got[at] ?? 'gone'}`);
  // else nothing late was under the knife
  const recheck = manifests.filter((m) => m.kind === 'recheck').reduce((sum, { counts }) => sum + counts.received, 0);
  if (recheck === 0) wrong.push('no recheck found anything that had come late');
  return wrong;
}

const textOf = (decoded: ReturnType<typeof aks.decode>): string => {
  if ('event' in decoded) return decoded.event.toString('utf8');
  throw new Error(`a record of the story can't be decoded: ${JSON.stringify(decoded)}`);
};

const story = (seed: number, eventsPerHour: number) => ({
  seed,
  cluster: { name: 'one', account: '111122223333', region: 'eu-central-1' },
  ...storyTimes(),
  eventsPerHour,
  shape: { longTail: false },
});

/** Rows that can be found up to ten hours after they arrived. */
export function startAksCloud(seed: number, eventsPerHour: number): Cloud {
  const origin = { resource: RESOURCE, pod: 'kube-apiserver-6797f4455b-jdgtt' };
  const rows = [...dayOfAksRows({ ...story(seed, eventsPerHour), origin, late: 0.03, lateUpTo: HIDDEN })];
  const kept = rows.map((row): Kept<AksDayRow> => ({ record: row, visibleAt: row.visibleAt }));
  const cluster = {
    provider: 'aks',
    workspace: WORKSPACE,
    resource: RESOURCE,
    table: 'AKSAudit',
    // most windows are too much for one answer
    pageRows: 20,
    callsPerSecond: 500,
  };
  const options = aks.options.parse({ workspace: WORKSPACE, resource: RESOURCE });
  return cloudOf<AksDayRow>(
    kept,
    15 * MINUTE,
    async () => {
      const emulator: LogAnalyticsEmulator = await startLogAnalyticsEmulator({ latency: 2 });
      emulator.createWorkspace({ id: WORKSPACE, resourceId: WORKSPACE_ID });
      emulator.createTable(WORKSPACE, 'AKSAudit', { retentionInDays: 90 });
      emulator.setDiagnosticSettings(RESOURCE, [
        { name: 'audit', workspace: WORKSPACE_ID, dedicated: true, categories: ['kube-audit'] },
      ]);
      return { emulator, put: (records) => emulator.putRows(WORKSPACE, 'AKSAudit', records) };
    },
    cluster,
    ({ columns, ingested }) => {
      const content = Buffer.from(JSON.stringify({ Type: 'AKSAudit', ...columns }));
      return textOf(aks.decode({ arrival: ingested, content }, options));
    },
  );
}

/** Entries that were received up to twenty hours late, more than a first read looks back, and others that can be found hours after. */
export function startGkeCloud(seed: number, eventsPerHour: number): Cloud {
  const { cluster: _, ...rest } = story(seed, eventsPerHour);
  const entries = [...dayOfLogEntries({ ...rest, cluster: GKE, late: 0.02, lateUpTo: 20 * HOUR })];
  const random = seeded(seed);
  const kept = entries.map((entry): Kept<DayLogEntry> => ({
    record: entry,
    visibleAt: entry.received + (random() < 0.03 ? HOUR + random() * (HIDDEN - HOUR) : 2000),
  }));
  const cluster = { provider: 'gke', ...GKE, callsPerMinute: 60_000, lateness: '6h' };
  const options = gke.options.parse(GKE);
  return cloudOf<DayLogEntry>(
    kept,
    5 * MINUTE,
    async () => {
      const emulator: CloudLoggingEmulator = await startCloudLoggingEmulator({ latency: 2, searchLimit: 400 });
      emulator.createProject({ project: GKE.project, createTime: storyTimes().from - DAY });
      return { emulator, put: (records) => void emulator.putEntries(GKE.project, records) };
    },
    cluster,
    ({ entry, received }) =>
      textOf(gke.decode({ arrival: received, content: Buffer.from(JSON.stringify(entry)) }, options)),
  );
}
