// A stand-in for the query API of Log Analytics and the little of Azure Resource Manager that goes with it, on loopback.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { type Clock, createClock } from '../cloudwatch/clock.ts';
import { handleAdmin } from './admin.ts';
import { createFaults, faultBody, type FaultKind, type FaultOrder, FAULTS, ServiceFault } from './fault.ts';
import { canonicalTime, parseKql } from './kql-parse.ts';
import { runKql } from './kql-run.ts';
import { createGate, DEFAULT_LIMITS, type Limits } from './limits.ts';
import { createManagement, type DiagnosticSetting, type Permissions } from './management.ts';
import { render } from './render.ts';
import { spoil } from './spoil.ts';
import { createWorkspaces, type RowInput, store } from './tables.ts';

export interface EmulatorOptions {
  /** Default: any free one. */
  readonly port?: number;
  /** A time to stand still at, a function to ask, or (default) the real time. */
  readonly clock?: number | (() => number);
  /** Milliseconds from a call to its answer. Default 0. */
  readonly latency?: number;
  readonly limits?: Limits;
  /** Answers are zipped where the caller takes that. Default false. */
  readonly gzip?: boolean;
}

export interface WorkspaceInput {
  /** The GUID. */
  readonly id: string;
  /** As Resource Manager names it. */
  readonly resourceId: string;
}

export interface Statistics {
  /** Calls of the query API that returned rows of a table, refused ones included. */
  readonly pages: number;
  readonly queries: number;
  readonly management: number;
  readonly throttled: number;
  /** Answers that were cut for being too large. */
  readonly partial: number;
  readonly rows: number;
  readonly bytes: number;
  /** Most queries at once. */
  readonly busiest: number;
}

export interface LogAnalyticsEmulator {
  /** `http://127.0.0.1:<port>`: the `endpoint` of a cluster. */
  readonly url: string;
  readonly port: number;
  readonly clock: Clock;
  createWorkspace(workspace: WorkspaceInput): void;
  /** Also changes a table that is there. `without`: columns that it doesn't have. */
  createTable(
    workspace: string,
    name: string,
    table?: { plan?: string; retentionInDays?: number; without?: readonly string[] },
  ): void;
  /** Makes the table if it isn't there. */
  putRows(workspace: string, table: string, rows: Iterable<RowInput>): void;
  setDiagnosticSettings(resource: string, settings: readonly DiagnosticSetting[]): void;
  fail(order: FaultOrder): void;
  clearFaults(): void;
  setLatency(ms: number): void;
  setLimits(limits: Limits): void;
  /** The caller may do only this; undefined = everything. */
  allowOnly(permissions: Permissions | undefined): void;
  /** Queries in the order in which they came. */
  queries(): readonly string[];
  statistics(): Statistics;
  resetStatistics(): void;
  close(): Promise<void>;
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/** `timespan` of a request: two times with a slash between them. */
function timespanOf(text: unknown) {
  if (typeof text !== 'string') return {};
  const [from, to] = text.split('/');
  if (from === undefined || to === undefined) throw new ServiceFault(400, 'BadArgumentError', `timespan: ${text}`);
  return { timespan: { from: canonicalTime(from), to: canonicalTime(to) } };
}

/** Starts the emulator on 127.0.0.1. */
export async function startLogAnalyticsEmulator(options: EmulatorOptions = {}): Promise<LogAnalyticsEmulator> {
  const clock = createClock(options.clock);
  const workspaces = createWorkspaces();
  const management = createManagement(workspaces);
  const faults = createFaults();
  let limits = options.limits ?? {};
  let gate = createGate(() => limits);
  let latency = options.latency ?? 0;
  let permissions: Permissions | undefined;
  let asked: string[] = [];
  const none = { pages: 0, queries: 0, management: 0, throttled: 0, partial: 0, rows: 0, bytes: 0 };
  let counts = { ...none };

  function send(request: IncomingMessage, response: ServerResponse, status: number, body: string, headers = {}): void {
    const zip = options.gzip === true && /\bgzip\b/.test(String(request.headers['accept-encoding']));
    const bytes = zip ? gzipSync(body, { level: 1 }) : Buffer.from(body);
    response.writeHead(status, {
      'content-type': 'application/json; charset=utf-8',
      'content-length': bytes.length,
      ...(zip && { 'content-encoding': 'gzip' }),
      ...headers,
    });
    response.end(bytes);
  }

  /** A 200 that never comes whole; undefined if the fault is none of those. */
  function broken(
    request: IncomingMessage,
    response: ServerResponse,
    kind: FaultKind | undefined,
    body: string,
  ): boolean {
    if (kind === 'cut-body') send(request, response, 200, body.slice(0, Math.floor(body.length * 0.7)));
    else if (kind === 'not-json')
      send(request, response, 200, '<html><body>502 Bad Gateway</body></html>', { 'content-type': 'text/html' });
    else if (kind === 'reset-body' || kind === 'hang-body') {
      const zip = options.gzip === true;
      const bytes = zip ? gzipSync(body, { level: 1 }) : Buffer.from(body);
      response.writeHead(200, {
        'content-type': 'application/json',
        'content-length': bytes.length,
        ...(zip && { 'content-encoding': 'gzip' }),
      });
      response.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => {
        if (kind === 'reset-body') request.socket.resetAndDestroy();
      });
    } else return false;
    return true;
  }

  async function query(id: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = JSON.parse(await readBody(request)) as { query?: string; timespan?: string };
    const text = String(body.query);
    asked.push(text);
    counts.queries++;
    if (text.includes('| take') && text.includes('Arrival =')) counts.pages++;
    gate.enter();
    try {
      if (latency > 0) await new Promise((resolve) => setTimeout(resolve, latency));
      const kind = faults.take('query');
      if (kind === 'hang') return;
      if (kind === 'reset') {
        request.socket.resetAndDestroy();
        return;
      }
      const fault = kind === undefined ? undefined : FAULTS[kind];
      if (fault !== undefined) throw fault;
      const result = runKql(parseKql(text), workspaces.find(id), {
        now: clock.now(),
        ...timespanOf(body.timespan),
        mayRead(table) {
          if (permissions?.tables?.includes(table) === false) throw FAULTS['access-denied']!;
        },
      });
      const answer = render(spoil(kind, result), { ...DEFAULT_LIMITS, ...limits }, kind === 'partial');
      if (answer.partial) counts.partial++;
      if (broken(request, response, kind, answer.body)) return;
      counts.rows += answer.rows;
      counts.bytes += answer.body.length;
      send(request, response, 200, answer.body);
    } finally {
      gate.leave();
    }
  }

  function manage(path: string, request: IncomingMessage, response: ServerResponse): void {
    counts.management++;
    const kind = faults.take('management');
    if (kind === 'hang') return;
    const fault = kind === undefined ? undefined : FAULTS[kind];
    if (fault !== undefined) throw fault;
    send(request, response, 200, JSON.stringify(management.get(path, permissions ?? {})));
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.sendDate = false;
    response.setHeader('date', new Date(clock.now()).toUTCString());
    const path = decodeURIComponent(new URL(request.url ?? '', 'http://localhost').pathname);
    try {
      const id = /^\/v1\/workspaces\/([^/]+)\/query$/.exec(path)?.[1];
      if (request.method === 'POST' && id !== undefined) return await query(id, request, response);
      if (request.method === 'GET' && path.startsWith('/subscriptions/')) return manage(path, request, response);
      throw new ServiceFault(404, 'PathNotFoundError', 'The requested path does not exist');
    } catch (error) {
      const fault = error instanceof ServiceFault ? error : new ServiceFault(500, 'InternalServerError', String(error));
      if (fault.status === 429) counts.throttled++;
      const headers = fault.retryAfter === undefined ? {} : { 'retry-after': String(fault.retryAfter) };
      send(request, response, fault.status, JSON.stringify(faultBody(fault)), headers);
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

  const emulator: LogAnalyticsEmulator = {
    url: `http://127.0.0.1:${port}`,
    port,
    clock,
    createWorkspace: ({ id, resourceId }) => workspaces.create(id, resourceId),
    createTable(workspace, name, { plan, retentionInDays, without } = {}) {
      const table = workspaces.table(workspaces.find(workspace), name, without);
      if (plan !== undefined) table.plan = plan;
      if (retentionInDays !== undefined) table.retentionInDays = retentionInDays;
    },
    putRows(workspace, name, rows) {
      const table = workspaces.table(workspaces.find(workspace), name);
      for (const row of rows) table.rows.push(store(name, table, row, clock.now()));
      table.sorted = false;
    },
    setDiagnosticSettings: (resource, list) => management.set(resource, list),
    fail: (order) => faults.order(order),
    clearFaults: () => faults.clear(),
    setLatency(ms) {
      latency = ms;
    },
    setLimits(next) {
      limits = next;
      gate = createGate(() => limits);
    },
    allowOnly(next) {
      permissions = next;
    },
    queries: () => asked,
    statistics: () => ({ ...counts, busiest: gate.busiest }),
    resetStatistics() {
      counts = { ...none };
      asked = [];
      gate = createGate(() => limits);
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return emulator;
}
