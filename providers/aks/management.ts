// What Azure Resource Manager tells: where the cluster's audit log is sent, and how long the tables keep it.

import { AuditkeepError, ConfigError, TransientError, ThrottledError } from '../../src/provider.ts';
import { type Attempt, classifyAnswer, classifyError } from './classify.ts';
import type { Clients } from './client.ts';
import { CATEGORIES, type AksOptions, type Category, type Table } from './options.ts';

const DAY = 86_400_000;

/** Where one diagnostic setting sends audit categories. */
export interface Setting {
  readonly name: string;
  /** Resource id of the workspace. */
  readonly workspace: string;
  readonly categories: readonly Category[];
  /** Resource-specific tables; else AzureDiagnostics. */
  readonly dedicated: boolean;
}

interface SettingList {
  readonly value?: readonly {
    readonly name?: string;
    readonly properties?: {
      readonly workspaceId?: string | null;
      readonly logAnalyticsDestinationType?: string | null;
      readonly logs?: readonly {
        readonly category?: string | null;
        readonly categoryGroup?: string | null;
        readonly enabled?: boolean;
      }[];
    };
  }[];
}

interface TableInfo {
  readonly properties?: {
    readonly totalRetentionInDays?: number;
    readonly retentionInDays?: number;
    readonly plan?: string;
  };
}

/** GET that gives the parsed answer; undefined where it isn't allowed or not there. */
async function get<T>(clients: Clients, path: string, attempt: Attempt, signal: AbortSignal): Promise<T | undefined> {
  let answer;
  try {
    answer = await clients.manage(path, signal);
  } catch (error) {
    throw classifyError(error, attempt, signal);
  }
  if (answer.status === 404) return undefined;
  if (answer.status !== 200) throw classifyAnswer(answer, attempt) ?? new TransientError(`${attempt.action}: 504`);
  try {
    return JSON.parse(answer.body.toString('utf8')) as T;
  } catch {
    throw new TransientError(`${attempt.action}: the answer is no JSON`);
  }
}

/** Settings that send audit categories to a workspace. */
export async function diagnosticSettings(
  options: AksOptions,
  clients: Clients,
  signal: AbortSignal,
): Promise<Setting[]> {
  const attempt = {
    action: 'list diagnostic settings',
    resource: options.resource,
    permission: 'Microsoft.Insights/diagnosticSettings/read on the cluster',
  };
  const path = `${encodeURI(options.resource)}/providers/Microsoft.Insights/diagnosticSettings?api-version=2021-05-01-preview`;
  const list = await get<SettingList>(clients, path, attempt, signal);
  return (list?.value ?? []).flatMap(({ name = '', properties }) => {
    const workspace = properties?.workspaceId;
    const on = (properties?.logs ?? []).filter((log) => log.enabled === true);
    const categories = CATEGORIES.filter((category) =>
      on.some((log) => log.category === category || log.categoryGroup === 'audit' || log.categoryGroup === 'allLogs'),
    );
    if (typeof workspace !== 'string' || workspace === '' || categories.length === 0) return [];
    return [{ name, workspace, categories, dedicated: properties?.logAnalyticsDestinationType === 'Dedicated' }];
  });
}

export interface TablePlan {
  /** Milliseconds; absent if it isn't told. */
  readonly retention?: number;
  readonly plan: string;
}

/** Plan and retention of a table; undefined if the role may not ask. */
export async function tablePlan(
  workspace: string,
  table: Table,
  clients: Clients,
  signal: AbortSignal,
): Promise<TablePlan | undefined> {
  const attempt = {
    action: `describe the table ${table}`,
    resource: workspace,
    permission: 'Microsoft.OperationalInsights/workspaces/tables/read on the workspace',
  };
  const path = `${encodeURI(workspace)}/tables/${table}?api-version=2022-10-01`;
  const found = await unlessDenied(() => get<TableInfo>(clients, path, attempt, signal), signal);
  if (found === undefined) return undefined;
  const days = found.properties?.retentionInDays;
  const plan = found.properties?.plan ?? 'Analytics';
  return typeof days === 'number' && days > 0 ? { plan, retention: days * DAY } : { plan };
}

/** Undefined where asking isn't allowed or possible; passing faults stay errors. */
export async function unlessDenied<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (signal.aborted || error instanceof TransientError || error instanceof ThrottledError) throw error;
    if (error instanceof ConfigError || !(error instanceof AuditkeepError)) throw error;
    return undefined;
  }
}
