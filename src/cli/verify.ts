// `auditkeep verify`: is everything that was ever sealed still there and unchanged, and is nothing missing?

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { loadConfig, type Config, type IntegrityOptions, type S3Options } from '../config.ts';
import { AuthError, ConfigError, EXIT, TransientError } from '../errors.ts';
import { configSchema } from '../config-schema.ts';
import { parseCheckpoint, type SignedCheckpoint } from '../integrity/checkpoint.ts';
import { noLastSeen } from '../integrity/last-seen.ts';
import { checkProof, parseProof } from '../integrity/proof.ts';
import { verify as runVerify, type VerifyInput, type VerifyReport } from '../integrity/verify.ts';
import { type ClusterSettings, DEFAULT_SETTINGS } from '../integrity/verify-coverage.ts';
import { KEY_TYPE, parseVkey, type Verifier } from '../integrity/vkey.ts';
import { silentLog } from '../log.ts';
import { openMemory, openRetrying, openSigner, trustedOf } from './integrity-of.ts';
import type { Cli, Run } from './io.ts';
import { formatBytes, formatCount, table } from './output.ts';
import { createVerifyProgress } from './progress.ts';
import { globMatches } from './select.ts';
import { nowOption, timeOption } from './when.ts';

interface VerifyOptions {
  archive?: string;
  cluster?: string[];
  from?: string;
  to?: string;
  asOf?: string;
  checkpoint?: string;
  key?: string[];
  anchor?: string;
  fast?: boolean;
  deep?: boolean;
  lock?: boolean;
  proof?: string;
  state?: string | boolean;
}

/** Findings shown as text; JSON has all. */
const SHOWN = 40;

export const verify: Run<VerifyOptions> = async (cli) => {
  const { options } = cli;
  if (options.fast === true && options.deep === true) throw new ConfigError('--fast and --deep exclude each other');
  const config = await openConfig(cli);
  const keys = await keysOf(cli, config);
  if (options.proof !== undefined) return verifyProof(cli, options.proof, keys);
  const { archive, s3, integrity } = settings(cli, config);
  const log = await cli.openLog();
  const store = await openRetrying(archive, s3, log, cli.signal);
  const anchorUrl = options.anchor ?? (options.archive === undefined ? integrity.anchor : undefined);
  const anchor = anchorUrl === undefined ? undefined : await openRetrying(anchorUrl, s3, log, cli.signal);
  const progress = createVerifyProgress(cli.stderr, () => performance.now());
  try {
    const hostClock = cli.now();
    const now = options.asOf === undefined ? hostClock : nowOption(options.asOf, hostClock);
    const range = rangeOf(options, now);
    const pinned = options.checkpoint === undefined ? undefined : await readPinned(options.checkpoint, cli.signal);
    const isWanted = chooser(options.cluster);
    const bucket = archive.startsWith('s3://');
    const versions = bucket ? await (await import('../integrity/s3-versions.ts')).openVersions(archive, s3) : undefined;
    if (options.lock === true && (versions === undefined || s3.objectLock === undefined))
      throw new ConfigError('--lock needs an archive in S3 and s3.objectLock in the config');
    const expected =
      options.archive === undefined ? (config?.clusters ?? []).map(({ name }) => name).filter(isWanted) : [];
    const input: VerifyInput = {
      store,
      verifiers: keys,
      lastSeen:
        options.state === false
          ? noLastSeen
          : openMemory(typeof options.state === 'string' ? options.state : integrity.state, cli.env),
      mode: options.fast === true ? 'fast' : options.deep === true ? 'deep' : 'normal',
      settings: (cluster) => settingsOf(cluster, config, now),
      expected,
      now,
      hostClock,
      parallel: bucket ? 16 : Math.max(2, availableParallelism()),
      holdsHashes: bucket,
      signal: cli.signal,
      onProgress: progress.update,
      ...(options.cluster !== undefined && { isWanted }),
      ...(range !== undefined && { range }),
      ...(pinned !== undefined && { pinned }),
      ...(anchor !== undefined && { anchor }),
      ...(versions !== undefined && { versions }),
      ...(options.lock === true && s3.objectLock !== undefined && { lock: s3.objectLock }),
    };
    const report = await runVerify(input);
    progress.end();
    if (options.output === 'json') await cli.out.json(report);
    else await print(cli, report);
    return report.exitCode;
  } finally {
    progress.end();
    await store.close();
    await anchor?.close();
    cli.signal.throwIfAborted();
  }
};

/** The config, where there is one: an archive can be verified without. */
async function openConfig({ options, registry, env }: Cli<VerifyOptions>): Promise<Config | undefined> {
  const needed = options.archive === undefined && options.proof === undefined;
  if (!needed && !existsSync(options.config)) return undefined;
  return loadConfig(options.config, registry, env);
}

function settings(
  { options }: Cli<VerifyOptions>,
  config: Config | undefined,
): { archive: string; s3: S3Options; integrity: IntegrityOptions } {
  if (config !== undefined) return { ...config, archive: options.archive ?? config.archive };
  const { archive, s3, integrity } = configSchema.omit({ clusters: true }).parse({ archive: options.archive });
  return { archive, s3, integrity };
}

async function keysOf({ options }: Cli<VerifyOptions>, config: Config | undefined): Promise<Verifier[]> {
  const given = await Promise.all((options.key ?? []).map(readKey));
  if (given.length > 0 || config === undefined) return given;
  const trusted = trustedOf(config.integrity);
  if (trusted.some((key) => key.type !== KEY_TYPE.cosignature)) return trusted;
  // where sealing runs, its own key is at hand
  const signer = await openSigner(config.integrity);
  return signer === undefined ? trusted : [signer.verifier, ...trusted];
}

/** A vkey, or a file that holds one. */
async function readKey(text: string): Promise<Verifier> {
  if (!existsSync(text)) return parseVkey(text);
  return parseVkey((await readFile(text, 'utf8')).trim());
}

async function readPinned(where: string, signal: AbortSignal): Promise<SignedCheckpoint> {
  const bytes = /^https?:\/\//.test(where) ? await download(where, signal) : await readLocal(where);
  const checkpoint = parseCheckpoint(bytes);
  if (checkpoint !== undefined) return checkpoint;
  throw new ConfigError(`--checkpoint ${where}: that is no checkpoint`, {
    hint: 'keep a copy of log/checkpoint after a good verification',
  });
}

async function readLocal(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new ConfigError(`${file} can't be read: ${(error as Error).message}`, { cause: error });
  }
}

async function download(url: string, signal: AbortSignal): Promise<Buffer> {
  let response: Response;
  try {
    response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(30_000)]) });
  } catch (error) {
    throw new TransientError(`${url} can't be reached (${(error as Error).message})`, { cause: error });
  }
  if (!response.ok) throw new AuthError(`${url} answers ${response.status}`);
  return Buffer.from(await response.arrayBuffer());
}

function rangeOf({ from, to }: VerifyOptions, now: number) {
  if (from === undefined && to === undefined) return undefined;
  const range = {
    from: from === undefined ? -8.64e15 : timeOption('--from', from, now),
    to: to === undefined ? 8.64e15 : timeOption('--to', to, now),
  };
  if (range.from >= range.to) throw new ConfigError('--from must lie before --to');
  return range;
}

function chooser(patterns: readonly string[] | undefined): (cluster: string) => boolean {
  const all = (patterns ?? []).flatMap((text) => text.split(',')).map((text) => text.trim());
  return (cluster) => all.length === 0 || all.some((pattern) => globMatches(pattern, cluster));
}

function settingsOf(name: string, config: Config | undefined, now: number): ClusterSettings {
  const cluster = config?.clusters.find((one) => one.name === name);
  if (cluster === undefined) return DEFAULT_SETTINGS;
  const source = cluster.implementation.connect(cluster, cluster.options, {
    log: silentLog,
    now: () => now,
    onServerDate() {},
  });
  void source.close();
  return {
    settle: cluster.settle ?? source.settle,
    recheckAfter: cluster.recheckAfter,
    ...(cluster.until !== undefined && { until: cluster.until }),
  };
}

const VERDICT: Readonly<Record<number, string>> = {
  [EXIT.done]: 'VERIFIED: everything that was sealed is there and unchanged, and nothing is missing',
  [EXIT.incomplete]:
    'INCOMPLETE: something is missing or not sealed; nothing that was found differs from what was signed',
  [EXIT.tampered]: 'TAMPERED: something differs from what was signed',
  [EXIT.cannotVerify]: 'CANNOT VERIFY: there is no way to tell',
};

async function print(cli: Cli, report: VerifyReport): Promise<void> {
  const { log, clusters, objects, findings, notices } = report;
  await cli.out.line(`archive  ${report.archive}`);
  if (log !== undefined) {
    await cli.out.line(`log      ${log.origin}, ${formatCount(log.size)} leaves, root ${log.root}`);
    await cli.out.line(`signed   ${log.signedBy.length === 0 ? 'by no key that was given' : log.signedBy.join(', ')}`);
    for (const { witness, at } of log.cosignedBy) await cli.out.line(`witness  ${witness} at ${at}`);
  }
  const head = [
    'cluster',
    'from',
    'to',
    '>windows',
    '>silent',
    '>expired',
    '>missing',
    '>not final',
    '>rechecks',
    '>events',
  ];
  const rows = clusters.map((c) => [
    c.cluster,
    c.from ?? '-',
    c.to ?? '-',
    ...[c.windows, c.silent, c.expired, c.missing, c.notFinal, c.rechecks, c.events].map(formatCount),
  ]);
  if (rows.length > 0) for (const line of table([head, ...rows])) await cli.out.line(line);
  await cli.out.line(
    `${formatCount(objects.listed)} objects are there; ${formatCount(objects.read)} read to the last byte (${formatBytes(objects.contentBytes)} of content), ${formatCount(objects.remembered)} read by an earlier run and unchanged since`,
  );
  for (const { severity, message } of findings.slice(0, SHOWN)) await cli.out.line(`${severity}: ${message}`);
  if (findings.length > SHOWN)
    await cli.out.line(`… and ${formatCount(findings.length - SHOWN)} more; -o json has all`);
  for (const { message } of notices.slice(0, SHOWN)) await cli.out.line(`note: ${message}`);
  await cli.out.line(VERDICT[report.exitCode] ?? '');
}

async function verifyProof(cli: Cli, file: string, keys: readonly Verifier[]): Promise<number> {
  const proof = parseProof(await readLocal(file));
  if (proof === undefined)
    throw new ConfigError(`${file} is no proof of an event`, {
      hint: 'make one with "auditkeep prove --audit-id ID --out FILE"',
    });
  const { findings, manifest, signedBy } = checkProof(proof, keys);
  const exitCode = findings.exitCode();
  if (cli.options.output === 'json') {
    const { origin, size } = proof.checkpoint;
    const { part, line, manifestKey, index } = proof;
    await cli.out.json({
      exitCode,
      event: proof.event.toString('utf8'),
      part,
      line,
      manifestKey,
      index,
      origin,
      size,
      signedBy,
      findings: findings.all,
    });
    return exitCode;
  }
  await cli.out.line(proof.event.toString('utf8'));
  for (const { severity, message } of findings.all) await cli.out.line(`${severity}: ${message}`);
  if (exitCode === EXIT.done && manifest !== undefined)
    await cli.out.line(
      `PROVEN: cluster ${manifest.cluster} took this event in between ${manifest.from} and ${manifest.to}; it is line ${proof.line} of ${proof.part}, in the log ${proof.checkpoint.origin} of ${formatCount(proof.checkpoint.size)} leaves, signed by ${signedBy.join(', ')}`,
    );
  else await cli.out.line(VERDICT[exitCode]!);
  return exitCode;
}
