// Workspaces, tables and rows that the emulator holds, with the columns of the real tables as far as audit logs need them.

import { ServiceFault } from './fault.ts';

export type ColumnType = 'string' | 'datetime' | 'dynamic' | 'long' | 'timespan' | 'bool';
export type Columns = Readonly<Record<string, ColumnType>>;

const COMMON: Columns = {
  TenantId: 'string',
  TimeGenerated: 'datetime',
  SourceSystem: 'string',
  Type: 'string',
  _ResourceId: 'string',
  _SubscriptionId: 'string',
};

const AKS_AUDIT: Columns = {
  ...COMMON,
  Level: 'string',
  AuditId: 'string',
  Stage: 'string',
  RequestUri: 'string',
  Verb: 'string',
  User: 'dynamic',
  SourceIps: 'dynamic',
  UserAgent: 'string',
  ObjectRef: 'dynamic',
  ResponseStatus: 'dynamic',
  RequestObject: 'dynamic',
  ResponseObject: 'dynamic',
  RequestReceivedTime: 'datetime',
  StageReceivedTime: 'datetime',
  Annotations: 'dynamic',
  PodName: 'string',
};

/** https://learn.microsoft.com/azure/azure-monitor/reference/tables/aksaudit and its siblings. */
export const SCHEMAS: Readonly<Record<string, Columns>> = {
  AKSAudit: AKS_AUDIT,
  AKSAuditAdmin: AKS_AUDIT,
  AzureDiagnostics: {
    ...COMMON,
    ResourceId: 'string',
    Category: 'string',
    OperationName: 'string',
    AdditionalFields: 'dynamic',
    log_s: 'string',
    pod_s: 'string',
    containerID_s: 'string',
    stream_s: 'string',
  },
  /** What happened in the workspace: part of each. */
  Operation: {
    ...COMMON,
    Computer: 'string',
    CorrelationId: 'string',
    Detail: 'string',
    ErrorId: 'string',
    HelpLink: 'string',
    ManagementGroupName: 'string',
    OperationCategory: 'string',
    OperationKey: 'string',
    OperationStatus: 'string',
    Solution: 'string',
  },
};

/** A row: datetimes in any form with up to seven fraction digits, dynamic values as JSON text. Columns left out are empty. */
export interface RowInput {
  readonly columns: Readonly<Record<string, string | null>>;
  /** What ingestion_time() tells: milliseconds since the epoch, text with seven fraction digits, or null. */
  readonly ingested: number | string | null;
  /** From when on it can be found, milliseconds; default: when it was ingested. */
  readonly visibleAt?: number;
}

/** A stored row. Values of dynamic columns are JSON text, datetimes canonical text. */
export interface StoredRow {
  readonly values: Readonly<Record<string, string | null>>;
  readonly ingested: string | null;
  readonly visibleAt: number;
}

export interface Table {
  readonly columns: Columns;
  /** In order of arrival when `sorted`, those without arrival first. */
  rows: StoredRow[];
  sorted: boolean;
  plan: string;
  retentionInDays: number;
}

export interface Workspace {
  readonly id: string;
  /** As Resource Manager names it. */
  readonly resourceId: string;
  readonly tables: Map<string, Table>;
}

export function createWorkspaces() {
  const byId = new Map<string, Workspace>();
  return {
    create(id: string, resourceId: string): void {
      if (byId.has(id.toLowerCase())) return;
      byId.set(id.toLowerCase(), { id, resourceId, tables: new Map() });
      this.table(this.find(id), 'Operation');
    },
    find(id: string): Workspace {
      const workspace = byId.get(id.toLowerCase());
      if (workspace === undefined)
        throw new ServiceFault(404, 'PathNotFoundError', 'The requested path does not exist');
      return workspace;
    },
    byResourceId(id: string): Workspace | undefined {
      return [...byId.values()].find((w) => w.resourceId.toLowerCase() === id.toLowerCase());
    },
    /** Makes the table if it isn't there. `without`: columns that this workspace never got. */
    table(workspace: Workspace, name: string, without: readonly string[] = []): Table {
      let table = workspace.tables.get(name);
      if (table === undefined) {
        const schema = SCHEMAS[name];
        if (schema === undefined) throw new RangeError(`this emulator has no schema of ${name}`);
        const columns = Object.fromEntries(Object.entries(schema).filter(([column]) => !without.includes(column)));
        workspace.tables.set(
          name,
          (table = { columns, rows: [], sorted: true, plan: 'Analytics', retentionInDays: 30 }),
        );
      }
      return table;
    },
  };
}

const DAY = 86_400_000;

const sevenDigits = (text: string): string => {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/.exec(text);
  if (match === null) throw new RangeError(`not a time: ${text}`);
  return `${match[1]}.${(match[2] ?? '').slice(0, 7).padEnd(7, '0')}Z`;
};

/** @param now when the row comes in, where it has no ingestion time */
export function store(name: string, table: Table, row: RowInput, now: number): StoredRow {
  const ingested =
    row.ingested === null
      ? null
      : sevenDigits(typeof row.ingested === 'number' ? new Date(row.ingested).toISOString() : row.ingested);
  const arrived = ingested === null ? now : Date.parse(ingested);
  const values: Record<string, string | null> = { Type: name, SourceSystem: 'Azure', TenantId: '' };
  for (const [column, value] of Object.entries(row.columns)) {
    const type = table.columns[column];
    if (type === undefined) throw new RangeError(`${name} has no column ${column}`);
    values[column] = value === null || type !== 'datetime' ? value : sevenDigits(value);
  }
  // the service doesn't believe times that are more than 2 days old or 1 day ahead
  const time = Date.parse(values['TimeGenerated'] ?? '');
  if (!(time >= arrived - 2 * DAY && time <= arrived + DAY))
    values['TimeGenerated'] = sevenDigits(new Date(arrived).toISOString());
  return { values, ingested, visibleAt: row.visibleAt ?? arrived };
}

/** Place of the first row that arrived at `time` or later. */
function firstFrom(rows: readonly StoredRow[], time: string): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rows[middle]!.ingested ?? '') < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Rows that arrived in `[from, to)`, and those without arrival. */
export function arrivedIn(table: Table, { from = '', to }: { from?: string; to?: string }): StoredRow[] {
  if (!table.sorted) {
    const key = (row: StoredRow) => row.ingested ?? '';
    table.rows.sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
    table.sorted = true;
  }
  const { rows } = table;
  const unknown = firstFrom(rows, '0');
  const begin = Math.max(unknown, firstFrom(rows, from));
  return [...rows.slice(0, unknown), ...rows.slice(begin, to === undefined ? rows.length : firstFrom(rows, to))];
}
