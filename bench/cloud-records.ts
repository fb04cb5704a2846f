// Records of AKS and GKE for the benchmarks: one generated day, and copies of it until there is enough.

import type { AksRow } from '../emulators/story/aks.ts';
import { dayOfAksRows, toDiagnosticsRow } from '../emulators/story/aks.ts';
import { dayOfLogEntries } from '../emulators/story/gke.ts';
import { decode as decodeAks } from '../providers/aks/decode.ts';
import { decode as decodeGke } from '../providers/gke/decode.ts';
import { optionsSchema as gkeOptions } from '../providers/gke/options.ts';
import type { Decoded, ProviderRecord } from '../src/provider.ts';
import { recentDay } from './data.ts';

/** The emulators tell the real time. */
export const FROM = recentDay();
export const HOURS = 24;

const HOUR = 3_600_000;
const EVENTS = 12_000;
const SUBSCRIPTION = '/subscriptions/00000000-1111-2222-3333-444444444444/resourceGroups/shop/providers';
const WORKSPACE = '0f3e5c1a-7b2d-4c8e-9f60-112233445566';
const WORKSPACE_ID = `${SUBSCRIPTION}/Microsoft.OperationalInsights/workspaces/audit`;
const RESOURCE = `${SUBSCRIPTION}/Microsoft.ContainerService/managedClusters/shop`;
const ORIGIN = { resource: RESOURCE, pod: 'kube-apiserver-6797f4455b-jdgtt' };
const GKE = { project: 'acme-data', location: 'europe-west1', cluster: 'data' };
const STORY = {
  seed: 7,
  cluster: { name: 'bench', account: '111122223333', region: 'us-east-1' },
  from: FROM,
  to: FROM + HOURS * HOUR,
  eventsPerHour: EVENTS / HOURS,
};

/** Records and bytes that were handed out so far. */
export interface Sent {
  records: number;
  bytes: number;
}

/** One cloud in one form of records. */
export interface CloudCase {
  readonly name: string;
  /** MB/s that decoding alone should reach. */
  readonly decodeGoal: number;
  /** Is peak memory measured for this form? */
  readonly memory: boolean;
  readonly emulator: 'log-analytics' | 'cloud-logging';
  /** Controls of the emulator and their bodies, before records come. */
  readonly setUp: readonly (readonly [string, object])[];
  /** The control that takes `lines`. */
  readonly put: string;
  cluster(url: string): object;
  /** About `bytes` of records in the first `hours` of the day, in order of arrival, for the emulator. */
  lines(bytes: number, hours: number, sent: Sent): Generator<string>;
  /** The day once, as the provider hands it to `decode`. */
  records(): ProviderRecord[];
  decode(record: ProviderRecord): Decoded;
}

/** Text of one record, with what makes a copy of it another one in its place. */
type Copy = (id: string, time: string) => { line: string; bytes: number };

/** Copies of a day, one round for each piece of the hours, so that arrivals rise. */
function* copies(day: readonly Copy[], bytes: number, hours: number, sent: Sent): Generator<string> {
  const size = day.reduce((sum, copy) => sum + copy('0'.repeat(36), '0'.repeat(23)).bytes, 0);
  const rounds = Math.ceil(bytes / size);
  const length = (hours * HOUR) / rounds;
  for (let round = 0; round < rounds; round++) {
    let batch = '';
    for (const [i, copy] of day.entries()) {
      const at = FROM + round * length + (i / day.length) * length;
      const id = `00000000-0000-4000-8000-${(sent.records++).toString(16).padStart(12, '0')}`;
      const { line, bytes: more } = copy(id, new Date(at).toISOString().slice(0, -1));
      sent.bytes += more;
      batch += `${line}\n`;
      if (batch.length < 1 << 20) continue;
      yield batch;
      batch = '';
    }
    yield batch;
  }
}

const ID = '~id~';
const TIME = '~time~';
/** A text with marks → what fills them in. */
function filler(text: string): (id: string, time: string) => string {
  const pieces = text.split(/(~id~|~time~)/);
  return (id, time) => pieces.map((piece) => (piece === ID ? id : piece === TIME ? time : piece)).join('');
}

const aksDay = () => [...dayOfAksRows({ ...STORY, origin: ORIGIN })];
const contentOf = (table: string, columns: AksRow) => Buffer.from(JSON.stringify({ Type: table, ...columns }));

const aks: CloudCase = {
  name: 'AKS',
  decodeGoal: 80,
  memory: true,
  emulator: 'log-analytics',
  setUp: [
    ['workspaces', { id: WORKSPACE, resourceId: WORKSPACE_ID }],
    ['tables', { workspace: WORKSPACE, name: 'AKSAudit', retentionInDays: 4000 }],
    [
      'diagnostic-settings',
      {
        resource: RESOURCE,
        settings: [{ name: 'audit', workspace: WORKSPACE_ID, dedicated: true, categories: ['kube-audit'] }],
      },
    ],
  ],
  put: `rows?workspace=${WORKSPACE}&table=AKSAudit`,
  cluster: (endpoint) => ({
    name: 'bench',
    provider: 'aks',
    workspace: WORKSPACE,
    resource: RESOURCE,
    table: 'AKSAudit',
    callsPerSecond: 1000,
    endpoint,
    auth: 'none',
  }),
  lines: (bytes, hours, sent) =>
    copies(
      aksDay().map(({ columns }) => {
        const time = `${TIME}0000Z`;
        const row = {
          ...columns,
          AuditId: ID,
          TimeGenerated: time,
          RequestReceivedTime: time,
          StageReceivedTime: time,
        };
        const fill = filler(JSON.stringify({ columns: row, ingested: time }));
        const size = contentOf('AKSAudit', row).length;
        return (id, at) => ({ line: fill(id, at), bytes: size + 32 + 3 * 20 });
      }),
      bytes,
      hours,
      sent,
    ),
  records: () =>
    aksDay().map(({ columns, ingested }) => ({ arrival: ingested, content: contentOf('AKSAudit', columns) })),
  decode: decodeAks,
};

const aksLegacy: CloudCase = {
  ...aks,
  name: 'AKS (AzureDiagnostics)',
  memory: false,
  records: () =>
    aksDay()
      .filter(({ line }) => Buffer.byteLength(line) < 32_000)
      .map(({ line, ingested }) => ({
        arrival: ingested,
        content: contentOf('AzureDiagnostics', toDiagnosticsRow(line, ORIGIN)),
      })),
};

const GKE_OPTIONS = gkeOptions.parse(GKE);
const { cluster: _, ...gkeStory } = STORY;
const gkeDay = () => [...dayOfLogEntries({ ...gkeStory, cluster: GKE })];

const gke: CloudCase = {
  name: 'GKE',
  decodeGoal: 60,
  memory: true,
  emulator: 'cloud-logging',
  setUp: [
    ['projects', { project: GKE.project, createTime: FROM - 24 * HOUR }],
    ['retention', { project: GKE.project, days: 4000 }],
    ['data-access', { project: GKE.project, types: ['ADMIN_READ', 'DATA_READ', 'DATA_WRITE'] }],
  ],
  put: `entries?project=${GKE.project}`,
  cluster: (endpoint) => ({ name: 'bench', provider: 'gke', ...GKE, callsPerMinute: 60_000, endpoint, auth: 'none' }),
  lines: (bytes, hours, sent) =>
    copies(
      gkeDay().map(({ entry }) => {
        const operation = { ...(entry as { operation: object }).operation, id: ID };
        const time = `${TIME}Z`;
        const text = JSON.stringify({ ...entry, insertId: ID, operation, timestamp: time, receiveTimestamp: time });
        const fill = filler(JSON.stringify({ entry: text }));
        return (id, at) => ({ line: fill(id, at), bytes: text.length + 64 + 2 * 18 });
      }),
      bytes,
      hours,
      sent,
    ),
  records: () =>
    gkeDay().map(({ entry, received }) => ({ arrival: received, content: Buffer.from(JSON.stringify(entry)) })),
  decode: (record) => decodeGke(record, GKE_OPTIONS),
};

export const CLOUDS: readonly CloudCase[] = [aks, aksLegacy, gke];
