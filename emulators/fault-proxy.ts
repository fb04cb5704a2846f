// A proxy between a client and a server that breaks answers on order: for tests of what happens when a network or service fails.

import { createServer, type IncomingMessage, request as httpRequest, type ServerResponse } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';

/** What goes wrong with one request. */
export type Fault =
  /** Answered by the proxy; the server never sees it. `body` is empty unless given. */
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body?: string;
    }
  /** Never answered; the server never sees it. The connection stays open until the client leaves or the proxy closes. */
  | { readonly kind: 'hang' }
  /** The connection is reset before the server sees anything. */
  | { readonly kind: 'refuse' }
  /** The server does its work, but the connection is reset before the client hears of it. */
  | { readonly kind: 'reset' }
  /** The server does its work, and the answer is never sent on. */
  | { readonly kind: 'silence' }
  /** The answer's headers and its first `bytes` (half of its body unless given) are sent on, then the connection is reset. */
  | { readonly kind: 'cut'; readonly bytes?: number }
  /** Forwarded after `ms` milliseconds. */
  | { readonly kind: 'delay'; readonly ms: number };

/** Which requests get a fault. The first rule that applies to a request decides; without one it passes through. */
export interface FaultRule {
  readonly fault: Fault;
  /** Only requests of this method. */
  readonly method?: string;
  /** Only requests whose path with query matches. */
  readonly path?: RegExp;
  /** Only requests that have this header with a matching value (`x-amz-target` tells operations of one path apart). */
  readonly header?: { readonly name: string; readonly value: RegExp };
  /** Lets this many matching requests pass first. */
  readonly skip?: number;
  /** Applies to this many requests, then never again. */
  readonly times?: number;
  /** Applies to each n-th matching request only. */
  readonly every?: number;
  /** Applies with this probability, drawn from the proxy's seed. */
  readonly chance?: number;
}

/** A request that the proxy saw. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly fault?: Fault['kind'];
}

export interface FaultProxy {
  /** `http://127.0.0.1:<port>`. */
  readonly url: string;
  readonly port: number;
  /** All requests in the order in which their headers arrived. */
  readonly seen: readonly Seen[];
  /** Replaces the plan; counts of the old rules are forgotten. */
  setPlan(plan: readonly FaultRule[]): void;
  /** Ends all connections, hanging ones too. */
  close(): Promise<void>;
}

export interface FaultProxyOptions {
  /** Scheme, host and port of the server. */
  readonly target: string;
  /** 0, the default: any free one. */
  readonly port?: number;
  readonly plan?: readonly FaultRule[];
  /** For `chance`. The same seed and the same order of requests give the same faults. */
  readonly seed?: number;
}

// meant for one connection only; all else passes as it came, Host too, because signatures cover it
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'proxy-connection', 'expect', 'upgrade']);

/** Starts the proxy on loopback. */
export async function startFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const target = new URL(options.target);
  const random = mulberry32(options.seed ?? 1);
  const seen: Seen[] = [];
  let rules = (options.plan ?? []).map(counted);

  const server = createServer({ keepAliveTimeout: 60_000, requestTimeout: 0 }, (request, response) => {
    const fault = rules.find((rule) => rule.applies(request, random))?.fault;
    seen.push({
      method: request.method ?? '',
      path: request.url ?? '',
      ...(fault !== undefined && { fault: fault.kind }),
    });
    // clients that leave are none of the proxy's business
    request.on('error', () => {});
    response.on('error', () => {});
    if (fault?.kind === 'hang') request.resume();
    else if (fault?.kind === 'refuse') request.socket.resetAndDestroy();
    else if (fault?.kind === 'status') answer(request, response, fault);
    else if (fault?.kind === 'delay') setTimeout(() => forward(target, request, response, undefined), fault.ms);
    else forward(target, request, response, fault);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    seen,
    setPlan: (plan) => {
      rules = plan.map(counted);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function counted(rule: FaultRule) {
  let matched = 0;
  let applied = 0;
  return {
    fault: rule.fault,
    applies(request: IncomingMessage, random: () => number): boolean {
      if (rule.method !== undefined && rule.method !== request.method) return false;
      if (rule.path !== undefined && !rule.path.test(request.url ?? '')) return false;
      if (rule.header !== undefined && !rule.header.value.test(String(request.headers[rule.header.name] ?? '')))
        return false;
      matched++;
      if (matched <= (rule.skip ?? 0) || applied >= (rule.times ?? Infinity)) return false;
      if ((matched - (rule.skip ?? 0)) % (rule.every ?? 1) !== 0) return false;
      if (rule.chance !== undefined && random() >= rule.chance) return false;
      applied++;
      return true;
    },
  };
}

/** Answers once the whole request is here: an earlier answer could reach the client as a reset. */
function answer(request: IncomingMessage, response: ServerResponse, fault: Fault & { kind: 'status' }): void {
  request.resume();
  request.on('end', () => {
    response.writeHead(fault.status, fault.headers);
    response.end(request.method === 'HEAD' ? undefined : fault.body);
  });
}

function forward(
  target: URL,
  request: IncomingMessage,
  response: ServerResponse,
  fault: Exclude<Fault, { kind: 'status' | 'delay' }> | undefined,
): void {
  const send = target.protocol === 'https:' ? httpsRequest : httpRequest;
  const headers: string[] = [];
  for (let i = 0; i < request.rawHeaders.length; i += 2)
    if (!HOP_BY_HOP.has(request.rawHeaders[i]!.toLowerCase()))
      headers.push(request.rawHeaders[i]!, request.rawHeaders[i + 1]!);
  const onward = send(
    target,
    { method: request.method, path: request.url, headers, agent: false, setHost: false },
    (reply) => {
      if (fault?.kind === 'reset' || fault?.kind === 'silence') {
        reply.resume();
        // only when the server is through with it: the work is done for certain
        reply.on('close', () => {
          if (fault.kind === 'reset') request.socket.resetAndDestroy();
        });
        return;
      }
      response.writeHead(
        reply.statusCode ?? 502,
        reply.statusMessage,
        reply.rawHeaders.filter((_, i, all) => !HOP_BY_HOP.has(all[i - (i % 2)]!.toLowerCase())),
      );
      reply.on('error', () => request.socket.resetAndDestroy());
      if (fault?.kind === 'cut') cut(reply, response, request, fault.bytes);
      else reply.pipe(response);
    },
  );
  onward.on('error', () => request.socket.resetAndDestroy());
  request.on('close', () => {
    if (!request.complete) onward.destroy();
  });
  request.pipe(onward);
}

function cut(reply: IncomingMessage, response: ServerResponse, request: IncomingMessage, bytes?: number): void {
  const chunks: Buffer[] = [];
  reply.on('data', (chunk: Buffer) => chunks.push(chunk));
  reply.on('end', () => {
    const body = Buffer.concat(chunks);
    response.flushHeaders();
    // the client gets this part for certain, because the reset waits until it has left
    response.write(body.subarray(0, bytes ?? body.length >> 1), () => {
      setImmediate(() => request.socket.destroy());
    });
  });
}

/** Small seeded generator (Mulberry32). */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}
