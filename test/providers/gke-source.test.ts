// The GKE source beyond the contract: what it asks, what it may see, whose credentials it uses, and what each error means.

import fc from 'fast-check';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { parseFilter } from '../../emulators/cloud-logging/filter.ts';
import type { CloudLoggingEmulator, EmulatorOptions } from '../../emulators/cloud-logging/server.ts';
import { filterOf, quote } from '../../providers/gke/filter.ts';
import { optionsSchema } from '../../providers/gke/options.ts';
import { parseTimestamp, toMicroTime } from '../../providers/gke/timestamp.ts';
import {
  AuthError,
  ConfigError,
  StaleTokenError,
  ThrottledError,
  TransientError,
  AuditkeepError,
} from '../../src/errors.ts';
import type { Source } from '../../src/provider.ts';
import { errorOf, walk } from './contract.ts';
import { entryWith, type Json } from './gke-entries.ts';
import { CLUSTER, connectTo, parseOptions, startGke, VIEWER } from './gke-harness.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const T = Date.parse('2026-06-22T10:00:00Z');
const HOUR_AT_T = { arrival: { from: T, to: T + HOUR }, lateness: DAY };
const { signal } = new AbortController();
const { project } = CLUSTER;

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function start(options: EmulatorOptions = {}) {
  const harness = await startGke({ created: T - 40 * DAY, now: T + 6 * HOUR }, options);
  open.push(harness);
  const connect = (...[raw, deps]: [Json?, Parameters<typeof connectTo>[2]?]): Source => {
    const source = connectTo(harness.emulator, raw, deps);
    open.push(source);
    return source;
  };
  return { ...harness, connect };
}

const put = (emulator: CloudLoggingEmulator, entries: readonly Json[], into = project) =>
  emulator.putEntries(
    into,
    entries.map((e) => ({ entry: e })),
  );
const read = (name: string, more: Json = {}): Json =>
  entryWith(
    { methodName: 'io.k8s.core.v1.secrets.get', resourceName: 'core/v1/namespaces/a/secrets/s' },
    { insertId: name, logName: `projects/${project}/logs/cloudaudit.googleapis.com%2Fdata_access`, ...more },
  );
const write = (name: string, more: Json = {}): Json => entryWith({}, { insertId: name, ...more });
const insertIds = async (source: Source, query = HOUR_AT_T) =>
  (await walk(source, query)).map((r) => (JSON.parse(r.content.toString()) as { insertId: string }).insertId).sort();

describe('windows', () => {
  it('are cut to the nanosecond, by receiveTimestamp', async () => {
    const { emulator, connect } = await start();
    const times = {
      before: '2026-06-22T09:59:59.999999999Z',
      first: '2026-06-22T10:00:00Z',
      second: '2026-06-22T10:00:00.000000001Z',
      last: '2026-06-22T10:59:59.999999999Z',
      after: '2026-06-22T11:00:00.000000000Z',
    };
    put(
      emulator,
      Object.entries(times).map(([name, receiveTimestamp]) =>
        write(name, { receiveTimestamp, timestamp: '2026-06-22T09:30:00Z' }),
      ),
    );
    const source = connect();
    const records = await walk(source, HOUR_AT_T);
    expect(records.map((r) => r.arrival - T)).toEqual([0, HOUR - 1, 0]);
    expect(await insertIds(source)).toEqual(['first', 'last', 'second']);
    const next = { ...HOUR_AT_T, arrival: { from: T + HOUR, to: T + 2 * HOUR } };
    expect(await insertIds(source, next)).toEqual(['after']);
  });

  it('hold entries as the service sent them, byte for byte', async () => {
    const { emulator, connect } = await start();
    const text = JSON.stringify(write('one')).replace(
      '"status":{}',
      '"status":{},"request":{"n":12345678901234567890,"f":1.50e3,"s":"\\u003c/é"}',
    );
    emulator.putEntries(project, [{ entry: text }]);
    const [record] = await walk(connect(), HOUR_AT_T);
    expect(record!.content.toString()).toBe(text);
    expect(record).toMatchObject({
      id: `projects/${project}/logs/cloudaudit.googleapis.com%2Factivity 2026-06-22T10:00:00.5Z one fl 2026-06-22T10:00:01.123456789Z`,
      arrival: T + 1123,
      time: T + 500,
      origin: `projects/${project}/logs/cloudaudit.googleapis.com%2Factivity`,
    });
  });

  it('leave out other clusters, services and logs', async () => {
    const { emulator, connect } = await start();
    const labels = { cluster_name: 'other', location: CLUSTER.location, project_id: project };
    put(emulator, [
      write('mine'),
      write('other', { resource: { type: 'k8s_cluster', labels } }),
      write('policy', { logName: `projects/${project}/logs/cloudaudit.googleapis.com%2Fpolicy` }),
      entryWith({ serviceName: 'container.googleapis.com' }, { insertId: 'service' }),
      entryWith(
        { methodName: 'com.coreos.database.etcd.v1.x.get', resourceName: 'etcd.database.coreos.com/v1/x' },
        { insertId: 'custom' },
      ),
    ]);
    expect(await insertIds(connect())).toEqual(['custom', 'mine']);
  });

  it('survive pages that are short, empty, printed for people or zipped', async () => {
    for (const options of [{ searchLimit: 7 }, { gzip: false }, { gzip: true }]) {
      const { emulator, connect } = await start(options);
      const names = Array.from({ length: 40 }, (_, i) => `e-${String(i).padStart(2, '0')}`);
      put(
        emulator,
        names.map((name, i) => write(name, { timestamp: new Date(T + i).toISOString() })),
      );
      expect(await insertIds(connect())).toEqual(names);
    }
  });

  it('keep both halves of a long request apart', async () => {
    const { emulator, connect, provider } = await start();
    const half = (name: string, at: string, operation: Json) =>
      write(name, { operation: { id: 'x', ...operation }, timestamp: at });
    put(emulator, [
      half('x', '2026-06-22T10:00:00Z', { first: true }),
      half('x', '2026-06-22T10:20:00Z', { last: true }),
    ]);
    const records = await walk(connect(), HOUR_AT_T);
    expect(new Set(records.map((r) => r.id)).size).toBe(2);
    const stages = records.map((r) => {
      const decoded = provider.decode(r, parseOptions());
      return 'event' in decoded ? (JSON.parse(decoded.event.toString()) as Json)['stage'] : decoded;
    });
    expect(stages).toEqual(['ResponseStarted', 'ResponseComplete']);
  });

  it('one entry of another cluster in the answer is skipped, not archived', async () => {
    const { emulator, connect, provider } = await start();
    put(emulator, [write('one')]);
    emulator.fail({ kind: 'other-cluster' });
    const [record] = await walk(connect(), HOUR_AT_T);
    expect(provider.decode(record!, parseOptions())).toEqual({ skip: 'other-cluster' });
  });
});

describe('where entries lie', () => {
  it('may be several projects, folders, buckets and views', async () => {
    const { emulator, connect } = await start();
    emulator.createProject({ project: 'acme-logs' });
    emulator.createBucket({ project: 'acme-logs', location: 'eu', bucket: 'audit', retentionDays: 365 });
    emulator.putFolder({ folder: 'folders/12', projects: ['acme-logs', project] });
    put(emulator, [write('here'), read('secret')]);
    put(emulator, [write('there')], 'acme-logs');
    const of = (...resourceNames: string[]) => insertIds(connect({ resourceNames }));
    expect(await of(`projects/${project}`, 'projects/acme-logs')).toEqual(['here', 'secret', 'there']);
    expect(await of('folders/12')).toEqual(['here', 'secret', 'there']);
    expect(await of('projects/acme-logs/locations/eu/buckets/audit')).toEqual(['there']);
    expect(await of(`projects/${project}/locations/global/buckets/_Required/views/_AllLogs`)).toEqual(['here']);
    expect(await of(`projects/${project}/locations/global/buckets/_Default`)).toEqual(['secret']);
    const missing = connect({ resourceNames: ['projects/acme-logs/locations/eu/buckets/nothing'] });
    expect(await errorOf(missing.fetchPage(HOUR_AT_T, undefined, signal))).toBeInstanceOf(ConfigError);
  });

  it('tell how far back they reach', async () => {
    const { emulator, connect } = await start();
    const at = (days: number) => ({ at: T + 6 * HOUR - days * DAY, because: 'retention', retention: days * DAY });
    emulator.setRetention(project, 90);
    expect(await connect().horizon(signal)).toEqual(at(90));
    expect(await connect({ logs: ['activity'] }).horizon(signal)).toEqual(at(400));
    emulator.createBucket({ project, location: 'eu', bucket: 'audit', retentionDays: 365, createTime: T - 5 * DAY });
    const bucket = connect({ resourceNames: [`projects/${project}/locations/eu/buckets/audit`] });
    expect(await bucket.horizon(signal)).toEqual({ at: T - 5 * DAY, because: 'created', retention: 365 * DAY });
    emulator.allowOnly(['logging.logEntries.list']);
    expect(await connect().horizon(signal)).toEqual({ because: 'unknown' });
  });
  it('also where _Default lies in a region', async () => {
    const { emulator, connect } = await start();
    emulator.createProject({ project: 'acme-eu', location: 'europe-west3' });
    expect(await connect({ project: 'acme-eu' }).horizon(signal)).toMatchObject({ because: 'retention' });
  });
});

describe('what may be seen', () => {
  it('without the permission for private entries nothing is read: they would be missing silently', async () => {
    const { emulator, connect, pagesAsked } = await start();
    put(emulator, [write('w'), read('r')]);
    emulator.allowOnly(['logging.logEntries.list']);
    const error = (await errorOf(connect().fetchPage(HOUR_AT_T, undefined, signal))) as AuthError;
    expect(error).toBeInstanceOf(AuthError);
    expect(error.message).toContain('logging.privateLogEntries.list');
    expect(error.hint).toContain('roles/logging.privateLogViewer');
    expect(pagesAsked()).toBe(0);
    // this is what the service would have answered
    const activity = connect({ logs: ['activity'] });
    expect(await insertIds(activity)).toEqual(['w']);
    expect(await activity.visible(signal)).toEqual({
      sources: [`projects/${project}: cloudaudit.googleapis.com/activity`],
      logging: 'on',
      notes: [expect.stringContaining("reads can't be seen")],
    });
    emulator.allowOnly(VIEWER);
    expect(await insertIds(connect())).toEqual(['r', 'w']);
  });
  it('the check is made once, and again after it failed', async () => {
    const { emulator, connect } = await start();
    const asked = () => emulator.statistics().actions['testIamPermissions']?.calls ?? 0;
    const source = connect();
    emulator.fail({ kind: 'error-503', action: 'testIamPermissions' });
    expect(await errorOf(source.fetchPage(HOUR_AT_T, undefined, signal))).toBeInstanceOf(TransientError);
    await Promise.all([source.fetchPage(HOUR_AT_T, undefined, signal), source.fetchPage(HOUR_AT_T, undefined, signal)]);
    await source.fetchPage(HOUR_AT_T, undefined, signal);
    expect(asked()).toBe(2);
  });
  it('nothing can be checked where Resource Manager is off, and that is said', async () => {
    const { emulator, connect } = await start();
    put(emulator, [write('w')]);
    emulator.fail({ kind: 'api-disabled', action: 'testIamPermissions', times: null });
    const source = connect();
    expect(await insertIds(source)).toEqual(['w']);
    expect((await source.visible(signal)).notes).toEqual([expect.stringContaining("couldn't be asked")]);
  });
  for (const [types, logging, note] of [
    [['ADMIN_READ', 'DATA_READ', 'DATA_WRITE'], 'on', undefined],
    [['DATA_READ'], 'on', 'ADMIN_READ, DATA_WRITE'],
    [[], 'off', 'get and list of secrets included'],
  ] as const)
    it(`Data Access ${types.join(' ') || 'off'} → ${logging}`, async () => {
      const { emulator, connect } = await start();
      emulator.setDataAccess(project, types);
      const visible = await connect().visible(signal);
      expect(visible.logging).toBe(logging);
      expect(visible.notes).toEqual(note === undefined ? [] : [expect.stringContaining(note)]);
    });
  it('what the service can not answer right now is no unknown', async () => {
    const { emulator, connect } = await start();
    emulator.fail({ kind: 'error-500', action: 'getIamPolicy' });
    expect(await errorOf(connect().visible(signal))).toBeInstanceOf(TransientError);
  });
});

describe('quota', () => {
  it('is one for all clusters of a project, and follows the options', async () => {
    const { connect } = await start();
    const own = await connect().quota();
    expect(own.key).toBe(`gcp:${project}:logging.read`);
    // a minute's calls and those that may be caught up on are within the limit, and hardly any is left unused
    expect(own.perSecond * 60 + 1).toBeLessThanOrEqual(60);
    expect(own.perSecond).toBeGreaterThan(0.97);
    expect(await connect({ cluster: 'second' }).quota()).toEqual(await connect().quota());
    const raised = await connect({ callsPerMinute: 300, quotaProject: 'acme-ops' }).quota();
    expect(raised).toEqual({ key: 'gcp:acme-ops:logging.read', perSecond: own.perSecond * 5 });
    expect(await connect().identity(signal)).toBe(`gcp:${project}:${CLUSTER.location}:${CLUSTER.cluster}`);
  });
  it('used up by other readers → ThrottledError', async () => {
    const { emulator, connect } = await start({ callsPerMinute: 60 });
    emulator.setOtherReaders(60);
    const error = await errorOf(connect().fetchPage(HOUR_AT_T, undefined, signal));
    expect(error).toBeInstanceOf(ThrottledError);
    expect((error as ThrottledError).retryAfter).toBeUndefined();
  });
});

describe('credentials', () => {
  /** The file of a workload identity federation whose tokens the emulator gives out. */
  function federation(emulator: CloudLoggingEmulator): string {
    const dir = mkdtempSync(join(tmpdir(), 'auditkeep-gke-'));
    open.push({ close: () => Promise.resolve(rmSync(dir, { recursive: true })) });
    writeFileSync(join(dir, 'token'), 'a token of another cloud');
    const file = join(dir, 'federation.json');
    const credentials = {
      type: 'external_account',
      audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token_url: `${emulator.url}/token`,
      credential_source: { file: join(dir, 'token') },
    };
    writeFileSync(file, JSON.stringify(credentials));
    return file;
  }

  it('come from workload identity federation; a token that is over is an AuthError, and no call is made twice', async () => {
    const { emulator, connect, pagesAsked } = await start({ needsToken: true });
    put(emulator, [write('w')]);
    const source = connect({ credentialsFile: federation(emulator) }, { auth: undefined });
    expect(await insertIds(source)).toEqual(['w']);
    emulator.expireTokens();
    const asked = pagesAsked();
    expect(await errorOf(source.fetchPage(HOUR_AT_T, undefined, signal))).toBeInstanceOf(AuthError);
    expect(pagesAsked()).toBe(asked + 1);
  });
  it('that lead nowhere are an AuthError that says what to do, and no call is made', async () => {
    const { emulator, connect, pagesAsked } = await start();
    const source = connect({ credentialsFile: join(tmpdir(), 'no-such-file.json') }, { auth: undefined });
    const error = (await errorOf(source.fetchPage(HOUR_AT_T, undefined, signal))) as AuthError;
    expect(error).toBeInstanceOf(AuthError);
    expect(error.hint).toContain('credentialsFile');
    emulator.fail({ kind: 'permission-denied', action: 'token', times: null });
    const refused = connect({ credentialsFile: federation(emulator) }, { auth: undefined });
    expect(await errorOf(refused.fetchPage(HOUR_AT_T, undefined, signal))).toBeInstanceOf(AuthError);
    expect(pagesAsked()).toBe(0);
  });
});

describe('answers of a service', () => {
  /** Whatever is asked, the answer is this. */
  async function answering(status: number, body: string, headers: Record<string, string> = {}): Promise<Source> {
    const server = createServer((_, response) => {
      response.writeHead(status, headers);
      response.end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    open.push({ close: () => new Promise((resolve) => (server.closeAllConnections(), server.close(() => resolve()))) });
    const { port } = server.address() as AddressInfo;
    return connectTo({ url: `http://127.0.0.1:${port}`, clock: { now: () => T } } as CloudLoggingEmulator, {
      logs: ['activity'],
    });
  }
  const google = (status: string, reason?: string) =>
    JSON.stringify({ error: { code: 0, message: 'words', status, details: reason === undefined ? [] : [{ reason }] } });

  for (const [status, body, token, type] of [
    [400, google('INVALID_ARGUMENT'), undefined, ConfigError],
    [400, google('INVALID_ARGUMENT'), 'token', StaleTokenError],
    [401, google('UNAUTHENTICATED'), undefined, AuthError],
    [403, google('PERMISSION_DENIED'), undefined, AuthError],
    [403, google('PERMISSION_DENIED', 'SERVICE_DISABLED'), undefined, ConfigError],
    [403, google('PERMISSION_DENIED', 'RATE_LIMIT_EXCEEDED'), undefined, ThrottledError],
    [404, google('NOT_FOUND'), undefined, ConfigError],
    [408, '', undefined, TransientError],
    [418, '', undefined, AuditkeepError],
    [429, google('RESOURCE_EXHAUSTED'), undefined, ThrottledError],
    [429, '<html>', undefined, ThrottledError],
    [500, google('INTERNAL'), undefined, TransientError],
    [502, '<html>', undefined, TransientError],
    [503, google('UNAVAILABLE'), undefined, TransientError],
    [504, google('DEADLINE_EXCEEDED'), undefined, TransientError],
    [302, '', undefined, TransientError],
    [200, '', undefined, TransientError],
    [200, '[]', undefined, TransientError],
    [200, '{"entries":{}}', undefined, TransientError],
    [200, '{"entries":[1]}', undefined, TransientError],
    [200, '{"entries":[{}]}', undefined, TransientError],
    [200, '{"entries":[]', undefined, TransientError],
    [200, '{"entries":[]} x', undefined, TransientError],
    [200, '{"error":{"code":500}}', undefined, TransientError],
    [200, '{"anything":"else"}', undefined, TransientError],
    [200, `{"entries":[${JSON.stringify(write('a', { receiveTimestamp: 'soon' }))}]}`, undefined, TransientError],
  ] as const)
    it(`${status} ${body.slice(0, 60)} ${token ?? ''} → ${type.name}`, async () => {
      const source = await answering(status, body, status === 302 ? { location: 'http://127.0.0.1:1/' } : {});
      const error = await errorOf(source.fetchPage(HOUR_AT_T, token, signal));
      expect(error?.constructor).toBe(type);
      expect((error as Error).message).not.toContain('<html>');
    });
  for (const [body, next] of [
    ['{}', undefined],
    ['{\n}\n', undefined],
    ['{"entries":[]}', undefined],
    ['{"nextPageToken":""}', undefined],
    ['{"nextPageToken":"a\\u0062c"}', 'abc'],
    ['{"entries":[],"unknown":[1],"nextPageToken":"x"}', 'x'],
  ] as const)
    it(`${JSON.stringify(body)} is an empty page`, async () => {
      const source = await answering(200, body);
      const page = await source.fetchPage(HOUR_AT_T, undefined, signal);
      expect([page.records, page.next]).toEqual([[], next]);
    });
  it('429 with Retry-After says how long', async () => {
    const source = await answering(429, '', { 'retry-after': '7' });
    expect(await errorOf(source.fetchPage(HOUR_AT_T, undefined, signal))).toMatchObject({ retryAfter: 7000 });
  });
  it('nobody there → TransientError', async () => {
    const source = connectTo({ url: 'http://127.0.0.1:1', clock: { now: () => T } } as CloudLoggingEmulator, {});
    expect(await errorOf(source.fetchPage(HOUR_AT_T, undefined, signal))).toBeInstanceOf(TransientError);
  });
});

describe('the filter', () => {
  it('says all that a window is', () => {
    expect(filterOf(parseOptions(), HOUR_AT_T)).toBe(
      'resource.type="k8s_cluster" AND resource.labels.project_id="acme-data" AND resource.labels.location="europe-west1" AND ' +
        'resource.labels.cluster_name="data" AND protoPayload.serviceName="k8s.io" AND ' +
        'logName=("projects/acme-data/logs/cloudaudit.googleapis.com%2Factivity" OR "projects/acme-data/logs/cloudaudit.googleapis.com%2Fdata_access") AND ' +
        'receiveTimestamp>="2026-06-22T10:00:00.000Z" AND receiveTimestamp<"2026-06-22T11:00:00.000Z" AND ' +
        'timestamp>="2026-06-21T10:00:00.000Z" AND timestamp<"2026-06-23T11:00:00.000Z"',
    );
  });
  it('holds any name as that name and nothing else', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('"', '\\', ' ', 'O', 'R', ')', '\n', 'x', 'é', '=') }), (name) => {
        const { matches } = parseFilter(`insertId=${quote(name)} AND logName="a"`);
        expect(
          matches(
            new Map([
              ['insertId', name],
              ['logName', 'a'],
            ]),
          ),
        ).toBe(true);
        expect(
          matches(
            new Map([
              ['insertId', `${name}x`],
              ['logName', 'a'],
            ]),
          ),
        ).toBe(false);
        expect(
          matches(
            new Map([
              ['insertId', name],
              ['logName', 'b'],
            ]),
          ),
        ).toBe(false);
      }),
    );
  });
});

describe('options', () => {
  const mistakes = (raw: Json) => {
    const parsed = optionsSchema.safeParse({ ...CLUSTER, ...raw });
    return parsed.success ? [] : parsed.error.issues.map((issue) => issue.path.join('.') || issue.code);
  };
  for (const [raw, wrong] of [
    [{ project: 'Acme' }, 'project'],
    [{ project: 'a" OR "b' }, 'project'],
    [{ location: 'europe' }, 'location'],
    [{ cluster: 'Data_1' }, 'cluster'],
    [{ resourceNames: [] }, 'resourceNames'],
    [{ resourceNames: ['acme'] }, 'resourceNames.0'],
    [{ resourceNames: ['projects/acme-data/logs/x'] }, 'resourceNames.0'],
    [{ logs: ['policy'] }, 'logs.0'],
    [{ keepRaw: 'yes' }, 'keepRaw'],
    [{ callsPerMinute: 0 }, 'callsPerMinute'],
    [{ impersonate: 'me' }, 'impersonate'],
    [{ timeout: '10m' }, 'timeout'],
    [{ zone: 'x' }, 'unrecognized_keys'],
  ] as const)
    it(`${JSON.stringify(raw)} is refused at ${wrong}`, () => {
      expect(mistakes(raw)).toEqual([wrong]);
    });
  it('take what Google calls its things', () => {
    for (const location of ['europe-west1', 'us-central1-a', 'northamerica-northeast2', 'me-central2-b'])
      expect(mistakes({ location })).toEqual([]);
    const resourceNames = [
      'projects/example.com:old-one',
      'folders/123',
      'organizations/9',
      'projects/acme-data/locations/eu/buckets/_Default/views/v',
    ];
    expect(mistakes({ resourceNames })).toEqual([]);
  });
});

describe('timestamps', () => {
  it('any number of digits is cut, never rounded', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_000_000_000_000 }), fc.stringMatching(/^\d{0,12}$/), (time, digits) => {
        const second = new Date(Math.floor(time / 1000) * 1000).toISOString().slice(0, 19);
        const text = `${second}${digits === '' ? '' : `.${digits}`}Z`;
        const ms = Number(`${digits}000`.slice(0, 3));
        expect(parseTimestamp(text)).toBe(Date.parse(`${second}Z`) + ms);
        expect(toMicroTime(text)).toBe(`${second}.${`${digits}000000`.slice(0, 6)}Z`);
      }),
    );
  });
  it('every day of a leap year is one, and none beyond', () => {
    for (let month = 1; month <= 12; month++)
      for (let day = 1; day <= 31; day++) {
        const date = `2024-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`;
        const isReal = new Date(Date.UTC(2024, month - 1, day)).getUTCMonth() === month - 1;
        expect(Number.isNaN(parseTimestamp(`${date}T00:00:00Z`))).toBe(!isReal);
      }
  });
});
