// The S3 server of this run as tests use it: clients, fresh buckets, stores in them, users with fewer rights.

import { randomBytes } from 'node:crypto';
import { CreateBucketCommand, PutBucketVersioningCommand, S3Client } from '@aws-sdk/client-s3';
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import { openS3Store } from '../../src/archive/store/s3.ts';
import type { Store, StoreDeps } from '../../src/archive/store/store.ts';
import type { S3Options } from '../../src/config.ts';

function fromRun(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: start these tests with npm run test:integration`);
  return value;
}

export const endpoint = fromRun('AUDITKEEP_TEST_S3_ENDPOINT');
const credentials = {
  accessKeyId: fromRun('AUDITKEEP_TEST_S3_ACCESS_KEY'),
  secretAccessKey: fromRun('AUDITKEEP_TEST_S3_SECRET_KEY'),
};

/** A client with all rights, for what stores can't do. */
export const s3 = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials });

/** S3 options of a config for this server. */
export const s3Options: S3Options = { endpoint, forcePathStyle: true, tags: {}, timeout: 30_000 };

/** A bucket of its own for one test. */
export async function freshBucket(kind: 'plain' | 'versioned' | 'locked' = 'plain'): Promise<string> {
  const Bucket = `test-${randomBytes(6).toString('hex')}`;
  await s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: kind === 'locked' }));
  if (kind === 'versioned')
    await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }));
  return Bucket;
}

const silent: StoreDeps = { onServerDate() {} };

/** A store at `s3://bucket/prefix` on this server. */
export function storeIn(url: string, options: Partial<S3Options> = {}, deps = silent): Promise<Store> {
  return openS3Store(url, { ...s3Options, ...options }, deps);
}

interface Statement {
  readonly Effect: 'Allow' | 'Deny';
  readonly Action: readonly string[];
  readonly Resource: readonly string[];
}

/** Temporary credentials that may do only what the policy says. */
export async function credentialsFor(statements: readonly Statement[], seconds = 3600) {
  const sts = new STSClient({ endpoint, region: 'us-east-1', credentials });
  const answer = await sts.send(
    new AssumeRoleCommand({
      RoleArn: 'arn:aws:iam::000000000000:role/test',
      RoleSessionName: 'test',
      DurationSeconds: seconds,
      Policy: JSON.stringify({ Version: '2012-10-17', Statement: statements }),
    }),
  );
  const { AccessKeyId = '', SecretAccessKey = '', SessionToken = '' } = answer.Credentials ?? {};
  return { AWS_ACCESS_KEY_ID: AccessKeyId, AWS_SECRET_ACCESS_KEY: SecretAccessKey, AWS_SESSION_TOKEN: SessionToken };
}

/** Runs `work` with other AWS_ variables: stores look up their credentials at the first call and keep them. */
export async function withEnv<T>(variables: Readonly<Record<string, string>>, work: () => Promise<T>): Promise<T> {
  const before = { ...process.env };
  Object.assign(process.env, variables);
  try {
    return await work();
  } finally {
    for (const name of Object.keys(variables)) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  }
}
