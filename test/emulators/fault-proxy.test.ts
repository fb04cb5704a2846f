// The fault proxy does what it is told, and nothing else to any other request.

import { createServer, type Server } from 'node:http';
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Fault, type FaultRule, startFaultProxy } from '../../emulators/fault-proxy.ts';

let server: Server;
let target = '';
/** What the server behind the proxy got to see. */
let served: { method: string; path: string; host: string; body: string }[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      served.push({ method: request.method!, path: request.url!, host: request.headers.host!, body });
      response.setHeader('x-answer', 'yes');
      response.end(`got ${body}`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  target = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

/** One request through a proxy with this plan; `error` is the code of what broke it. */
async function ask(url: string, method = 'POST', path = '/a?b=c', body = 'hello') {
  return new Promise<{ status?: number; body: string; error?: string }>((resolve) => {
    let text = '';
    const outgoing = request(
      `${url}${path}`,
      { method, headers: { host: 'signed.example:1', 'content-length': body.length }, agent: false, timeout: 500 },
      (reply) => {
        reply.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        reply.on('end', () => resolve({ status: reply.statusCode!, body: text }));
        reply.on('error', (error: NodeJS.ErrnoException) =>
          resolve({ status: reply.statusCode!, body: text, error: error.code! }),
        );
      },
    );
    outgoing.on('timeout', () => outgoing.destroy(Object.assign(new Error(), { code: 'timeout' })));
    outgoing.on('error', (error: NodeJS.ErrnoException) => resolve({ body: text, error: error.code! }));
    outgoing.end(body);
  });
}

async function withPlan<T>(plan: readonly FaultRule[], work: (url: string) => Promise<T>, seed = 1): Promise<T> {
  served = [];
  const proxy = await startFaultProxy({ target, plan, seed });
  try {
    return await work(proxy.url);
  } finally {
    await proxy.close();
  }
}

const once = (fault: Fault) => withPlan([{ fault }], (url) => ask(url));

test('without a plan all passes as it came, the Host header too', async () => {
  const answer = await withPlan([], (url) => ask(url));
  expect(answer).toEqual({ status: 200, body: 'got hello' });
  expect(served).toEqual([{ method: 'POST', path: '/a?b=c', host: 'signed.example:1', body: 'hello' }]);
});

test('faults before the server: it never sees the request', async () => {
  expect(await once({ kind: 'status', status: 503, body: 'busy' })).toEqual({ status: 503, body: 'busy' });
  expect(await once({ kind: 'hang' })).toEqual({ body: '', error: 'timeout' });
  expect(await once({ kind: 'refuse' })).toEqual({ body: '', error: 'ECONNRESET' });
  expect(served).toEqual([]);
});

test('faults after the server: its work is done', async () => {
  expect(await once({ kind: 'reset' })).toEqual({ body: '', error: 'ECONNRESET' });
  expect(served).toHaveLength(1);
  expect(await once({ kind: 'silence' })).toEqual({ body: '', error: 'timeout' });
  expect(served).toHaveLength(1);
  expect(await once({ kind: 'cut' })).toEqual({ status: 200, body: 'got ', error: 'ECONNRESET' });
  expect(await once({ kind: 'cut', bytes: 1 })).toEqual({ status: 200, body: 'g', error: 'ECONNRESET' });
  expect(await once({ kind: 'delay', ms: 5 })).toEqual({ status: 200, body: 'got hello' });
});

test('rules choose by method, path, header and count', async () => {
  const busy = { kind: 'status', status: 503 } as const;
  const statuses = (plan: readonly FaultRule[], requests: readonly [string, string][]) =>
    withPlan(plan, async (url) => {
      const all: (number | undefined)[] = [];
      for (const [method, path] of requests) all.push((await ask(url, method, path)).status);
      return all;
    });
  const six = Array.from({ length: 6 }, () => ['PUT', '/x'] as [string, string]);
  expect(await statuses([{ fault: busy, skip: 1, times: 2 }], six)).toEqual([200, 503, 503, 200, 200, 200]);
  expect(await statuses([{ fault: busy, every: 3 }], six)).toEqual([200, 200, 503, 200, 200, 503]);
  expect(
    await statuses(
      [{ fault: busy, method: 'PUT', path: /ledger/ }],
      [
        ['PUT', '/b/ledger/x'],
        ['PUT', '/b/events/x'],
        ['POST', '/b/ledger/x'],
      ],
    ),
  ).toEqual([503, 200, 200]);
  expect(await statuses([{ fault: busy, header: { name: 'host', value: /other/ } }], six.slice(1))).not.toContain(503);
});

test('chance depends on the seed alone', async () => {
  const run = (seed: number) =>
    withPlan(
      [{ fault: { kind: 'status', status: 500 }, chance: 0.5 }],
      async (url) => {
        let text = '';
        for (let i = 0; i < 24; i++) text += (await ask(url)).status === 500 ? 'x' : '.';
        return text;
      },
      seed,
    );
  const first = await run(7);
  expect(first).toMatch(/x/);
  expect(first).toMatch(/\./);
  expect(await run(7)).toBe(first);
  expect(await run(8)).not.toBe(first);
});
