// check on a real S3 server: what a bucket is good for, with all rights and with few; and that no probe is left where deleting is allowed.

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ListObjectVersionsCommand } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { PROBE_KEY } from '../../src/archive/store/s3.ts';
import type { Point } from '../../src/cli/check-point.ts';
import { eventLine, runCli } from '../cli/run-cli.ts';
import { credentialsFor, endpoint, freshBucket, s3, storeIn, withEnv } from './s3-server.ts';

interface Line {
  readonly subject: string;
  readonly points: readonly Point[];
  readonly [fact: string]: unknown;
}

/** The archive's line, with its points by name. */
async function check(bucket: string, s3Options: object = {}, env: Readonly<Record<string, string>> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'auditkeep-check-s3-'));
  const config = join(folder, 'auditkeep.yaml');
  writeFileSync(join(folder, 'audit.log'), `${eventLine('one')}\n`);
  const common = { endpoint, forcePathStyle: true };
  const clusters = [{ name: 'lab', provider: 'kube', files: join(folder, '*.log') }];
  const archive = `s3://${bucket}/some/prefix`;
  writeFileSync(config, JSON.stringify({ archive, s3: { ...common, ...s3Options }, clusters }));
  const { code, stdout, stderr } = await withEnv(env, () =>
    runCli(['check', '--config', config, '-o', 'json'], { now: Date.now() }),
  );
  for (const secret of ['AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'] as const)
    if (env[secret]) expect(stdout + stderr).not.toContain(env[secret]);
  const line = stdout
    .trimEnd()
    .split('\n')
    .map((text) => JSON.parse(text) as Line)
    .find(({ subject }) => subject === 'archive')!;
  return { code, line, points: Object.fromEntries(line.points.map((point) => [point.point, point])), stderr };
}

const versionsIn = async (Bucket: string) => (await s3.send(new ListObjectVersionsCommand({ Bucket }))).Versions ?? [];

test('a plain bucket: the probe is refused twice and is gone afterwards', async () => {
  const bucket = await freshBucket();
  const { code, points, line } = await check(bucket);
  expect(code).toBe(0);
  expect(points).toMatchObject({
    reach: { state: 'ok' },
    create: { state: 'ok', message: expect.stringContaining(`some/prefix/${PROBE_KEY} was refused a second time`) },
    read: { state: 'ok' },
    delete: { state: 'ok', message: expect.stringContaining('was deleted again') },
    encryption: { state: 'warn', fix: expect.stringContaining('s3.sse') },
    lock: { state: 'ok', message: expect.stringContaining('versioning off') },
    ledger: { state: 'ok' },
    log: { state: 'ok' },
    clock: { state: 'ok' },
  });
  expect(line).toMatchObject({ encryption: 'none', versioning: 'off', objectLock: 'off' });
  expect(await versionsIn(bucket)).toEqual([]);
});

test("collect's own probe is left as it was", async () => {
  const bucket = await freshBucket('versioned');
  await (await storeIn(`s3://${bucket}/some/prefix`)).check();
  const before = await versionsIn(bucket);
  expect(before).toHaveLength(1);
  const { code, points, line } = await check(bucket, { sse: 'aws:kms' });
  expect(code).toBe(0);
  expect(points['create']).toMatchObject({ state: 'ok', message: expect.stringContaining('it was there already') });
  expect(points['encryption']?.message).toContain('not tried');
  expect(points['delete']).toBeUndefined();
  expect(line).toMatchObject({ encryption: 'aws:kms', versioning: 'on' });
  expect(await versionsIn(bucket)).toEqual(before);
});

test('encryption as configured is tried; a key that is not there fails', async () => {
  const { points } = await check(await freshBucket(), { sse: 'aws:kms', kmsKeyId: 'auditkeep-key' });
  expect(points['create']?.state).toBe('ok');
  expect(points['encryption']).toMatchObject({ state: 'ok', message: 'aws:kms with auditkeep-key, as s3.sse says' });
  const wrong = await check(await freshBucket(), { sse: 'aws:kms', kmsKeyId: 'no-such-key' });
  expect(wrong.code).toBe(1);
  expect(wrong.points['create']).toMatchObject({ state: 'fail', fix: expect.any(String) });
});

test('Object Lock as configured', async () => {
  const objectLock = { mode: 'GOVERNANCE', days: 2 };
  const locked = await check(await freshBucket('locked'), { objectLock });
  expect(locked.points['lock']).toMatchObject({
    state: 'ok',
    message: expect.stringContaining('GOVERNANCE for 2 days'),
  });
  expect(locked.line).toMatchObject({ objectLock: 'on', versioning: 'on' });
  const unused = await check(await freshBucket('locked'));
  expect(unused.points['lock']).toMatchObject({ state: 'warn', fix: expect.stringContaining('s3.objectLock') });
  const plain = await check(await freshBucket(), { objectLock });
  expect(plain.code).toBe(1);
  expect(plain.points['lock']).toMatchObject({
    state: 'fail',
    message: expect.stringContaining('every write would be refused'),
  });
});

test('few rights: what may not be asked is unknown, what may not be deleted stays once', async () => {
  const bucket = await freshBucket();
  const Resource = [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`];
  const env = await credentialsFor([
    { Effect: 'Allow', Action: ['s3:ListBucket', 's3:GetObject', 's3:PutObject'], Resource },
  ]);
  for (let run = 0; run < 2; run++) {
    const { code, points, line } = await check(bucket, { objectLock: { mode: 'COMPLIANCE', days: 400 } }, env);
    expect(code).toBe(0);
    expect(points['create']?.state).toBe('ok');
    if (run === 0)
      expect(points['delete']).toMatchObject({ state: 'ok', message: expect.stringContaining('may not delete') });
    expect(points['lock']).toMatchObject({ state: 'warn', message: expect.stringContaining('unknown') });
    expect(line).toMatchObject({ objectLock: 'unknown', versioning: 'unknown' });
    expect((await versionsIn(bucket)).map(({ Key }) => Key)).toEqual([`some/prefix/${PROBE_KEY}`]);
  }
});

test('no right to write, no right to list, no bucket', async () => {
  const bucket = await freshBucket();
  const Resource = [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`];
  const reader = await credentialsFor([{ Effect: 'Allow', Action: ['s3:ListBucket', 's3:GetObject'], Resource }]);
  const readOnly = await check(bucket, {}, reader);
  expect(readOnly.code).toBe(1);
  expect(readOnly.points['create']).toMatchObject({ error: 'AuthError', fix: expect.stringContaining('s3:PutObject') });
  const writer = await credentialsFor([{ Effect: 'Allow', Action: ['s3:PutObject'], Resource }]);
  const blind = await check(bucket, {}, writer);
  expect(blind.code).toBe(1);
  expect(blind.points['reach']).toMatchObject({ error: 'AuthError', fix: expect.stringContaining('s3:ListBucket') });
  expect(await versionsIn(bucket)).toEqual([]);
  const missing = await check('no-such-bucket-here');
  expect(missing.code).toBe(1);
  expect(missing.points['reach']).toMatchObject({
    error: 'ConfigError',
    message: expect.stringContaining("doesn't exist"),
  });
});
