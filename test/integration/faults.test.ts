// What goes wrong around a run: several at once, stores and clouds that fail, disks, rights, clocks, signals, changed configs; with real processes.

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { FaultKind } from '../../emulators/cloudwatch/fault.ts';
import { type Fault, startFaultProxy } from '../../emulators/fault-proxy.ts';
import { eventLine } from '../collect/fake-source.ts';
import { collectorRun, differences, newArchive } from './campaign.ts';
import { type EksCloud, startEksCloud } from './eks-cloud.ts';
import { DAY, HOUR, makeWorld, PROGRAM, smallCloud, start } from './program.ts';
import { credentialsFor, endpoint, freshBucket, s3Options } from './s3-server.ts';

const SEED = Number(process.env['AUDITKEEP_TEST_SEED'] ?? Math.floor(Math.random() * 1e6));
const isRoot = process.getuid?.() === 0;
const NOBODY = 65534;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'faults-'));
  chmodSync(folder, 0o755);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

let count = 0;
const fresh = () => join(folder, `${count++}`);

describe(`a day of two clusters, seed ${SEED}`, () => {
  let cloud: EksCloud;
  beforeAll(async () => {
    cloud = await startEksCloud(SEED, 60);
  });
  afterAll(() => cloud.close());
  const times = () => [cloud.from + 15 * HOUR, cloud.to + 2 * HOUR, Math.floor(Date.now() / 1000) * 1000];

  test.each([
    ['a directory', async () => fresh(), undefined],
    ['S3', async () => `s3://${await freshBucket()}/archive`, s3Options],
  ] as const)('two to four collectors at once make one archive in %s', async (_, url, s3) => {
    const archive = await newArchive(cloud, folder, await url(), s3);
    for (const [round, asOf] of times().entries()) {
      const runs = await Promise.all(Array.from({ length: 2 + round }, () => collectorRun(archive, asOf)));
      for (const run of runs) expect(run.code, run.stderr).toBe(0);
    }
    expect(await differences(archive, cloud)).toEqual([]);
    await archive.store.close();
  });

  test('a store that answers 500 and 503, times out and tears connections loses nothing and commits nothing false', async () => {
    const url = `s3://${await freshBucket()}/archive`;
    const proxy = await startFaultProxy({ target: endpoint, seed: SEED });
    onTestFinished(() => proxy.close());
    const archive = await newArchive(cloud, folder, url, { ...s3Options, endpoint: proxy.url, timeout: 1500 });
    const text = JSON.parse(readFileSync(archive.config, 'utf8')) as { s3: object };
    writeFileSync(archive.config, JSON.stringify({ ...text, s3: { ...text.s3, timeout: '2s' } }));
    const faults: [Fault, number][] = [
      [{ kind: 'status', status: 500 }, 0.03],
      [{ kind: 'status', status: 503 }, 0.03],
      [{ kind: 'refuse' }, 0.02],
      // the server did its work, and the client doesn't know
      [{ kind: 'reset' }, 0.03],
      [{ kind: 'cut' }, 0.02],
      [{ kind: 'hang' }, 0.004],
      [{ kind: 'silence' }, 0.004],
    ];
    const codes: (number | null)[] = [];
    for (const [round, asOf] of times().entries()) {
      proxy.setPlan(faults.map(([fault, chance]) => ({ fault, chance: chance * (1 + round) })));
      codes.push((await collectorRun(archive, asOf)).code);
    }
    expect(proxy.seen.filter((one) => one.fault !== undefined).length).toBeGreaterThan(20);
    for (const code of codes) expect([0, 1, 3]).toContain(code);
    proxy.setPlan([]);
    const clean = await collectorRun(archive, times()[2]!);
    expect(clean.code, clean.stderr).toBe(0);
    expect(await differences(archive, cloud)).toEqual([]);
    await archive.store.close();
  });

  test('a cloud that throttles, fails, cuts answers and loses its place in the walk', async () => {
    const archive = await newArchive(cloud, folder, fresh());
    const rates: [FaultKind, number][] = [
      ['throttle', 0.1],
      ['error-500', 0.06],
      ['error-503', 0.06],
      ['reset', 0.04],
      ['reset-body', 0.04],
      ['cut-body', 0.04],
      ['not-json', 0.04],
      ['empty-page', 0.1],
      ['expire-token', 0.02],
      ['repeat-token', 0.02],
    ];
    for (const [i, [kind, rate]] of rates.entries()) cloud.emulator.fail({ kind, rate, seed: SEED + i, times: null });
    onTestFinished(() => cloud.emulator.clearFaults());
    for (const asOf of times()) expect([0, 1, 3]).toContain((await collectorRun(archive, asOf)).code);
    cloud.emulator.clearFaults();
    const clean = await collectorRun(archive, times()[2]!);
    expect(clean.code, clean.stderr).toBe(0);
    expect(await differences(archive, cloud)).toEqual([]);
    await archive.store.close();
  });

  test('a run that is asked to stop ends with 130, and the next one goes on', async () => {
    const archive = await newArchive(cloud, folder, fresh());
    const now = times()[2]!;
    cloud.emulator.setLatency(20);
    onTestFinished(() => cloud.emulator.setLatency(2));
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const { child, done } = start(PROGRAM, ['collect', '--config', archive.config, '--log-level', 'debug']);
      let seen = '';
      let asked = false;
      child.stderr!.on('data', (chunk) => {
        seen += String(chunk);
        // in the middle of it: some windows are committed, others are not
        if (!asked && seen.split('"put"').length > 30) asked = child.kill(signal);
      });
      const ended = await done;
      expect(ended.code, ended.stderr.slice(-500)).toBe(130);
      expect(ended.stderr).toContain('what was committed stays');
    }
    const whole = await collectorRun(archive, now);
    expect(whole.code, whole.stderr).toBe(0);
    expect(await differences(archive, cloud)).toEqual([]);
    await archive.store.close();
  });

  // --as-of gives each process the time that it believes in. The sleeper believes in a time when only first reads were due; while it
  // stands still, others at a later time read the rest, recheck every day and sweep. What it puts when it wakes can only lose or be swept.
  test('a run that was stopped and woken after others committed and rechecked changes nothing', async () => {
    const archive = await newArchive(cloud, folder, fresh());
    const [early, , now] = times() as [number, number, number];
    const sleeper = start(PROGRAM, [
      'collect',
      '--config',
      archive.config,
      '--as-of',
      new Date(early).toISOString().replace(/\.\d+/, ''),
      '--log-level',
      'debug',
    ]);
    let seen = '';
    const stopped = new Promise<void>((resolve) => {
      const watch = (chunk: Buffer) => {
        seen += String(chunk);
        if (seen.split('"put"').length <= 12 || !sleeper.child.kill('SIGSTOP')) return;
        sleeper.child.stderr!.off('data', watch); // once: it must not be stopped again when it is woken
        resolve();
      };
      sleeper.child.stderr!.on('data', watch);
    });
    await Promise.race([stopped, sleeper.done]);
    expect(sleeper.child.exitCode).toBeNull();
    const others = await Promise.all([collectorRun(archive, now), collectorRun(archive, now)]);
    for (const run of others) expect(run.code, run.stderr).toBe(0);
    const before = await differences(archive, cloud);
    // its own parts of windows that others committed are strays, which it takes away itself
    expect(before.filter((text) => !text.includes('no manifest names it'))).toEqual([]);
    sleeper.child.kill('SIGCONT');
    const woken = await sleeper.done;
    expect(woken.code, woken.stderr.slice(-800)).toBe(0);
    expect(await differences(archive, cloud)).toEqual([]);
    await archive.store.close();
  });
});

const T = Math.floor(Date.now() / DAY) * DAY - 3 * DAY;
const day = (hours: number) =>
  Array.from({ length: hours * 4 }, (_, i) => ({
    time: T + i * 900_000,
    content: eventLine(T + i * 900_000, `event-${i}`).toString(),
  }));
const collect = { start: new Date(T).toISOString().slice(0, 10) };

describe('a small cluster', () => {
  let cloud: Awaited<ReturnType<typeof smallCloud>>;
  beforeAll(async () => {
    cloud = await smallCloud(T - DAY);
    cloud.send(day(40));
    cloud.send(day(2), 'other');
  });
  afterAll(() => cloud.close());
  const asOf = T + 10 * HOUR;
  const world = (over: Parameters<typeof makeWorld>[2] = {}, s3?: typeof s3Options) =>
    makeWorld(fresh(), cloud, { collect, ...over }, s3);
  const onS3 = (bucket: string, over: object = {}) =>
    world(
      { archive: `s3://${bucket}/x`, s3: { endpoint, forcePathStyle: true, region: 'us-east-1', ...over } },
      s3Options,
    );

  test.skipIf(!isRoot || spawnSync('mount', ['--version']).status !== 0)(
    'a full disk: exit 1, nothing false, and the next run on a larger one completes (needs root for a small file system)',
    async () => {
      const disk = fresh();
      mkdirSync(disk, { recursive: true });
      const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=160k', 'tmpfs', disk]);
      if (mounted.status !== 0) return expect(String(mounted.stderr)).toMatch(/permission|denied|not permitted/i);
      onTestFinished(() => void spawnSync('umount', [disk]));
      const w = world({ archive: join(disk, 'archive') });
      const full = await w.run('collect', { asOf: T + 39 * HOUR });
      expect([1, 3]).toContain(full.code);
      expect(full.stderr).toMatch(/disk|space/);
      expect(full.stderr).not.toContain('unexpected error');
      expect((await w.check()).problems.filter((text) => !text.includes('no manifest names it'))).toEqual([]);
      expect(spawnSync('mount', ['-o', 'remount,size=16m', disk]).status).toBe(0);
      const whole = await w.run('collect', { asOf: T + 39 * HOUR });
      expect(whole.code, whole.stderr).toBe(0);
      const { problems, lines } = await w.check();
      expect(problems).toEqual([]);
      expect(lines.get('one')).toHaveLength(38 * 4);
    },
  );

  test.skipIf(!isRoot)(
    'a directory that may not be written, or temporary files that may not: said by name, exit 1 (needs root to become someone else)',
    async () => {
      const w = world();
      mkdirSync(w.archive, { recursive: true });
      chmodSync(w.archive, 0o555);
      const denied = await w.run('collect', { asOf, uid: NOBODY });
      expect([1, 2]).toContain(denied.code);
      expect(denied.stderr).toContain(w.archive);
      expect(denied.stderr).toMatch(/may not|permission|denied|EACCES/i);
      expect(denied.stderr).not.toContain('unexpected error');
      const noScratch = await world().run('collect', { asOf, env: { TMPDIR: '/nonexistent/tmp' } });
      expect(noScratch.code).toBe(1);
      expect(noScratch.stderr).toContain('/nonexistent/tmp');
      expect(noScratch.stderr).toContain('TMPDIR');
      expect(noScratch.stderr).not.toContain('unexpected error');
    },
  );

  test('folders that other runs left among the temporary files don’t stop this one', async () => {
    const tmp = fresh();
    mkdirSync(tmp, { recursive: true });
    chmodSync(tmp, 0o1777);
    // someone else's, of a process that is gone
    mkdirSync(join(tmp, 'auditkeep-4194305-x/inner'), { recursive: true });
    writeFileSync(join(tmp, 'auditkeep-4194305-x/inner/0'), 'x');
    const archive = fresh();
    mkdirSync(archive, { recursive: true });
    chmodSync(archive, 0o777);
    const w = world({ archive });
    const ran = await w.run('collect', {
      asOf,
      env: { TMPDIR: tmp, HOME: tmp, XDG_STATE_HOME: tmp },
      ...(isRoot && { uid: NOBODY }),
    });
    expect(ran.code, ran.stderr).toBe(0);
  });

  test('a bucket that isn’t there, credentials that are over or lack one action: said with what to do', async () => {
    const missing = await onS3('no-such-bucket-here').run('collect', { asOf });
    expect(missing.code).toBe(2);
    expect(missing.stderr).toContain('no-such-bucket-here');
    const bucket = await freshBucket();
    for (const action of ['s3:PutObject', 's3:ListBucket', 's3:GetObject']) {
      const actions = ['s3:PutObject', 's3:ListBucket', 's3:GetObject', 's3:DeleteObject'].filter(
        (one) => one !== action,
      );
      const env = await credentialsFor([{ Effect: 'Allow', Action: actions, Resource: ['arn:aws:s3:::*'] }]);
      const w = onS3(bucket);
      const denied = await w.run('collect', { asOf, env });
      expect(denied.code, `${action}: ${denied.stderr}`).toBe(1);
      expect(denied.stderr, action).toContain(action);
      expect(denied.stderr).not.toContain(env.AWS_SECRET_ACCESS_KEY);
    }
    const env = {
      AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE',
      AWS_SECRET_ACCESS_KEY: 'wrong-secret-key-of-nobody',
      AWS_SESSION_TOKEN: '',
    };
    const unknown = await onS3(bucket).run('collect', { asOf, env });
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toMatch(/credentials/);
    expect(unknown.stderr).not.toContain('wrong-secret');
    const noDelete = await credentialsFor([
      { Effect: 'Allow', Action: ['s3:PutObject', 's3:ListBucket', 's3:GetObject'], Resource: ['arn:aws:s3:::*'] },
    ]);
    const w = onS3(bucket);
    const ran = await w.run('collect', { asOf, env: noDelete });
    expect(ran.code, ran.stderr).toBe(0);
    expect((await w.check()).problems).toEqual([]);
  });

  test.each([
    ['access-denied', 1, 'logs:FilterLogEvents'],
    ['expired-credentials', 1, 'credentials'],
    ['unknown-key', 1, 'credentials'],
  ] as const)('a cloud that answers %s: exit %i, nothing committed, and the fix is said', async (kind, code, says) => {
    cloud.fail({ kind, times: null });
    onTestFinished(() => cloud.clearFaults());
    const w = world();
    const ran = await w.run('collect', { asOf });
    expect(ran.code).toBe(code);
    expect(ran.stderr).toContain(says);
    expect((await w.check()).manifests).toEqual([]);
    cloud.clearFaults();
    expect((await w.run('collect', { asOf })).code).toBe(0);
    expect((await w.check()).lines.get('one')).toHaveLength(36);
  });

  test('another region or a cluster that isn’t there is a config error that names the log group', async () => {
    for (const cluster of [{ region: 'eu-west-1' }, { cluster: 'nothing' }]) {
      const ran = await world({ cluster }).run('collect', { asOf });
      expect(ran.code, ran.stderr).toBe(2);
      expect(ran.stderr).toContain('log group');
    }
  });

  /** The program with another clock than the cloud's. */
  async function withClock(shift: number, config: string) {
    const script = join(fresh(), 'clock.mts');
    mkdirSync(join(script, '..'), { recursive: true });
    const from = (path: string) => JSON.stringify(join(import.meta.dirname, '../..', path));
    writeFileSync(
      script,
      `import { registry } from ${from('providers/index.ts')};
import { main } from ${from('src/cli/main.ts')};
process.exitCode = await main({ argv: ['collect', '--config', ${JSON.stringify(config)}], env: process.env, stdin: process.stdin,
  stdout: process.stdout, stderr: process.stderr, signal: new AbortController().signal, now: () => Date.now() + ${shift}, registry });
setTimeout(() => process.exit(), 500).unref();
`,
    );
    return start(script, []).done;
  }

  test('a host clock that is days off commits nothing, and says by how much', async () => {
    for (const [shift, says] of [
      [3 * DAY, /ahead of/],
      [-2 * DAY, /behind/],
    ] as const) {
      const w = world({ recheck: undefined });
      const ran = await withClock(shift, w.config);
      expect(ran.code, ran.stderr).toBe(1);
      expect(ran.stderr).toMatch(says);
      expect((await w.check()).manifests).toEqual([]);
      // once begun, too
      expect((await w.run('collect')).code).toBe(0);
      const before = (await w.check()).manifests.length;
      const again = await withClock(shift, w.config);
      expect(again.code, `${shift}: ${again.stderr}`).toBe(1);
      expect(again.stderr).toMatch(says);
      expect((await w.check()).manifests.length).toBe(before);
    }
    const w = world();
    const slightly = await withClock(-10 * 60_000, w.config);
    expect(slightly.code, slightly.stderr).toBe(0);
    expect(slightly.stderr).toContain('behind');
  });

  test('what the first run fixed can’t be changed: log group, grid; but start may be', async () => {
    const w = world();
    expect((await w.run('collect', { asOf })).code).toBe(0);
    const rewritten = (over: object) =>
      makeWorld(join(w.config, '..'), cloud, { collect, archive: w.archive, ...over });
    const other = await rewritten({ cluster: { cluster: 'other' } }).run('collect', { asOf: asOf + HOUR });
    expect(other.code, other.stderr).toBe(2);
    expect(other.stderr).toContain('/aws/eks/other/cluster');
    expect(other.stderr).toContain('another name');
    const grid = await rewritten({ collect: { ...collect, window: '30m' } }).run('collect', { asOf: asOf + HOUR });
    expect(grid.code, grid.stderr).toBe(2);
    expect(grid.stderr).toContain('collect.window');
    const later = rewritten({ collect: { start: new Date(T + DAY).toISOString().slice(0, 10) } });
    const ran = await later.run('collect', { asOf: asOf + HOUR });
    expect(ran.code, ran.stderr).toBe(0);
    const { manifests, problems } = await later.check();
    expect(problems).toEqual([]);
    expect(manifests).toHaveLength(10);
    expect(manifests[0]!.from).toBe(new Date(T).toISOString().replace('.000', ''));
  });

  test('a first run killed after any of its first writes, and start changed: one beginning, no gap', async () => {
    for (const kill of ['cluster.json', 'policies/', 'events/', 'ids/', 'ledger/cluster=one/2']) {
      const w = world();
      const { child, done } = w.begin('collect', { asOf, args: ['--log-level', 'debug'] });
      let seen = '';
      child.stderr!.on('data', (chunk) => {
        seen += String(chunk);
        if (seen.split('\n').some((line) => line.includes('"put"') && line.includes(kill))) child.kill('SIGKILL');
      });
      const ended = await done;
      expect(ended.signal, `${kill}: ${ended.stderr.slice(-300)}`).toBe('SIGKILL');
      await sleep(50);
      const changed = makeWorld(join(w.config, '..'), cloud, {
        archive: w.archive,
        collect: { start: new Date(T + 5 * HOUR).toISOString().replace('.000', '') },
      });
      const ran = await changed.run('collect', { asOf });
      expect(ran.code, ran.stderr).toBe(0);
      const { manifests, problems, lines } = await changed.check();
      expect(problems).toEqual([]);
      // the kill may have come before or after the first write took hold; whichever start stands, all from there on is there
      const from = JSON.parse(readFileSync(join(w.archive, 'ledger/cluster=one/cluster.json'), 'utf8')) as {
        first: string;
      };
      const hours = (T + 9 * HOUR - Date.parse(from.first)) / HOUR;
      expect([4, 9]).toContain(hours);
      if (kill !== 'cluster.json') expect(hours).toBe(9);
      expect(manifests).toHaveLength(hours);
      expect(lines.get('one')).toHaveLength(hours * 4);
    }
  });
});
