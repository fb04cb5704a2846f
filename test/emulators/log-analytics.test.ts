// The emulator of Log Analytics by itself: the KQL it takes and refuses, its limits, and its life as a process of its own.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { type LogAnalyticsEmulator, startLogAnalyticsEmulator } from '../../emulators/log-analytics/server.ts';
import { KUBE_LOG, readKubeLog } from '../../emulators/story/fixture.ts';
import { scanEvent } from '../../src/event.ts';
import { intruderFacts } from '../../emulators/story/index.ts';
import { dayOfAksRows, toAuditRow, toDiagnosticsRow, toEnvelope } from '../../emulators/story/aks.ts';

const WORKSPACE = '0f3e5c1a-7b2d-4c8e-9f60-112233445566';
const RESOURCE = '/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/m';
const ORIGIN = { resource: RESOURCE, pod: 'kube-apiserver-1' };
const NOW = Date.parse('2026-11-22T17:00:00Z');

const open: LogAnalyticsEmulator[] = [];
afterEach(async () => {
  for (const emulator of open.splice(0)) await emulator.close();
});

async function start(rows = 0, options = {}): Promise<LogAnalyticsEmulator> {
  const emulator = await startLogAnalyticsEmulator({ clock: NOW, ...options });
  open.push(emulator);
  emulator.createWorkspace({ id: WORKSPACE, resourceId: '/subscriptions/s/x/workspaces/w' });
  const { lines } = readKubeLog();
  emulator.putRows(
    WORKSPACE,
    'AKSAudit',
    lines
      .slice(0, rows)
      .map((line, i) => ({ columns: toAuditRow(line.toString(), ORIGIN), ingested: NOW - 60_000 + i })),
  );
  return emulator;
}

interface Answer {
  status: number;
  headers: Headers;
  body: { tables?: { columns: { name: string; type: string }[]; rows: unknown[][] }[]; error?: { code: string } };
}

async function ask(url: string, query: string, body: object = {}): Promise<Answer> {
  const response = await fetch(`${url}/v1/workspaces/${WORKSPACE}/query`, {
    method: 'POST',
    body: JSON.stringify({ query, ...body }),
  });
  return { status: response.status, headers: response.headers, body: (await response.json()) as Answer['body'] };
}

describe('KQL', () => {
  it('filters, projects, counts and takes', async () => {
    const { url } = await start(300);
    const lines = readKubeLog()
      .lines.slice(0, 300)
      .map((line) => JSON.parse(line.toString()) as { verb: string });
    const gets = lines.filter(({ verb }) => verb === 'get').length;
    const counted = await ask(url, 'AKSAudit | where Verb == "get" | summarize Rows = count() by Verb');
    expect(counted.body.tables![0]).toMatchObject({
      columns: [
        { name: 'Verb', type: 'string' },
        { name: 'Rows', type: 'long' },
      ],
      rows: [['get', gets]],
    });
    const taken = await ask(url, 'AKSAudit | project Verb, Time = tostring(StageReceivedTime) | take 7');
    expect(taken.body.tables![0]!.rows).toHaveLength(7);
    expect(taken.body.tables![0]!.rows[0]![1]).toMatch(/^2026-11-22T\d\d:\d\d:\d\d\.\d{7}Z$/);
  });

  it('spreads rows over hash buckets, each row in one', async () => {
    const { url } = await start(300);
    let sum = 0;
    for (let i = 0; i < 4; i++) {
      const query = `AKSAudit | where hash_xxhash64(strcat(AuditId, Stage), 4) == ${i} | summarize Rows = count()`;
      const rows = Number((await ask(url, query)).body.tables![0]!.rows[0]![0]);
      expect(rows).toBeGreaterThan(0);
      sum += rows;
    }
    expect(sum).toBe(300);
  });

  it('has what the clock lets be found, within retention and timespan', async () => {
    const emulator = await start();
    const columns = toAuditRow(readKubeLog().lines[0]!.toString(), ORIGIN);
    emulator.putRows(WORKSPACE, 'AKSAudit', [
      { columns, ingested: NOW, visibleAt: NOW + 60_000 },
      { columns: { ...columns, TimeGenerated: '2026-11-10T00:00:00Z' }, ingested: NOW - 1000 },
    ]);
    const count = async (body = {}) =>
      Number((await ask(emulator.url, 'AKSAudit | summarize Rows = count()', body)).body.tables![0]!.rows[0]![0]);
    expect(await count()).toBe(1);
    emulator.clock.advance(60_000);
    expect(await count()).toBe(2);
    expect(await count({ timespan: '2026-11-10T00:00:00.000Z/2026-11-11T00:00:00.000Z' })).toBe(0);
    emulator.clock.advance(31 * 86_400_000);
    expect(await count()).toBe(0);
  });

  it('refuses what it does not know, with the codes of the service', async () => {
    const { url } = await start(1);
    for (const [query, code] of [
      ['Nowhere | take 1', 'SEM0100'],
      ['AKSAudit | where Nothing == "x"', 'SEM0100'],
      ['AKSAudit | where Verb == 7', 'SEM0064'],
      ['AKSAudit | where nonsense(Verb)', 'SEM0260'],
      ['AKSAudit | join kind=inner AKSAudit on AuditId', 'SYN0002'],
      ['AKSAudit | where Verb == "open', 'SYN0002'],
      ['AKSAudit; drop', 'SYN0002'],
      ['union isfuzzy=true (Nowhere), (Elsewhere) | take 1', 'SEM0100'],
    ] as const) {
      const { status, body } = await ask(url, query);
      expect([query, status]).toEqual([query, 400]);
      expect(JSON.stringify(body)).toContain(code);
    }
    expect((await ask(url, 'union isfuzzy=true (Nowhere | take 1), (AKSAudit | take 1)')).status).toBe(200);
  });
});

describe('limits', () => {
  it('over its limits it answers 200 with some of the rows and an error', async () => {
    const { url } = await start(50, { limits: { rows: 20 } });
    const { status, body } = await ask(url, 'AKSAudit | project AuditId');
    expect(status).toBe(200);
    expect(body.tables![0]!.rows).toHaveLength(20);
    expect(body.error!.code).toBe('PartialError');
  });

  it('says when to come back, and runs five at once', async () => {
    const emulator = await start(1, { latency: 50 });
    const answers = await Promise.all(Array.from({ length: 7 }, () => ask(emulator.url, 'AKSAudit | take 1')));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused).toHaveLength(2);
    expect(refused[0]!.headers.get('retry-after')).toBe('1');
    expect(emulator.statistics()).toMatchObject({ busiest: 5, throttled: 2 });
  });
});

describe('forms of AKS', () => {
  it('takes a real API server apart and loses nothing that the form can carry', () => {
    for (const bytes of readKubeLog().lines) {
      const line = bytes.toString();
      const event = JSON.parse(line) as Record<string, unknown>;
      const row = toAuditRow(line, ORIGIN);
      expect([row['AuditId'], row['Verb'], row['RequestUri']]).toEqual([
        event['auditID'],
        event['verb'],
        event['requestURI'],
      ]);
      for (const [column, member] of [
        ['User', 'user'],
        ['ObjectRef', 'objectRef'],
        ['Annotations', 'annotations'],
      ] as const)
        expect(JSON.parse(row[column] ?? 'null')).toEqual(event[member] ?? null);
      expect((JSON.parse(toEnvelope(line, ORIGIN)) as { properties: { log: string } }).properties.log).toBe(
        `${line}\n`,
      );
      expect(Buffer.byteLength(toDiagnosticsRow(line, ORIGIN)['log_s']!)).toBeLessThanOrEqual(32_766);
    }
    expect(KUBE_LOG).toContain('fixtures');
  });
});

describe('the story on AKS', () => {
  const options = {
    seed: 3,
    cluster: { name: 'shop', account: '111122223333', region: 'eu-central-1' },
    from: NOW - 6 * 3_600_000,
    to: NOW,
    eventsPerHour: 300,
    origin: ORIGIN,
  };

  it('is told by the same people, without a trace of another cloud, and the same each time', () => {
    const rows = [...dayOfAksRows(options)];
    const text = JSON.stringify(rows);
    expect(text).toContain('alice@acme.example');
    expect(text).toContain(intruderFacts(options).ip);
    expect(text).not.toMatch(/arn:aws|aws-|eks-|ebs-|amazonaws|accessKeyId|compute\.internal/);
    for (const { line } of rows) expect(scanEvent(Buffer.from(line))).not.toHaveProperty('not');
    expect(JSON.stringify([...dayOfAksRows(options)])).toBe(text);
    const batches = new Set(rows.map(({ ingested }) => ingested)).size;
    expect(batches).toBeLessThan(rows.length / 2);
  });

  it('fits into either table', async () => {
    const emulator = await start();
    for (const table of ['AKSAudit', 'AzureDiagnostics'] as const) {
      const rows = [...dayOfAksRows({ ...options, table, late: 0.1 })];
      emulator.putRows(WORKSPACE, table, rows);
      emulator.clock.set(NOW + 24 * 3_600_000);
      const { body } = await ask(emulator.url, `${table} | summarize Rows = count()`);
      expect(body.tables![0]!.rows).toEqual([[rows.length]]);
    }
  });
});

describe('a process of its own', () => {
  it('is set up and asked over HTTP, and ends when told to', async () => {
    const main = fileURLToPath(new URL('../../emulators/log-analytics/main.ts', import.meta.url));
    const child = spawn(process.execPath, [main, '--clock', '2026-11-22T17:00:00Z'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const [text] = (await once(child.stdout, 'data')) as [Buffer];
      const { url } = JSON.parse(text.toString()) as { url: string };
      const admin = async (what: string, body: unknown) => {
        const text = typeof body === 'string' ? body : JSON.stringify(body);
        const response = await fetch(`${url}/_admin/${what}`, { method: 'POST', body: text });
        return [response.status, await response.json()] as const;
      };
      await admin('workspaces', { id: WORKSPACE, resourceId: '/subscriptions/s/x/workspaces/w' });
      const rows = readKubeLog()
        .lines.slice(0, 10)
        .map((line) => JSON.stringify({ columns: toAuditRow(line.toString(), ORIGIN), ingested: NOW - 1000 }));
      expect(await admin(`rows?workspace=${WORKSPACE}&table=AKSAudit`, rows.join('\n'))).toEqual([
        200,
        { accepted: 10 },
      ]);
      expect((await ask(url, 'AKSAudit | take 100')).body.tables![0]!.rows).toHaveLength(10);
      expect((await admin('nothing', {}))[0]).toBe(400);
      await admin('faults', { kind: 'error-500' });
      expect((await ask(url, 'AKSAudit | take 1')).status).toBe(500);
      expect((await admin('statistics', {}))[1]).toMatchObject({ queries: 2 });
    } finally {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    expect(child.exitCode).toBe(0);
  });
});
