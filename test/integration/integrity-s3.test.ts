// Sealing and verifying on a real S3 server: versions, delete markers, locks, copies, sealers that race.

import { CopyObjectCommand, DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import type { Store } from '../../src/archive/store/store.ts';
import { CHECKPOINT_KEY } from '../../src/integrity/checkpoint.ts';
import { openVersions } from '../../src/integrity/s3-versions.ts';
import { noLastSeen } from '../../src/integrity/last-seen.ts';
import { verify, type VerifyInput } from '../../src/integrity/verify.ts';
import { DEFAULT_SETTINGS } from '../../src/integrity/verify-coverage.ts';
import { keysOf } from '../archive/store-texts.ts';
import { codesOf } from '../integrity/verifying.ts';
import { collectUntil, newSigner, sealAll, twoDays } from '../integrity/sealed.ts';
import { freshBucket, s3, s3Options, storeIn } from './s3-server.ts';

const signer = newSigner();

async function archiveIn(bucket: string, options = {}) {
  const url = `s3://${bucket}/some/prefix`;
  const store = await storeIn(url, options);
  const log = twoDays();
  for (const hours of [4, 8]) {
    await collectUntil(store, log, hours);
    await sealAll(store, { signer });
  }
  return { url, store, now: log.now, bucket, key: (path: string) => `some/prefix/${path}` };
}

const check = async (store: Store, url: string, now: number, over: Partial<VerifyInput> = {}) => {
  const versions = await openVersions(url, s3Options);
  return verify({
    store,
    verifiers: [signer.verifier],
    lastSeen: noLastSeen,
    mode: 'deep',
    settings: () => DEFAULT_SETTINGS,
    now,
    parallel: 8,
    holdsHashes: true,
    signal: new AbortController().signal,
    ...(versions !== undefined && { versions }),
    ...over,
  });
};

test('an archive in a bucket passes, and so does its copy in another bucket and prefix', async () => {
  const { url, store, now, bucket, key } = await archiveIn(await freshBucket());
  for (const mode of ['fast', 'normal', 'deep'] as const)
    expect((await check(store, url, now, { mode })).findings).toEqual([]);
  const Bucket = await freshBucket('versioned');
  for (const path of await keysOf(store, ''))
    await s3.send(new CopyObjectCommand({ Bucket, Key: `moved/${path}`, CopySource: `${bucket}/${key(path)}` }));
  const moved = `s3://${Bucket}/moved`;
  expect((await check(await storeIn(moved), moved, now)).exitCode).toBe(0);
});

test('fast finds a changed object by the hash that the bucket holds', async () => {
  const { url, store, now, bucket, key } = await archiveIn(await freshBucket());
  const [part] = await keysOf(store, 'events/');
  const bytes = (await store.get(part!))!.bytes;
  bytes[bytes.length - 1]! ^= 1;
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key(part!), Body: bytes, ChecksumAlgorithm: 'SHA256' }));
  const report = await check(store, url, now, { mode: 'fast' });
  expect(codesOf(report)).toEqual(['tampered object-differs']);
});

test('delete markers: over a listed object tampering, over a stray fine', async () => {
  const { url, store, now, bucket, key } = await archiveIn(await freshBucket('versioned'));
  expect((await check(store, url, now)).findings).toEqual([]);
  const stray = key(
    'events/cluster=one/date=2026-06-20/20260620T010000Z_20260620T020000Z_9_0123456789abcdef.ndjson.gz',
  );
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key: stray, Body: 'x' }));
  await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: stray }));
  expect((await check(store, url, now)).findings).toEqual([]);
  const [part] = await keysOf(store, 'events/');
  await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: key(part!) }));
  const report = await check(store, url, now);
  expect(report.exitCode).toBe(4);
  expect(codesOf(report)).toEqual(['tampered delete-marker', 'tampered object-missing']);
});

test('a checkpoint that was rolled back shows in its versions', async () => {
  const { url, store, now, bucket, key } = await archiveIn(await freshBucket('versioned'));
  const versions = (await openVersions(url, s3Options))!;
  const old: string[] = [];
  for await (const version of versions.list())
    if (version.key === CHECKPOINT_KEY && !version.isLatest) old.push(version.id);
  const bytes = await versions.get(CHECKPOINT_KEY, old.at(-1)!);
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key(CHECKPOINT_KEY), Body: bytes! }));
  const report = await check(store, url, now);
  expect(codesOf(report)).toContain('incomplete log-shrunken');
  expect(report.exitCode).toBe(3);
});

test('--lock: every version that never changes is locked as configured', async () => {
  const objectLock = { mode: 'GOVERNANCE', days: 2 } as const;
  const { url, store, now } = await archiveIn(await freshBucket('locked'), { objectLock });
  expect((await check(store, url, now, { lock: objectLock })).findings).toEqual([]);
  const stricter = await check(store, url, now, { lock: { mode: 'GOVERNANCE', days: 30 } });
  expect(codesOf(stricter)).toEqual(['incomplete lock-short']);
  const bare = await archiveIn(await freshBucket('locked'));
  expect(codesOf(await check(bare.store, bare.url, bare.now, { lock: objectLock }))).toEqual(['incomplete not-locked']);
});

test('sealers that race leave one log', async () => {
  const url = `s3://${await freshBucket()}/raced`;
  const store = await storeIn(url);
  const log = twoDays();
  for (const hours of [3, 6, 9]) {
    await collectUntil(store, log, hours);
    await Promise.all(Array.from({ length: 6 }, async () => sealAll(await storeIn(url), { signer })));
    expect((await check(store, url, log.now)).findings).toEqual([]);
  }
});
