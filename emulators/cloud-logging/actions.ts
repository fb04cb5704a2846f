// The calls of Google's APIs that the emulator knows: what the caller needs for each, and what it answers.

import { type FaultKind, ServiceFault } from './fault.ts';
import { listEntries, type ListRequest } from './list-entries.ts';
import type { Project, Projects } from './projects.ts';

export interface Answer {
  readonly body: Buffer;
  /** Entries in it, for the statistics. */
  readonly entries: number;
}

/** A call that the emulator knows. */
export interface Known {
  readonly action: string;
  readonly resource: string;
  /** The page token that was sent. */
  readonly token?: unknown;
  /** @throws ServiceFault */
  answer(kind: FaultKind | undefined): Answer;
}

const denied = (permission: string, resource: string) =>
  new ServiceFault(
    403,
    'PERMISSION_DENIED',
    `Permission '${permission}' denied on resource '${resource}' (or it may not exist).`,
    'IAM_PERMISSION_DENIED',
  );

const plain = (value: unknown): Answer => ({ body: Buffer.from(JSON.stringify(value)), entries: 0 });

/** @throws ServiceFault 404 */
export function projectOf(projects: Projects, id: string): Project {
  const project = projects.find(id);
  if (project === undefined) throw new ServiceFault(404, 'NOT_FOUND', `Project projects/${id} not found`);
  return project;
}

function bucketsOf(project: Project) {
  const own = (name: string, retentionDays: number) => ({
    name: `projects/${project.project}/locations/${project.location}/buckets/${name}`,
    retentionDays,
    lifecycleState: 'ACTIVE',
  });
  const others = [...project.buckets].map(([path, { retentionDays, createTime }]) => ({
    name: `projects/${project.project}/locations/${path.replace('/', '/buckets/')}`,
    retentionDays,
    lifecycleState: 'ACTIVE',
    createTime: new Date(createTime).toISOString(),
  }));
  return [own('_Default', project.retentionDays), own('_Required', 400), ...others];
}

/** @param searchLimit entries that one call looks at */
export function createActions(projects: Projects, now: () => number, searchLimit: number) {
  const tokens = new Set<string>();
  let given = 0;
  let permissions: ReadonlySet<string> | undefined;

  const may = (permission: string) => permissions === undefined || permissions.has(permission);
  const need = (permission: string, resource: string) => {
    if (!may(permission)) throw denied(permission, resource);
  };

  function list(request: ListRequest, kind: FaultKind | undefined): Answer {
    for (const name of request.resourceNames ?? [])
      need(name.includes('/views/') ? 'logging.views.access' : 'logging.logEntries.list', name);
    const { entries, next } = listEntries(projects, request, now(), {
      searchLimit,
      hidesPrivate: !may('logging.privateLogEntries.list'),
      empty: kind === 'empty-page',
    });
    const parts: Buffer[] = [];
    // as proto3 has it, what is empty is left out
    if (entries.length > 0) {
      entries.forEach((entry, i) => parts.push(Buffer.from(i === 0 ? '"entries":[' : ','), entry.json));
      parts.push(Buffer.from(']'));
    }
    if (next !== undefined)
      parts.push(Buffer.from(`${entries.length > 0 ? ',' : ''}"nextPageToken":${JSON.stringify(next)}`));
    return { body: Buffer.concat([Buffer.from('{'), ...parts, Buffer.from('}')]), entries: entries.length };
  }

  /** Which call `POST /path` is. @throws ServiceFault for what the emulator doesn't know, SyntaxError for a body that is no JSON */
  function understand(call: string, body: string): Known {
    const json = () => JSON.parse(body || '{}') as Record<string, unknown>;
    if (call === 'POST /token') {
      const token = `ya29.emulated-${++given}`;
      tokens.add(token);
      const issued = { access_token: token, issued_token_type: 'urn:ietf:params:oauth:token-type:access_token' };
      return {
        action: 'token',
        resource: '*',
        answer: () => plain({ ...issued, token_type: 'Bearer', expires_in: 3600 }),
      };
    }
    if (call === 'POST /v2/entries:list') {
      const asked = json() as ListRequest;
      const resource = asked.resourceNames?.join(',') ?? '';
      return { action: 'entries.list', resource, token: asked.pageToken, answer: (kind) => list(asked, kind) };
    }
    const buckets = /^GET \/v2\/projects\/([^/]+)\/locations\/([^/]+)\/buckets(?:\/([^/]+))?$/.exec(call);
    if (buckets !== null) {
      const [, id, location, name] = buckets as unknown as [string, string, string, string | undefined];
      const action = name === undefined ? 'buckets.list' : 'buckets.get';
      const resource = `projects/${id}`;
      return {
        action,
        resource,
        answer: () => {
          const all = bucketsOf(projectOf(projects, id)).filter(
            (b) => location === '-' || b.name.includes(`/${location}/`),
          );
          need(`logging.${action}`, resource);
          if (name === undefined) return plain({ buckets: all });
          const found = all.find((b) => b.name.endsWith(`/buckets/${name}`));
          if (found === undefined) throw new ServiceFault(404, 'NOT_FOUND', `Bucket ${name} not found`);
          return plain(found);
        },
      };
    }
    const iam = /^POST \/v3\/((?:projects|folders)\/[^/:]+):(getIamPolicy|testIamPermissions)$/.exec(call);
    if (iam !== null) {
      const [, resource, action] = iam as unknown as [string, string, string];
      return {
        action,
        resource,
        answer: () => {
          const id = resource.split('/')[1]!;
          if (action === 'testIamPermissions') {
            if (resource.startsWith('projects/')) projectOf(projects, id);
            return plain({ permissions: ((json()['permissions'] ?? []) as string[]).filter(may) });
          }
          need('resourcemanager.projects.getIamPolicy', resource);
          const auditLogConfigs = projectOf(projects, id).dataAccess.map((logType) => ({ logType }));
          const on = auditLogConfigs.length > 0;
          return plain({
            version: 1,
            etag: 'BwYQ',
            ...(on && { auditConfigs: [{ service: 'container.googleapis.com', auditLogConfigs }] }),
          });
        },
      };
    }
    throw new ServiceFault(404, 'NOT_FOUND', `this emulator doesn't know ${call}`);
  }

  return {
    understand,
    /** The caller has only these permissions; undefined = all. */
    allowOnly(list: readonly string[] | undefined): void {
      permissions = list === undefined ? undefined : new Set(list);
    },
    /** An access token that was given out and isn't over. */
    isToken: (token: string) => tokens.has(token),
    expireTokens: () => tokens.clear(),
  };
}
