// Can this bucket hold an archive? Tries a conditional put, and asks how the bucket is set up.

import { randomUUID } from 'node:crypto';
import { sha256Hex } from '../archive/hash.ts';
import { openS3Client } from '../archive/store/s3-client.ts';
import { s3Error, statusOf } from '../archive/store/s3-errors.ts';
import { parseS3Url, PROBE_KEY } from '../archive/store/s3.ts';
import type { Store } from '../archive/store/store.ts';
import type { S3Options } from '../config.ts';
import { AuditkeepError, AuthError, ConflictError } from '../errors.ts';
import { fail, failed, ok, type Point, type Report, warn } from './check-point.ts';

export interface Probed {
  readonly points: Point[];
  /** An object was written, with all that the config asks for. */
  readonly written: boolean;
}

/** True if it was created, false if it is there. Each call sends other bytes, so that a lost answer doesn't hide whose object it is. */
async function create(store: Store): Promise<boolean> {
  const bytes = Buffer.from(`auditkeep check ${randomUUID()}\n`);
  try {
    await store.put(PROBE_KEY, bytes, { ifAbsent: true, sha256: sha256Hex(bytes), contentType: 'text/plain' });
    return true;
  } catch (error) {
    if (error instanceof ConflictError) return false;
    throw error;
  }
}

/**
 * Creates the probe, tries to create it again, reads it, and deletes it if this run made it. The key is that of `collect`'s own probe: where
 * deleting isn't allowed, what stays is what the first collect would leave.
 */
export async function probeBucket(store: Store, signal: AbortSignal): Promise<Probed> {
  const where = `${store.url}/${PROBE_KEY}`;
  const points: Point[] = [];
  let written = false;
  try {
    written = await create(store);
    // the first attempt has shown it already where the object was there
    const twice = written && (await create(store));
    points.push(
      twice
        ? fail(
            'create',
            `${where} could be created twice: two runs would overwrite each other's work`,
            'the server ignores If-None-Match: use one with conditional writes (AWS S3, MinIO since 2024 …)',
          )
        : ok(
            'create',
            `objects can be written, and ${where} was refused a second time${written ? '' : ' (it was there already)'}`,
          ),
    );
  } catch (error) {
    points.push(failed('create', error, signal));
  }
  if (points[0]?.state !== 'fail' || written) points.push(await readBack(store, signal));
  if (written) points.push(await remove(store, where, signal));
  return { points, written };
}

async function readBack(store: Store, signal: AbortSignal): Promise<Point> {
  try {
    await store.get(PROBE_KEY);
    return ok('read', 'objects can be read');
  } catch (error) {
    return failed('read', error, signal);
  }
}

async function remove(store: Store, where: string, signal: AbortSignal): Promise<Point> {
  try {
    await store.delete(PROBE_KEY);
    return ok('delete', `${where} was deleted again (a bucket with versions keeps the old one)`);
  } catch (error) {
    if (error instanceof AuthError)
      return ok(
        'delete',
        `this role may not delete ${where}: it stays, is no part of the archive, and is not written again`,
      );
    return failed('delete', error, signal);
  }
}

interface Setup {
  readonly versioning: string;
  readonly lock: { readonly enabled: boolean; readonly retention?: string };
  readonly encryption: string;
}
type Asked<T> = T | { readonly unknown: string };

/** What the bucket says of itself; what can't be asked is unknown. */
async function setupOf(
  url: string,
  options: S3Options,
  onServerDate: (date: number) => void,
): Promise<{ [K in keyof Setup]: Asked<Setup[K]> }> {
  const { bucket } = parseS3Url(url);
  const { sdk, client, region } = await openS3Client(options, { onServerDate });
  const owner = options.expectedBucketOwner;
  const input = { Bucket: bucket, ...(owner !== undefined && { ExpectedBucketOwner: owner }) };
  /** `none`: what a 404 means, unless the bucket itself is missing. */
  const ask = async <T>(action: string, none: T, call: () => Promise<T>): Promise<Asked<T>> => {
    try {
      return await call();
    } catch (error) {
      if (statusOf(error) === 404 && (error as Error).name !== 'NoSuchBucket') return none;
      const known = s3Error(error, { actions: [action], what: `s3://${bucket}`, bucket, region });
      if (!(known instanceof AuditkeepError)) throw known;
      return { unknown: known.message };
    }
  };
  try {
    const [versioning, lock, encryption] = await Promise.all([
      ask('s3:GetBucketVersioning', 'off', async () => {
        const { Status } = await client.send(new sdk.GetBucketVersioningCommand(input));
        return Status === undefined ? 'off' : Status === 'Enabled' ? 'on' : 'suspended';
      }),
      ask<Setup['lock']>('s3:GetBucketObjectLockConfiguration', { enabled: false }, async () => {
        const answer = await client.send(new sdk.GetObjectLockConfigurationCommand(input));
        const { ObjectLockEnabled, Rule } = answer.ObjectLockConfiguration ?? {};
        const { Mode, Days, Years } = Rule?.DefaultRetention ?? {};
        const time = Days === undefined ? `${Years} years` : `${Days} days`;
        return { enabled: ObjectLockEnabled === 'Enabled', ...(Mode && { retention: `${Mode} ${time}` }) };
      }),
      ask('s3:GetEncryptionConfiguration', 'none', async () => {
        const answer = await client.send(new sdk.GetBucketEncryptionCommand(input));
        const rule = answer.ServerSideEncryptionConfiguration?.Rules?.[0]?.ApplyServerSideEncryptionByDefault;
        return rule?.SSEAlgorithm ?? 'none';
      }),
    ]);
    return { versioning, lock, encryption };
  } finally {
    client.destroy();
  }
}

const isUnknown = (asked: unknown): asked is { readonly unknown: string } =>
  typeof asked === 'object' && asked !== null && 'unknown' in asked;

/** Encryption and lock, as configured and as the bucket has them. `written`: the probe was, with what the config asks for. */
export async function checkSetup(
  url: string,
  options: S3Options,
  written: boolean,
  onServerDate: (date: number) => void,
): Promise<{ readonly points: Point[]; readonly facts: Report['facts'] }> {
  const { versioning, lock, encryption } = await setupOf(url, options, onServerDate);
  const word = (asked: Asked<string>) => (isUnknown(asked) ? 'unknown' : asked);
  return {
    points: [encryptionPoint(options, encryption, written), lockPoint(options, lock, word(versioning))],
    facts: {
      encryption: options.sse ?? word(encryption),
      versioning: word(versioning),
      objectLock: isUnknown(lock) ? 'unknown' : lock.enabled ? 'on' : 'off',
    },
  };
}

function encryptionPoint({ sse, kmsKeyId }: S3Options, found: Asked<string>, written: boolean): Point {
  const key = kmsKeyId === undefined ? '' : ` with ${kmsKeyId}`;
  if (sse !== undefined)
    return ok('encryption', `${sse}${key}, as s3.sse says${written ? '' : ' (not tried: nothing was written)'}`);
  if (isUnknown(found)) return ok('encryption', `unknown (${found.unknown}); s3.sse asks for none`);
  if (found !== 'none') return ok('encryption', `${found}, by the bucket's default`);
  return warn('encryption', 'neither s3.sse nor the bucket asks for encryption', 'set s3.sse: AES256 or aws:kms');
}

function lockPoint({ objectLock }: S3Options, found: Asked<Setup['lock']>, versioning: string): Point {
  if (objectLock === undefined) {
    if (isUnknown(found)) return ok('lock', `Object Lock unknown (${found.unknown}); versioning ${versioning}`);
    if (!found.enabled) return ok('lock', `no Object Lock, and s3.objectLock asks for none; versioning ${versioning}`);
    if (found.retention !== undefined) return ok('lock', `Object Lock, by the bucket's default: ${found.retention}`);
    return warn(
      'lock',
      'the bucket has Object Lock, but nothing asks it to lock objects',
      'set s3.objectLock: {mode: COMPLIANCE, days: 400}, or a default retention of the bucket',
    );
  }
  const wanted = `${objectLock.mode} for ${objectLock.days} days`;
  if (isUnknown(found))
    return warn(
      'lock',
      `unknown whether the bucket can lock (${found.unknown}); s3.objectLock asks for ${wanted}`,
      'allow s3:GetBucketObjectLockConfiguration, or look by hand: aws s3api get-object-lock-configuration',
    );
  if (!found.enabled)
    return fail(
      'lock',
      `the bucket has no Object Lock, but s3.objectLock asks for ${wanted}: every write would be refused`,
      'switch it on (aws s3api put-object-lock-configuration; it needs versioning), or remove s3.objectLock',
    );
  // trying would leave an object that nobody can remove
  return ok('lock', `Object Lock is on; objects get ${wanted} (the right s3:PutObjectRetention isn't tried)`);
}
