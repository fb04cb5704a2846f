// The S3 store on a real server: its contract, versions, locks, encryption, tags, and who may do what.

import { randomBytes } from 'node:crypto';
import {
  DeleteObjectCommand,
  GetObjectRetentionCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
} from '@aws-sdk/client-s3';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { startFaultProxy } from '../../emulators/fault-proxy.ts';
import { sha256Hex } from '../../src/archive/hash.ts';
import { withRetries } from '../../src/archive/store/retrying.ts';
import { PROBE_KEY } from '../../src/archive/store/s3.ts';
import type { Store } from '../../src/archive/store/store.ts';
import { AuthError, ConfigError, ConflictError, TransientError } from '../../src/errors.ts';
import { silentLog } from '../../src/log.ts';
import { storeContract } from '../archive/store-contract.ts';
import { keysOf, putText, textOf } from '../archive/store-texts.ts';
import { credentialsFor, endpoint, freshBucket, s3, storeIn, withEnv } from './s3-server.ts';

let shared: Promise<string> | undefined;

storeContract('S3, under a prefix', async () => {
  shared ??= freshBucket();
  return storeIn(`s3://${await shared}/${randomBytes(4).toString('hex')}/deep`);
});
storeContract('S3, a whole bucket with versions, encryption and tags', async () =>
  storeIn(`s3://${await freshBucket('versioned')}`, { sse: 'aws:kms', tags: { team: 'sec + ops', 'a=b': 'x:/@' } }),
);

const versionsOf = async (Bucket: string, Prefix: string) =>
  (await s3.send(new ListObjectVersionsCommand({ Bucket, Prefix }))).Versions ?? [];

describe('options of a put', () => {
  test('the clock of the server is handed on, of refusals too', async () => {
    const dates: number[] = [];
    const store = await storeIn(`s3://${await freshBucket()}`, {}, { onServerDate: (date) => dates.push(date) });
    await store.head('none');
    await putText(store, 'a', 'x');
    await expect(putText(store, 'a', 'x')).rejects.toThrow(ConflictError);
    expect(dates).toHaveLength(3);
    for (const date of dates) expect(Math.abs(date - Date.now())).toBeLessThan(60_000);
  });

  test('object lock: data can not be removed before its time, the checkpoint can', async () => {
    const bucket = await freshBucket('locked');
    const now = Date.now();
    const store = await storeIn(
      `s3://${bucket}/k8s`,
      { objectLock: { mode: 'COMPLIANCE', days: 30 } },
      { onServerDate() {}, now: () => now },
    );
    await store.check();
    for (const key of ['events/x', 'ledger/x', 'log/tile/0/000', 'log/tile/0/001.p/7', 'log/checkpoint'])
      await putText(store, key, 'x');
    const locked: Record<string, boolean> = {};
    for (const { Key = '', VersionId = '' } of await versionsOf(bucket, 'k8s/')) {
      const retention = await s3
        .send(new GetObjectRetentionCommand({ Bucket: bucket, Key }))
        .then((answer) => answer.Retention)
        .catch(() => undefined);
      if (retention !== undefined) {
        expect(retention.Mode).toBe('COMPLIANCE');
        const until = retention.RetainUntilDate!.getTime();
        expect(Math.abs(until - now - 30 * 86_400_000)).toBeLessThan(1000);
      }
      const gone = await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key, VersionId })).then(
        () => true,
        () => false,
      );
      locked[Key.slice(4)] = retention !== undefined && !gone;
    }
    expect(locked).toEqual({
      [PROBE_KEY]: false,
      'events/x': true,
      'ledger/x': true,
      'log/checkpoint': false,
      'log/tile/0/000': true,
      'log/tile/0/001.p/7': false,
    });
    expect(await textOf(store, 'events/x')).toBe('x');
  });

  test('object lock on a bucket without it is a config error', async () => {
    const store = await storeIn(`s3://${await freshBucket()}`, { objectLock: { mode: 'GOVERNANCE', days: 1 } });
    await expect(putText(store, 'events/x', 'x')).rejects.toThrow(ConfigError);
    await expect(putText(store, 'events/x', 'x')).rejects.toMatchObject({
      hint: expect.stringContaining('s3.objectLock') as string,
    });
  });

  test('a create-only loser adds no version', async () => {
    const bucket = await freshBucket('versioned');
    const store = await storeIn(`s3://${bucket}`);
    await putText(store, 'ledger/m', 'one');
    for (let i = 0; i < 3; i++) await expect(putText(store, 'ledger/m', 'two')).rejects.toThrow(ConflictError);
    await store.check();
    await store.check();
    expect(await versionsOf(bucket, 'ledger/')).toHaveLength(1);
    expect(await versionsOf(bucket, PROBE_KEY)).toHaveLength(1);
  });

  test('encryption, tags and storage class are as asked for', async () => {
    const bucket = await freshBucket();
    const store = await storeIn(`s3://${bucket}`, {
      sse: 'aws:kms',
      kmsKeyId: 'auditkeep-key',
      storageClass: 'REDUCED_REDUNDANCY',
      tags: { team: 'sec + ops', env: 'prod' },
    });
    for (const key of ['events/x', 'ledger/x']) {
      await putText(store, key, 'x');
      const head = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: key }));
      expect(head.ServerSideEncryption).toBe('aws:kms');
      expect(head.SSEKMSKeyId).toContain('auditkeep-key');
      expect(head.StorageClass).toBe(key === 'events/x' ? 'REDUCED_REDUNDANCY' : undefined);
      const tags = await s3.send(new GetObjectTaggingCommand({ Bucket: bucket, Key: key }));
      expect(Object.fromEntries(tags.TagSet!.map(({ Key, Value }) => [Key, Value]))).toEqual({
        team: 'sec + ops',
        env: 'prod',
      });
    }
  });

  test('tags that S3 does not allow are named as the fault', async () => {
    const store = await storeIn(`s3://${await freshBucket()}`, { tags: { team: 'sec & ops' } });
    await expect(putText(store, 'events/x', 'x')).rejects.toThrow(ConfigError);
    await expect(putText(store, 'events/x', 'x')).rejects.toThrow(/s3\.tags/);
  });

  test('a KMS key that does not exist is named as the fault', async () => {
    const store = await storeIn(`s3://${await freshBucket()}`, { sse: 'aws:kms', kmsKeyId: 'no-such-key' });
    await expect(putText(store, 'events/x', 'x')).rejects.toThrow(ConfigError);
    await expect(putText(store, 'events/x', 'x')).rejects.toThrow(/KMS key/);
  });
});

describe('refusals', () => {
  test('a missing bucket', async () => {
    const store = await storeIn('s3://no-such-bucket-here/k8s');
    for (const work of [() => store.check(), () => putText(store, 'a', 'x'), () => store.get('a'), () => keysOf(store)])
      await expect(work()).rejects.toThrow(ConfigError);
    await expect(store.check()).rejects.toThrow("bucket no-such-bucket-here doesn't exist");
  });

  test('wrong credentials', async () => {
    const bucket = await freshBucket();
    for (const env of [{ AWS_SECRET_ACCESS_KEY: 'wrong' }, { AWS_ACCESS_KEY_ID: 'nobody' }])
      await withEnv(env, async () => {
        const store = await storeIn(`s3://${bucket}`);
        for (const work of [() => store.check(), () => putText(store, 'a', 'x'), () => store.head('a')]) {
          await expect(work()).rejects.toThrow(AuthError);
          await expect(work()).rejects.toThrow(/does not accept the credentials/);
        }
      });
  });

  test('a role is assumed, with the refusal of STS told apart from that of S3', async () => {
    const bucket = await freshBucket();
    const role = { region: 'us-east-1', roleArn: 'arn:aws:iam::000000000000:role/writer', externalId: 'ours-1' };
    const proxy = await startFaultProxy({ target: endpoint });
    await withEnv({ AWS_ENDPOINT_URL_STS: proxy.url }, async () => {
      const store = await storeIn(`s3://${bucket}`, role);
      await putText(store, 'events/x', 'x');
      await putText(store, 'events/y', 'y');
      expect(await textOf(store, 'events/y')).toBe('y');
      expect(proxy.seen).toHaveLength(1);

      proxy.setPlan([
        { fault: { kind: 'status', status: 503 }, times: 1 },
        { fault: { kind: 'reset' }, times: 1 },
      ]);
      const shaky = await storeIn(`s3://${bucket}`, role);
      await expect(shaky.get('events/x')).rejects.toThrow(TransientError);
      await expect(shaky.get('events/x')).rejects.toThrow(TransientError);
      expect(await textOf(shaky, 'events/x')).toBe('x');

      await withEnv({ AWS_SECRET_ACCESS_KEY: 'wrong' }, async () => {
        const refused = await storeIn(`s3://${bucket}`, role);
        await expect(refused.get('events/x')).rejects.toThrow(AuthError);
        await expect(refused.get('events/x')).rejects.toThrow(/sts:AssumeRole was refused for .*role\/writer/);
      });
    });
    await proxy.close();
  });

  const actions: Record<string, (store: Store) => Promise<unknown>> = {
    's3:PutObject': (store) => putText(store, 'events/new', 'x'),
    's3:GetObject': (store) => store.get('events/old'),
    's3:ListBucket': (store) => store.check(),
    's3:DeleteObject': (store) => store.delete('events/old'),
  };
  for (const denied of Object.keys(actions))
    test(`a role without ${denied} is told so, and can do all else`, async () => {
      const bucket = await freshBucket();
      await putText(await storeIn(`s3://${bucket}`), 'events/old', 'x');
      const allowed = Object.keys(actions).filter((action) => action !== denied);
      const resources = [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`];
      const env = await credentialsFor([{ Effect: 'Allow', Action: allowed, Resource: resources }]);
      await withEnv(env, async () => {
        const store = await storeIn(`s3://${bucket}`);
        await expect(actions[denied]!(store)).rejects.toThrow(AuthError);
        await expect(actions[denied]!(store)).rejects.toThrow(denied);
        if (denied === 's3:GetObject') await expect(store.head('events/old')).rejects.toThrow(AuthError);
        if (denied === 's3:PutObject') await expect(store.check()).rejects.toThrow(denied);
        if (denied !== 's3:PutObject' && denied !== 's3:ListBucket') await store.check();
        for (const action of allowed) if (action !== 's3:ListBucket') await actions[action]!(store);
      });
    });
});

describe('faults between client and server', () => {
  const fast = (store: Store) =>
    withRetries(store, {
      signal: new AbortController().signal,
      log: silentLog,
      sleep: (ms) => delay(ms / 50),
      attempts: 25,
    });

  test('a put whose answer is lost is done, and known to be', async () => {
    const proxy = await startFaultProxy({ target: endpoint });
    const bucket = await freshBucket('versioned');
    const store = await storeIn(`s3://${bucket}`, { endpoint: proxy.url, timeout: 1000 });
    for (const kind of ['reset', 'silence', 'cut'] as const) {
      proxy.setPlan([{ fault: { kind }, method: 'PUT', times: 1 }]);
      const key = `ledger/${kind}`;
      // a put's answer has no body, so `cut` takes nothing away from it
      if (kind !== 'cut') await expect(putText(store, `${key}-once`, 'x')).rejects.toThrow(TransientError);
      proxy.setPlan([{ fault: { kind }, method: 'PUT', times: 1 }]);
      const tag = await putText(fast(store), key, 'mine');
      expect((await fast(store).head(key))?.tag).toBe(tag);
      expect((await versionsOf(bucket, key)).filter(({ Key }) => Key === key)).toHaveLength(1);
    }
    // the same bytes are ours whoever wrote them; other bytes are not
    proxy.setPlan([{ fault: { kind: 'reset' }, method: 'PUT', times: 1 }]);
    await expect(putText(fast(store), 'ledger/reset', 'other')).rejects.toThrow(ConflictError);
    expect(await textOf(store, 'ledger/reset')).toBe('mine');
    await proxy.close();
  });

  test('answers that are cut off are never taken for whole', async () => {
    const proxy = await startFaultProxy({ target: endpoint });
    const store = await storeIn(`s3://${await freshBucket()}`, { endpoint: proxy.url, timeout: 1000 });
    const keys = Array.from({ length: 30 }, (_, i) => `ledger/${100 + i}`);
    for (const key of keys) await putText(store, key, key.repeat(100));
    for (const bytes of [0, 1, 300, 700]) {
      proxy.setPlan([{ fault: { kind: 'cut', bytes } }]);
      await expect(store.get(keys[0]!)).rejects.toThrow(TransientError);
      await expect(keysOf(store)).rejects.toThrow(TransientError);
      const stream = await store.read(keys[0]!).catch((error: unknown) => expect(error).toBeInstanceOf(TransientError));
      if (stream) await expect(stream.toArray()).rejects.toThrow(TransientError);
    }
    proxy.setPlan([{ fault: { kind: 'cut' }, times: 3 }]);
    expect(await keysOf(fast(store))).toEqual(keys);
    await proxy.close();
  });

  test('a storm of all faults changes nothing in the end', async () => {
    const proxy = await startFaultProxy({
      target: endpoint,
      seed: 42,
      plan: [
        { fault: { kind: 'status', status: 503, body: '<Error><Code>SlowDown</Code></Error>' }, chance: 0.1 },
        { fault: { kind: 'status', status: 500 }, chance: 0.1 },
        { fault: { kind: 'reset' }, chance: 0.1 },
        { fault: { kind: 'refuse' }, chance: 0.1 },
        { fault: { kind: 'cut' }, chance: 0.1 },
        { fault: { kind: 'silence' }, chance: 0.02 },
      ],
    });
    const url = `s3://${await freshBucket()}/storm`;
    const stores = await Promise.all([1, 2].map(() => storeIn(url, { endpoint: proxy.url, timeout: 500 })));
    const won = await Promise.all(
      stores.map(async (store, me) => {
        const mine: string[] = [];
        for (let i = 0; i < 60; i++) {
          try {
            await putText(fast(store), `ledger/${i}`, `by ${me}`);
            mine.push(`ledger/${i}`);
          } catch (error) {
            expect(error).toBeInstanceOf(ConflictError);
          }
        }
        return mine;
      }),
    );
    const straight = await storeIn(url);
    expect(new Set(won.flat()).size).toBe(60);
    expect(won.flat()).toHaveLength(60);
    for (const [me, keys] of won.entries())
      for (const key of keys) expect(await textOf(straight, key)).toBe(`by ${me}`);
    expect((await fast(stores[0]!).get('ledger/7'))?.bytes.toString()).toMatch(/^by [01]$/);
    expect(proxy.seen.filter(({ fault }) => fault !== undefined).length).toBeGreaterThan(30);
    await proxy.close();
  });

  test('hash of what is stored decides where the server does not keep one', async () => {
    const store = await storeIn(`s3://${await freshBucket()}`);
    const { head } = store;
    const forgetful: Store = {
      ...store,
      head: async (key) => {
        const found = await head(key);
        return found && { key, size: found.size, tag: found.tag };
      },
      put: async (key, body, options) => {
        const tag = await store.put(key, body, options);
        throw new TransientError(`the answer with ${tag} was lost`);
      },
    };
    const tag = await putText(fast(forgetful), 'ledger/m', 'mine');
    expect(tag).toBe((await head('ledger/m'))?.tag);
    await expect(putText(fast(forgetful), 'ledger/m', 'other')).rejects.toThrow(ConflictError);
    expect(sha256Hex((await store.get('ledger/m'))!.bytes)).toBe(sha256Hex(Buffer.from('mine')));
  });
});
