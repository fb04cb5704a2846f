// Azure Resource Manager as far as a reader of audit logs asks it: diagnostic settings of a cluster, and tables of a workspace.

import { ServiceFault } from './fault.ts';
import type { createWorkspaces } from './tables.ts';

export interface DiagnosticSetting {
  readonly name: string;
  /** Resource id of the workspace that it sends to; absent: somewhere else, such as a storage account. */
  readonly workspace?: string;
  /** AKSAudit and AKSAuditAdmin; else AzureDiagnostics. */
  readonly dedicated?: boolean;
  readonly categories: readonly string[];
}

/** What the caller may do; absent = everything. */
export interface Permissions {
  /** Tables that may be queried. */
  readonly tables?: readonly string[];
  readonly diagnosticSettings?: boolean;
  readonly describeTables?: boolean;
}

const OTHERS = ['kube-apiserver', 'kube-scheduler', 'guard'];

function denied(action: string): ServiceFault {
  return new ServiceFault(
    403,
    'AuthorizationFailed',
    `The client does not have authorization to perform action '${action}'`,
  );
}

export function createManagement(workspaces: ReturnType<typeof createWorkspaces>) {
  const settings = new Map<string, DiagnosticSetting[]>();
  return {
    /** Settings of a cluster, by its resource id. */
    set(resource: string, list: readonly DiagnosticSetting[]): void {
      settings.set(resource.toLowerCase(), [...list]);
    },
    /** The body of the answer to GET. @throws ServiceFault */
    get(path: string, permissions: Permissions): object {
      const cluster = /^(.+)\/providers\/microsoft\.insights\/diagnosticsettings$/i.exec(path)?.[1];
      if (cluster !== undefined) {
        if (permissions.diagnosticSettings === false) throw denied('Microsoft.Insights/diagnosticSettings/read');
        const list = settings.get(cluster.toLowerCase()) ?? [];
        return {
          value: list.map(({ name, workspace, dedicated, categories }) => ({
            id: `${cluster}/providers/microsoft.insights/diagnosticSettings/${name}`,
            name,
            properties: {
              workspaceId: workspace ?? null,
              logAnalyticsDestinationType: dedicated === true ? 'Dedicated' : null,
              logs: [...new Set([...categories, ...OTHERS])].map((category) => ({
                category,
                categoryGroup: null,
                enabled: categories.includes(category),
              })),
            },
          })),
        };
      }
      const [, id, name] = /^(.+\/workspaces\/[^/]+)\/tables\/(\w+)$/i.exec(path) ?? [];
      const table = id === undefined ? undefined : workspaces.byResourceId(id)?.tables.get(name!);
      if (table === undefined) throw new ServiceFault(404, 'ResourceNotFound', `The Resource '${path}' was not found.`);
      if (permissions.describeTables === false) throw denied('Microsoft.OperationalInsights/workspaces/tables/read');
      const { plan, retentionInDays } = table;
      return { name, properties: { plan, retentionInDays, totalRetentionInDays: retentionInDays } };
    },
  };
}
