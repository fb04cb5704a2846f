// The config file: read, `${ENV}` expanded, checked with all mistakes shown at once. The only file that reads the environment.

import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { parseDocument } from 'yaml';
import type * as z from 'zod';
import { clusterSchema, configSchema, type IntegrityOptions, type S3Options } from './config-schema.ts';
import { ConfigError } from './errors.ts';
import type { ChosenPolicy } from './policy/chosen.ts';
import { policyChooser } from './policy/chooser.ts';
import type { RedactConfig } from './policy/redact-config.ts';
import type { ClusterSettings, Provider, Registry } from './provider.ts';
import { parseTime } from './time.ts';

export type { IntegrityOptions, S3Options } from './config-schema.ts';

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
  /** Its own policy, or that of the whole config. */
  readonly policy: ChosenPolicy;
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
  /** Whether a policy may drop Panic events. */
  readonly panics: 'keep' | 'policy';
  readonly redact: RedactConfig;
  readonly secrets: 'redact' | 'keep';
  readonly rejects: { readonly raw: boolean; readonly maxRatio: number };
  readonly integrity: IntegrityOptions;
  readonly clusters: readonly Cluster[];
  /** What decides the content of windows, as canonical JSON: its digest stands in each manifest. */
  readonly canonical: string;
}

/** No sensible config is longer; a mistaken path to some large file is told apart early. */
const MAX_BYTES = 4 << 20;

/**
 * Reads and parses a config file. A relative archive directory counts from the file's folder, so that the working directory
 * of a cron job doesn't matter. Throws ConfigError.
 */
export async function loadConfig(file: string, registry: Registry, env: NodeJS.ProcessEnv): Promise<Config> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT')
      throw new ConfigError(`no config file ${file}`, {
        cause: error,
        hint: 'write one with "auditkeep init", or name another with --config FILE',
      });
    throw new ConfigError(`${file} can't be read: ${(error as Error).message}`, { cause: error });
  }
  if (bytes.length > MAX_BYTES) throw new ConfigError(`${file} has ${bytes.length} bytes: that is no config file`);
  const config = await parseConfig(bytes.toString('utf8'), registry, env, file);
  const base = dirname(file);
  const local = (path: string) => (/^[a-z0-9]+:\/\//.test(path) ? path : resolve(base, path));
  const { key, anchor, state } = config.integrity;
  return {
    ...config,
    archive: local(config.archive),
    integrity: {
      ...config.integrity,
      ...(key !== undefined && { key: local(key) }),
      ...(anchor !== undefined && { anchor: local(anchor) }),
      ...(state !== undefined && { state: local(state) }),
    },
  };
}

/** Where a user's programs keep what they remember; undefined where nothing says (no HOME). */
export function stateFolder(env: NodeJS.ProcessEnv): string | undefined {
  const base = env['XDG_STATE_HOME'] || (env['HOME'] ? join(env['HOME'], '.local', 'state') : undefined);
  return base && join(base, 'auditkeep');
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
  const raw = readYaml(text, file);
  const errors: string[] = [];
  const expanded = expand(raw, env, '', errors);
  const parsed = configSchema.safeParse(expanded, { error: inWords });
  if (!parsed.success) errors.push(...issues(parsed.error));
  const policies = policyChooser(dirname(file), errors);
  const clusters = await parseClusters(expanded as object, registry, policies, errors);
  if (parsed.success) {
    checkEndpoint('s3', parsed.data.s3.endpoint, undefined, errors);
    checkEndpoint('integrity.kms', parsed.data.integrity.kms.endpoint, undefined, errors);
    checkRaw(clusters, parsed.data, errors);
  }
  if (!parsed.success || errors.length > 0)
    throw new ConfigError(
      `${file} has ${errors.length === 1 ? 'a mistake' : `${errors.length} mistakes`}:\n${errors.map((e) => `  ${e}`).join('\n')}`,
      { hint: 'config.example.yaml shows every option with its default' },
    );
  const { archive, s3, compression, collect, panics, redact, secrets, rejects, integrity } = parsed.data;
  // the key of pseudonyms stays out of it: a digest over a guessable text would help guessing
  const { key: _, ...users } = redact.users ?? { key: '' };
  const redacted = { paths: redact.paths, ...(redact.users !== undefined && { users }) };
  const canonical = JSON.stringify({ compression, panics, redact: redacted, secrets, rejects });
  return { archive, s3, compression, collect, panics, redact, secrets, rejects, integrity, clusters, canonical };
}

function readYaml(text: string, file: string): object {
  let raw: unknown;
  try {
    const document = parseDocument(text, { prettyErrors: true });
    // a warning is a tag that nobody here understands: its value would not be what was meant
    const problem = document.errors[0] ?? document.warnings[0];
    if (problem !== undefined) throw problem;
    raw = document.toJS({ maxAliasCount: 50 });
  } catch (error) {
    throw new ConfigError(`${file} is not valid YAML: ${(error as Error).message.split('\n')[0]?.replace(/:$/, '')}`, {
      cause: error,
    });
  }
  const hint = 'write one with "auditkeep init"; config.example.yaml shows every option';
  if (raw === null || raw === undefined) throw new ConfigError(`${file} is empty`, { hint });
  if (typeof raw !== 'object' || Array.isArray(raw))
    throw new ConfigError(`${file} holds ${Array.isArray(raw) ? 'a list' : 'a single value'}, expected options`, {
      hint,
    });
  return raw;
}

/** The providers' own options are checked even where other parts are wrong: all mistakes are shown at once. */
async function parseClusters(
  config: object,
  registry: Registry,
  policies: ReturnType<typeof policyChooser>,
  errors: string[],
): Promise<Cluster[]> {
  const { clusters: list, policy: common = 'none' } = config as { clusters?: unknown; policy?: unknown };
  const fallback = typeof common === 'string' ? await policies('policy', common) : undefined;
  const clusters: Cluster[] = [];
  const seen = new Map<unknown, number>();
  for (const [i, item] of (Array.isArray(list) ? list : []).entries()) {
    if (typeof item !== 'object' || item === null || Array.isArray(item)) continue;
    const path = `clusters[${i}]`;
    const { name, provider } = item as { name?: unknown; provider?: unknown };
    const before = seen.get(name);
    if (before !== undefined) errors.push(`${path}.name: "${String(name)}" is already the name of clusters[${before}]`);
    if (typeof name === 'string') seen.set(name, i);
    if (typeof provider !== 'string') continue;
    const load = Object.hasOwn(registry, provider) ? registry[provider] : undefined;
    if (load === undefined) {
      errors.push(`${path}.provider: "${provider}" is none of ${Object.keys(registry).join(', ')}`);
      continue;
    }
    const implementation = await load();
    const own = Object.fromEntries(
      Object.entries(item as object).filter(([key]) => !Object.hasOwn(clusterSchema.shape, key)),
    );
    const options = implementation.options.safeParse(own, { error: inWords });
    if (!options.success) errors.push(...issues(options.error, ['clusters', i]));
    const base = clusterSchema.safeParse(item);
    if (!base.success) continue;
    const { settle, lateness, recheck, silence, until, policy, endpoint, auth } = base.data;
    const chosen = policy === undefined ? fallback : await policies(`${path}.policy`, policy);
    checkEndpoint(path, endpoint, auth, errors);
    if (!options.success || chosen === undefined) continue;
    clusters.push({
      name: base.data.name,
      provider,
      implementation,
      options: options.data,
      recheckAfter: recheck.after,
      silence,
      policy: chosen,
      ...(settle !== undefined && { settle }),
      ...(lateness !== undefined && { lateness }),
      ...(recheck.lateness !== undefined && { recheckLateness: recheck.lateness }),
      ...(until !== undefined && { until: parseTime(until, Number.NaN) }),
      ...(endpoint !== undefined && { endpoint }),
      ...(auth !== undefined && { auth }),
    });
  }
  return clusters;
}

/** `${NAME}` in values; an unset variable is an error. `$$` stands for a dollar sign. */
function expand(value: unknown, env: NodeJS.ProcessEnv, path: string, errors: string[]): unknown {
  if (typeof value === 'string')
    return value.replace(/\$\$|\$\{([^}]*)\}?/g, (all, name: string | undefined) => {
      if (name === undefined) return '$';
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || !all.endsWith('}')) {
        errors.push(`${path}: "${all}" is no \${NAME}; write $$ for a dollar sign`);
        return all;
      }
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

/** zod's own message says "received undefined" of what isn't there. */
function inWords(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code !== 'invalid_type' || issue.input !== undefined) return undefined;
  return `required, expected ${issue.expected === 'array' ? 'a list' : `a ${issue.expected}`}`;
}

function issues(error: z.ZodError, prefix: readonly PropertyKey[] = []): string[] {
  return error.issues.flatMap((issue) => {
    const path = [...prefix, ...issue.path];
    if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `${dotted([...path, key])}: unknown option`);
    return [`${path.length === 0 ? 'config' : dotted(path)}: ${issue.message}`];
  });
}

/** Records that are kept whole can't be guarded or redacted. */
function checkRaw(
  clusters: readonly Cluster[],
  { secrets, redact }: Pick<Config, 'secrets' | 'redact'>,
  errors: string[],
): void {
  for (const { name, implementation, options } of clusters) {
    if (implementation.keepsRaw?.(options) !== true) continue;
    if (secrets !== 'keep')
      errors.push(`cluster ${name}: keepRaw keeps records whole, bodies of Secrets too; it needs secrets: keep`);
    if (redact.paths.length > 0 || redact.users !== undefined)
      errors.push(`cluster ${name}: keepRaw keeps records whole, so nothing can be redacted; leave redact out`);
  }
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

function checkEndpoint(path: string, endpoint: string | undefined, auth: 'none' | undefined, errors: string[]): void {
  if (endpoint === undefined) {
    if (auth === 'none') errors.push(`${path}.auth: "none" needs an endpoint on this machine (127.0.0.1 or localhost)`);
    return;
  }
  const url = new URL(endpoint);
  const local = LOOPBACK.test(url.hostname);
  if (url.username !== '' || url.password !== '' || url.pathname !== '/' || url.search !== '' || url.hash !== '')
    errors.push(`${path}.endpoint: expected scheme, host and port alone, such as ${url.protocol}//${url.host}`);
  if (url.protocol === 'http:' && !local)
    errors.push(`${path}.endpoint: plain http is only allowed to this machine; use https://${url.host}`);
  if (auth === 'none' && !local)
    errors.push(`${path}.auth: "none" is only allowed to this machine, not to ${url.hostname}`);
}
