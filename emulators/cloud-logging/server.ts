// A stand-in for Cloud Logging on loopback, with what else the GKE provider asks: buckets, IAM policy, permissions, tokens. Speaks Google's REST.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { type Clock, createClock } from '../cloudwatch/clock.ts';
import { type Call, createStatistics, type Outcome, type Statistics } from '../cloudwatch/statistics.ts';
import { handleAdmin } from './admin.ts';
import { createFaults, faultAnswer, type FaultKind, type FaultOrder, ServiceFault } from './fault.ts';
import { listEntries, type ListRequest } from './list-entries.ts';
import { createProjects, type EntryInput, type Project } from './projects.ts';
import { createQuota } from './quota.ts';

export type { EntryInput, LogEntry } from './projects.ts';

export interface EmulatorOptions {
  /** Default: any free one. */
  readonly port?: number;
  /** A time to stand still at, a function to ask, or (default) the real time. */
  readonly clock?: number | (() => number);
  /** Milliseconds from a call to its answer. Default 0. */
  readonly latency?: number;
  /** entries.list calls a minute, for each project. Default: no limit; the service's own is 60. */
  readonly callsPerMinute?: number;
  /** Entries that one call looks at. Default: all. */
  readonly searchLimit?: number;
  /** Answers are gzipped where the client takes that. Default true. */
  readonly gzip?: boolean;
  /** Calls need an access token that `/token` gave out. Default false. */
  readonly needsToken?: boolean;
}

/** Names of permissions, such as `logging.privateLogEntries.list`. */
export type Permissions = readonly string[];

export interface CloudLoggingEmulator {
  /** `http://127.0.0.1:<port>`: the `endpoint` of a cluster. */
  readonly url: string;
  readonly port: number;
  readonly clock: Clock;
  /** Adds a project. Its `_Default` and `_Required` buckets lie in `location`, default global. */
  createProject(project: { project: string; createTime?: number; location?: string }): void;
  /** Days that `_Default` keeps entries. */
  setRetention(project: string, days: number): void;
  /** Adds a bucket that all entries of the project are routed to as well. */
  createBucket(bucket: {
    project: string;
    location: string;
    bucket: string;
    retentionDays: number;
    createTime?: number;
  }): void;
  putFolder(folder: { folder: string; projects: readonly string[] }): void;
  /** Log types that the project's audit configuration switches on; [] = Data Access is off. What is in the log stays there. */
  setDataAccess(project: string, types: readonly string[]): void;
  /** The project must exist. Gives the number of entries. */
  putEntries(project: string, entries: Iterable<EntryInput>): number;
  fail(order: FaultOrder): void;
  clearFaults(): void;
  setLatency(ms: number): void;
  setCallsPerMinute(limit: number | undefined): void;
  /** Calls a minute that other readers make, which count against the limit. */
  setOtherReaders(perMinute: number): void;
  /** The caller has only these; undefined = all. */
  allowOnly(permissions: Permissions | undefined): void;
  /** All tokens given out so far are over. */
  expireTokens(): void;
  statistics(): Statistics;
  calls(): readonly Call[];
  resetStatistics(): void;
  close(): Promise<void>;
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const denied = (permission: string, resource: string) =>
  new ServiceFault(
    403,
    'PERMISSION_DENIED',
    `Permission '${permission}' denied on resource '${resource}' (or it may not exist).`,
    'IAM_PERMISSION_DENIED',
  );

/** Changes a good answer as ordered. */
function spoil(kind: FaultKind | undefined, body: Buffer, sent: unknown): Buffer {
  if (kind === 'cut-body') return body.subarray(0, Math.floor(body.length * 0.6));
  if (kind === 'not-json') return Buffer.from('<html><body>Bad gateway</body></html>');
  const changes: readonly (FaultKind | undefined)[] = [
    'repeat-token',
    'missing-receive-timestamp',
    'missing-insert-id',
    'other-cluster',
  ];
  if (!changes.includes(kind)) return body;
  const page = JSON.parse(body.toString()) as { entries?: Record<string, unknown>[]; nextPageToken?: unknown };
  if (kind === 'repeat-token') page.nextPageToken = sent;
  const victim = page.entries?.[Math.floor(page.entries.length / 2)];
  if (kind === 'missing-receive-timestamp') delete victim?.['receiveTimestamp'];
  if (kind === 'missing-insert-id') delete victim?.['insertId'];
  const { labels } = (victim?.['resource'] ?? {}) as { labels?: Record<string, string> };
  if (kind === 'other-cluster' && labels !== undefined) labels['cluster_name'] = 'another';
  return Buffer.from(JSON.stringify(page));
}

/** Starts the emulator on 127.0.0.1. */
export async function startCloudLoggingEmulator(options: EmulatorOptions = {}): Promise<CloudLoggingEmulator> {
  const { searchLimit = Number.POSITIVE_INFINITY, gzip = true, needsToken = false } = options;
  const clock = createClock(options.clock);
  const projects = createProjects();
  const faults = createFaults();
  const quota = createQuota(options.callsPerMinute, () => performance.now());
  const statistics = createStatistics();
  const tokens = new Set<string>();
  let given = 0;
  let latency = options.latency ?? 0;
  let permissions: ReadonlySet<string> | undefined;

  const may = (permission: string) => permissions === undefined || permissions.has(permission);
  const need = (permission: string, resource: string) => {
    if (!may(permission)) throw denied(permission, resource);
  };
  function projectOf(id: string): Project {
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

  interface Known {
    readonly action: string;
    readonly resource: string;
    readonly token?: unknown;
    answer(kind: FaultKind | undefined): { body: Buffer; entries: number };
  }
  const plain = (value: unknown) => ({ body: Buffer.from(JSON.stringify(value)), entries: 0 });

  function list(request: ListRequest, kind: FaultKind | undefined): { body: Buffer; entries: number } {
    for (const name of request.resourceNames ?? [])
      need(name.includes('/views/') ? 'logging.views.access' : 'logging.logEntries.list', name);
    const { entries, next } = listEntries(projects, request, clock.now(), {
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

  /** Which call this is. Throws for what the emulator doesn't know. */
  async function understand(request: IncomingMessage): Promise<Known> {
    const body = await readBody(request);
    const { pathname } = new URL(request.url ?? '', 'http://localhost');
    const call = `${request.method} ${pathname}`;
    const json = () => JSON.parse(body.toString() || '{}') as Record<string, unknown>;
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
          const all = bucketsOf(projectOf(id)).filter((b) => location === '-' || b.name.includes(`/${location}/`));
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
            if (resource.startsWith('projects/')) projectOf(id);
            return plain({ permissions: ((json()['permissions'] ?? []) as string[]).filter(may) });
          }
          need('resourcemanager.projects.getIamPolicy', resource);
          const auditLogConfigs = projectOf(id).dataAccess.map((logType) => ({ logType }));
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

  function send(request: IncomingMessage, response: ServerResponse, status: number, body: Buffer, type: string): void {
    const zip = gzip && /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? '')) && body.length > 1400;
    const sent = zip ? gzipSync(body, { level: 1 }) : body;
    response.writeHead(status, {
      'content-type': type,
      'content-length': sent.length,
      ...(zip && { 'content-encoding': 'gzip' }),
    });
    response.end(sent);
  }

  const JSON_TYPE = 'application/json; charset=UTF-8';

  function sendFault(request: IncomingMessage, response: ServerResponse, fault: ServiceFault): void {
    const details =
      fault.reason === undefined
        ? []
        : [
            {
              '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
              reason: fault.reason,
              domain: 'googleapis.com',
              metadata: { service: 'logging.googleapis.com' },
            },
          ];
    const error = {
      code: fault.status,
      message: fault.message,
      status: fault.code,
      ...(details.length > 0 && { details }),
    };
    send(request, response, fault.status, Buffer.from(JSON.stringify({ error }, null, 2)), JSON_TYPE);
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.sendDate = false;
    response.setHeader('date', new Date(clock.now()).toUTCString());
    const started = performance.now();
    let known: Known | undefined;
    const record = (outcome: Outcome) => {
      if (known === undefined) return;
      const { action, resource } = known;
      statistics.call({ at: started, account: resource, region: '', action, resource, outcome });
    };
    try {
      known = await understand(request);
      const { action, resource, token } = known;
      const rest = latency - (performance.now() - started);
      if (rest > 0) await new Promise((resolve) => setTimeout(resolve, rest));
      const bearer = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
      if (needsToken && action !== 'token' && !tokens.has(bearer)) throw faultAnswer('unknown-credentials');
      if (action === 'entries.list' && !quota.admit(resource)) throw faultAnswer('throttle');
      const kind = faults.take(action, typeof token === 'string' && token !== '');
      if (kind === 'hang') return record('failed');
      if (kind === 'reset') {
        record('failed');
        request.socket.resetAndDestroy();
        return;
      }
      const ordered = faultAnswer(kind);
      if (ordered !== undefined) throw ordered;
      const { body, entries } = known.answer(kind);
      if (kind === 'reset-body' || kind === 'hang-body') {
        record('failed');
        response.writeHead(200, { 'content-type': JSON_TYPE, 'content-length': body.length });
        response.write(body.subarray(0, Math.floor(body.length / 2)), () => {
          if (kind === 'reset-body') request.socket.resetAndDestroy();
        });
        return;
      }
      record(kind === undefined || kind === 'empty-page' ? 'ok' : 'failed');
      const spoiled = spoil(kind, body, token);
      if (action === 'entries.list') statistics.page(entries, spoiled.length);
      // answers are printed for people unless the caller says otherwise
      const isPlain = /[?&]prettyPrint=false(&|$)/.test(request.url ?? '') || spoiled !== body;
      const printed = isPlain ? spoiled : Buffer.from(`${JSON.stringify(JSON.parse(spoiled.toString()), null, 2)}\n`);
      send(request, response, 200, printed, kind === 'not-json' ? 'text/html' : JSON_TYPE);
    } catch (error) {
      const fault = error instanceof ServiceFault ? error : new ServiceFault(400, 'INVALID_ARGUMENT', String(error));
      record(fault.status === 429 ? 'throttled' : fault.status === 403 ? 'denied' : 'failed');
      sendFault(request, response, fault);
    }
  }

  const server = createServer((request, response) => {
    const done = request.url?.startsWith('/_admin/')
      ? handleAdmin(emulator, request, response)
      : handle(request, response);
    done.catch((error: unknown) => {
      response.destroy(error as Error);
    });
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;

  const emulator: CloudLoggingEmulator = {
    url: `http://127.0.0.1:${port}`,
    port,
    clock,
    createProject({ project, createTime, location }) {
      projects.create(project, createTime ?? clock.now(), location);
    },
    setRetention(project, days) {
      projectOf(project).retentionDays = days;
    },
    createBucket({ project, location, bucket, retentionDays, createTime = clock.now() }) {
      projectOf(project).buckets.set(`${location}/${bucket}`, { retentionDays, createTime });
    },
    putFolder: ({ folder, projects: below }) => projects.putFolder(folder, below),
    setDataAccess(project, types) {
      projectOf(project).dataAccess = types;
    },
    putEntries: (project, entries) => projects.put(projectOf(project), entries, clock.now()),
    fail: (order) => faults.order(order),
    clearFaults: () => faults.clear(),
    setLatency(ms) {
      latency = ms;
    },
    setCallsPerMinute: (limit) => quota.setLimit(limit),
    setOtherReaders: (perMinute) => quota.setOthers(perMinute),
    allowOnly(list) {
      permissions = list === undefined ? undefined : new Set(list);
    },
    expireTokens: () => tokens.clear(),
    statistics: () => statistics.read(),
    calls: () => statistics.calls(),
    resetStatistics: () => statistics.reset(),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return emulator;
}
