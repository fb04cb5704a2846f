// The CloudWatch emulator, through the real SDK: page rules, tokens, clock, quota, access, and its controls over HTTP.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import {
  CloudWatchLogsClient,
  FilterLogEventsCommand,
  PutLogEventsCommand,
  type FilterLogEventsCommandInput,
} from '@aws-sdk/client-cloudwatch-logs';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { createClock } from '../../emulators/cloudwatch/clock.ts';
import { allows } from '../../emulators/cloudwatch/iam.ts';
import { startCloudWatchEmulator, type EmulatorOptions } from '../../emulators/cloudwatch/server.ts';
import { createThrottle } from '../../emulators/cloudwatch/throttle.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const T = Date.parse('2026-06-22T10:00:00Z');
const logGroup = '/aws/eks/prod/cluster';
const stream = 'kube-apiserver-audit-0a';

const cleanup: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanup.splice(0).reverse()) await step();
});

function clientOf(endpoint: string, region = 'eu-central-1') {
  const credentials = { accessKeyId: 'AKIALOCAL', secretAccessKey: 'none' };
  const client = new CloudWatchLogsClient({ endpoint, region, maxAttempts: 1, credentials });
  cleanup.push(() => client.destroy());
  return client;
}

async function start(options: EmulatorOptions = {}) {
  const emulator = await startCloudWatchEmulator({ clock: T, ...options });
  cleanup.push(() => emulator.close());
  emulator.createLogGroup({ logGroup, creationTime: T - 100 * DAY });
  const client = clientOf(emulator.url);
  const filter = (input: Partial<FilterLogEventsCommandInput> = {}) =>
    client.send(new FilterLogEventsCommand({ logGroupName: logGroup, startTime: T - HOUR, ...input }));
  const code = (input: Partial<FilterLogEventsCommandInput>) =>
    filter(input).then(
      () => 'ok',
      (error: Error) => `${error.name}: ${error.message}`,
    );
  async function pages(input: Partial<FilterLogEventsCommandInput> = {}) {
    const found: string[][] = [];
    let nextToken: string | undefined;
    do {
      const page = await filter({ ...input, nextToken });
      found.push(page.events!.map((e) => e.message!));
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
    return found;
  }
  const put = (...events: Parameters<typeof emulator.putEvents>[2][]) =>
    emulator.putEvents(
      { logGroup },
      stream,
      events.flatMap((e) => [...e]),
    );
  return { emulator, client, filter, code, pages, put };
}
const sizes = (pages: string[][]) => pages.map((p) => p.length);

describe('pages', () => {
  it('hold 10,000 events, or fewer on request; a full one always has a token', async () => {
    const { put, pages } = await start();
    put(Array.from({ length: 20_000 }, (_, i) => ({ timestamp: T - 1, message: `m${i}` })));
    expect(sizes(await pages())).toEqual([10_000, 10_000, 0]);
    expect(sizes(await pages({ limit: 9_000 }))).toEqual([9_000, 9_000, 2_000]);
  });

  it('hold 1 MB of message bytes, but always at least one event', async () => {
    const { put, pages } = await start();
    const half = 'é'.repeat(262_144);
    put(
      [half, half, 'x', half, `${half}${half}${half}`, 'y'].map((message, i) => ({ timestamp: T - 10 + i, message })),
    );
    expect(sizes(await pages())).toEqual([2, 2, 1, 1]);
  });

  it('come in the order of timestamp, ingestion, put', async () => {
    const { put, pages } = await start();
    put([
      { timestamp: T - 1, ingestionTime: T, message: 'c' },
      { timestamp: T - 1, ingestionTime: T, message: 'd' },
      { timestamp: T - 2, ingestionTime: T, message: 'a' },
      { timestamp: T - 1, ingestionTime: T - 1, message: 'b' },
    ]);
    expect((await pages()).flat()).toEqual(['a', 'b', 'c', 'd']);
  });

  it('include both ends of the time range', async () => {
    const { put, pages } = await start();
    put([1, 2, 3, 4].map((n) => ({ timestamp: T - 10 + n, message: String(n) })));
    expect((await pages({ startTime: T - 8, endTime: T - 7 })).flat()).toEqual(['2', '3']);
    expect((await pages({ startTime: T - 8, endTime: T - 8 })).flat()).toEqual(['2']);
  });

  it('of a long and sparse range are empty in between', async () => {
    const { put, pages } = await start({ searchSpan: HOUR });
    put([
      { timestamp: T - 10 * HOUR, message: 'old' },
      { timestamp: T - 1, message: 'new' },
    ]);
    const found = await pages({ startTime: T - 10 * HOUR });
    expect(found.length).toBeGreaterThan(8);
    expect(found[0]).toEqual(['old']);
    expect(found.slice(1, 9).flat()).toEqual([]);
    expect(found.flat()).toEqual(['old', 'new']);
  });

  it('give every event once, whatever the sizes, times and spans', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ ago: fc.nat(20), size: fc.constantFrom(1, 1000, 400_000, 700_000) }), { maxLength: 12 }),
        fc.integer({ min: 1, max: 5 }),
        fc.constantFrom(1, 3, 1000),
        async (events, limit, searchSpan) => {
          const { put, pages, emulator } = await start({ searchSpan });
          put(events.map(({ ago, size }, i) => ({ timestamp: T - ago, message: `${i}:${'x'.repeat(size)}` })));
          const ids = (await pages({ startTime: T - 20, limit })).flat().map((m) => Number(m.split(':')[0]));
          expect(ids.sort((a, b) => a - b)).toEqual(events.map((_, i) => i));
          await emulator.close();
          cleanup.length = 0;
        },
      ),
      { numRuns: 25 },
    );
  });
});

describe('tokens', () => {
  it('are bound to their query and live 24 hours', async () => {
    const { emulator, put, filter, code } = await start();
    emulator.createLogGroup({ logGroup: '/other' });
    put([1, 2, 3].map((n) => ({ timestamp: T - 10 + n, message: String(n) })));
    const query = { startTime: T - 100, endTime: T, limit: 1 };
    const { nextToken } = await filter(query);
    for (const other of [
      { startTime: T - 101 },
      { endTime: T + 1 },
      { logGroupName: '/other' },
      { logStreamNamePrefix: 'k' },
    ])
      expect(await code({ ...query, ...other, nextToken })).toMatch(/^InvalidParameterException/);
    expect(await code({ ...query, nextToken: `${nextToken}x` })).toMatch(/^InvalidParameterException/);
    emulator.clock.advance(24 * HOUR - 1);
    expect((await filter({ ...query, nextToken })).events?.map((e) => e.message)).toEqual(['2']);
    emulator.clock.advance(1);
    expect(await code({ ...query, nextToken })).toMatch(/^InvalidParameterException/);
  });

  it('go on behind the last event, whatever becomes visible meanwhile', async () => {
    const { emulator, put, filter } = await start();
    put([2, 4].map((n) => ({ timestamp: T - 10 + n, message: String(n) })));
    const first = await filter({ limit: 1 });
    put([1, 3].map((n) => ({ timestamp: T - 10 + n, visibleAt: T + 1, message: String(n) })));
    emulator.clock.advance(1);
    const second = await filter({ nextToken: first.nextToken });
    expect(second.events?.map((e) => e.message)).toEqual(['3', '4']);
  });
});

describe('time', () => {
  it('events are found when the clock reaches them, and not after their retention', async () => {
    const { emulator, put, pages } = await start();
    put([{ timestamp: T - 1, ingestionTime: T, visibleAt: T + 5000, message: 'slow' }]);
    expect((await pages()).flat()).toEqual([]);
    emulator.clock.advance(5000);
    expect((await pages()).flat()).toEqual(['slow']);
    emulator.setRetention({ logGroup }, 1);
    expect((await pages()).flat()).toEqual(['slow']);
    emulator.clock.advance(DAY);
    expect((await pages()).flat()).toEqual([]);
  });

  it('PutLogEvents refuses what is too old or too far ahead', async () => {
    const { emulator, client } = await start();
    const times = [T - 14 * DAY - 1, T - 14 * DAY, T, T + 2 * HOUR, T + 2 * HOUR + 1];
    const put = () =>
      client.send(
        new PutLogEventsCommand({
          logGroupName: logGroup,
          logStreamName: stream,
          logEvents: times.map((timestamp) => ({ timestamp, message: 'm' })),
        }),
      );
    expect((await put()).rejectedLogEventsInfo).toEqual({ tooOldLogEventEndIndex: 1, tooNewLogEventStartIndex: 4 });
    emulator.setRetention({ logGroup }, 7);
    expect((await put()).rejectedLogEventsInfo).toEqual({ expiredLogEventEndIndex: 2, tooNewLogEventStartIndex: 4 });
  });

  it('the Date header tells the clock', async () => {
    const { emulator } = await start();
    const { headers } = await fetch(emulator.url, { method: 'POST', body: '{}' });
    expect(Date.parse(headers.get('date')!)).toBe(T);
  });

  it('the clock: fixed, lent or real, and moved', () => {
    let lent = 5;
    for (const [clock, expected] of [
      [createClock(5), 25],
      [createClock(() => lent), 26],
    ] as const) {
      clock.advance(10);
      clock.advance(10);
      lent = 6;
      expect(clock.now()).toBe(expected);
      clock.set(3);
      expect(clock.now()).toBe(3);
    }
    const real = createClock();
    real.advance(DAY);
    real.advance(DAY);
    expect(Math.abs(real.now() - Date.now() - 2 * DAY)).toBeLessThan(HOUR);
  });
});

describe('refusals', () => {
  it('name what is wrong with a request', async () => {
    const { code } = await start();
    expect(await code({ logGroupName: '/nowhere' })).toMatch(/^ResourceNotFoundException/);
    expect(await code({ logStreamNames: ['a'], logStreamNamePrefix: 'a' })).toMatch(/^InvalidParameterException/);
    expect(await code({ limit: 10_001 })).toMatch(/^InvalidParameterException/);
    expect(await code({ startTime: 2, endTime: 1 })).toMatch(/^InvalidParameterException/);
    expect(await code({ filterPattern: 'x' })).toMatch(/^InvalidParameterException/);
  });

  it('the quota is of an account and region, and shared with other readers', () => {
    let now = 0;
    const throttle = createThrottle({ FilterLogEvents: 10 }, () => now);
    const admitted = (calls: number, region = 'r') =>
      Array.from({ length: calls }, () => throttle.admit('a', region, 'FilterLogEvents')).filter(Boolean).length;
    expect(admitted(15)).toBe(10);
    expect(admitted(15, 'other')).toBe(10);
    now += 500;
    expect(admitted(15)).toBe(5);
    throttle.setOthers('a', 'r', 'FilterLogEvents', 8);
    now += 10_000;
    expect(admitted(15)).toBe(2);
    expect(throttle.admit('a', 'r', 'DescribeLogGroups')).toBe(true);
  });

  it('a throttled call is a ThrottlingException, and counted', async () => {
    const { emulator, code } = await start({ limits: { FilterLogEvents: 0.001 } });
    expect(await code({})).toBe('ok');
    expect(await code({})).toMatch(/^ThrottlingException/);
    expect(emulator.statistics().actions['logs:FilterLogEvents']).toMatchObject({ calls: 2, ok: 1, throttled: 1 });
  });

  it('policies: wildcards, Deny, and no guessing', () => {
    const allow = (Action: string, Resource: string) => ({ Effect: 'Allow', Action, Resource }) as const;
    const arn = 'arn:aws:logs:r:1:log-group:/aws/eks/a/cluster:*';
    expect(
      allows(
        { Statement: allow('logs:Filter*', 'arn:aws:logs:*:1:log-group:/aws/eks/?/cluster:*') },
        'logs:FilterLogEvents',
        arn,
      ),
    ).toBe(true);
    expect(allows({ Statement: allow('logs:filterlogevents', '*') }, 'logs:FilterLogEvents', arn)).toBe(true);
    // without the trailing `:*` it is another resource
    expect(allows({ Statement: allow('logs:*', arn.slice(0, -2)) }, 'logs:FilterLogEvents', arn)).toBe(false);
    expect(
      allows(
        { Statement: [allow('*', '*'), { ...allow('logs:*', '*'), Effect: 'Deny' }] },
        'logs:FilterLogEvents',
        arn,
      ),
    ).toBe(false);
    expect(() => allows({ Statement: [{ ...allow('*', '*'), Condition: {} } as never] }, 'a:b', 'c')).toThrow(
      /Condition/,
    );
  });

  it('faults come as ordered: after some calls, for some calls, or to a share of them', async () => {
    const { emulator, code } = await start();
    emulator.fail({ kind: 'error-500', skip: 1, times: 2 });
    const codes: string[] = [];
    for (let i = 0; i < 4; i++) codes.push((await code({})).split(':')[0]!);
    expect(codes).toEqual(['ok', 'InternalFailure', 'InternalFailure', 'ok']);
    const shares: string[] = [];
    for (let run = 0; run < 2; run++) {
      emulator.clearFaults();
      emulator.fail({ kind: 'throttle', times: null, rate: 0.5, seed: 7 });
      let outcome = '';
      for (let i = 0; i < 30; i++) outcome += (await code({})) === 'ok' ? '.' : 'x';
      shares.push(outcome);
    }
    expect(shares[0]).toBe(shares[1]);
    expect(shares[0]).toMatch(/^(?=.*\.)(?=.*x)/);
  });
});

it('runs as a process of its own, with its controls over HTTP', async () => {
  const main = join(import.meta.dirname, '../../emulators/cloudwatch/main.ts');
  const child = spawn(process.execPath, [main, '--clock', '2026-06-22T10:00:00Z', '--account', '444455556666']);
  cleanup.push(() => child.kill());
  const { url } = JSON.parse(
    await new Promise<string>((resolve) => child.stdout.once('data', (d) => resolve(String(d)))),
  ) as { url: string };
  const control = async (what: string, body: unknown = {}) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const response = await fetch(`${url}/_admin/${what}`, { method: 'POST', body: text });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  await control('log-groups', { logGroup, region: 'us-east-1', creationTime: T - DAY });
  const lines = Array.from({ length: 2500 }, (_, i) => JSON.stringify({ timestamp: T - i, message: `m${i}` }));
  lines.push(JSON.stringify({ timestamp: T + DAY, message: 'too new' }));
  const put = await control(`events?logGroup=${logGroup}&region=us-east-1&stream=${stream}`, lines.join('\n'));
  expect(put.body).toEqual({ accepted: 2500, refused: 1 });
  const client = clientOf(url, 'us-east-1');
  const filter = () => client.send(new FilterLogEventsCommand({ logGroupName: logGroup, startTime: T - HOUR }));
  expect((await filter()).events).toHaveLength(2500);
  expect((await control('clock', { advance: HOUR })).body).toEqual({ now: T + HOUR });
  await control('retention', { logGroup, region: 'us-east-1', days: 1 });
  await control('faults', { kind: 'error-503' });
  await expect(filter()).rejects.toMatchObject({ name: 'ServiceUnavailableException' });
  await control('policy', { policy: { Statement: [] } });
  await expect(filter()).rejects.toMatchObject({ name: 'AccessDeniedException' });
  await control('policy', {});
  await control('latency', { ms: 1 });
  expect((await filter()).events).toHaveLength(2500);
  const { body } = await control('statistics', { reset: true });
  expect(body).toMatchObject({
    events: 5000,
    actions: { 'logs:FilterLogEvents': { calls: 4, ok: 2, denied: 1, failed: 1 } },
  });
  expect((await control('statistics')).body).toMatchObject({ events: 0, actions: {} });
  for (const wrong of ['nothing', 'faults']) expect((await control(wrong, { kind: 'nonsense' })).status).toBe(400);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
});
