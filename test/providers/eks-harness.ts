// The EKS provider against the CloudWatch emulator, as the contract suite wants it.

import type { FaultKind } from '../../emulators/cloudwatch/fault.ts';
import {
  startCloudWatchEmulator,
  type CloudWatchEmulator,
  type EmulatorOptions,
} from '../../emulators/cloudwatch/server.ts';
import { provider, type EksOptions } from '../../providers/eks/index.ts';
import { silentLog } from '../../src/log.ts';
import type { Provider, Source } from '../../src/provider.ts';
import type { ContractFault, Harness } from './contract.ts';

export const LOG_GROUP = '/aws/eks/prod/cluster';
export const STREAM = 'kube-apiserver-audit-0123456789abcdef0123456789abcdef';

/** A source on an emulator. `raw` are the provider's options as they stand in a config. */
export function connectTo(
  emulator: CloudWatchEmulator,
  raw: Readonly<Record<string, unknown>> = {},
  deps: { now?: () => number; onServerDate?: (date: number) => void } = {},
): Source {
  const options = provider.options.parse({ region: 'eu-central-1', cluster: 'prod', timeout: '1s', ...raw });
  const { now = () => emulator.clock.now(), onServerDate = () => {} } = deps;
  const settings = { name: 'prod', provider: 'eks', endpoint: emulator.url, auth: 'none' } as const;
  return provider.connect(settings, options, { log: silentLog, now, onServerDate });
}

export function parseOptions(raw: Readonly<Record<string, unknown>>): EksOptions {
  return provider.options.parse(raw);
}

const FAULTS: Record<ContractFault, FaultKind> = {
  throttle: 'throttle',
  'server-error': 'error-500',
  unavailable: 'error-503',
  reset: 'reset',
  'cut-body': 'cut-body',
  'torn-body': 'reset-body',
  'not-json': 'not-json',
  'record-without-arrival': 'missing-ingestion-time',
  hang: 'hang',
  denied: 'access-denied',
  'expired-credentials': 'expired-credentials',
  'unknown-credentials': 'unknown-key',
  'stale-token': 'expire-token',
  'repeated-token': 'repeat-token',
  'empty-page': 'empty-page',
};

export async function startEks(
  { created, now }: { created: number; now: number },
  options: EmulatorOptions = {},
): Promise<Harness & { emulator: CloudWatchEmulator }> {
  const emulator = await startCloudWatchEmulator({ clock: now, ...options });
  emulator.createLogGroup({ logGroup: LOG_GROUP, creationTime: created });
  emulator.setCluster({ name: 'prod', audit: true });
  const dates: number[] = [];
  const onServerDate = (date: number) => void dates.push(date);
  const faults = Object.entries(FAULTS).map(([fault, kind]) => [fault, () => emulator.fail({ kind })] as const);
  return {
    emulator,
    provider: provider as Provider,
    options: parseOptions({ region: 'eu-central-1', cluster: 'prod' }),
    connect: () => connectTo(emulator, {}, { onServerDate }),
    connectMissing: () => connectTo(emulator, { cluster: 'nowhere' }),
    put(entries) {
      const events = entries.map((e) => ({
        timestamp: e.time,
        ingestionTime: e.arrival,
        visibleAt: e.visible ?? e.arrival,
        message: e.line,
      }));
      const { accepted } = emulator.putEvents({ logGroup: LOG_GROUP }, STREAM, events);
      if (accepted !== events.length) throw new Error('the emulator refused events');
    },
    setClock: (time) => emulator.clock.set(time),
    faults: Object.fromEntries(faults),
    pagesAsked: () => emulator.statistics().actions['logs:FilterLogEvents']?.calls ?? 0,
    setLogging(state) {
      const Resource = '*';
      emulator.allowOnly(
        state === 'unknown' ? { Statement: { Effect: 'Allow', Action: ['logs:*', 'sts:*'], Resource } } : undefined,
      );
      emulator.setCluster({ name: 'prod', audit: state === 'on' });
    },
    setRetention: (days) => emulator.setRetention({ logGroup: LOG_GROUP }, days),
    serverDates: () => dates,
    close: () => emulator.close(),
  };
}
