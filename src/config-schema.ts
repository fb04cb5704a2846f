// Every option of the config file declared once: type, default, what is allowed. config.example.yaml explains them.

import * as z from 'zod';
import { CLUSTER_NAME } from './archive/keys.ts';
import { redactSchema } from './policy/redact-config.ts';
import type { Registry } from './provider.ts';
import { parseDuration, parseTime } from './time.ts';

/** A duration option, written as `5m`, `1h`, `14d`; milliseconds once parsed. */
const duration = z.string().transform((text, context) => {
  const ms = parseDuration(text);
  if (!Number.isNaN(ms)) return ms;
  context.addIssue({ code: 'custom', message: `expected a duration such as 90s, 5m, 1h or 14d, found "${text}"` });
  return z.NEVER;
});

const timeText = z.string().refine((text) => !Number.isNaN(parseTime(text, Date.UTC(2026, 0))), {
  error: 'expected a time such as -7d, 2026-06-22 or 2026-06-22T10:00:00Z',
});

/** A fixed point in time: a relative one would wander with the clock. */
const fixedTime = z.string().refine((text) => !Number.isNaN(parseTime(text, Number.NaN)), {
  error: 'expected a date or time such as 2026-06-22 or 2026-06-22T10:00:00Z',
});

const SIZE = 'expected a number of bytes, or a size such as 96MiB';

const byteSize = z
  .union([z.int().positive(), z.string().regex(/^\d{1,6}(KiB|MiB|GiB)$/, { error: SIZE })], { error: SIZE })
  .transform((size) => {
    if (typeof size === 'number') return size;
    const unit = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 }[size.slice(-3) as 'KiB' | 'MiB' | 'GiB'];
    return Number.parseInt(size, 10) * unit;
  });

const endpoint = z.url({
  protocol: /^https?$/,
  error: 'expected scheme, host and port, such as http://127.0.0.1:4566',
});

const archive = z
  .string()
  .min(1)
  .superRefine((text, context) => {
    const wrong = archiveMistake(text);
    if (wrong !== undefined) context.addIssue({ code: 'custom', message: wrong });
  });

function archiveMistake(text: string): string | undefined {
  const url = /^([a-z][a-z0-9+.-]*):\/\/([^/]*)\/?(.*)$/i.exec(text);
  if (url === null) return text.includes('\0') ? 'a directory has no NUL in its name' : undefined;
  const [, scheme, bucket = '', prefix = ''] = url;
  if (scheme !== 's3') return `expected s3://bucket/prefix or a directory, found "${scheme}://"`;
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket))
    return `"${bucket}" is no bucket name: 3 to 63 characters, a-z, 0-9, "." and "-"`;
  const bad = prefix
    .replace(/\/$/, '')
    .split('/')
    .some((part) => !/^[\w!.*'()=-]+$/.test(part) || /^\.\.?$/.test(part));
  if (prefix !== '' && bad)
    return `"${prefix}" is no usable prefix: parts of letters, digits and _ - . = ! * ' ( ), separated by single "/"`;
  return undefined;
}

export const s3Schema = z
  .strictObject({
    region: z.string().optional(),
    endpoint: endpoint.optional(),
    forcePathStyle: z.boolean().default(false),
    profile: z.string().optional(),
    roleArn: z.string().optional(),
    externalId: z.string().optional(),
    sse: z.enum(['AES256', 'aws:kms']).optional(),
    kmsKeyId: z.string().optional(),
    bucketKey: z.boolean().optional(),
    storageClass: z.string().optional(),
    expectedBucketOwner: z
      .string()
      .regex(/^\d{12}$/, { error: 'expected an account id of 12 digits, in quotes' })
      .optional(),
    tags: z.record(z.string(), z.string()).default({}),
    objectLock: z.strictObject({ mode: z.enum(['GOVERNANCE', 'COMPLIANCE']), days: z.int().positive() }).optional(),
    timeout: duration.default(30_000),
  })
  .refine((s3) => s3.kmsKeyId === undefined || s3.sse === 'aws:kms', {
    path: ['kmsKeyId'],
    error: 'kmsKeyId needs sse: aws:kms',
  });

/** What every cluster has; the provider's own options stand beside these. */
export const clusterSchema = z.looseObject({
  name: z.string().regex(CLUSTER_NAME, {
    error: 'a cluster name has 1 to 63 characters: a-z, 0-9, ".", "_", "-", and begins and ends with a letter or digit',
  }),
  provider: z.string(),
  settle: duration.optional(),
  lateness: duration.optional(),
  recheck: z.strictObject({ after: duration.default(86_400_000), lateness: duration.optional() }).prefault({}),
  silence: duration.default(7_200_000),
  until: fixedTime.optional(),
  policy: z.string().min(1).optional(),
  endpoint: endpoint.optional(),
  auth: z.literal('none', { error: 'only "none" can be set; leave it out for the usual credentials' }).optional(),
});

/** Keys and copies of the signed log; keys themselves are read when they are used. */
export const integritySchema = z.strictObject({
  key: z.string().min(1).optional(),
  name: z.string().min(1).optional(),
  verifiers: z.array(z.string()).default([]),
  anchor: archive.optional(),
  witnesses: z
    .array(z.strictObject({ url: z.url({ protocol: /^https?$/, error: 'expected an http(s) URL' }), key: z.string() }))
    .default([]),
  origin: z
    .string()
    .regex(/^[^\s+]+$/u, { error: 'an origin has no spaces and no plus sign, such as acme.example/audit' })
    .optional(),
  state: z.string().min(1).optional(),
  kms: z
    .strictObject({ region: z.string().optional(), endpoint: endpoint.optional(), profile: z.string().optional() })
    .prefault({}),
});

export const configSchema = z.strictObject({
  archive,
  s3: s3Schema.prefault({}),
  compression: z.enum(['gzip', 'zstd']).default('gzip'),
  collect: z
    .strictObject({
      start: timeText.default('-7d'),
      window: duration.default(3_600_000).refine((ms) => ms >= 300_000 && 86_400_000 % ms === 0, {
        error: 'a window is at least 5m long and divides a day evenly: 5m, 10m, 15m, 30m, 1h, 2h, 4h, 6h, 12h, 24h …',
      }),
      parallel: z.int().min(1).max(64).default(4),
      memory: byteSize.default(48 << 20),
    })
    .prefault({}),
  policy: z.string().min(1).default('none'),
  panics: z.enum(['keep', 'policy']).default('keep'),
  redact: redactSchema.prefault({}),
  secrets: z.enum(['redact', 'keep']).default('redact'),
  rejects: z
    .strictObject({ raw: z.boolean().default(false), maxRatio: z.number().min(0).max(1).default(0.1) })
    .prefault({}),
  integrity: integritySchema.prefault({}),
  clusters: z.array(clusterSchema).min(1, { error: 'at least one cluster is needed' }),
});

export type S3Options = z.infer<typeof s3Schema>;
export type IntegrityOptions = z.infer<typeof integritySchema>;

interface ObjectSchema {
  properties?: Record<string, unknown>;
  required?: readonly string[];
}

/** JSON Schema (draft 2020-12) of the config file, for editors; a cluster is one of the registry's providers. */
export async function configJsonSchema(registry: Registry): Promise<object> {
  const whole = z.toJSONSchema(configSchema, { io: 'input' }) as { properties: Record<string, object> };
  const base = z.toJSONSchema(clusterSchema, { io: 'input' }) as ObjectSchema;
  const clusters = await Promise.all(
    Object.entries(registry).map(async ([name, load]) => {
      const own = z.toJSONSchema((await load()).options, { io: 'input' }) as ObjectSchema;
      return {
        type: 'object',
        properties: { ...base.properties, provider: { const: name }, ...own.properties },
        required: [...(base.required ?? []), ...(own.required ?? [])],
        additionalProperties: false,
      };
    }),
  );
  return {
    ...whole,
    title: 'auditkeep config',
    properties: { ...whole.properties, clusters: { ...whole.properties['clusters'], items: { anyOf: clusters } } },
  };
}
