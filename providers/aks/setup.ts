// How the cluster's audit log is set up, as Azure Resource Manager tells: what is sent where, at what plan, and how long it is kept.

import { ConfigError, ThrottledError, TransientError } from '../../src/provider.ts';
import type { Attempt } from './classify.ts';
import type { Clients } from './client.ts';
import type { Feed } from './kql.ts';
import { diagnosticSettings, type Setting, tablePlan, type TablePlan } from './management.ts';
import type { AksOptions } from './options.ts';

/** How long the plan of a table is taken as known. */
const PLAN_AGE = 10 * 60_000;

/** Runs one call with the signal and the errors of the contract. */
type Call = <T>(attempt: Attempt, signal: AbortSignal, run: (signal: AbortSignal) => Promise<T>) => Promise<T>;

/** @param feeds that the config allows */
export function createSetup(options: AksOptions, clients: Clients, feeds: readonly Feed[], call: Call) {
  /** The setting that feeds the workspace of the config, as far as can be told. */
  const own = (list: readonly Setting[]) =>
    list.filter(({ dedicated, categories }) =>
      feeds.some((f) => (f.table !== 'AzureDiagnostics') === dedicated && categories.includes(f.category)),
    );

  async function settings(signal: AbortSignal): Promise<Setting[] | { readonly unknown: string }> {
    const attempt: Attempt = {
      action: 'list diagnostic settings',
      resource: options.resource,
      permission: 'Microsoft.Insights/diagnosticSettings/read on the cluster',
    };
    try {
      return await call(attempt, signal, (either) => diagnosticSettings(options, clients, either));
    } catch (error) {
      if (signal.aborted || error instanceof TransientError || error instanceof ThrottledError) throw error;
      return { unknown: error instanceof Error ? error.message : String(error) };
    }
  }

  function notes(list: readonly Setting[]): string[] {
    const found: string[] = [];
    const sent = new Set(list.flatMap(({ categories }) => categories));
    if (sent.size === 2)
      found.push(
        'kube-audit and kube-audit-admin are both on: kube-audit holds all that the other does, which costs money for nothing',
      );
    if (sent.size === 1 && sent.has('kube-audit-admin'))
      found.push('only kube-audit-admin is on: gets and lists, also of secrets, are not observable');
    const read = list.filter(({ categories }) => categories.some((c) => feeds.some((f) => f.category === c)));
    if (new Set(read.map(({ dedicated }) => dedicated)).size === 2)
      found.push(
        'the log is sent to AzureDiagnostics and to a table of its own: it is paid twice, and with table: auto read twice',
      );
    return found;
  }

  /** A table's plan hardly ever changes, and is asked for after every window. */
  const plansKnown = new Map<string, { plan: TablePlan | undefined; asked: number }>();

  async function plans(signal: AbortSignal): Promise<TablePlan[]> {
    const list = await settings(signal);
    if ('unknown' in list) return [];
    const found: TablePlan[] = [];
    for (const { workspace: id, dedicated, categories } of own(list)) {
      const tables = new Set(
        feeds
          .filter((f) => (f.table !== 'AzureDiagnostics') === dedicated && categories.includes(f.category))
          .map(({ table }) => table),
      );
      for (const table of tables) {
        const attempt = {
          action: `describe ${table}`,
          resource: id,
          permission: 'Microsoft.OperationalInsights/workspaces/tables/read',
        };
        const name = `${id}/${table}`;
        const known = plansKnown.get(name);
        const fresh = known !== undefined && performance.now() - known.asked < PLAN_AGE;
        const plan = fresh
          ? known.plan
          : await call(attempt, signal, (either) => tablePlan(id, table, clients, either));
        if (!fresh) plansKnown.set(name, { plan, asked: performance.now() });
        if (plan === undefined) continue;
        if (plan.plan !== 'Analytics')
          throw new ConfigError(`the table ${table} is on the ${plan.plan} plan, which this API can't query`, {
            hint: `az monitor log-analytics workspace table update --workspace-name … --name ${table} --plan Analytics; or read the cluster's storage account or Event Hub`,
          });
        found.push(plan);
      }
    }
    return found;
  }

  return { own, settings, notes, plans };
}
