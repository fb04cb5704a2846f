// The config file: every option declared once, with its default and what is allowed. The only file that reads the environment.

import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { CLUSTER_NAME } from './archive/keys.ts';
import { ConfigError } from './errors.ts';
import type { ClusterSettings, Provider, Registry } from './provider.ts';
import { parseDuration, parseTime } from './time.ts';

/** A duration option, written as `5m`, `1h`, `14d`; milliseconds once parsed. */
const duration = z.string().transform((text, context) => {
  const ms = parseDuration(text);
  if (!Number.isNaN(ms)) return ms;
  context.addIssue({ code: 'custom', message: `expected a duration such as 90s, 5m, 1h or 14d, found "${text}"` });
  return z.NEVER;
});

const startTime = z.string().refine((text) => !Number.isNaN(parseTime(text, 0)), {
  error: 'expected a time such as -7d, 2026-06-22 or 2026-06-22T10:00:00Z',
});

const byteSize = z.union([z.int().positive(), z.string().regex(/^\d+(KiB|MiB|GiB)$/)]).transform((size) => {
  if (typeof size === 'number') return size;
  const unit = { KiB: 1 << 10, MiB: 1 << 20, GiB: 1 << 30 }[size.slice(-3) as 'KiB' | 'MiB' | 'GiB'];
  return Number.parseInt(size, 10) * unit;
});

const s3Schema = z
  .strictObject({
    region: z.string().optional(),
    endpoint: z.url().optional(),
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
      .regex(/^\d{12}$/)
      .optional(),
    tags: z.record(z.string(), z.string()).default({}),
    objectLock: z.strictObject({ mode: z.enum(['GOVERNANCE', 'COMPLIANCE']), days: z.int().positive() }).optional(),
    timeout: duration.default(30_000),
  })
  .refine((s3) => s3.kmsKeyId === undefined || s3.sse === 'aws:kms', {
    path: ['kmsKeyId'],
    error: 'kmsKeyId needs sse: aws:kms',
  });

const clusterSchema = z.looseObject({
  name: z.string().regex(CLUSTER_NAME, {
    error: 'a cluster name has 1 to 63 characters: a-z, 0-9, ".", "_", "-", and begins and ends with a letter or digit',
  }),
  provider: z.string(),
  settle: duration.optional(),
  lateness: duration.optional(),
  recheck: z.strictObject({ after: duration.default(86_400_000), lateness: duration.optional() }).prefault({}),
  silence: duration.default(7_200_000),
  until: z.string().optional(),
  endpoint: z.url().optional(),
  auth: z.literal('none').optional(),
});

const configSchema = z.strictObject({
  archive: z.string().min(1),
  s3: s3Schema.prefault({}),
  compression: z.enum(['gzip', 'zstd']).default('gzip'),
  collect: z
    .strictObject({
      start: startTime.default('-7d'),
      window: duration.default(3_600_000).refine((ms) => ms >= 300_000 && 86_400_000 % ms === 0, {
        error: 'a window is at least 5m long and divides a day evenly: 5m, 10m, 15m, 30m, 1h, 2h, 4h, 6h, 12h, 24h …',
      }),
      parallel: z.int().min(1).max(64).default(4),
      memory: byteSize.default(96 << 20),
    })
    .prefault({}),
  policy: z.literal('none', { error: 'only "none" is supported' }).default('none'),
  secrets: z.enum(['redact', 'keep']).default('redact'),
  rejects: z
    .strictObject({ raw: z.boolean().default(false), maxRatio: z.number().min(0).max(1).default(0.1) })
    .prefault({}),
  clusters: z.array(clusterSchema).min(1, { error: 'at least one cluster is needed' }),
});

export type S3Options = z.infer<typeof s3Schema>;

/** One cluster of the config with its provider loaded. */
export interface Cluster extends ClusterSettings {
  readonly implementation: Provider;
  /** The provider's own options, parsed. */
  readonly options: unknown;
  /** How long after the end of a day it is read again, milliseconds. */
  readonly recheckAfter: number;
  /** Silence for longer than this makes `status` exit 3, milliseconds. */
  readonly silence: number;
  /** The cluster was retired: no window from here on, milliseconds since the epoch. */
  readonly until?: number;
}

export interface Config {
  /** `s3://bucket/prefix` or a directory. */
  readonly archive: string;
  readonly s3: S3Options;
  readonly compression: 'gzip' | 'zstd';
  readonly collect: {
    /** As written: relative times count from the run's `now`. */
    readonly start: string;
    readonly window: number;
    readonly parallel: number;
    readonly memory: number;
  };
  readonly policy: 'none';
  readonly secrets: 'redact' | 'keep';
  readonly rejects: { readonly raw: boolean; readonly maxRatio: number };
  readonly clusters: readonly Cluster[];
  /** What decides the content of windows, as canonical JSON: its digest stands in each manifest. */
  readonly canonical: string;
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** `${NAME}` in values; an unset variable is an error. `$$` stands for a dollar sign. */
function expand(value: unknown, env: NodeJS.ProcessEnv, path: string, errors: string[]): unknown {
  if (typeof value === 'string')
    return value.replace(/\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (all, name: string | undefined) => {
      if (name === undefined) return '$';
      const found = env[name];
      if (found === undefined) errors.push(`${path}: the environment variable ${name} is not set`);
      return found ?? all;
    });
  if (Array.isArray(value)) return value.map((item, i) => expand(item, env, `${path}[${i}]`, errors));
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [
        key,
        expand(item, env, path === '' ? key : `${path}.${key}`, errors),
      ]),
    );
  return value;
}

function dotted(path: readonly PropertyKey[]): string {
  return path
    .map((step, i) => (typeof step === 'number' ? `[${step}]` : `${i === 0 ? '' : '.'}${String(step)}`))
    .join('');
}

function issues(error: z.ZodError, prefix: readonly PropertyKey[] = []): string[] {
  return error.issues.flatMap((issue) => {
    const path = [...prefix, ...issue.path];
    if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `${dotted([...path, key])}: unknown option`);
    return [`${path.length === 0 ? 'config' : dotted(path)}: ${issue.message}`];
  });
}

function checkEndpoint(path: string, endpoint: string | undefined, auth: 'none' | undefined, errors: string[]): void {
  if (endpoint === undefined) {
    if (auth === 'none') errors.push(`${path}.auth: "none" needs an endpoint on this machine (127.0.0.1 or localhost)`);
    return;
  }
  const url = new URL(endpoint);
  const local = LOOPBACK.test(url.hostname);
  if (url.protocol === 'http:' && !local)
    errors.push(`${path}.endpoint: plain http is only allowed to this machine; use https://${url.host}`);
  if (auth === 'none' && !local)
    errors.push(`${path}.auth: "none" is only allowed to this machine, not to ${url.hostname}`);
}

/**
 * Parses a config text. Shows all mistakes at once, each with its dotted path.
 * @param env for `${NAME}` in values
 */
export async function parseConfig(
  text: string,
  registry: Registry,
  env: NodeJS.ProcessEnv,
  file = 'config',
): Promise<Config> {
  let raw: unknown;
  try {
    raw = parseYaml(text, { maxAliasCount: 50 });
  } catch (error) {
    throw new ConfigError(`${file} is not valid YAML: ${(error as Error).message.split('\n')[0]}`, { cause: error });
  }
  const errors: string[] = [];
  const expanded = expand(raw, env, '', errors);
  const parsed = configSchema.safeParse(expanded);
  if (!parsed.success) errors.push(...issues(parsed.error));

  // the providers' own options are checked even where other parts are wrong: all mistakes are shown at once
  const list = (expanded as { clusters?: unknown } | null)?.clusters;
  const clusters: Cluster[] = [];
  const seen = new Map<string, number>();
  for (const [i, item] of (Array.isArray(list) ? list : []).entries()) {
    const own = clusterSchema.safeParse(item);
    if (!own.success) continue;
    const { name, provider, settle, lateness, recheck, silence, until, endpoint, auth, ...rest } = own.data;
    const path = `clusters[${i}]`;
    const before = seen.get(name);
    if (before !== undefined) errors.push(`${path}.name: "${name}" is already the name of clusters[${before}]`);
    seen.set(name, i);
    checkEndpoint(path, endpoint, auth, errors);
    const load = Object.hasOwn(registry, provider) ? registry[provider] : undefined;
    if (load === undefined) {
      errors.push(`${path}.provider: "${provider}" is none of ${Object.keys(registry).join(', ')}`);
      continue;
    }
    const implementation = await load();
    const options = implementation.options.safeParse(rest);
    if (!options.success) {
      errors.push(...issues(options.error, ['clusters', i]));
      continue;
    }
    const end = until === undefined ? undefined : parseTime(until, Number.NaN);
    if (end !== undefined && Number.isNaN(end)) errors.push(`${path}.until: expected a time such as 2026-06-22`);
    clusters.push({
      name,
      provider,
      implementation,
      options: options.data,
      recheckAfter: recheck.after,
      silence,
      ...(settle !== undefined && { settle }),
      ...(lateness !== undefined && { lateness }),
      ...(recheck.lateness !== undefined && { recheckLateness: recheck.lateness }),
      ...(end !== undefined && { until: end }),
      ...(endpoint !== undefined && { endpoint }),
      ...(auth !== undefined && { auth }),
    });
  }
  if (parsed.success && parsed.data.s3.endpoint !== undefined)
    checkEndpoint('s3', parsed.data.s3.endpoint, undefined, errors);
  if (!parsed.success || errors.length > 0)
    throw new ConfigError(
      `${file} has ${errors.length === 1 ? 'a mistake' : `${errors.length} mistakes`}:\n${errors.map((e) => `  ${e}`).join('\n')}`,
      {
        hint: 'config.example.yaml shows every option with its default',
      },
    );
  const { archive, s3, compression, collect, policy, secrets, rejects } = parsed.data;
  const canonical = JSON.stringify({ compression, policy, secrets, rejects });
  return { archive, s3, compression, collect, policy, secrets, rejects, clusters, canonical };
}
