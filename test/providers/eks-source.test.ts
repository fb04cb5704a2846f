// What is particular to the EKS source: bounds, streams, credentials, permissions, and what is said when something is missing.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import type { PolicyDocument } from '../../emulators/cloudwatch/iam.ts';
import type { EmulatorOptions } from '../../emulators/cloudwatch/server.ts';
import { provider } from '../../providers/eks/index.ts';
import { filterLogEventsPerSecond } from '../../providers/eks/quota.ts';
import { AuthError, ConfigError, TransientError } from '../../src/errors.ts';
import { HAVE_LOGS, logFiles, readLog, REAL_LINES } from '../event-lines.ts';
import { entry, errorOf, walk } from './contract.ts';
import { connectTo, LOG_GROUP, parseOptions, startEks, STREAM } from './eks-harness.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const T = Date.parse('2026-06-22T10:00:00Z');
const NOW = T + 6 * HOUR;
const QUERY = { arrival: { from: T, to: T + HOUR }, lateness: HOUR };
const { signal } = new AbortController();

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function start(options: EmulatorOptions = {}) {
  const harness = await startEks({ created: T - 40 * DAY, now: NOW }, options);
  open.push(harness);
  const connect = (raw: Readonly<Record<string, unknown>> = {}) => {
    const source = connectTo(harness.emulator, raw);
    open.push(source);
    return source;
  };
  return { harness, emulator: harness.emulator, connect };
}

describe('reading', () => {
  it('asks for event time up to but not including the bound, though the service includes its end', async () => {
    const { emulator, connect } = await start();
    const put = (timestamp: number, message: string) =>
      emulator.putEvents({ logGroup: LOG_GROUP }, STREAM, [{ timestamp, ingestionTime: T + 1, message }]);
    put(T - HOUR - 1, 'too early');
    put(T - HOUR, 'first');
    put(T + 1 + 2 * HOUR, 'as far ahead as can be');
    emulator.putEvents({ logGroup: LOG_GROUP }, STREAM, [
      { timestamp: T + 3 * HOUR - 1, ingestionTime: T + HOUR, message: 'last' },
      { timestamp: T + 3 * HOUR, ingestionTime: T + HOUR, message: 'too late' },
    ]);
    const source = connect();
    expect(source.bounds(QUERY)).toEqual({ from: T - HOUR, to: T + 3 * HOUR });
    const contents = (await walk(source, QUERY)).map((r) => r.content.toString());
    expect(contents).toEqual(['first', 'as far ahead as can be', 'last']);
  });

  it('leaves other streams alone, and skips what the service answers of them nevertheless', async () => {
    const { harness, emulator, connect } = await start();
    for (const stream of ['kube-apiserver-0123456789abcdef', 'authenticator-0123456789abcdef', 'kube-apiserver-audit'])
      emulator.putEvents({ logGroup: LOG_GROUP }, stream, [{ timestamp: T, message: `I0622 ${stream}` }]);
    await harness.put([entry('one', T, T), entry('two', T + 1, T + 1), entry('three', T + 2, T + 2)]);
    const source = connect();
    expect(await walk(source, QUERY)).toHaveLength(3);
    emulator.fail({ kind: 'wrong-stream' });
    const decoded = (await walk(source, QUERY)).map((r) => provider.decode(r, harness.options as never));
    expect(decoded.map((d) => ('skip' in d ? d.skip : 'event'))).toEqual(['event', 'other-stream', 'event']);
  });

  it('hands out messages byte for byte', async () => {
    const { emulator, connect } = await start();
    const odd = [
      '\u0000',
      'é€😀\u2028',
      '\\u0041',
      '"',
      '{"a":"\\ud83d"}',
      ' leading and trailing ',
      '\ufeff',
      '\r\n',
      '💥'.repeat(20_000),
    ];
    const messages = [...REAL_LINES.map((line) => line.toString()), ...odd];
    emulator.putEvents(
      { logGroup: LOG_GROUP },
      STREAM,
      messages.map((message, i) => ({ timestamp: T + i, ingestionTime: T + i, message })),
    );
    const records = await walk(connect(), QUERY);
    expect(records.map((r) => r.content.toString())).toEqual(messages);
    expect(records[0]).toMatchObject({ arrival: T, time: T, origin: STREAM });
  });

  it.skipIf(!HAVE_LOGS)('hands out every line of the logs of real API servers (needs ../shared)', async () => {
    const { emulator, connect } = await start();
    const lines = logFiles()
      .flatMap((path) => readLog(path))
      .slice(0, 20_000);
    emulator.putEvents(
      { logGroup: LOG_GROUP },
      STREAM,
      lines.map((line, i) => ({ timestamp: T + i, ingestionTime: T + i, message: line.toString() })),
    );
    const records = await walk(connect(), QUERY);
    expect(records).toHaveLength(lines.length);
    expect(records.findIndex((r, i) => !r.content.equals(lines[i]!))).toBe(-1);
  });

  it('gives up on a body that stalls', async () => {
    const { harness, emulator, connect } = await start();
    await harness.put(Array.from({ length: 100 }, (_, i) => entry(`e-${i}`, T + i, T + i)));
    emulator.fail({ kind: 'hang-body' });
    expect(await errorOf(connect().fetchPage(QUERY, undefined, signal))).toBeInstanceOf(TransientError);
  });

  it('fails on a record without id', async () => {
    const { harness, emulator, connect } = await start();
    await harness.put([entry('one', T, T)]);
    emulator.fail({ kind: 'missing-event-id' });
    const error = await errorOf(connect().fetchPage(QUERY, undefined, signal));
    expect(error).toBeInstanceOf(TransientError);
    expect((error as Error).message).toContain('without eventId');
  });

  it('says where a page was in event time, and what it took', async () => {
    const { harness, connect } = await start();
    await harness.put([entry('one', T, T), entry('two', T + 5, T + 9)]);
    const page = await connect().fetchPage(QUERY, undefined, signal);
    expect(page.position).toBe(T + 5);
    expect(page.bytes).toBeGreaterThan(page.records.reduce((sum, r) => sum + r.content.length, 0));
  });

  it('nobody listens: TransientError', async () => {
    const { emulator, connect } = await start();
    const source = connect();
    await source.identity(signal);
    await emulator.close();
    open.splice(0, 1);
    expect(await errorOf(source.fetchPage(QUERY, undefined, signal))).toBeInstanceOf(TransientError);
  });
});

describe('the log group', () => {
  it('is found among many that begin with its name', async () => {
    const { emulator, connect } = await start();
    for (let i = 0; i < 120; i++)
      emulator.createLogGroup({ logGroup: `/aws/eks/prod/${String(i).padStart(3, '0')}`, creationTime: 1 });
    for (let i = 0; i < 60; i++) emulator.createLogGroup({ logGroup: `${LOG_GROUP}-${i}`, creationTime: 1 });
    expect(await connect().horizon(signal)).toEqual({ at: T - 40 * DAY, because: 'created' });
    const error = await errorOf(connect({ logGroup: '/aws/eks/prod/' }).horizon(signal));
    expect(error).toBeInstanceOf(ConfigError);
    // three pages of 50
    expect(emulator.statistics().actions['logs:DescribeLogGroups']?.calls).toBeGreaterThan(3);
  });

  it('created after the oldest that its retention would keep: nothing was lost', async () => {
    const { harness, connect } = await start();
    harness.setRetention?.(90);
    expect(await connect().horizon(signal)).toEqual({ at: T - 40 * DAY, because: 'created', retention: 90 * DAY });
  });

  it('whose retention may not be asked: unknown, no error', async () => {
    const { emulator, connect } = await start();
    emulator.allowOnly({ Statement: { Effect: 'Allow', Action: 'logs:FilterLogEvents', Resource: '*' } });
    expect(await connect().horizon(signal)).toEqual({ because: 'unknown' });
  });

  it('of another account than the config says is refused', async () => {
    const { connect } = await start();
    const source = connect({ aws: { account: '999999999999' } });
    expect(await source.identity(signal)).toBe(`aws:999999999999:eu-central-1:${LOG_GROUP}`);
    const error = await errorOf(source.horizon(signal));
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as Error).message).toContain('111122223333');
  });

  it('missing: the message names it, the hint gives the command that creates it', async () => {
    const { connect } = await start();
    const error = (await errorOf(connect({ cluster: 'nowhere' }).fetchPage(QUERY, undefined, signal))) as ConfigError;
    expect(error.message).toContain('/aws/eks/nowhere/cluster');
    expect(error.message).toContain('eu-central-1');
    expect(error.hint).toContain('aws eks update-cluster-config --region eu-central-1 --name nowhere --logging');
    expect(error.hint).toMatch(/region.*account/);
  });

  it('in another region is another one', async () => {
    const { harness, connect } = await start();
    await harness.put([entry('one', T, T)]);
    expect(await errorOf(connect({ region: 'us-east-1' }).fetchPage(QUERY, undefined, signal))).toBeInstanceOf(
      ConfigError,
    );
  });
});

describe('permissions', () => {
  const policies = [
    ...readFileSync(join(import.meta.dirname, '../../providers/eks/README.md'), 'utf8').matchAll(/```json\n(.*?)```/gs),
  ].map((match) => JSON.parse(match[1]!) as PolicyDocument);
  const [reader, runner] = policies as [PolicyDocument, PolicyDocument];
  const ROLE = 'arn:aws:iam::111122223333:role/audit-reader';

  async function useAll(source: ReturnType<typeof connectTo>) {
    await source.quota();
    await source.identity(signal);
    const horizon = await source.horizon(signal);
    const visible = await source.visible(signal);
    return { horizon, visible, records: await walk(source, QUERY) };
  }

  it('of the README are enough, and each is used', async () => {
    const { harness, emulator, connect } = await start();
    await harness.put([entry('one', T, T)]);
    emulator.allowOnly(reader);
    const { horizon, visible, records } = await useAll(connect());
    expect(records).toHaveLength(1);
    expect(horizon.because).toBe('created');
    expect(visible).toMatchObject({ logging: 'on', notes: [] });
    const { actions } = emulator.statistics();
    const named = [reader.Statement].flat().flatMap((s) => s.Action as string);
    expect(Object.keys(actions).sort()).toEqual([...named, 'sts:GetCallerIdentity'].sort());
    expect(Object.values(actions).map((a) => a.denied)).toEqual(Object.values(actions).map(() => 0));
  });

  it('of the README do not open other log groups or clusters', async () => {
    const { emulator, connect } = await start();
    emulator.createLogGroup({ logGroup: '/aws/eks/other/cluster' });
    emulator.setCluster({ name: 'other', audit: true });
    emulator.allowOnly(reader);
    const source = connect({ cluster: 'other' });
    const error = await errorOf(source.fetchPage(QUERY, undefined, signal));
    expect(error).toBeInstanceOf(AuthError);
    expect((error as AuthError).message).toContain('logs:FilterLogEvents');
    expect((error as AuthError).hint).toContain('log-group:/aws/eks/other/cluster:*');
    expect((await source.visible(signal)).logging).toBe('unknown');
  });

  it('to read alone still read', async () => {
    const { harness, emulator, connect } = await start();
    await harness.put([entry('one', T, T)]);
    emulator.allowOnly({ Statement: [reader.Statement].flat().filter((s) => s.Action === 'logs:FilterLogEvents') });
    const { horizon, visible, records } = await useAll(connect());
    expect(records).toHaveLength(1);
    expect([horizon.because, visible.logging]).toEqual(['unknown', 'unknown']);
  });

  it('a role is assumed with its external id, and needs only what the README says', async () => {
    const { harness, emulator, connect } = await start({
      roles: [{ arn: ROLE, externalId: 'acme-1', policy: reader }],
    });
    await harness.put([entry('one', T, T)]);
    emulator.allowOnly(runner);
    const { records } = await useAll(connect({ aws: { roleArn: ROLE, externalId: 'acme-1' } }));
    expect(records).toHaveLength(1);
    // the role tells the account: STS need not be asked
    expect(Object.keys(emulator.statistics().actions)).not.toContain('sts:GetCallerIdentity');
    // once for each service
    expect(emulator.statistics().actions['sts:AssumeRole']?.calls).toBe(2);
    const wrong = await errorOf(
      connect({ aws: { roleArn: ROLE, externalId: 'other' } }).fetchPage(QUERY, undefined, signal),
    );
    expect(wrong).toBeInstanceOf(AuthError);
    expect((wrong as AuthError).message).toContain(ROLE);
    expect((wrong as AuthError).hint).toContain('sts:AssumeRole');
  });

  it('a role in another account reads that account', async () => {
    const arn = 'arn:aws:iam::444455556666:role/audit-reader';
    const { emulator, connect } = await start({ roles: [{ arn }] });
    emulator.createLogGroup({ account: '444455556666', logGroup: LOG_GROUP, creationTime: T - DAY });
    emulator.putEvents({ account: '444455556666', logGroup: LOG_GROUP }, STREAM, [{ timestamp: T, message: 'theirs' }]);
    const source = connect({ aws: { roleArn: arn } });
    expect((await walk(source, QUERY)).map((r) => r.content.toString())).toEqual(['theirs']);
    expect(await source.identity(signal)).toBe(`aws:444455556666:eu-central-1:${LOG_GROUP}`);
    expect((await source.quota()).key).toBe('aws:444455556666:eu-central-1:logs:FilterLogEvents');
  });

  it('a profile that does not exist: AuthError that names it', async () => {
    const { connect } = await start();
    const directory = mkdtempSync(join(tmpdir(), 'aws-'));
    writeFileSync(join(directory, 'config'), '[profile known]\nregion = eu-central-1\n');
    const before = { ...process.env };
    Object.assign(process.env, {
      AWS_CONFIG_FILE: join(directory, 'config'),
      AWS_SHARED_CREDENTIALS_FILE: join(directory, 'none'),
    });
    try {
      const options = parseOptions({ region: 'eu-central-1', cluster: 'prod', aws: { profile: 'nobody' } });
      const source = provider.connect({ name: 'p', provider: 'eks' }, options, {
        log: undefined as never,
        now: () => NOW,
        onServerDate() {},
      });
      const error = await errorOf(source.fetchPage(QUERY, undefined, signal));
      expect(error).toBeInstanceOf(AuthError);
      expect((error as Error).message).toContain('nobody');
      await source.close();
    } finally {
      process.env = before;
      rmSync(directory, { recursive: true });
      void connect;
    }
  });
});

describe('options', () => {
  it('quota by region, unless told', async () => {
    expect(['us-east-1', 'eu-central-1', 'ca-west-1', 'eu-west-1'].map(filterLogEventsPerSecond)).toEqual([
      25, 5, 5, 10,
    ]);
    const { connect } = await start();
    expect(await connect().quota()).toEqual({
      key: 'aws:111122223333:eu-central-1:logs:FilterLogEvents',
      perSecond: 5,
    });
    expect((await connect({ callsPerSecond: 2.5 }).quota()).perSecond).toBe(2.5);
  });

  it('the log group has a default', () => {
    expect(parseOptions({ region: 'eu-central-1', cluster: 'prod' }).logGroup).toBe(LOG_GROUP);
    expect(parseOptions({ region: 'us-gov-west-1', cluster: 'A_1', logGroup: 'x/y' }).logGroup).toBe('x/y');
  });

  it('are checked, all at once', () => {
    const wrong = {
      region: 'Frankfurt',
      cluster: '../x',
      logGroup: 'a b',
      aws: { externalId: 'xx', account: '12', roleArn: 'role' },
      callsPerSecond: 0,
      timeout: '1h',
      extra: 1,
    };
    const issues = provider.options.safeParse(wrong).error?.issues ?? [];
    const paths = issues.map((i) => (i.code === 'unrecognized_keys' ? i.keys.join() : i.path.join('.')));
    expect(paths.sort()).toEqual(
      ['aws.account', 'aws.roleArn', 'callsPerSecond', 'cluster', 'extra', 'logGroup', 'region', 'timeout'].sort(),
    );
    expect(
      provider.options.safeParse({ region: 'eu-central-1', cluster: 'a', aws: { externalId: 'xx' } }).success,
    ).toBe(false);
  });

  it('importing the provider and making a source loads no SDK', async () => {
    const script = `
      import { registerHooks } from 'node:module';
      const seen = [];
      registerHooks({ resolve(specifier, context, next) { seen.push(specifier); return next(specifier, context); } });
      const { provider } = await import(${JSON.stringify(join(import.meta.dirname, '../../providers/eks/index.ts'))});
      const options = provider.options.parse({ region: 'eu-central-1', cluster: 'prod' });
      const source = provider.connect({ name: 'a', provider: 'eks' }, options, { now: Date.now, onServerDate() {} });
      source.bounds({ arrival: { from: 0, to: 1 }, lateness: 0 });
      await source.close();
      console.log(JSON.stringify(seen));`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
    const seen = JSON.parse(stdout) as string[];
    expect(seen.some((s) => s.endsWith('source.ts'))).toBe(true);
    expect(seen.filter((s) => s.includes('@aws-sdk') || s.includes('@smithy'))).toEqual([]);
  });
});
