// check as typed, against the emulated clouds and an archive in a directory: what is fine, what is wrong, and what it says to do.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startCloudLoggingEmulator, type CloudLoggingEmulator } from '../../emulators/cloud-logging/server.ts';
import { type CloudWatchEmulator, startCloudWatchEmulator } from '../../emulators/cloudwatch/server.ts';
import type { LogAnalyticsEmulator } from '../../emulators/log-analytics/server.ts';
import { toAuditRow } from '../../emulators/story/aks.ts';
import type { Point, PointState } from '../../src/cli/check-point.ts';
import { retentionPoints } from '../../src/cli/check-retention.ts';
import { windowName } from '../../src/archive/keys.ts';
import { ORIGIN, RESOURCE, setLogging, startEmulator, WORKSPACE, WORKSPACE_ID } from '../providers/aks-harness.ts';
import { LOG_GROUP, STREAM } from '../providers/eks-harness.ts';
import { CLUSTER as GKE, entryOf, VIEWER } from '../providers/gke-harness.ts';
import { eventLine, type Ran, runCli, sink } from './run-cli.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOW = Date.parse('2026-06-22T10:20:30Z');
/** When the newest event of each cloud arrived. */
const NEWEST = NOW - 4 * 60_000;
const SECRET = 'a-very-secret-client-secret';
const ALL_TYPES = ['ADMIN_READ', 'DATA_READ', 'DATA_WRITE'];

let aws: CloudWatchEmulator;
let azure: LogAnalyticsEmulator;
let google: CloudLoggingEmulator;
let folder: string;

const lineAt = (time: number) => {
  const micro = new Date(time).toISOString().replace('Z', '000Z');
  return eventLine(`id-${time}`, { requestReceivedTimestamp: micro, stageTimestamp: micro });
};

beforeAll(async () => {
  aws = await startCloudWatchEmulator({ clock: () => NOW });
  aws.createLogGroup({ logGroup: LOG_GROUP, creationTime: NOW - 60 * DAY, retentionInDays: 30 });
  const event = { timestamp: NEWEST - 1000, ingestionTime: NEWEST, message: lineAt(NEWEST - 1000) };
  aws.putEvents({ logGroup: LOG_GROUP }, STREAM, [event]);
  azure = await startEmulator(NOW);
  azure.putRows(WORKSPACE, 'AKSAudit', [
    { columns: { ...toAuditRow(lineAt(NEWEST - 1000), ORIGIN) }, ingested: NEWEST, visibleAt: NEWEST },
  ]);
  google = await startCloudLoggingEmulator({ clock: () => NOW });
  google.createProject({ project: GKE.project, createTime: NOW - 60 * DAY });
  google.putEntries(GKE.project, [
    { entry: entryOf({ line: lineAt(NEWEST - 1000), arrival: NEWEST }), visibleAt: NEWEST },
  ]);
});

afterAll(() => Promise.all([aws.close(), azure.close(), google.close()]));

beforeEach(async () => {
  aws.clearFaults();
  aws.allowOnly(undefined);
  aws.setCluster({ name: 'prod', audit: true });
  aws.setRetention({ logGroup: LOG_GROUP }, 30);
  azure.allowOnly(undefined);
  setLogging(azure, true);
  google.allowOnly(undefined);
  google.setDataAccess(GKE.project, ALL_TYPES);
  folder = mkdtempSync(join(tmpdir(), 'auditkeep-check-'));
  mkdirSync(join(folder, 'archive'));
  mkdirSync(join(folder, 'logs'));
  writeFileSync(join(folder, 'logs/audit.log'), `${lineAt(NEWEST)}\n`);
  await runCli(['keygen', '--name', 'acme.example/audit', '--out', join(folder, 'key.pem')]);
});

const clusters = () => ({
  prod: { provider: 'eks', region: 'eu-central-1', cluster: 'prod', timeout: '2s', endpoint: aws.url, auth: 'none' },
  shop: { provider: 'aks', workspace: WORKSPACE, resource: RESOURCE, timeout: '2s', endpoint: azure.url, auth: 'none' },
  data: { provider: 'gke', ...GKE, callsPerMinute: 6000, timeout: '2s', endpoint: google.url, auth: 'none' },
  lab: { provider: 'kube', files: join(folder, 'logs/*.log') },
});

interface Line {
  readonly subject: string;
  readonly name: string;
  readonly state: PointState;
  readonly points: readonly Point[];
  readonly [fact: string]: unknown;
}

interface Checked extends Ran {
  readonly lines: readonly Line[];
  /** Those of one cluster, or of `archive`, `integrity`, `config`, that aren't fine; or all with this name. */
  of(name: string, point?: string): readonly Point[];
}

function writeConfig(over: Record<string, unknown> = {}, perCluster: Record<string, object> = {}): string {
  const file = join(folder, 'auditkeep.yaml');
  const list = Object.entries(clusters()).map(([name, one]) => ({ name, ...one, ...perCluster[name] }));
  const integrity = { key: './key.pem', state: './state' };
  writeFileSync(file, JSON.stringify({ archive: './archive', integrity, clusters: list, ...over }));
  return file;
}

async function check(config: string, argv: readonly string[] = [], now = NOW): Promise<Checked> {
  const ran = await runCli(['check', '--config', config, '-o', 'json', ...argv], { now });
  const lines = ran.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
  return {
    ...ran,
    lines,
    of(name, point) {
      const line = lines.find((one) => one.name === name || one.subject === name);
      const points = line?.points ?? [];
      return point === undefined
        ? points.filter(({ state }) => state !== 'ok')
        : points.filter((p) => p.point === point);
    },
  };
}

const files = (): Record<string, string> =>
  Object.fromEntries(
    readdirSync(join(folder, 'archive'), { recursive: true, withFileTypes: true }).map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path, entry.isFile() ? readFileSync(path, 'latin1') : 'folder'];
    }),
  );

describe('where everything is fine', () => {
  it('says so of all three clouds, files, archive and key, and leaves nothing behind', async () => {
    const { code, lines, stderr } = await check(writeConfig());
    expect(stderr).toBe('');
    expect(lines.map(({ subject, name, state }) => [subject, name.replace(folder, ''), state])).toEqual([
      ['config', '/auditkeep.yaml', 'ok'],
      ['archive', '/archive', 'ok'],
      ['integrity', '/key.pem', 'ok'],
      ['cluster', 'prod', 'ok'],
      ['cluster', 'shop', 'ok'],
      ['cluster', 'data', 'ok'],
      ['cluster', 'lab', 'ok'],
    ]);
    expect(code).toBe(0);
    expect(files()).toEqual({});
    expect(existsSync(join(folder, 'state'))).toBe(false);
    for (const name of ['prod', 'shop', 'data'])
      expect(lines.find((line) => line.name === name)).toMatchObject({
        logging: 'on',
        newest: '2026-06-22T10:16:30Z',
        points: expect.arrayContaining([
          expect.objectContaining({ point: 'read', state: 'ok', message: expect.stringContaining('1 record') }),
          expect.objectContaining({ point: 'clock', state: 'ok' }),
        ]),
      });
    expect(lines[3]).toMatchObject({ retentionSeconds: 30 * 86_400, holdsFrom: '2026-05-23T10:20:30Z' });
  });

  it('changes nothing in an archive that was collected, and compares it with the source', async () => {
    const config = writeConfig({ collect: { start: '-3h' } });
    expect((await runCli(['collect', '--config', config], { now: NOW })).code).toBe(0);
    const before = files();
    const checked = await check(config);
    expect(checked.code).toBe(0);
    expect(files()).toEqual(before);
    expect(checked.of('archive', 'ledger')[0]?.message).toMatch(/^\d+ windows of 4 of 4 clusters$/);
    expect(checked.of('archive', 'log')[0]?.message).toMatch(/^\d+ ledger files sealed/);
    expect(checked.of('prod', 'ledger')[0]?.message).toContain('committed, all from this source');
    expect(checked.of('prod', 'uncollected')[0]?.message).toContain('until 2026-06-22T10:00:00Z');
  });

  it('reads one page of each source', async () => {
    aws.resetStatistics();
    google.resetStatistics();
    await check(writeConfig());
    expect(aws.statistics().actions['logs:FilterLogEvents']?.calls).toBe(1);
    expect(google.statistics().actions['entries.list']?.calls).toBe(1);
  });

  it('waits where a source throttles, and tries again what fails once', async () => {
    aws.fail({ kind: 'throttle', action: 'FilterLogEvents', times: 1 });
    aws.fail({ kind: 'error-503', action: 'DescribeLogGroups', times: 1 });
    const { code, lines } = await check(writeConfig(), ['--cluster', 'prod']);
    expect(lines.map(({ name }) => name)).toHaveLength(4);
    expect(code).toBe(0);
  });
});

describe('text', () => {
  it('has a line a point, and what to do behind it', async () => {
    google.setDataAccess(GKE.project, []);
    const config = writeConfig({ archive: './nowhere' });
    const { code, stdout } = await runCli(['check', '--config', config, '--cluster', 'data'], { now: NOW });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^config .*auditkeep\.yaml\n {2}ok {4}config {2}4 clusters \(1 of them chosen/);
    expect(stdout).toContain(
      `\n  warn  reach  ${folder}/nowhere isn't there yet; the first run makes it in ${folder}\n`,
    );
    expect(stdout).toContain('\n               → if it should be there already');
    expect(stdout).toMatch(/\ncluster data\n(.*\n)* {2}warn {2}logging +audit logging is off, or off in part/);
    expect(stdout).toMatch(/\n\d+ warn, \d+ ok; what to do stands behind →\n$/);
    expect(existsSync(join(folder, 'nowhere'))).toBe(false);
  });
});

describe('EKS', () => {
  const only = (...Action: string[]) => aws.allowOnly({ Statement: [{ Effect: 'Allow', Action, Resource: '*' }] });

  it('logging off', async () => {
    aws.setCluster({ name: 'prod', audit: false });
    const withEvents = await check(writeConfig(), ['--cluster', 'prod']);
    expect(withEvents.of('prod')).toMatchObject([{ point: 'logging', state: 'warn', fix: expect.any(String) }]);
    expect(withEvents.code).toBe(0);
    // an hour on, with nothing new
    const without = await check(writeConfig(), ['--cluster', 'prod'], NOW + HOUR);
    expect(without.code).toBe(1);
    expect(without.of('prod', 'logging')).toMatchObject([
      { state: 'fail', message: expect.stringContaining(LOG_GROUP), fix: expect.stringContaining('"Enable"') },
    ]);
  });

  it('a log group that is not there, with the command that makes it', async () => {
    aws.setCluster({ name: 'other', audit: false });
    const checked = await check(writeConfig({}, { prod: { cluster: 'other' } }), ['--cluster', 'prod']);
    expect(checked.code).toBe(1);
    expect(checked.of('prod')).toMatchObject([
      {
        point: 'source',
        state: 'fail',
        error: 'ConfigError',
        fix: expect.stringContaining('aws eks update-cluster-config'),
      },
      { point: 'logging', state: 'fail' },
    ]);
  });

  it('no right to read', async () => {
    only('logs:DescribeLogGroups', 'eks:DescribeCluster');
    const checked = await check(writeConfig(), ['--cluster', 'prod']);
    expect(checked.code).toBe(1);
    expect(checked.of('prod')).toMatchObject([
      {
        point: 'read',
        state: 'fail',
        error: 'AuthError',
        fix: expect.stringContaining('allow logs:FilterLogEvents on'),
      },
    ]);
    expect(checked.of('prod', 'credentials')).toEqual([]);
  });

  it('the least rights: what can not be asked is unknown', async () => {
    only('logs:FilterLogEvents');
    const checked = await check(writeConfig(), ['--cluster', 'prod']);
    expect(checked.code).toBe(0);
    expect(checked.of('prod').map(({ point, state }) => [point, state])).toEqual([
      ['logging', 'warn'],
      ['logging', 'warn'],
      ['retention', 'warn'],
    ]);
    expect(checked.of('prod')[1]?.message).toContain('eks:DescribeCluster');
    expect(checked.lines.at(-1)).toMatchObject({ logging: 'unknown' });
  });

  it('credentials that are not accepted', async () => {
    aws.fail({ kind: 'expired-credentials', action: 'GetCallerIdentity', times: null });
    const checked = await check(writeConfig(), ['--cluster', 'prod']);
    expect(checked.code).toBe(1);
    expect(checked.of('prod')).toMatchObject([{ point: 'credentials', state: 'fail', error: 'AuthError' }]);
  });

  it('a silent cluster', async () => {
    const checked = await check(writeConfig(), ['--cluster', 'prod,lab'], NOW + 40 * 60_000);
    expect(checked.of('prod', 'newest')).toMatchObject([{ state: 'warn', message: 'nothing arrived in the last 20m' }]);
    // files of one's own may rest
    expect(checked.of('lab', 'newest')).toMatchObject([{ state: 'ok' }]);
  });
});

describe('AKS', () => {
  const send = (...categories: string[]) =>
    azure.setDiagnosticSettings(RESOURCE, [{ name: 'audit', workspace: WORKSPACE_ID, dedicated: true, categories }]);

  it('both categories cost money for nothing; one alone is told', async () => {
    send('kube-audit', 'kube-audit-admin');
    const both = await check(writeConfig(), ['--cluster', 'shop']);
    expect(both.code).toBe(0);
    expect(both.of('shop')).toMatchObject([
      { point: 'logging', state: 'warn', message: expect.stringMatching(/both on.*costs money for nothing/) },
    ]);
    send('kube-audit-admin');
    const one = await check(writeConfig(), ['--cluster', 'shop']);
    expect(one.of('shop', 'logging')[1]?.message).toContain('only kube-audit-admin is on');
  });

  it('no diagnostic setting', async () => {
    azure.setDiagnosticSettings(RESOURCE, []);
    const checked = await check(writeConfig(), ['--cluster', 'shop']);
    expect(checked.lines.at(-1)).toMatchObject({ logging: 'off' });
    expect(checked.of('shop', 'logging')).toMatchObject([
      { state: 'warn', fix: expect.stringContaining('providers/aks') },
    ]);
  });

  it('no table, and no right to it', async () => {
    const missing = await check(writeConfig({}, { shop: { table: 'AKSAuditAdmin' } }), ['--cluster', 'shop']);
    expect(missing.code).toBe(1);
    expect(missing.of('shop', 'source')).toMatchObject([
      { state: 'fail', error: 'ConfigError', fix: expect.stringContaining('az monitor diagnostic-settings create') },
    ]);
    azure.allowOnly({ tables: [] });
    const denied = await check(writeConfig(), ['--cluster', 'shop']);
    expect(denied.code).toBe(1);
    expect(denied.of('shop')[0]).toMatchObject({ point: 'read', error: 'AuthError' });
  });
});

describe('GKE', () => {
  it('Data Access logs off: what can not be seen', async () => {
    google.setDataAccess(GKE.project, []);
    const checked = await check(writeConfig(), ['--cluster', 'data']);
    expect(checked.code).toBe(0);
    expect(checked.of('data')).toMatchObject([
      { point: 'logging', state: 'warn', fix: expect.stringContaining('providers/gke/README.md') },
      {
        point: 'logging',
        state: 'warn',
        message: expect.stringContaining("reads can't be seen, get and list of secrets"),
      },
    ]);
  });

  it('a role to which Data Access entries are invisible', async () => {
    google.allowOnly(VIEWER.filter((permission) => !permission.includes('private')));
    const checked = await check(writeConfig(), ['--cluster', 'data']);
    expect(checked.code).toBe(1);
    expect(checked.of('data')).toMatchObject([
      { point: 'read', error: 'AuthError', fix: expect.stringContaining('roles/logging.privateLogViewer') },
    ]);
  });
});

describe('several clusters', () => {
  it("one's failure stops no other, and --cluster chooses", async () => {
    rmSync(join(folder, 'logs/audit.log'));
    const config = writeConfig({}, { shop: { endpoint: 'http://127.0.0.1:9' } });
    const all = await check(config);
    expect(all.code).toBe(1);
    expect(all.lines.slice(3).map(({ name, state }) => [name, state])).toEqual([
      ['prod', 'ok'],
      ['shop', 'fail'],
      ['data', 'ok'],
      ['lab', 'fail'],
    ]);
    expect(all.of('shop')).toMatchObject([
      { point: 'source', error: 'TransientError', fix: expect.stringContaining('check the network') },
    ]);
    expect(all.of('lab')[0]).toMatchObject({ point: 'source', message: expect.stringContaining('no file matches') });
    const some = await check(config, ['--cluster', 'prod', '--cluster', 'da*']);
    expect(some.code).toBe(0);
    expect(some.lines.slice(3).map(({ name }) => name)).toEqual(['prod', 'data']);
  });

  it('a name that now points at another log is refused', async () => {
    const start = { collect: { start: '-2h' } };
    expect((await runCli(['collect', '--config', writeConfig(start), '--cluster', 'lab'], { now: NOW })).code).toBe(0);
    const moved = writeConfig(start, { lab: { files: join(folder, 'logs/audit*') } });
    const checked = await check(moved, ['--cluster', 'lab']);
    expect(checked.code).toBe(1);
    expect(checked.of('lab')).toMatchObject([
      { point: 'ledger', state: 'fail', error: 'ConfigError', fix: expect.stringContaining('another name') },
    ]);
  });
});

describe('archive and integrity', () => {
  it('what can not hold an archive is said, and the clusters are checked all the same', async () => {
    for (const [archive, message] of [
      ['./key.pem', 'ENOTDIR'],
      ['./key.pem/archive', 'ENOTDIR'],
      ['s3://acme-audit/k8s', 'no AWS region is known'],
    ] as const) {
      const checked = await check(writeConfig({ archive, s3: {} }), ['--cluster', 'lab']);
      expect(checked.code).toBe(1);
      expect(checked.of('archive')).toMatchObject([{ point: 'reach', message: expect.stringContaining(message) }]);
      expect(checked.of('lab', 'read')).toMatchObject([{ state: 'ok' }]);
    }
  });

  it('a checkpoint that is none: exit 4', async () => {
    mkdirSync(join(folder, 'archive/log'));
    writeFileSync(join(folder, 'archive/log/checkpoint'), 'nonsense');
    const checked = await check(writeConfig(), ['--cluster', 'lab']);
    expect(checked.code).toBe(4);
    expect(checked.of('archive')).toMatchObject([{ point: 'log', error: 'TamperError' }]);
  });

  it('key, verifiers, state and anchor', async () => {
    writeFileSync(join(folder, 'bad.pem'), SECRET);
    const integrity = { key: './bad.pem', verifiers: ['x'], state: './bad.pem/x', anchor: './bad.pem' };
    const bad = await check(writeConfig({ integrity }), ['--cluster', 'lab']);
    expect(bad.code).toBe(1);
    expect(bad.of('integrity').map(({ point }) => point)).toEqual(['key', 'verifiers', 'state', 'anchor']);
    for (const { fix } of bad.of('integrity')) expect(fix).toBeTruthy();
    expect(bad.stdout + bad.stderr).not.toContain(SECRET);
    const none = await check(writeConfig({ integrity: { state: './state' } }), ['--cluster', 'lab']);
    expect(none.code).toBe(0);
    expect(none.of('integrity')).toMatchObject([
      { point: 'key', state: 'warn', fix: expect.stringContaining('keygen') },
    ]);
  });
});

describe('the run', () => {
  it('clocks: far off warns, too far off fails', async () => {
    const config = writeConfig();
    const late = await check(config, ['--cluster', 'prod'], NOW + 10 * 60_000);
    expect(late.of('prod', 'clock')).toMatchObject([
      { state: 'warn', message: expect.stringContaining('10m ahead of the server') },
    ]);
    const early = await check(config, ['--cluster', 'prod'], NOW - 2 * HOUR);
    expect(early.code).toBe(1);
    expect(early.of('prod', 'clock')).toMatchObject([
      { state: 'fail', message: expect.stringContaining('2h behind'), fix: expect.stringContaining('NTP') },
    ]);
  });

  it('no secret of the config is printed', async () => {
    const azureOptions = { tenantId: 'tenant', clientId: 'client', clientSecret: SECRET };
    const redact = { users: { key: `${SECRET}-${'x'.repeat(32)}` } };
    const config = writeConfig({ redact }, { shop: { azure: azureOptions } });
    for (const output of ['text', 'json']) {
      const { stdout, stderr } = await runCli(['check', '--config', config, '-o', output, '--log-level', 'debug'], {
        now: NOW,
      });
      expect(stdout).toContain('shop');
      expect(stdout + stderr).not.toContain(SECRET);
      expect(stdout + stderr).not.toContain('PRIVATE KEY');
    }
  });

  it('mistakes of config and command line are exit 2, and nothing is done', async () => {
    expect(await runCli(['check', '--config', join(folder, 'none.yaml')])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('auditkeep init'),
    });
    expect(await check(writeConfig({ retries: 3 }))).toMatchObject({ code: 2, stdout: '' });
    expect((await check(writeConfig(), ['--cluster', 'nobody'])).code).toBe(2);
  });

  it('an interrupted one is 130', async () => {
    const stop = new AbortController();
    const stdout = sink();
    const write = stdout._write.bind(stdout);
    stdout._write = (chunk: Buffer, encoding, done) => {
      stop.abort();
      write(chunk, encoding, done);
    };
    aws.setLatency(500);
    try {
      const ran = await runCli(['check', '--config', writeConfig()], { now: NOW, signal: stop.signal, stdout });
      expect(ran.code).toBe(130);
    } finally {
      aws.setLatency(0);
    }
  });
});

describe('retention against what is not collected', () => {
  const first = Date.parse('2026-06-10T00:00:00Z');
  const cluster = { name: 'prod', provider: 'eks', recheckAfter: DAY };
  /** A cluster collected up to a time, whose source keeps events for so many days. */
  const points = (until: number, days: number) => {
    const windows = new Map<string, { from: number; to: number }>();
    for (let from = first; from < until; from += HOUR)
      windows.set(windowName({ from, to: from + HOUR }), { from, to: from + HOUR });
    const made = { at: '2026-06-10T00:00:00Z', by: 'test' };
    const file = { format: 1, cluster: 'prod', provider: 'eks', source: 's', windowSeconds: 3600 } as const;
    return retentionPoints({
      cluster,
      horizon: { at: NOW - days * DAY, because: 'retention', retention: days * DAY },
      ledger: {
        cluster: 'prod',
        file: { ...file, first: '2026-06-10T00:00:00Z', because: '', made },
        starts: [],
        windows,
        rechecks: new Map(),
        strangers: [],
      },
      managed: true,
      now: NOW,
      settle: 300_000,
    });
  };
  const at = (text: string) => Date.parse(`2026-06-${text}:00:00Z`);

  it.each([
    ['all is collected', at('22T10'), 30, 'ok', 'until 2026-06-22T10:00:00Z'],
    ['a day behind, kept for a month', at('21T10'), 30, 'ok', 'kept until 2026-07-21T10:00:00Z'],
    ['two days behind, kept for three', at('20T04'), 3, 'warn', 'the source forgets it at 2026-06-23T04:00:00Z'],
    ['five days behind, kept for three', at('17T10'), 3, 'warn', 'the rest is lost'],
    ['nothing collected, kept for three', first, 3, 'warn', 'the rest is lost'],
  ] as const)('%s', (_, until, days, state, message) => {
    const [point] = points(until, days).filter(({ point: name }) => name === 'uncollected');
    expect(point).toMatchObject({ state, message: expect.stringContaining(message) });
    if (state === 'warn') expect(point?.fix).toContain('auditkeep collect --cluster prod');
  });

  it('warns where the recheck of a day comes after its beginning is forgotten', () => {
    expect(points(at('22T10'), 1)[0]).toMatchObject({ state: 'warn', fix: expect.stringContaining('3d or longer') });
    expect(points(at('22T10'), 2)[0]).toMatchObject({ state: 'ok' });
  });
});
