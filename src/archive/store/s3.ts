// The archive in an S3 bucket: conditional puts with SHA-256, one object a request, no retries of its own.

import type { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { S3Options } from '../../config.ts';
import { AuditkeepError, ConfigError, ConflictError, TransientError } from '../../errors.ts';
import { sha256Hex } from '../hash.ts';
import { fileError } from './file-errors.ts';
import { checkKey, checkPrefix, compareKeys } from './key-rules.ts';
import { openS3Client } from './s3-client.ts';
import { type Call, s3Error, statusOf } from './s3-errors.ts';
import type { Body, ObjectHead, ObjectInfo, PutOptions, Store, StoreDeps } from './store.ts';

/** Written by the first `check` and left there: later ones need no write, and no right to delete. */
export const PROBE_KEY = '.probe/create-only';

const DAY = 86_400_000;
// Manifests, checkpoint and tiles are read often and are small: cold classes charge for both.
const COLD = /^(events|rejects)\//;
// All that never changes. A partial tile (`….p/<width>`) is replaced by the full one, the checkpoint by the next.
const LOCKED = /^(events|rejects|ids|ledger|policies)\/|^log\/(batch|keys)\/|^log\/tile\/(?!.*\.p\/)/;

/** Reads `s3://bucket/prefix`. Throws ConfigError. */
export function parseS3Url(url: string): { readonly bucket: string; readonly prefix: string } {
  const m = /^s3:\/\/([^/]*)(?:\/(.*?))?\/?$/s.exec(url);
  const bucket = m?.[1] ?? '';
  const prefix = m?.[2] ?? '';
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket) || bucket.includes('..'))
    throw new ConfigError(`archive: ${JSON.stringify(bucket)} is no bucket name`, {
      hint: 'write s3://bucket/prefix; a bucket name has 3 to 63 characters: a-z, 0-9, "." and "-"',
    });
  if (prefix !== '') checkKey(prefix);
  return { bucket, prefix };
}

/**
 * Opens an archive in a bucket. Asks the server nothing yet.
 * @param url `s3://bucket/prefix`
 */
export async function openS3Store(url: string, options: S3Options, deps: StoreDeps): Promise<Store> {
  const { bucket, prefix } = parseS3Url(url);
  const { sdk, client, region } = await openS3Client(options, deps);
  const root = prefix === '' ? '' : `${prefix}/`;
  const base = {
    Bucket: bucket,
    ...(options.expectedBucketOwner !== undefined && { ExpectedBucketOwner: options.expectedBucketOwner }),
  };
  const call = (key: string, ...actions: string[]): Call => ({
    actions,
    what: `s3://${bucket}/${root}${key}`,
    bucket,
    region,
  });
  const tagging = Object.entries(options.tags)
    .map((pair) => pair.map(encodeURIComponent).join('='))
    .join('&');
  const target = (key: string) => ({ ...base, Key: `${root}${key}` });

  const open = async (key: string, range?: string) => {
    const about = call(key, 's3:GetObject', 's3:ListBucket');
    try {
      const answer = await client.send(
        new sdk.GetObjectCommand({ ...target(key), ...(range !== undefined && { Range: range }) }),
      );
      return { answer, body: answer.Body as Readable, about };
    } catch (error) {
      if (statusOf(error) === 404 && (error as Error).name !== 'NoSuchBucket') return undefined;
      throw s3Error(error, about);
    }
  };

  const get = async (key: string) => {
    checkKey(key);
    const found = await open(key);
    if (found === undefined) return undefined;
    const parts: Buffer[] = [];
    for await (const chunk of whole(found.body, found.answer.ContentLength, found.about)) parts.push(chunk);
    return { bytes: Buffer.concat(parts), tag: found.answer.ETag ?? '' };
  };

  const read: Store['read'] = async (key, range) => {
    checkKey(key);
    const { start = 0, end } = range ?? {};
    if (end !== undefined && end <= start) return (await head(key)) && Readable.from([]);
    const ranged = start > 0 || end !== undefined;
    try {
      const found = await open(key, ranged ? `bytes=${start}-${end === undefined ? '' : end - 1}` : undefined);
      return found && Readable.from(whole(found.body, found.answer.ContentLength, found.about), { objectMode: false });
    } catch (error) {
      // nothing lies in this range
      if (ranged && statusOf((error as Error).cause ?? {}) === 416) return Readable.from([]);
      throw error;
    }
  };

  const head = async (key: string): Promise<ObjectHead | undefined> => {
    checkKey(key);
    try {
      const answer = await client.send(new sdk.HeadObjectCommand({ ...target(key), ChecksumMode: 'ENABLED' }));
      const sum = Buffer.from(answer.ChecksumSHA256 ?? '', 'base64');
      return {
        key,
        size: answer.ContentLength ?? 0,
        tag: answer.ETag ?? '',
        // that of an object uploaded in pieces is a hash of hashes, marked by its length
        ...(answer.ChecksumSHA256?.length === 44 && sum.length === 32 && { sha256: sum.toString('hex') }),
      };
    } catch (error) {
      const status = statusOf(error);
      if (status === 404) return undefined;
      // an answer to HEAD has no body and so no code: the same question as GET says what is wrong
      if (status === 400 || status === 403) (await open(key, 'bytes=0-0'))?.body.destroy();
      throw s3Error(error, call(key, 's3:GetObject', 's3:ListBucket'));
    }
  };

  const put = async (key: string, body: Body, { ifAbsent, ifMatch, sha256, contentType }: PutOptions) => {
    checkKey(key);
    const lock = LOCKED.test(key) ? options.objectLock : undefined;
    const about: Call = {
      ...call(
        key,
        's3:PutObject',
        ...(ifMatch === undefined ? [] : ['s3:GetObject']),
        ...(lock === undefined ? [] : ['s3:PutObjectRetention']),
        ...(tagging === '' ? [] : ['s3:PutObjectTagging']),
        ...(options.sse === 'aws:kms' ? ['kms:GenerateDataKey', 'kms:Decrypt'] : []),
      ),
      conditional: ifMatch !== undefined,
      locked: lock !== undefined,
    };
    const command = new sdk.PutObjectCommand({
      ...target(key),
      ContentLength: Buffer.isBuffer(body) ? body.length : body.size,
      ChecksumSHA256: Buffer.from(sha256, 'hex').toString('base64'),
      ...(contentType !== undefined && { ContentType: contentType }),
      ...(ifAbsent === true && { IfNoneMatch: '*' }),
      ...(ifMatch !== undefined && { IfMatch: ifMatch }),
      ...(options.sse !== undefined && { ServerSideEncryption: options.sse }),
      ...(options.kmsKeyId !== undefined && { SSEKMSKeyId: options.kmsKeyId }),
      ...(options.bucketKey !== undefined && { BucketKeyEnabled: options.bucketKey }),
      ...(tagging !== '' && { Tagging: tagging }),
      ...(options.storageClass !== undefined &&
        COLD.test(key) && { StorageClass: options.storageClass as 'STANDARD_IA' }),
      ...(lock !== undefined && {
        ObjectLockMode: lock.mode,
        ObjectLockRetainUntilDate: new Date((deps.now?.() ?? Date.now()) + lock.days * DAY),
      }),
    });
    // the hash is known already: the signature covers the body without reading it once more, streams too
    command.middlewareStack.add(
      (next) => (args) => {
        (args.request as { headers: Record<string, string> }).headers['x-amz-content-sha256'] = sha256;
        return next(args);
      },
      { step: 'build', name: 'auditkeepBodyHash' },
    );
    const answer = await sendBody(client, command, body, about);
    return answer.ETag ?? '';
  };

  async function* list(keyPrefix: string, after = ''): AsyncGenerator<ObjectInfo> {
    checkPrefix(keyPrefix);
    let last = after;
    for (;;) {
      const page = await listPage(keyPrefix, last, 1000);
      for (const { Key = '', Size = 0, ETag = '', LastModified } of page.Contents ?? []) {
        const key = decodeKey(Key).slice(root.length);
        // everything rests on the order: a server without it would hide windows or never end
        if (last !== '' && compareKeys(key, last) <= 0)
          throw new ConfigError(`the server of ${bucket} does not list keys in byte order (${key} after ${last})`, {
            hint: 'S3 directory buckets (S3 Express) and some other servers do not: use a general purpose bucket',
          });
        last = key;
        yield { key, size: Size, stamp: `${ETag} ${LastModified?.toISOString() ?? ''}` };
      }
      if (page.IsTruncated !== true) return;
      if (page.Contents === undefined)
        throw new TransientError(`s3://${bucket}/${root}: an empty page of a longer list`);
    }
  }

  const listPage = async (keyPrefix: string, after: string, count: number) => {
    const about = call(keyPrefix, 's3:ListBucket');
    try {
      const page = await client.send(
        new sdk.ListObjectsV2Command({
          ...base,
          Prefix: `${root}${keyPrefix}`,
          MaxKeys: count,
          EncodingType: 'url',
          ...(after !== '' && { StartAfter: `${root}${after}` }),
        }),
      );
      // a torn answer can still be XML enough to be read
      if (page.IsTruncated === undefined || (page.KeyCount ?? 0) !== (page.Contents?.length ?? 0))
        throw new TransientError(`the list of ${about.what} was cut off`);
      return page;
    } catch (error) {
      throw s3Error(error, about);
    }
  };

  const check = async (): Promise<void> => {
    // without this right S3 answers 403 instead of 404 for what isn't there
    await listPage('', '', 1);
    const bytes = Buffer.from('auditkeep writes this once, to see that nobody can write it twice\n');
    const options: PutOptions = { ifAbsent: true, sha256: sha256Hex(bytes), contentType: 'text/plain' };
    for (let created = 0; created < 2; created++) {
      try {
        await put(PROBE_KEY, bytes, options);
      } catch (error) {
        if (error instanceof ConflictError) return;
        throw error;
      }
    }
    throw new ConfigError(`s3://${bucket} can't hold an archive: ${root}${PROBE_KEY} could be created twice`, {
      hint: 'the server ignores If-None-Match; use one with conditional writes (AWS S3, MinIO since 2024 …)',
    });
  };

  return {
    url: prefix === '' ? `s3://${bucket}` : `s3://${bucket}/${prefix}`,
    get,
    read,
    head,
    put,
    list,
    delete: async (key) => {
      checkKey(key);
      try {
        await client.send(new sdk.DeleteObjectCommand(target(key)));
      } catch (error) {
        throw s3Error(error, call(key, 's3:DeleteObject'));
      }
    },
    check,
    close: () => {
      client.destroy();
      return Promise.resolve();
    },
  };
}

/** Keys come percent-encoded, because XML can't hold every character. */
const decodeKey = (key: string): string => decodeURIComponent(key.replaceAll('+', ' '));

/** A body that ends early is an error, whatever ended it. */
async function* whole(body: Readable, length: number | undefined, about: Call): AsyncGenerator<Buffer> {
  let size = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      size += chunk.length;
      yield chunk;
    }
  } catch (error) {
    throw s3Error(error, about);
  }
  if (length !== undefined && size !== length)
    throw new TransientError(`${about.what} ended after ${size} of ${length} bytes`);
}

/** Sends a put. A file is streamed; a fault in reading it ends the request. */
async function sendBody(client: S3Client, command: PutObjectCommand, body: Body, about: Call) {
  if (Buffer.isBuffer(body)) {
    command.input.Body = body;
    try {
      return await client.send(command);
    } catch (error) {
      throw s3Error(error, about);
    }
  }
  const { size } = await stat(body.path).catch((error: unknown) => {
    throw fileError(error, 'read', body.path);
  });
  if (size !== body.size)
    throw new AuditkeepError(`${body.path} has ${size} bytes instead of ${body.size}; nothing was stored`);
  const stream = createReadStream(body.path, { highWaterMark: 1 << 18 });
  const abort = new AbortController();
  let fault: Error | undefined;
  stream.on('error', (error) => {
    fault = fileError(error, 'read', body.path);
    abort.abort();
  });
  command.input.Body = stream;
  try {
    return await client.send(command, { abortSignal: abort.signal });
  } catch (error) {
    throw fault ?? s3Error(error, about);
  } finally {
    stream.destroy();
  }
}
