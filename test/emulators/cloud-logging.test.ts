// The Cloud Logging emulator: the filters it reads, the pages it gives, who may see what, and as a process of its own.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import { parseFilter } from '../../emulators/cloud-logging/filter.ts';
import { nanoTime } from '../../emulators/cloud-logging/nano-time.ts';
import {
  type CloudLoggingEmulator,
  type EmulatorOptions,
  startCloudLoggingEmulator,
} from '../../emulators/cloud-logging/server.ts';

type Json = Record<string, unknown>;
interface Page {
  readonly entries?: readonly Json[];
  readonly nextPageToken?: string;
}

const NOW = Date.parse('2026-06-22T12:00:00Z');
const ALL = 'timestamp>="2020-01-01T00:00:00Z"';

let emulator: CloudLoggingEmulator;
let running: CloudLoggingEmulator | undefined;
afterEach(async () => {
  await running?.close();
  running = undefined;
});

async function start(options: EmulatorOptions = {}): Promise<void> {
  emulator = await startCloudLoggingEmulator({ clock: NOW, ...options });
  running = emulator;
  emulator.createProject({ project: 'p' });
}

async function post(path: string, body: unknown): Promise<{ status: number; text: string; json: Json }> {
  const response = await fetch(`${emulator.url}${path}`, { method: 'POST', body: JSON.stringify(body) });
  const text = await response.text();
  return { status: response.status, text, json: JSON.parse(text) as Json };
}

const list = (more: Json = {}) =>
  post('/v2/entries:list?prettyPrint=false', { resourceNames: ['projects/p'], filter: ALL, ...more });

const log = (name: string) => `projects/p/logs/cloudaudit.googleapis.com%2F${name}`;
const entry = (insertId: string, timestamp = '2026-06-22T10:00:00Z', more: Json = {}): Json => ({
  insertId,
  timestamp,
  receiveTimestamp: timestamp,
  logName: log('activity'),
  ...more,
});
const put = (...entries: Json[]) =>
  emulator.putEntries(
    'p',
    entries.map((e) => ({ entry: e })),
  );
const ids = (page: Json) => ((page as Page).entries ?? []).map((e) => e['insertId']);

describe('filters', () => {
  const fields = new Map([
    ['resource.type', 'k8s_cluster'],
    ['resource.labels.cluster_name', 'data'],
    ['logName', log('activity')],
    ['receiveTimestamp', nanoTime('2026-06-22T10:00:00.000000001Z')!],
    ['timestamp', nanoTime('2026-06-22T10:00:00Z')!],
  ]);
  for (const [filter, expected] of [
    ['', true],
    ['resource.type="k8s_cluster"', true],
    ['resource.type = "K8S_Cluster"', true],
    ['resource.type="k8s_node"', false],
    ['resource.type="k8s_cluster" AND resource.labels.cluster_name="other"', false],
    [`logName=("x" OR "${log('activity')}")`, true],
    ['logName=("x" OR "y")', false],
    ['receiveTimestamp>="2026-06-22T10:00:00.000000001Z"', true],
    ['receiveTimestamp>"2026-06-22T10:00:00.000000001Z"', false],
    ['receiveTimestamp<"2026-06-22T10:00:00.000000002Z"', true],
    ['receiveTimestamp<"2026-06-22T12:00:00.000000001+02:00"', false],
    ['timestamp<="2026-06-22T10:00:00Z"', true],
    ['protoPayload.serviceName="k8s.io"', false],
    ['insertId="a\\"b\\\\\\x41"', false],
  ] as const)
    it(`${filter || 'none'} → ${expected}`, () => {
      expect(parseFilter(filter).matches(fields)).toBe(expected);
    });
  for (const filter of [
    'resource.type',
    'resource.type=',
    'resource.type=k8s_cluster',
    'resource.type="a" resource.type="b"',
    'resource.type="a" OR resource.type="b"',
    'resource.type="a" AND',
    'NOT resource.type="a"',
    'resource.type:"a"',
    'resource.type=~"a"',
    'resource.type!="a"',
    'resource.type="a',
    'resource.type="\\q"',
    'resource.type=("a" "b")',
    'resource.type=("a" OR "b"',
    'timestamp="2026-06-22T10:00:00Z"',
    'timestamp>="yesterday"',
    'receivetimestamp>="2026-06-22T10:00:00Z"',
    'labels.x="y"',
    '"text"',
    `insertId="${'x'.repeat(20_000)}"`,
  ])
    it(`${filter.slice(0, 50)} is refused`, () => {
      expect(() => parseFilter(filter)).toThrow('Unparseable filter');
    });
});

describe('pages', () => {
  it('are in order of timestamp, then insertId, and hold at most pageSize, 50 if not said, 1000 at most', async () => {
    await start();
    put(...Array.from({ length: 1200 }, (_, i) => entry(`e-${String((i * 7) % 1200).padStart(4, '0')}`)));
    expect(ids((await list()).json)).toHaveLength(50);
    const page = (await list({ pageSize: 5000 })).json;
    expect(ids(page)).toEqual(Array.from({ length: 1000 }, (_, i) => `e-${String(i).padStart(4, '0')}`));
    expect(ids((await list({ pageSize: 5000, pageToken: page['nextPageToken'] })).json)).toHaveLength(200);
  });
  it('hold entries with the same project, timestamp and insertId once', async () => {
    await start();
    put(entry('a'), entry('a'), entry('a', '2026-06-22T10:00:00.000000001Z'), entry('b'));
    expect(ids((await list()).json)).toEqual(['a', 'b', 'a']);
  });
  it('of nothing have neither entries nor token', async () => {
    await start();
    expect((await list()).text).toBe('{}');
  });
  it('are printed for people unless told otherwise, and then hold the entry as it was put', async () => {
    await start();
    const text = `{"insertId":"a","timestamp":"2026-06-22T10:00:00Z","receiveTimestamp":"2026-06-22T10:00:00Z","n":1.0}`;
    emulator.putEntries('p', [{ entry: text }]);
    expect((await list()).text).toBe(`{"entries":[${text}]}`);
    expect((await post('/v2/entries:list', { resourceNames: ['projects/p'], filter: ALL })).text).toContain(
      '\n  "entries"',
    );
  });
  it('follow each other by position, whatever becomes visible in between', async () => {
    await start();
    put(entry('b'), entry('d'));
    emulator.putEntries('p', [
      { entry: entry('a'), visibleAt: NOW + 1 },
      { entry: entry('c'), visibleAt: NOW + 1 },
    ]);
    const first = (await list({ pageSize: 1 })).json as Page;
    emulator.clock.advance(1);
    const second = (await list({ pageSize: 1, pageToken: first.nextPageToken })).json as Page;
    const third = (await list({ pageSize: 9, pageToken: second.nextPageToken })).json as Page;
    expect([first, second, third].flatMap((p) => ids(p as Json))).toEqual(['b', 'c', 'd']);
    expect(ids((await list()).json)).toEqual(['a', 'b', 'c', 'd']);
  });
  it('a token is good for its query and for 24 hours', async () => {
    await start();
    put(entry('a'), entry('b'));
    const pageToken = ((await list({ pageSize: 1 })).json as Page).nextPageToken;
    for (const more of [
      { pageToken, filter: `${ALL} AND insertId="b"` },
      { pageToken, resourceNames: ['projects/p', 'projects/p'] },
      { pageToken: 'another' },
      { pageToken: `${pageToken}=` },
    ])
      expect((await list(more)).status).toBe(400);
    expect((await list({ pageToken, pageSize: 7 })).status).toBe(200);
    emulator.clock.advance(24 * 3_600_000);
    expect((await list({ pageToken })).status).toBe(400);
  });
  for (const [more, status] of [
    [{ orderBy: 'timestamp desc' }, 400],
    [{ pageSize: -1 }, 400],
    [{ resourceNames: [] }, 400],
    [{ resourceNames: ['projects/other'] }, 404],
    [{ resourceNames: ['folders/7'] }, 404],
    [{ resourceNames: ['projects/p/locations/eu/buckets/_Default/views/v'] }, 404],
    [{ filter: 'x' }, 400],
  ] as const)
    it(`${JSON.stringify(more)} → ${status}`, async () => {
      await start();
      expect((await list(more)).status).toBe(status);
    });
  it('end with the retention: 30 days for reads, 400 for writes', async () => {
    await start();
    const at = (days: number) => new Date(NOW - days * 86_400_000).toISOString();
    put(entry('new', at(29), { logName: log('data_access') }), entry('old', at(31), { logName: log('data_access') }));
    put(entry('written', at(399)), entry('gone', at(401)));
    expect(ids((await list()).json)).toEqual(['written', 'new']);
  });
});

describe('permissions', () => {
  it('private entries are left out without a word', async () => {
    await start();
    put(entry('w'), entry('r', undefined, { logName: log('data_access') }));
    emulator.allowOnly(['logging.logEntries.list']);
    expect(await list()).toMatchObject({ status: 200, json: { entries: [{ insertId: 'w' }] } });
    emulator.allowOnly([]);
    expect((await list()).json).toMatchObject({ error: { code: 403, status: 'PERMISSION_DENIED' } });
    expect((await post('/v3/projects/p:getIamPolicy', {})).status).toBe(403);
  });
  it('can be asked for without any', async () => {
    await start();
    emulator.allowOnly(['a']);
    expect((await post('/v3/projects/p:testIamPermissions', { permissions: ['a', 'b'] })).json).toEqual({
      permissions: ['a'],
    });
  });
  it('a call that the emulator does not know is refused by name', async () => {
    await start();
    expect(await post('/v2/entries:tail', {})).toMatchObject({ status: 404 });
    expect((await post('/v2/entries:tail', {})).text).toContain('POST /v2/entries:tail');
  });
});

describe('quota and faults', () => {
  it('so many calls a minute and project, refused ones not counted', async () => {
    await start({ callsPerMinute: 3 });
    const statuses: number[] = [];
    for (let i = 0; i < 5; i++) statuses.push((await list()).status);
    // a minute may have begun in between
    expect(statuses.filter((s) => s === 200).length).toBeGreaterThanOrEqual(3);
    expect(statuses[4] === 429 || statuses.filter((s) => s === 429).length === 1).toBe(true);
    expect(emulator.statistics().actions['entries.list']!.throttled).toBe(statuses.filter((s) => s === 429).length);
  });
  it('come as often as ordered, for the action ordered', async () => {
    await start();
    emulator.fail({ kind: 'error-503', skip: 1, times: 2, every: 2 });
    emulator.fail({ kind: 'error-500', action: 'getIamPolicy', times: null });
    const statuses: number[] = [];
    for (let i = 0; i < 6; i++) statuses.push((await list()).status);
    expect(statuses).toEqual([200, 503, 200, 503, 200, 200]);
    for (let i = 0; i < 3; i++) expect((await post('/v3/projects/p:getIamPolicy', {})).status).toBe(500);
    emulator.clearFaults();
    expect((await post('/v3/projects/p:getIamPolicy', {})).status).toBe(200);
    expect(() => emulator.fail({ kind: 'nonsense' as never })).toThrow('no such fault');
  });
});

describe('as a process', () => {
  it('takes its controls over HTTP', async () => {
    const main = join(import.meta.dirname, '../../emulators/cloud-logging/main.ts');
    const child = spawn(process.execPath, [main, '--clock', '2026-06-22T12:00:00Z', '--calls-per-minute', '2'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
      const { url } = JSON.parse(line) as { url: string };
      const admin = async (what: string, body: string) =>
        (await fetch(`${url}/_admin/${what}`, { method: 'POST', body })).json() as Promise<Json>;
      await admin('projects', '{"project":"p"}');
      const lines = ['a', 'b'].map((id) => `${JSON.stringify({ entry: entry(id) })}\n`).join('');
      expect(await admin('entries?project=p', lines)).toEqual({ accepted: 2 });
      expect(await admin('nonsense', '{}')).toEqual({ error: 'no such control: nonsense' });
      expect(await admin('clock', '{"advance":1000}')).toEqual({ now: NOW + 1000 });
      const response = await fetch(`${url}/v2/entries:list`, {
        method: 'POST',
        body: JSON.stringify({ resourceNames: ['projects/p'], filter: ALL }),
      });
      expect(response.headers.get('date')).toBe(new Date(NOW + 1000).toUTCString());
      expect(ids((await response.json()) as Json)).toEqual(['a', 'b']);
      expect(await admin('statistics', '{}')).toMatchObject({ events: 2, actions: { 'entries.list': { ok: 1 } } });
    } finally {
      child.kill();
      await once(child, 'exit');
    }
  });
});
