// What the AKS source does where the service is at its limits, answers in part, refuses, or is set up in an unusual way.

import { afterEach, describe, expect, it } from 'vitest';
import type { EmulatorOptions, LogAnalyticsEmulator } from '../../emulators/log-analytics/server.ts';
import { provider } from '../../providers/aks/index.ts';
import type { Table } from '../../providers/aks/options.ts';
import {
  AuditkeepError,
  AuthError,
  ConfigError,
  StaleTokenError,
  ThrottledError,
  TransientError,
} from '../../src/errors.ts';
import { silentLog } from '../../src/log.ts';
import type { Page, ProviderRecord, Query, Source } from '../../src/provider.ts';
import { connectTo, OPTIONS, RESOURCE, rowOf, startEmulator, WORKSPACE, WORKSPACE_ID } from './aks-harness.ts';
import { entry, errorOf, walk } from './contract.ts';

const T = Date.parse('2026-06-22T10:00:00Z');
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOW = T + 6 * HOUR;
const { signal } = new AbortController();
const hour = { from: T, to: T + HOUR };

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function start(
  raw: Readonly<Record<string, unknown>> = {},
  { tables = ['AKSAudit'], ...options }: EmulatorOptions & { tables?: readonly Table[] } = {},
): Promise<{ emulator: LogAnalyticsEmulator; source: Source }> {
  const emulator = await startEmulator(NOW, options, tables);
  open.push(emulator);
  const source = connectTo(emulator, { table: 'AKSAudit', ...raw });
  open.push(source);
  return { emulator, source };
}

const queryOf = (source: Source, arrival = hour): Query => ({ arrival, lateness: source.lateness.first });
const put = (emulator: LogAnalyticsEmulator, entries: ReturnType<typeof entry>[], table: Table = 'AKSAudit') =>
  emulator.putRows(
    WORKSPACE,
    table,
    entries.map((one) => rowOf(one, table)),
  );

function ids(records: readonly ProviderRecord[]): string[] {
  const options = provider.options.parse(OPTIONS);
  return records
    .flatMap((record) => {
      const decoded = provider.decode(record, options);
      return 'event' in decoded ? [(JSON.parse(decoded.event.toString()) as { auditID: string }).auditID] : [];
    })
    .sort();
}

const many = (n: number, time: (i: number) => number, pad = 0) =>
  Array.from({ length: n }, (_, i) => entry(`e-${String(i).padStart(6, '0')}`, time(i), time(i), pad));
const expected = (n: number) => Array.from({ length: n }, (_, i) => `e-${String(i).padStart(6, '0')}`);

describe('limits of the query API', () => {
  it('a row limit of the service below ours: nothing is taken from an answer that was cut', async () => {
    const { emulator, source } = await start({ pageRows: 100_000 }, { limits: { rows: 150 } });
    put(
      emulator,
      many(2000, (i) => T + i * 1700),
    );
    expect(ids(await walk(source, queryOf(source)))).toEqual(expected(2000));
    expect(emulator.statistics().partial).toBeGreaterThan(0);
  });

  it('a limit of bytes: pieces get fewer rows, also within one millisecond', async () => {
    const { emulator, source } = await start({}, { limits: { bytes: 100_000 } });
    put(emulator, [
      ...many(200, (i) => T + i * 1000, 4000),
      ...many(300, () => T + 1, 2000).map((e, i) => ({
        ...e,
        line: e.line.replace(/e-\d+/, `b-${String(i).padStart(3, '0')}`),
      })),
    ]);
    const found = ids(await walk(source, queryOf(source)));
    expect(new Set(found).size).toBe(500);
    expect(found).toHaveLength(500);
  });

  it('batches that share their ingestion time need few more queries than there are pages', async () => {
    const { emulator, source } = await start({ pageRows: 400 });
    // an hour of batches: 250 rows every 30 s, at the same tick each
    put(
      emulator,
      many(30_000, (i) => T + Math.floor(i / 250) * 30_000 + 17),
    );
    const records = await walk(source, queryOf(source));
    expect(ids(records)).toEqual(expected(30_000));
    const { pages, queries } = emulator.statistics();
    expect(pages).toBeLessThan(130);
    expect(queries - pages).toBeLessThan(5);
    for (let i = 1; i < records.length; i++)
      expect(records[i]!.arrival).toBeGreaterThanOrEqual(records[i - 1]!.arrival);
  });

  it('an answer with exactly as many rows as it may have is not believed', async () => {
    const { emulator, source } = await start({ pageRows: 10 });
    put(
      emulator,
      many(10, (i) => T + i),
    );
    const first = await source.fetchPage(queryOf(source), undefined, signal);
    expect(first.records).toEqual([]);
    expect(first.next).toBeDefined();
    expect(ids(await walk(source, queryOf(source)))).toEqual(expected(10));
  });

  it('rows that are the same in every column and too many: fails, and says what to do', async () => {
    const { emulator, source } = await start({ pageRows: 10 });
    put(
      emulator,
      Array.from({ length: 10 }, () => entry('same', T, T)),
    );
    const error = await errorOf(walk(source, queryOf(source)));
    expect(error).toBeInstanceOf(AuditkeepError);
    expect((error as AuditkeepError).hint).toContain('pageRows');
  });

  it('a query that takes too long is asked for less', async () => {
    const { emulator, source } = await start();
    put(
      emulator,
      many(20, (i) => T + i * 1000),
    );
    emulator.fail({ kind: 'timeout', times: 3 });
    expect(ids(await walk(source, queryOf(source)))).toEqual(expected(20));
    emulator.fail({ kind: 'timeout', times: null });
    expect(await errorOf(walk(source, queryOf(source)))).toBeInstanceOf(TransientError);
  });

  it('429 carries how long to wait', async () => {
    const { source } = await start({}, { limits: { calls: 1, per: 30_000 } });
    await source.fetchPage(queryOf(source), undefined, signal);
    const error = await errorOf(source.fetchPage(queryOf(source), undefined, signal));
    expect(error).toBeInstanceOf(ThrottledError);
    expect((error as ThrottledError).retryAfter).toBeGreaterThan(20_000);
  });

  it('never has more queries under way than a user may, over all sources of that user', async () => {
    const { emulator, source } = await start({}, { latency: 20 });
    const other = connectTo(emulator, { table: 'AKSAudit' });
    open.push(other);
    const pages = Array.from({ length: 20 }, (_, i) =>
      (i % 2 === 0 ? source : other).fetchPage(queryOf(source), undefined, signal),
    );
    await Promise.all(pages);
    expect(emulator.statistics()).toMatchObject({ throttled: 0, busiest: 5, pages: 20 });
  });

  it('a zipped answer that is torn, or stops coming, is a passing fault', async () => {
    const { emulator, source } = await start({}, { gzip: true });
    put(
      emulator,
      many(200, (i) => T + i),
    );
    for (const kind of ['reset-body', 'hang-body', 'cut-body'] as const) {
      emulator.fail({ kind });
      const error = await errorOf(source.fetchPage(queryOf(source), undefined, signal));
      expect(error).toBeInstanceOf(TransientError);
      expect(String((error as Error).stack)).not.toContain('jané');
    }
    expect(ids(await walk(source, queryOf(source)))).toEqual(expected(200));
  });

  it('refuses a token of another query', async () => {
    const { emulator, source } = await start({ pageRows: 10 });
    put(
      emulator,
      many(50, (i) => T + i * 1000),
    );
    const page: Page = await source.fetchPage(queryOf(source), undefined, signal);
    const other = queryOf(source, { from: T + HOUR, to: T + 2 * HOUR });
    for (const token of [page.next!, '', 'x', 'AKSAudit/kube-audit|0|0|1|1|zzzz'])
      expect(await errorOf(source.fetchPage(other, token, signal))).toBeInstanceOf(StaleTokenError);
  });
});

describe('rows', () => {
  it('keep microseconds, numbers and the order of keys', async () => {
    const { emulator, source } = await start();
    const line = entry('one', T, T)
      .line.replace('"stageTimestamp":"2026-06-22T10:00:00.000000Z"', '"stageTimestamp":"2026-06-22T10:00:00.123457Z"')
      .replace(/"responseStatus":\{[^}]*\},?"?[^,]*"?/, '"responseStatus":{"metadata":{},"code":200}')
      .replace('"requestReceived', '"requestObject":{"b":12345678901234567890,"10":1.0,"2":1e3},"requestReceived');
    expect(JSON.parse(line)).toHaveProperty('requestObject');
    emulator.putRows(WORKSPACE, 'AKSAudit', [
      { ...rowOf({ ...entry('one', T, T), line }, 'AKSAudit'), ingested: '2026-06-22T10:00:00.9999999Z' },
    ]);
    const [record] = await walk(source, queryOf(source));
    expect(record!.arrival).toBe(T + 999);
    const decoded = provider.decode(record!, provider.options.parse(OPTIONS));
    expect('event' in decoded && decoded.event.toString()).toBe(line);
  });

  it('of another cluster in the answer are skipped, not failed', async () => {
    const { emulator, source } = await start();
    put(
      emulator,
      many(3, (i) => T + i),
    );
    emulator.fail({ kind: 'other-cluster' });
    const records = await walk(source, queryOf(source));
    const options = provider.options.parse(OPTIONS);
    const skipped = records.filter((record) => 'skip' in provider.decode(record, options));
    expect([records.length, skipped.length]).toEqual([3, 1]);
  });

  it('of other clusters of the workspace are not asked for, however the id is written', async () => {
    const { emulator, source } = await start({ resource: RESOURCE.toUpperCase() });
    put(
      emulator,
      many(3, (i) => T + i),
    );
    const foreign = rowOf(entry('foreign', T, T), 'AKSAudit');
    const other = { ...foreign.columns, _ResourceId: `${RESOURCE.toLowerCase()}-2` };
    emulator.putRows(WORKSPACE, 'AKSAudit', [{ ...foreign, columns: other }]);
    expect(ids(await walk(source, queryOf(source)))).toEqual(expected(3));
    expect(await source.identity(signal)).toBe(`azure:${WORKSPACE}:${RESOURCE.toLowerCase()}`);
  });

  it('without ingestion time fail the window, also where they lie beside it', async () => {
    const { emulator, source } = await start();
    put(
      emulator,
      many(3, (i) => T + i),
    );
    emulator.putRows(WORKSPACE, 'AKSAudit', [{ ...rowOf(entry('null', T, T), 'AKSAudit'), ingested: null }]);
    expect(await errorOf(walk(source, queryOf(source)))).toBeInstanceOf(TransientError);
  });
});

describe('tables and categories', () => {
  it('auto: reads the table that has the rows, and kube-audit where both categories are on', async () => {
    const { emulator, source } = await start({ table: 'auto' }, { tables: ['AKSAudit', 'AKSAuditAdmin'] });
    put(
      emulator,
      many(5, (i) => T + i),
    );
    put(
      emulator,
      many(3, (i) => T + i),
      'AKSAuditAdmin',
    );
    expect(ids(await walk(source, queryOf(source)))).toEqual(expected(5));
    put(
      emulator,
      many(4, (i) => T + HOUR + i),
      'AKSAuditAdmin',
    );
    expect(ids(await walk(source, queryOf(source, { from: T + HOUR, to: T + 2 * HOUR })))).toEqual(expected(4));
    expect(await walk(source, queryOf(source, { from: T + 2 * HOUR, to: T + 3 * HOUR }))).toEqual([]);
  });

  it('auto: reads both tables of an hour in which the log moved from one to the other', async () => {
    const { emulator, source } = await start(
      { table: 'auto', pageRows: 4 },
      { tables: ['AKSAudit', 'AzureDiagnostics'] },
    );
    const all = many(20, (i) => T + i * 1000);
    put(emulator, all.slice(0, 7), 'AzureDiagnostics');
    put(emulator, all.slice(7));
    expect(ids(await walk(source, queryOf(source)))).toEqual(expected(20));
  });

  it('AzureDiagnostics whose columns spilled into AdditionalFields', async () => {
    const emulator = await startEmulator(NOW, {}, ['AKSAuditAdmin']);
    open.push(emulator);
    emulator.createTable(WORKSPACE, 'AzureDiagnostics', { without: ['log_s', 'pod_s', 'stream_s'] });
    const rows = many(3, (i) => T + i).map((e) => {
      const { columns, ...row } = rowOf(e, 'AzureDiagnostics');
      const { log_s, pod_s, stream_s, ...rest } = columns;
      return { ...row, columns: { ...rest, AdditionalFields: JSON.stringify({ log_s, pod_s, stream_s }) } };
    });
    emulator.putRows(WORKSPACE, 'AzureDiagnostics', rows);
    for (const table of ['AzureDiagnostics', 'auto']) {
      const source = connectTo(emulator, { table });
      open.push(source);
      expect(ids(await walk(source, queryOf(source)))).toEqual(expected(3));
    }
  });

  it('no table at all, a Basic plan, a wrong workspace: what to do', async () => {
    const { emulator, source } = await start({ table: 'auto' }, { tables: [] });
    const missing = await errorOf(source.fetchPage(queryOf(source), undefined, signal));
    expect(missing).toBeInstanceOf(ConfigError);
    expect((missing as ConfigError).hint).toContain('diagnostic-settings create');
    emulator.createTable(WORKSPACE, 'AKSAudit', { plan: 'Basic' });
    const basic = connectTo(emulator, { table: 'AKSAudit' });
    const lost = connectTo(emulator, { table: 'AKSAudit', workspace: '00000000-0000-0000-0000-000000000000' });
    open.push(basic, lost);
    const refused = await errorOf(basic.fetchPage(queryOf(basic), undefined, signal));
    expect(refused).toBeInstanceOf(ConfigError);
    expect((refused as ConfigError).hint).toContain('--plan Analytics');
    expect(await errorOf(basic.horizon(signal))).toBeInstanceOf(ConfigError);
    expect(await errorOf(lost.fetchPage(queryOf(lost), undefined, signal))).toBeInstanceOf(ConfigError);
  });

  it('a table that may not be read: AuthError that names the permission', async () => {
    const { emulator, source } = await start();
    emulator.allowOnly({ tables: ['AKSAuditAdmin'] });
    const error = await errorOf(source.fetchPage(queryOf(source), undefined, signal));
    expect(error).toBeInstanceOf(AuthError);
    expect((error as AuthError).hint).toContain('query/AKSAudit/read');
  });
});

describe('what Azure says of the log', () => {
  const setting = (categories: string[], dedicated = true, name = 'audit') => ({
    name,
    workspace: WORKSPACE_ID,
    dedicated,
    categories,
  });

  it('notes what costs money for nothing and what can not be seen', async () => {
    const { emulator, source } = await start({ table: 'auto' });
    const notes = async () => (await source.visible(signal)).notes.join('; ');
    expect(await notes()).toBe('');
    emulator.setDiagnosticSettings(RESOURCE, [setting(['kube-audit', 'kube-audit-admin'])]);
    expect(await notes()).toContain('costs money for nothing');
    emulator.setDiagnosticSettings(RESOURCE, [setting(['kube-audit-admin'])]);
    expect(await notes()).toContain('not observable');
    emulator.setDiagnosticSettings(RESOURCE, [setting(['kube-audit']), setting(['kube-audit'], false, 'old')]);
    expect(await notes()).toContain('paid twice');
  });

  it('a setting that feeds another table is off for this one', async () => {
    const { emulator, source } = await start();
    emulator.setDiagnosticSettings(RESOURCE, [setting(['kube-audit'], false)]);
    expect((await source.visible(signal)).logging).toBe('off');
    emulator.setDiagnosticSettings(RESOURCE, [{ name: 'blob', categories: ['kube-audit'] }]);
    expect((await source.visible(signal)).logging).toBe('off');
  });

  it('what the workspace dropped, or that it could not be asked', async () => {
    const { emulator, source } = await start();
    const notes = async () => (await source.visible(signal)).notes;
    expect(await notes()).toEqual([]);
    const say = (hoursAgo: number, OperationCategory: string, Detail: string) => {
      const TimeGenerated = new Date(NOW - hoursAgo * HOUR).toISOString();
      const columns = { TimeGenerated, OperationCategory, OperationStatus: 'Warning', Detail };
      emulator.putRows(WORKSPACE, 'Operation', [{ columns, ingested: NOW - hoursAgo * HOUR }]);
    };
    say(5, 'Ingestion', 'The data ingestion volume rate crossed 80% of the threshold in your workspace');
    say(5, 'Data Collection Status', 'Data collection resumed. Ingestion status = UnderQuota');
    say(100, 'Data Collection Status', 'Data collection stopped. Ingestion status = OverQuota');
    expect(await notes()).toEqual([]);
    const stopped = 'Data collection stopped due to daily limit of free data reached. Ingestion status = OverQuota';
    say(30, 'Data Collection Status', stopped);
    say(6, 'Data Collection Status', stopped);
    say(
      2,
      'Ingestion',
      'The data ingestion volume rate crossed the threshold in your workspace: 512.00 MB per one minute',
    );
    const at = (hoursAgo: number) => new Date(NOW - hoursAgo * HOUR).toISOString().slice(0, 19);
    expect(await notes()).toEqual([
      expect.stringMatching(`daily cap was reached .*2 times .*last ${at(6)}.*lost`),
      expect.stringMatching(`ingestion rate allows .*once .*last ${at(2)}`),
    ]);
    emulator.allowOnly({ tables: ['AKSAudit'] });
    expect(await notes()).toEqual([expect.stringContaining("couldn't be asked: not allowed")]);
    emulator.allowOnly(undefined);
    emulator.createTable(WORKSPACE, 'Operation', { plan: 'Basic' });
    expect((await source.visible(signal)).logging).toBe('on');
    expect(await notes()).toEqual([expect.stringContaining("couldn't be asked")]);
    emulator.createTable(WORKSPACE, 'Operation', { plan: 'Analytics' });
    for (const kind of ['error-503', 'throttle', 'partial'] as const) {
      emulator.fail({ kind, action: 'query' });
      const outcome = await notes().catch((error: unknown) => error);
      if (kind === 'partial') expect(outcome).toEqual([expect.stringContaining('only part of the rows came')]);
      else expect(outcome).toBeInstanceOf(kind === 'throttle' ? ThrottledError : TransientError);
    }
    expect(await notes()).toHaveLength(2);
  });

  it('the retention of the table, of the config, or unknown', async () => {
    const { emulator, source } = await start();
    emulator.createTable(WORKSPACE, 'AKSAudit', { retentionInDays: 30 });
    expect(await source.horizon(signal)).toEqual({ at: NOW - 30 * DAY, because: 'retention', retention: 30 * DAY });
    emulator.allowOnly({ describeTables: false });
    const denied = connectTo(emulator, { table: 'AKSAudit' });
    open.push(denied);
    expect(await denied.horizon(signal)).toEqual({ because: 'unknown' });
    const told = connectTo(emulator, { table: 'AKSAudit', retention: '45d' });
    open.push(told);
    expect(await told.horizon(signal)).toEqual({ at: NOW - 45 * DAY, because: 'retention', retention: 45 * DAY });
    emulator.fail({ kind: 'error-503', action: 'management' });
    expect(await errorOf(source.visible(signal))).toBeInstanceOf(TransientError);
  });
});

describe('the quota', () => {
  it('any thirty seconds hold what is paced and what is caught up on, and little is left unused', async () => {
    const { source } = await start();
    const { perSecond, burst = Number.NaN } = await source.quota();
    expect(perSecond * 30 + burst).toBeLessThan(199);
    expect(perSecond * 30).toBeGreaterThan(0.965 * 200);
  });

  it('knows of every query: those that are no page wait for a slot of their own', async () => {
    const { emulator } = await start();
    let slots = 0;
    const takeSlot = () => {
      slots++;
      // whoever waits for a slot has not asked yet
      expect(emulator.statistics().queries).toBe(slots - 1);
      return Promise.resolve();
    };
    const source = connectTo(emulator, { table: 'AKSAudit' }, { takeSlot });
    open.push(source);
    await source.horizon(signal);
    await source.visible(signal);
    await source.horizon(signal);
    expect(slots).toBeGreaterThan(0);
    expect(emulator.statistics().queries).toBe(slots);
    await source.fetchPage(queryOf(source), undefined, signal);
    expect(emulator.statistics().queries).toBe(slots + 1);
    const stopped = connectTo(
      emulator,
      { table: 'AKSAudit' },
      { takeSlot: () => Promise.reject(new Error('stopped')) },
    );
    open.push(stopped);
    expect(await errorOf(stopped.horizon(signal))).toMatchObject({ message: 'stopped' });
    expect(emulator.statistics().queries).toBe(slots + 1);
  });
});

describe('options', () => {
  const bad = (change: object) => provider.options.safeParse({ ...OPTIONS, ...change }).error?.issues[0]?.message ?? '';

  it('say what is wrong with them', () => {
    expect(bad({})).toBe('');
    expect(bad({ workspace: 'my-workspace' })).toContain('customerId');
    expect(bad({ resource: 'shop' })).toContain('managedClusters');
    expect(bad({ table: 'AKSAuditAdmin', category: 'kube-audit' })).toContain('kube-audit-admin and no other');
    expect(bad({ azure: { clientSecret: 's' } })).toContain('tenantId and clientId');
    expect(bad({ workspaces: 1 })).not.toBe('');
  });

  it('credentials never go over plain http', async () => {
    const { emulator } = await start();
    const source = provider.connect(
      { name: 'shop', provider: 'aks', endpoint: emulator.url },
      provider.options.parse({
        ...OPTIONS,
        table: 'AKSAudit',
        azure: { tenantId: 't', clientId: 'c', clientSecret: 's3cr3t' },
      }),
      { log: silentLog, now: () => NOW, onServerDate() {} },
    );
    const error = await errorOf(source.fetchPage(queryOf(source), undefined, signal));
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as Error).message).not.toContain('s3cr3t');
    expect(emulator.statistics().queries).toBe(0);
  });

  it('credentials that are not there are told apart from files that are not', async () => {
    const to = (azure: object) => {
      const source = provider.connect(
        { name: 'shop', provider: 'aks', endpoint: 'https://127.0.0.1:1' },
        provider.options.parse({ ...OPTIONS, table: 'AKSAudit', timeout: '20s', azure }),
        { log: silentLog, now: () => NOW, onServerDate() {} },
      );
      open.push(source);
      return errorOf(source.fetchPage(queryOf(source), undefined, signal));
    };
    const nobody = await to({ credential: 'workload-identity' });
    expect(nobody).toBeInstanceOf(AuthError);
    expect((nobody as AuthError).hint).toContain('azure.credential');
    const certificate = '/nowhere/azure.pem';
    expect(await to({ tenantId: 't', clientId: 'c', certificate })).toBeInstanceOf(ConfigError);
  });
});
