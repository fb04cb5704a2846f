// A stand-in for CloudWatch Logs, EKS DescribeCluster and STS on loopback, speaking the wire protocols of the AWS SDK.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  clusterArn,
  describeCluster,
  describeLogGroups,
  filterLogEvents,
  logsResource,
  putLogEvents,
  type Answer,
  type EksCluster,
  type Scope,
} from './actions.ts';
import { handleAdmin } from './admin.ts';
import { createClock, type Clock } from './clock.ts';
import { createFaults, ServiceFault, type FaultKind, type FaultOrder } from './fault.ts';
import { allows, type PolicyDocument } from './iam.ts';
import { createLogGroups, type EventInput, type PutResult } from './log-groups.ts';
import { serviceFault, spoil } from './spoil.ts';
import { createStatistics, type Call, type Outcome, type Statistics } from './statistics.ts';
import { createSts, stsError, type Principal, type Role } from './sts.ts';
import { createThrottle, type Limits } from './throttle.ts';

export interface EmulatorOptions {
  /** Default: any free one. */
  readonly port?: number;
  /** A time to stand still at, a function to ask, or (default) the real time. */
  readonly clock?: number | (() => number);
  /** Account of callers that assumed no role. Default 111122223333. */
  readonly account?: string;
  /** Milliseconds from a call to its answer. Default 0. */
  readonly latency?: number;
  /** Calls per second by action (`FilterLogEvents`), for each account and region. Default: no limits. */
  readonly limits?: Limits;
  /** Event time that one FilterLogEvents searches, milliseconds. Default 12 h. */
  readonly searchSpan?: number;
  readonly roles?: readonly Role[];
}

/** Where a log group lies; account and region default to the emulator's account and eu-central-1. */
export interface GroupAddress {
  readonly account?: string;
  readonly region?: string;
  readonly logGroup: string;
}

export interface CloudWatchEmulator {
  /** `http://127.0.0.1:<port>`: the `endpoint` of a cluster. */
  readonly url: string;
  readonly port: number;
  readonly account: string;
  readonly clock: Clock;
  createLogGroup(group: GroupAddress & { creationTime?: number; retentionInDays?: number }): void;
  deleteLogGroup(group: GroupAddress): void;
  setRetention(group: GroupAddress, days: number | undefined): void;
  /** The log group must exist. */
  putEvents(group: GroupAddress, stream: string, events: Iterable<EventInput>): PutResult;
  /** Adds an EKS cluster or changes it. */
  setCluster(cluster: { account?: string; region?: string; name: string; audit: boolean }): void;
  fail(order: FaultOrder): void;
  clearFaults(): void;
  setLatency(ms: number): void;
  setLimits(limits: Limits): void;
  /** Calls per second that other readers make, which count against the limit. */
  setOtherReaders(perSecond: number, where?: { account?: string; region?: string; action?: string }): void;
  /** Callers without a role may do only this; undefined = everything. */
  allowOnly(policy: PolicyDocument | undefined): void;
  statistics(): Statistics;
  calls(): readonly Call[];
  resetStatistics(): void;
  close(): Promise<void>;
}

const REGION = 'eu-central-1';

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Access key, region and service, from the SigV4 header; the signature itself is not checked. */
function credential(request: IncomingMessage): { key: string; region: string; service: string } {
  const match = /Credential=([^/]+)\/\d{8}\/([^/]+)\/([^/]+)\/aws4_request/.exec(request.headers.authorization ?? '');
  if (match === null)
    throw new ServiceFault(403, 'MissingAuthenticationTokenException', 'Missing Authentication Token');
  return { key: match[1]!, region: match[2]!, service: match[3]! };
}

/** Starts the emulator on 127.0.0.1. */
export async function startCloudWatchEmulator(options: EmulatorOptions = {}): Promise<CloudWatchEmulator> {
  const { account = '111122223333', searchSpan = 12 * 3_600_000, roles = [] } = options;
  const clock = createClock(options.clock);
  const groups = createLogGroups();
  const faults = createFaults();
  const throttle = createThrottle(options.limits ?? {}, () => performance.now());
  const statistics = createStatistics();
  const sts = createSts(roles);
  const clusters: EksCluster[] = [];
  let latency = options.latency ?? 0;
  let policy: PolicyDocument | undefined;

  const full = ({ account: a = account, region = REGION, logGroup }: GroupAddress) => [a, region, logGroup] as const;

  function authorize(principal: Principal, action: string, resource: string): void {
    // asking who one is needs no permission
    if (principal.policy === undefined || action === 'sts:GetCallerIdentity') return;
    if (allows(principal.policy, action, resource)) return;
    throw new ServiceFault(
      action.startsWith('logs:') ? 400 : 403,
      action.startsWith('sts:') ? 'AccessDenied' : 'AccessDeniedException',
      `User: ${principal.arn} is not authorized to perform: ${action} on resource: ${resource} because no identity-based policy allows the ${action} action`,
    );
  }

  interface Known {
    action: string;
    resource: string;
    scope: Scope;
    principal: Principal;
    token?: unknown;
    answer(kind: FaultKind | undefined): Answer;
  }

  /** Which call this is. Throws for what the emulator doesn't know. */
  async function understand(request: IncomingMessage): Promise<Known> {
    const body = await readBody(request);
    const { key, region, service } = credential(request);
    const fallback = { account, arn: `arn:aws:iam::${account}:user/local`, ...(policy !== undefined && { policy }) };
    const principal = sts.principal(key, fallback);
    const scope = { account: principal.account, region };
    if (service === 'sts') {
      const form = new URLSearchParams(body.toString());
      const answer = () => ({ body: Buffer.from(sts.handle(form, principal, Date.now())), events: 0 });
      return { action: `sts:${form.get('Action')}`, resource: sts.resource(form), scope, principal, answer };
    }
    if (service === 'eks') {
      const name = /^\/clusters\/([^/?]+)$/.exec(request.url ?? '')?.[1];
      if (request.method !== 'GET' || name === undefined)
        throw new ServiceFault(404, 'UnknownOperationException', `${request.method} ${request.url}`);
      const cluster = decodeURIComponent(name);
      const answer = () => describeCluster(clusters, scope, cluster);
      return { action: 'eks:DescribeCluster', resource: clusterArn(scope, cluster), scope, principal, answer };
    }
    const name = /^Logs_20140328\.(\w+)$/.exec(String(request.headers['x-amz-target']))?.[1] ?? '';
    const input = JSON.parse(body.toString()) as Record<string, unknown>;
    const common = { action: `logs:${name}`, resource: logsResource(name, input, scope), scope, principal };
    if (name === 'FilterLogEvents')
      return {
        ...common,
        token: input['nextToken'],
        answer: (kind) =>
          filterLogEvents(groups, input, scope, clock.now(), { searchSpan, empty: kind === 'empty-page' }),
      };
    if (name === 'DescribeLogGroups') return { ...common, answer: () => describeLogGroups(groups, input, scope) };
    if (name === 'PutLogEvents')
      return { ...common, answer: () => putLogEvents(groups, input as never, scope, clock.now()) };
    throw new ServiceFault(400, 'UnknownOperationException', `this emulator doesn't know ${name}`);
  }

  function send(response: ServerResponse, status: number, type: string, body: Buffer, extra = {}): void {
    response.writeHead(status, { 'content-type': type, 'content-length': body.length, ...extra });
    response.end(body);
  }

  function sendFault(response: ServerResponse, fault: ServiceFault, service: string): void {
    if (service === 'sts') return send(response, fault.status, 'text/xml', Buffer.from(stsError(fault)));
    const body = Buffer.from(JSON.stringify({ __type: fault.code, message: fault.message }));
    send(response, fault.status, 'application/x-amz-json-1.1', body, { 'x-amzn-errortype': fault.code });
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.sendDate = false;
    response.setHeader('date', new Date(clock.now()).toUTCString());
    response.setHeader('x-amzn-requestid', '00000000-0000-0000-0000-000000000000');
    const started = performance.now();
    let known: Known | undefined;
    const record = (outcome: Outcome) => {
      if (known === undefined) return;
      const { scope, action, resource } = known;
      statistics.call({ at: started, ...scope, action, resource, outcome });
    };
    try {
      known = await understand(request);
      const rest = latency - (performance.now() - started);
      if (rest > 0) await new Promise((resolve) => setTimeout(resolve, rest));
      const { action, scope, principal, resource, token } = known;
      const name = action.slice(action.indexOf(':') + 1);
      authorize(principal, action, resource);
      if (!throttle.admit(scope.account, scope.region, name))
        throw new ServiceFault(400, 'ThrottlingException', 'Rate exceeded');
      const kind = faults.take(name, token !== undefined);
      if (kind === 'hang') return record('failed');
      if (kind === 'reset') {
        record('failed');
        request.socket.resetAndDestroy();
        return;
      }
      serviceFault(kind, () => authorize({ ...principal, policy: { Statement: [] } }, action, resource));
      const { body, events, release } = known.answer(kind);
      if (release !== undefined) response.once('close', release);
      const type = action.startsWith('sts:') ? 'text/xml' : 'application/x-amz-json-1.1';
      if (kind === 'reset-body' || kind === 'hang-body') {
        record('failed');
        response.writeHead(200, { 'content-type': type, 'content-length': body.length });
        response.write(body.subarray(0, Math.floor(body.length / 2)), () => {
          if (kind === 'reset-body') request.socket.resetAndDestroy();
        });
        return;
      }
      record(kind === undefined || kind === 'empty-page' ? 'ok' : 'failed');
      const spoiled = spoil(kind, body, token);
      statistics.page(events, spoiled.length);
      send(response, 200, type, spoiled);
    } catch (error) {
      const fault =
        error instanceof ServiceFault ? error : new ServiceFault(400, 'SerializationException', String(error));
      record(
        fault.code === 'ThrottlingException'
          ? 'throttled'
          : fault.code.startsWith('AccessDenied')
            ? 'denied'
            : 'failed',
      );
      sendFault(response, fault, known?.action.split(':')[0] ?? '');
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

  const emulator: CloudWatchEmulator = {
    url: `http://127.0.0.1:${port}`,
    port,
    account,
    clock,
    createLogGroup({ creationTime, retentionInDays, ...address }) {
      groups.create(...full(address), creationTime ?? clock.now(), retentionInDays);
    },
    deleteLogGroup(address) {
      groups.remove(...full(address));
    },
    setRetention(address, days) {
      const group = groups.find(...full(address));
      if (group === undefined) throw new RangeError(`no log group ${address.logGroup}`);
      group.retentionInDays = days;
    },
    putEvents(address, stream, events) {
      const group = groups.find(...full(address));
      if (group === undefined) throw new RangeError(`no log group ${address.logGroup}; create it first`);
      return groups.put(group, stream, events, clock.now());
    },
    setCluster({ account: a = account, region = REGION, name, audit }) {
      const old = clusters.findIndex((c) => c.account === a && c.region === region && c.name === name);
      if (old >= 0) clusters.splice(old, 1);
      clusters.push({ account: a, region, name, audit });
    },
    fail: (order) => faults.order(order),
    clearFaults: () => faults.clear(),
    setLatency(ms) {
      latency = ms;
    },
    setLimits: (limits) => throttle.setLimits(limits),
    setOtherReaders(perSecond, { account: a = account, region = REGION, action = 'FilterLogEvents' } = {}) {
      throttle.setOthers(a, region, action, perSecond);
    },
    allowOnly(document) {
      policy = document;
    },
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
