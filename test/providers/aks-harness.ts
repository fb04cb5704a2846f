// The AKS provider against the Log Analytics emulator, as the contract suite wants it.

import type { FaultKind } from '../../emulators/log-analytics/fault.ts';
import {
  type EmulatorOptions,
  type LogAnalyticsEmulator,
  startLogAnalyticsEmulator,
} from '../../emulators/log-analytics/server.ts';
import type { RowInput } from '../../emulators/log-analytics/tables.ts';
import { toAuditRow, toDiagnosticsRow } from '../../emulators/story/aks.ts';
import { provider } from '../../providers/aks/index.ts';
import type { Table } from '../../providers/aks/options.ts';
import { silentLog } from '../../src/log.ts';
import type { Provider, Source } from '../../src/provider.ts';
import type { ContractFault, Entry, Harness } from './contract.ts';

export const WORKSPACE = '0f3e5c1a-7b2d-4c8e-9f60-112233445566';
export const WORKSPACE_ID =
  '/subscriptions/00000000-1111-2222-3333-444444444444/resourceGroups/logs/providers/Microsoft.OperationalInsights/workspaces/audit';
export const RESOURCE =
  '/subscriptions/00000000-1111-2222-3333-444444444444/resourceGroups/Shop-RG/providers/Microsoft.ContainerService/managedClusters/shop';
export const ORIGIN = { resource: RESOURCE, pod: 'kube-apiserver-6797f4455b-jdgtt' };

export const OPTIONS = { workspace: WORKSPACE, resource: RESOURCE, timeout: '1s', pageRows: 1000 };

/** A source on an emulator. `raw` are the provider's options as they stand in a config. */
export function connectTo(
  emulator: LogAnalyticsEmulator,
  raw: Readonly<Record<string, unknown>> = {},
  deps: { now?: () => number; onServerDate?: (date: number) => void; takeSlot?: () => Promise<void> } = {},
): Source {
  const options = provider.options.parse({ ...OPTIONS, ...raw });
  const { now = () => emulator.clock.now(), onServerDate = () => {}, takeSlot = () => Promise.resolve() } = deps;
  const settings = { name: 'shop', provider: 'aks', endpoint: emulator.url, auth: 'none' } as const;
  return provider.connect(settings, options, { log: silentLog, now, onServerDate, takeSlot });
}

/** An entry as a row of a table. */
export function rowOf({ line, time, arrival, visible }: Entry, table: Table): RowInput {
  const columns = table === 'AzureDiagnostics' ? toDiagnosticsRow(line, ORIGIN) : toAuditRow(line, ORIGIN);
  return {
    columns: { ...columns, TimeGenerated: new Date(time).toISOString() },
    ingested: arrival,
    ...(visible !== undefined && { visibleAt: visible }),
  };
}

/** An emulator with the workspace and its tables, and a diagnostic setting. */
export async function startEmulator(
  now: number,
  options: EmulatorOptions = {},
  tables: readonly Table[] = ['AKSAudit'],
) {
  const emulator = await startLogAnalyticsEmulator({ clock: now, ...options });
  emulator.createWorkspace({ id: WORKSPACE, resourceId: WORKSPACE_ID });
  for (const table of tables) emulator.createTable(WORKSPACE, table, { retentionInDays: 90 });
  setLogging(emulator, true, tables[0]);
  return emulator;
}

export function setLogging(emulator: LogAnalyticsEmulator, on: boolean, table: Table = 'AKSAudit'): void {
  const category = table === 'AKSAuditAdmin' ? 'kube-audit-admin' : 'kube-audit';
  emulator.setDiagnosticSettings(RESOURCE, [
    {
      name: 'audit',
      workspace: WORKSPACE_ID,
      dedicated: table !== 'AzureDiagnostics',
      categories: on ? [category] : [],
    },
  ]);
}

const FAULTS: Partial<Record<ContractFault, FaultKind>> = {
  throttle: 'throttle',
  'server-error': 'error-500',
  unavailable: 'error-503',
  reset: 'reset',
  'cut-body': 'cut-body',
  'torn-body': 'reset-body',
  'not-json': 'not-json',
  'record-without-arrival': 'null-ingestion-time',
  hang: 'hang',
  denied: 'access-denied',
  'expired-credentials': 'expired-token',
};

export async function startAks(
  { now }: { created: number; now: number },
  table: Table,
): Promise<Harness & { emulator: LogAnalyticsEmulator }> {
  const emulator = await startEmulator(now, {}, [table]);
  const dates: number[] = [];
  const onServerDate = (date: number) => void dates.push(date);
  return {
    emulator,
    provider: provider as Provider,
    options: provider.options.parse({ ...OPTIONS, table }),
    connect: () => connectTo(emulator, { table, category: 'kube-audit' }, { onServerDate }),
    connectMissing: () => connectTo(emulator, { table: table === 'AKSAudit' ? 'AKSAuditAdmin' : 'AKSAudit' }),
    put: (entries) =>
      emulator.putRows(
        WORKSPACE,
        table,
        entries.map((entry) => rowOf(entry, table)),
      ),
    setClock: (time) => emulator.clock.set(time),
    faults: Object.fromEntries(Object.entries(FAULTS).map(([name, kind]) => [name, () => emulator.fail({ kind })])),
    pagesAsked: () => emulator.statistics().pages,
    setLogging(state) {
      emulator.allowOnly(state === 'unknown' ? { diagnosticSettings: false } : undefined);
      setLogging(emulator, state === 'on', table);
    },
    serverDates: () => dates,
    close: () => emulator.close(),
  };
}
