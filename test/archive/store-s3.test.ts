// What the S3 store asks of a server, and what it makes of each answer; the contract itself runs in test/integration.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { sha256Hex } from '../../src/archive/hash.ts';
import { openS3Store } from '../../src/archive/store/s3.ts';
import type { Store } from '../../src/archive/store/store.ts';
import type { S3Options } from '../../src/config.ts';
import {
  AuditkeepError,
  AuthError,
  ConfigError,
  ConflictError,
  ThrottledError,
  TransientError,
} from '../../src/errors.ts';
import { type Answer, refusal, type ScriptedS3, startScriptedS3 } from './scripted-s3.ts';
import { keysOf, putText } from './store-texts.ts';

let server: ScriptedS3;
let store: Store;
let folder = '';
const secrets = {
  AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'hush-secret',
  AWS_SESSION_TOKEN: 'hush-token',
};
const before = { ...process.env };
const dates: number[] = [];

const open = (options: Partial<S3Options> = {}, url = 's3://bucket/k8s') =>
  openS3Store(
    url,
    { endpoint: server.endpoint, region: 'eu-central-1', forcePathStyle: true, tags: {}, timeout: 400, ...options },
    { onServerDate: (date) => dates.push(date), now: () => Date.parse('2026-06-22T00:00:00Z') },
  );

beforeAll(async () => {
  Object.assign(process.env, secrets, { AWS_CONFIG_FILE: '/dev/null', AWS_SHARED_CREDENTIALS_FILE: '/dev/null' });
  folder = await mkdtemp(join(tmpdir(), 'auditkeep-s3-'));
  server = await startScriptedS3();
  store = await open();
});
beforeEach(() => void (dates.length = 0));
afterAll(async () => {
  await store.close();
  await server.close();
  await rm(folder, { recursive: true });
  for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
  Object.assign(process.env, before);
});

/** Every way to talk to the server. */
const calls: Record<string, (store: Store) => Promise<unknown>> = {
  get: (store) => store.get('ledger/m.json'),
  read: (store) => store.read('ledger/m.json').then((stream) => stream?.toArray()),
  head: (store) => store.head('ledger/m.json'),
  create: (store) => putText(store, 'ledger/m.json', 'x'),
  swap: (store) => putText(store, 'log/checkpoint', 'x', { ifMatch: '"1"' }),
  list: (store) => keysOf(store, 'ledger/'),
  delete: (store) => store.delete('events/x'),
};
const all = Object.keys(calls);

async function errorOf(work: Promise<unknown>): Promise<AuditkeepError> {
  const outcome: unknown = await work.then(
    (value) => ({ value }),
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(AuditkeepError);
  return outcome as AuditkeepError;
}

type Case = [answer: Answer, on: readonly string[], expected: new (...args: never[]) => AuditkeepError, says?: RegExp];

const without = (...names: string[]) => all.filter((name) => !names.includes(name));
const cases: Record<string, Case> = {
  'missing bucket': [refusal(404, 'NoSuchBucket'), without('head'), ConfigError, /bucket bucket doesn't exist/],
  'wrong region, told in a header': [
    refusal(301, 'PermanentRedirect', '', { 'x-amz-bucket-region': 'us-west-2' }),
    all,
    ConfigError,
    /in region us-west-2, not eu-central-1/,
  ],
  'wrong region, told in the body': [
    refusal(400, 'AuthorizationHeaderMalformed', '<Region>ap-south-1</Region>'),
    all,
    ConfigError,
    /in region ap-south-1, not eu-central-1/,
  ],
  'expired token': [refusal(400, 'ExpiredToken'), all, AuthError, /expired/],
  'unknown key': [refusal(403, 'InvalidAccessKeyId'), all, AuthError, /does not accept the credentials/],
  'bad signature': [refusal(403, 'SignatureDoesNotMatch'), all, AuthError, /does not accept the credentials/],
  'no right to create': [refusal(403, 'AccessDenied'), ['create', 'swap'], AuthError, /s3:PutObject was refused/],
  'no right to read': [
    refusal(403, 'AccessDenied'),
    ['get', 'read', 'head'],
    AuthError,
    /s3:GetObject.*k8s\/ledger\/m/,
  ],
  'no right to list': [refusal(403, 'AccessDenied'), ['list'], AuthError, /s3:ListBucket/],
  'no right to delete': [refusal(403, 'AccessDenied'), ['delete'], AuthError, /s3:DeleteObject/],
  'a put that lost': [refusal(412, 'PreconditionFailed'), ['create', 'swap'], ConflictError],
  'a swap of what is gone': [refusal(404, 'NoSuchKey'), ['swap'], ConflictError],
  'two puts at once': [refusal(409, 'ConditionalRequestConflict'), ['create', 'swap'], TransientError],
  'another operation at once': [refusal(409, 'OperationAborted'), all.slice(3, 5), TransientError],
  'damaged on the way (S3)': [refusal(400, 'BadDigest'), ['create', 'swap'], TransientError],
  'damaged on the way (MinIO)': [refusal(400, 'XAmzContentChecksumMismatch'), ['create', 'swap'], TransientError],
  'server error': [refusal(500, 'InternalError'), all, TransientError],
  'server error without a body': [{ status: 500 }, all, TransientError],
  'a proxy in between': [{ status: 502, body: '<html>bad gateway</html>' }, all, TransientError],
  unavailable: [refusal(503, 'ServiceUnavailable'), all, TransientError],
  throttled: [refusal(503, 'SlowDown'), without('head'), ThrottledError],
  'too many requests': [{ status: 429 }, all, ThrottledError],
  'clock off': [refusal(403, 'RequestTimeTooSkewed'), without('head'), TransientError, /clock/],
  'key disabled': [refusal(400, 'KMS.DisabledException'), without('head'), ConfigError, /KMS key/],
  'server without conditional puts': [refusal(501, 'NotImplemented'), ['create', 'swap'], ConfigError],
  'server full': [refusal(507, 'XMinioStorageFull'), ['create', 'swap'], AuditkeepError, /full/],
  'cold object': [refusal(403, 'InvalidObjectState'), ['get', 'read'], AuditkeepError, /archive storage class/],
  hang: [() => {}, all, TransientError],
  'reset before the answer': [(request) => request.socket.resetAndDestroy(), all, TransientError],
  'closed before the answer': [(request) => request.socket.destroy(), all, TransientError],
  'no HTTP at all': [(request) => request.socket.end('hello?\r\n\r\n'), all, TransientError],
  'body shorter than said': [
    (_, response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('<ListBucketResult><KeyCount>0', () => response.destroy());
    },
    ['get', 'read', 'list'],
    TransientError,
  ],
  'body that stops': [
    (_, response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('<ListBucketResult><KeyCount>0');
    },
    ['get', 'read', 'list'],
    TransientError,
  ],
  'chunked body cut off': [
    (_, response) => {
      response.writeHead(200);
      response.write('<ListBucketResult>', () => response.destroy());
    },
    ['get', 'read', 'list'],
    TransientError,
  ],
  'list cut off at a line end': [
    {
      status: 200,
      body: '<ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>2</KeyCount><Contents><Key>k8s/ledger/a</Key></Contents></ListBucketResult>',
    },
    ['list'],
    TransientError,
  ],
  'list without an end': [
    { status: 200, body: '<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>' },
    ['list'],
    TransientError,
  ],
  'list that is no XML': [{ status: 200, body: 'all is well' }, ['list'], TransientError],
  'list out of order': [
    {
      status: 200,
      body: '<ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>2</KeyCount><Contents><Key>k8s/ledger/b</Key></Contents><Contents><Key>k8s/ledger/a</Key></Contents></ListBucketResult>',
    },
    ['list'],
    ConfigError,
    /byte order/,
  ],
};

describe('what an answer means', () => {
  for (const [name, [answer, on, expected, says]] of Object.entries(cases))
    test(name, async () => {
      for (const call of on) {
        server.script(answer);
        const error = await errorOf(calls[call]!(store));
        expect(error, `${call}: ${error.message}`).toBeInstanceOf(expected);
        if (expected === AuditkeepError) expect(error).not.toBeInstanceOf(TransientError);
        if (says !== undefined) expect(error.message).toMatch(says);
        if (error instanceof AuthError || error instanceof ConfigError)
          expect(error.message + error.hint).not.toMatch(/undefined/);
        expect(inspect(error, { depth: 20, showHidden: true })).not.toMatch(/hush/);
        expect(server.asked.length, 'the store itself never retries').toBeLessThanOrEqual(call === 'head' ? 2 : 1);
      }
    });

  test('what is not there', async () => {
    server.script(refusal(404, 'NoSuchKey'));
    expect(await store.get('a')).toBeUndefined();
    expect(await store.read('a')).toBeUndefined();
    expect(await store.head('a')).toBeUndefined();
    server.script(refusal(416, 'InvalidRange'));
    expect(await (await store.read('a', { start: 9 }))!.toArray()).toEqual([]);
  });

  test('throttling hands on how long to wait', async () => {
    server.script(refusal(503, 'SlowDown', '', { 'retry-after': '7' }));
    expect(await errorOf(store.get('a'))).toMatchObject({ name: 'ThrottledError', retryAfter: 7000 });
  });

  test('nobody there', async () => {
    const gone = createServer().listen(0, '127.0.0.1');
    await once(gone, 'listening');
    const { port } = gone.address() as AddressInfo;
    await new Promise((resolve) => gone.close(resolve));
    const lost = await open({ endpoint: `http://127.0.0.1:${port}` });
    for (const call of all) expect(await errorOf(calls[call]!(lost)), call).toBeInstanceOf(TransientError);
  });

  test('a refusal in the middle of a large upload', async () => {
    const body = randomBytes(6 << 20);
    const path = join(folder, 'large');
    await writeFile(path, body);
    const put = (to: Store) =>
      to.put('events/x', { path, size: body.length }, { ifAbsent: true, sha256: sha256Hex(body) });
    server.script(refusal(403, 'AccessDenied'));
    expect(await errorOf(put(store))).toBeInstanceOf(AuthError);
    server.script(() => {});
    expect(await errorOf(put(store))).toBeInstanceOf(TransientError);
    // a server that takes connections, but never reads nor answers
    const deaf = createServer((socket) => socket.on('error', () => {}).pause()).listen(0, '127.0.0.1');
    await once(deaf, 'listening');
    const { port } = deaf.address() as AddressInfo;
    const slow = await open({ endpoint: `http://127.0.0.1:${port}` });
    expect(await errorOf(put(slow))).toBeInstanceOf(TransientError);
    deaf.close();
  });

  test('the Date header is handed on, of refusals too', async () => {
    const date = 'Mon, 22 Jun 2026 10:00:00 GMT';
    server.script(
      { status: 500, headers: { date } },
      { status: 404, headers: { date } },
      { status: 200, headers: { date: 'soon' } },
    );
    await errorOf(store.get('a'));
    await store.get('a');
    await store.delete('a');
    expect(dates).toEqual([Date.parse(date), Date.parse(date)]);
  });
});

describe('what is asked', () => {
  const ok: Answer = { status: 200, headers: { etag: '"1"' } };
  const only = () => {
    expect(server.asked).toHaveLength(1);
    return server.asked[0]!;
  };

  test('a put carries its condition and its hash, which is not computed again', async () => {
    const sha256 = sha256Hex(Buffer.from('x'));
    server.script(ok);
    expect(await putText(store, 'ledger/m.json', 'x')).toBe('"1"');
    expect(only()).toMatchObject({ method: 'PUT', url: '/bucket/k8s/ledger/m.json?x-id=PutObject' });
    expect(only().headers).toMatchObject({
      'if-none-match': '*',
      'x-amz-checksum-sha256': Buffer.from(sha256, 'hex').toString('base64'),
      'x-amz-content-sha256': sha256,
      'content-length': '1',
    });
    for (const name of Object.keys(only().headers))
      expect(name).not.toMatch(/crc|lock|tagging|encryption|storage-class|owner/);
    server.script(ok);
    await putText(store, 'log/checkpoint', 'x', { ifMatch: '"7"' });
    expect(only().headers['if-match']).toBe('"7"');
    expect(only().headers['if-none-match']).toBeUndefined();
    // a wrong hash goes out as it is: the server is the one to refuse it
    server.script(ok);
    await store.put('a', Buffer.from('x'), { sha256: '00'.repeat(32) });
    expect(only().headers['x-amz-content-sha256']).toBe('00'.repeat(32));
  });

  test('options go to the objects that they make sense for', async () => {
    const full = await open({
      sse: 'aws:kms',
      kmsKeyId: 'key-1',
      bucketKey: true,
      storageClass: 'STANDARD_IA',
      expectedBucketOwner: '123456789012',
      tags: { team: 'sec ops', 'a/b': 'c=d' },
      objectLock: { mode: 'GOVERNANCE', days: 365 },
    });
    const kept = {
      'x-amz-object-lock-mode': 'GOVERNANCE',
      'x-amz-object-lock-retain-until-date': '2027-06-22T00:00:00Z',
    };
    const cold = { 'x-amz-storage-class': 'STANDARD_IA' };
    const expected: Record<string, object> = {
      'events/cluster=a/x': { ...kept, ...cold },
      'rejects/cluster=a/x': { ...kept, ...cold },
      'ids/cluster=a/x': kept,
      'ledger/cluster=a/x': kept,
      'policies/x': kept,
      'log/tile/0/x001/067': kept,
      'log/tile/0/067.p/9': {},
      'log/checkpoint': {},
      '.probe/create-only': {},
    };
    for (const [key, headers] of Object.entries(expected)) {
      server.script(ok);
      await putText(full, key, 'x');
      const found = Object.fromEntries(
        Object.entries(only().headers).filter(([name]) => /lock|storage-class/.test(name)),
      );
      expect(found, key).toEqual(headers);
      expect(only().headers).toMatchObject({
        'x-amz-server-side-encryption': 'aws:kms',
        'x-amz-server-side-encryption-aws-kms-key-id': 'key-1',
        'x-amz-server-side-encryption-bucket-key-enabled': 'true',
        'x-amz-tagging': 'team=sec%20ops&a%2Fb=c%3Dd',
        'x-amz-expected-bucket-owner': '123456789012',
      });
    }
    for (const call of without('create', 'swap')) {
      server.script(refusal(403, 'AccessDenied'));
      await errorOf(calls[call]!(full));
      expect(server.asked[0]!.headers['x-amz-expected-bucket-owner'], call).toBe('123456789012');
    }
  });

  test('head asks for the stored hash; that of an object in pieces is no hash of its bytes', async () => {
    const sum = Buffer.from(sha256Hex(Buffer.from('x')), 'hex').toString('base64');
    server.script({ status: 200, headers: { etag: '"1"', 'content-length': '1', 'x-amz-checksum-sha256': sum } });
    expect(await store.head('a')).toEqual({ key: 'a', size: 1, tag: '"1"', sha256: sha256Hex(Buffer.from('x')) });
    expect(only().headers['x-amz-checksum-mode']).toBe('ENABLED');
    server.script({
      status: 200,
      headers: { etag: '"1"', 'content-length': '1', 'x-amz-checksum-sha256': `${sum}-2` },
    });
    expect(await store.head('a')).toEqual({ key: 'a', size: 1, tag: '"1"' });
  });

  test('a server that lets a key be created twice is refused, one that does not is taken', async () => {
    const list = {
      status: 200,
      body: '<ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>0</KeyCount></ListBucketResult>',
    };
    server.script(list, ok);
    const error = await errorOf(store.check());
    expect(error).toBeInstanceOf(ConfigError);
    expect(error.message).toMatch(/created twice/);
    server.script(list, ok, refusal(412, 'PreconditionFailed'));
    await store.check();
    server.script(list, refusal(412, 'PreconditionFailed'));
    await store.check();
    expect(server.asked.map(({ method }) => method)).toEqual(['GET', 'PUT']);
  });

  test('without credentials the first call says so', async () => {
    for (const name of Object.keys(secrets)) delete process.env[name];
    process.env['AWS_EC2_METADATA_DISABLED'] = 'true';
    const anonymous = await open();
    Object.assign(process.env, secrets);
    for (const name of Object.keys(secrets)) delete process.env[name];
    const error = await errorOf(anonymous.get('a'));
    Object.assign(process.env, secrets);
    expect(error).toBeInstanceOf(AuthError);
    expect(error.hint).toMatch(/s3\.profile/);
  });

  test('without a region it is asked for, unless the server is one of the user', async () => {
    const { AWS_REGION, AWS_DEFAULT_REGION } = process.env;
    delete process.env['AWS_REGION'];
    delete process.env['AWS_DEFAULT_REGION'];
    const options = { forcePathStyle: true, tags: {}, timeout: 400 };
    const deps = { onServerDate() {} };
    await expect(openS3Store('s3://bucket', options, deps)).rejects.toThrow(/no AWS region/);
    const own = await openS3Store('s3://bucket', { ...options, endpoint: server.endpoint }, deps);
    server.script(refusal(404, 'NoSuchKey'));
    await own.get('a');
    expect(only().headers.authorization).toContain('/us-east-1/s3/');
    Object.assign(process.env, {
      ...(AWS_REGION && { AWS_REGION }),
      ...(AWS_DEFAULT_REGION && { AWS_DEFAULT_REGION }),
    });
  });
});
