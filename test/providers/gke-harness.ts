// The GKE provider against the Cloud Logging emulator, as the contract suite wants it.

import type { FaultKind } from '../../emulators/cloud-logging/fault.ts';
import {
  type CloudLoggingEmulator,
  type EmulatorOptions,
  startCloudLoggingEmulator,
} from '../../emulators/cloud-logging/server.ts';
import { logEntryOf } from '../../emulators/story/gke.ts';
import { type GkeOptions, provider } from '../../providers/gke/index.ts';
import { silentLog } from '../../src/log.ts';
import type { Provider, Source } from '../../src/provider.ts';
import type { ContractFault, Entry, Harness } from './contract.ts';

export const CLUSTER = { project: 'acme-data', location: 'europe-west1', cluster: 'data' };

export const parseOptions = (raw: Readonly<Record<string, unknown>> = {}): GkeOptions =>
  provider.options.parse({ ...CLUSTER, ...raw });

/** A source on an emulator. `raw` are the provider's options as they stand in a config. */
export function connectTo(
  emulator: CloudLoggingEmulator,
  raw: Readonly<Record<string, unknown>> = {},
  deps: { now?: () => number; onServerDate?: (date: number) => void; auth?: 'none' | undefined } = {},
): Source {
  const options = parseOptions({ timeout: '1s', ...raw });
  const { now = () => emulator.clock.now(), onServerDate = () => {} } = deps;
  const auth = 'auth' in deps ? deps.auth : 'none';
  const settings = {
    name: 'data',
    provider: 'gke',
    endpoint: emulator.url,
    ...(auth !== undefined && { auth }),
  };
  return provider.connect(settings, options, { log: silentLog, now, onServerDate });
}

let count = 0;

/** An Event as GKE would have written it. Entries of the suite may repeat, so each gets an insertId of its own. */
export function entryOf({ line, arrival }: Pick<Entry, 'line' | 'arrival'>): Record<string, unknown> {
  const entry = logEntryOf(line, CLUSTER, new Date(arrival).toISOString())!;
  return { ...entry, insertId: `insert-${count++}` };
}

const FAULTS: Record<ContractFault, FaultKind> = {
  throttle: 'throttle',
  'server-error': 'error-500',
  unavailable: 'error-503',
  reset: 'reset',
  'cut-body': 'cut-body',
  'torn-body': 'reset-body',
  'not-json': 'not-json',
  'record-without-arrival': 'missing-receive-timestamp',
  hang: 'hang',
  denied: 'permission-denied',
  'expired-credentials': 'expired-credentials',
  'unknown-credentials': 'unknown-credentials',
  'stale-token': 'expire-token',
  'repeated-token': 'repeat-token',
  'empty-page': 'empty-page',
};

const ALL_TYPES = ['ADMIN_READ', 'DATA_READ', 'DATA_WRITE'];
/** What roles/logging.privateLogViewer allows. */
export const VIEWER = [
  'logging.logEntries.list',
  'logging.privateLogEntries.list',
  'logging.buckets.get',
  'logging.buckets.list',
];

export async function startGke(
  { created, now }: { created: number; now: number },
  options: EmulatorOptions = {},
): Promise<Harness & { emulator: CloudLoggingEmulator }> {
  const emulator = await startCloudLoggingEmulator({ clock: now, ...options });
  const { project } = CLUSTER;
  emulator.createProject({ project, createTime: created });
  const dates: number[] = [];
  const onServerDate = (date: number) => void dates.push(date);
  const faults = Object.entries(FAULTS).map(([fault, kind]) => [fault, () => emulator.fail({ kind })] as const);
  return {
    emulator,
    provider: provider as Provider,
    options: parseOptions(),
    connect: () => connectTo(emulator, {}, { onServerDate }),
    connectMissing: () => connectTo(emulator, { project: 'nowhere-1' }),
    put(entries) {
      emulator.putEntries(
        project,
        entries.map((e) => ({ entry: entryOf(e), visibleAt: e.visible ?? e.arrival })),
      );
    },
    setClock: (time) => emulator.clock.set(time),
    faults: Object.fromEntries(faults),
    pagesAsked: () => emulator.statistics().actions['entries.list']?.calls ?? 0,
    setLogging(state) {
      emulator.allowOnly(state === 'unknown' ? VIEWER : undefined);
      emulator.setDataAccess(project, state === 'on' ? ALL_TYPES : []);
    },
    serverDates: () => dates,
    close: () => emulator.close(),
  };
}
