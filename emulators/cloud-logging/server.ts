// A stand-in for Cloud Logging on loopback, with what else the GKE provider asks: buckets, IAM policy, permissions, tokens. Speaks Google's REST.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { type Clock, createClock } from '../cloudwatch/clock.ts';
import { type Call, createStatistics, type Outcome, type Statistics } from '../cloudwatch/statistics.ts';
import { createActions, type Known, projectOf } from './actions.ts';
import { handleAdmin } from './admin.ts';
import { createFaults, faultAnswer, type FaultOrder, ServiceFault } from './fault.ts';
import { createProjects, type EntryInput } from './projects.ts';
import { createQuota } from './quota.ts';
import { spoil } from './spoil.ts';

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

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** Starts the emulator on 127.0.0.1. */
export async function startCloudLoggingEmulator(options: EmulatorOptions = {}): Promise<CloudLoggingEmulator> {
  const { searchLimit = Number.POSITIVE_INFINITY, gzip = true, needsToken = false } = options;
  const clock = createClock(options.clock);
  const projects = createProjects();
  const actions = createActions(projects, () => clock.now(), searchLimit);
  const faults = createFaults();
  const quota = createQuota(options.callsPerMinute, () => performance.now());
  const statistics = createStatistics();
  let latency = options.latency ?? 0;

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
      const { pathname } = new URL(request.url ?? '', 'http://localhost');
      known = actions.understand(`${request.method} ${pathname}`, await readBody(request));
      const { action, resource, token } = known;
      const rest = latency - (performance.now() - started);
      if (rest > 0) await new Promise((resolve) => setTimeout(resolve, rest));
      const bearer = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
      if (needsToken && action !== 'token' && !actions.isToken(bearer)) throw faultAnswer('unknown-credentials');
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
      projectOf(projects, project).retentionDays = days;
    },
    createBucket({ project, location, bucket, retentionDays, createTime = clock.now() }) {
      projectOf(projects, project).buckets.set(`${location}/${bucket}`, { retentionDays, createTime });
    },
    putFolder: ({ folder, projects: below }) => projects.putFolder(folder, below),
    setDataAccess(project, types) {
      projectOf(projects, project).dataAccess = types;
    },
    putEntries: (project, entries) => projects.put(projectOf(projects, project), entries, clock.now()),
    fail: (order) => faults.order(order),
    clearFaults: () => faults.clear(),
    setLatency(ms) {
      latency = ms;
    },
    setCallsPerMinute: (limit) => quota.setLimit(limit),
    setOtherReaders: (perMinute) => quota.setOthers(perMinute),
    allowOnly: (list) => actions.allowOnly(list),
    expireTokens: () => actions.expireTokens(),
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
