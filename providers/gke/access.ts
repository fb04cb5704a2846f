// What may be seen, and how far back: permissions, Data Access logs, retention of the buckets that are read.

import {
  AuthError,
  ConfigError,
  type Horizon,
  ThrottledError,
  TransientError,
  type Visible,
} from '../../src/provider.ts';
import type { Client } from './client.ts';
import type { GkeOptions } from './options.ts';

const DAY = 24 * 3_600_000;
const READ = 'logging.logEntries.list';
const READ_PRIVATE = 'logging.privateLogEntries.list';
/** GKE's name in an audit configuration. */
const GKE_SERVICE = 'container.googleapis.com';

interface Bucket {
  readonly name?: string;
  readonly retentionDays?: number;
  readonly createTime?: string;
}

interface IamPolicy {
  readonly auditConfigs?: readonly {
    readonly service?: string;
    readonly auditLogConfigs?: readonly { readonly logType?: string; readonly exemptedMembers?: readonly string[] }[];
  }[];
}

const passing = (error: unknown) => error instanceof TransientError || error instanceof ThrottledError;
const refused = (error: unknown) => error instanceof AuthError || error instanceof ConfigError;
const inWords = (error: unknown) => (error instanceof Error ? error.message : String(error));

export function createAccess(options: GkeOptions, client: Client, now: () => number) {
  const { project, resourceNames, logs } = options;
  // views have access rules of their own: who may not read one is refused
  const parents = resourceNames.filter((name) => !name.includes('/buckets/'));

  async function json<T>(...[what, signal]: Parameters<Client['call']>): Promise<T> {
    const { body } = await client.call(what, signal);
    try {
      return JSON.parse(body.toString('utf8')) as T;
    } catch (error) {
      throw new TransientError(`${what.action} on ${what.resource} gave a body that is no JSON`, { cause: error });
    }
  }

  /** Which of the two reading permissions the caller has on `parent`; undefined where that can't be asked. */
  async function held(parent: string, signal: AbortSignal): Promise<ReadonlySet<string> | undefined> {
    if (parent.startsWith('billingAccounts/')) return undefined;
    try {
      const answer = await json<{ permissions?: string[] }>(
        {
          api: 'resourcemanager',
          method: 'POST',
          path: `/v3/${parent}:testIamPermissions`,
          body: { permissions: [READ, READ_PRIVATE] },
          action: 'testIamPermissions',
          resource: parent,
          permissions: 'nothing but an account',
          role: 'every role',
        },
        signal,
      );
      return new Set(answer.permissions ?? []);
    } catch (error) {
      if (signal.aborted || !refused(error)) throw error;
      return undefined;
    }
  }

  /** Without the permission for private entries they are simply missing from the answer, so it is asked for before the first page. */
  async function check(signal: AbortSignal): Promise<void> {
    if (!logs.includes('data_access')) return;
    for (const parent of parents) {
      const found = await held(parent, signal);
      if (found === undefined || found.has(READ_PRIVATE) || !found.has(READ)) continue;
      throw new AuthError(
        `not allowed: ${READ_PRIVATE} on ${parent} is missing, so Data Access entries (all reads) would be left out of every answer without a word`,
        { hint: `grant roles/logging.privateLogViewer on ${parent}, or set logs: [activity] to archive writes alone` },
      );
    }
  }

  async function dataAccess(signal: AbortSignal): Promise<Pick<Visible, 'logging' | 'notes'>> {
    let policy: IamPolicy;
    try {
      policy = await json<IamPolicy>(
        {
          api: 'resourcemanager',
          method: 'POST',
          path: `/v3/projects/${encodeURIComponent(project)}:getIamPolicy`,
          body: { options: { requestedPolicyVersion: 3 } },
          action: 'projects.getIamPolicy',
          resource: `projects/${project}`,
          permissions: 'resourcemanager.projects.getIamPolicy',
          role: 'roles/iam.securityReviewer',
        },
        signal,
      );
    } catch (error) {
      if (signal.aborted || passing(error)) throw error;
      return { logging: 'unknown', notes: [`whether Data Access logs are on couldn't be asked: ${inWords(error)}`] };
    }
    const configs = (policy.auditConfigs ?? []).filter((c) => c.service === 'allServices' || c.service === GKE_SERVICE);
    const types = configs.flatMap((c) => c.auditLogConfigs ?? []);
    const notes: string[] = [];
    const missing = ['ADMIN_READ', 'DATA_READ', 'DATA_WRITE'].filter((type) => !types.some((t) => t.logType === type));
    const isOff = missing.length === 3;
    if (isOff)
      notes.push(
        `Data Access logs of Kubernetes Engine are off in project ${project}: reads can't be seen, get and list of secrets included (unless a folder or the organization switches them on)`,
      );
    else if (missing.length > 0)
      notes.push(`Data Access logs of Kubernetes Engine are on in part: ${missing.join(', ')} can't be seen`);
    const exempted = new Set(types.flatMap((t) => t.exemptedMembers ?? []));
    if (exempted.size > 0) notes.push(`Data Access logs leave out ${exempted.size} exempted members`);
    return { logging: isOff ? 'off' : 'on', notes };
  }

  async function bucketsOf(name: string, signal: AbortSignal): Promise<readonly Bucket[]> {
    const common = {
      api: 'logging',
      method: 'GET',
      permissions: 'logging.buckets.get and logging.buckets.list',
      role: 'roles/logging.viewer',
    } as const;
    const bucket = /^(.+\/buckets\/[^/]+)\/views\//.exec(name)?.[1];
    if (bucket !== undefined)
      return [
        await json<Bucket>({ ...common, path: `/v2/${bucket}`, action: 'buckets.get', resource: bucket }, signal),
      ];
    // _Default isn't global everywhere, so all locations are asked
    const path = `/v2/${name}/locations/-/buckets?pageSize=1000`;
    const answer = await json<{ buckets?: Bucket[] }>(
      { ...common, path, action: 'buckets.list', resource: name },
      signal,
    );
    const needed = logs.includes('data_access') ? '_Default' : '_Required';
    return (answer.buckets ?? []).filter((b) => b.name?.endsWith(`/buckets/${needed}`));
  }

  return {
    check,

    async visible(signal: AbortSignal): Promise<Visible> {
      const sources = logs.flatMap((log) => resourceNames.map((name) => `${name}: cloudaudit.googleapis.com/${log}`));
      if (!logs.includes('data_access'))
        return {
          sources,
          logging: 'on',
          notes: ["logs: [activity] asks for no Data Access entries: reads can't be seen"],
        };
      const { logging, notes } = await dataAccess(signal);
      const unsure: string[] = [];
      for (const parent of parents)
        if ((await held(parent, signal)) === undefined)
          unsure.push(
            `whether ${READ_PRIVATE} is granted on ${parent} couldn't be asked; without it Data Access entries are left out silently`,
          );
      return { sources, logging, notes: [...notes, ...unsure] };
    },

    async horizon(signal: AbortSignal): Promise<Horizon> {
      let buckets: readonly Bucket[];
      try {
        buckets = (await Promise.all(resourceNames.map((name) => bucketsOf(name, signal)))).flat();
      } catch (error) {
        if (error instanceof AuthError) return { because: 'unknown' };
        throw error;
      }
      const days = buckets.map((b) => b.retentionDays ?? 0).filter((n) => n > 0);
      if (days.length === 0 || days.length < buckets.length) return { because: 'unknown' };
      // what all of them still hold: before that something may be gone
      const retention = Math.min(...days) * DAY;
      const oldest = now() - retention;
      // the service's own buckets tell no creation time
      const created = buckets.map((b) => Date.parse(b.createTime ?? ''));
      const since = Math.min(...created);
      if (!Number.isNaN(since) && since >= oldest) return { at: since, because: 'created', retention };
      return { at: oldest, because: 'retention', retention };
    },
  };
}
