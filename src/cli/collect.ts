// `auditkeep collect` and `backfill`: the same run, over all that is due or over a range.

import { writeFile } from 'node:fs/promises';
import { type ClusterSummary, collect as runCollect, onGrid } from '../collect/collect.ts';
import { AuditkeepError, ConfigError, EXIT } from '../errors.ts';
import { readCheckpoint, sealedKeysOf } from '../integrity/read-log.ts';
import type { Span } from '../provider.ts';
import { formatTime } from '../time.ts';
import { VERSION } from '../version.ts';
import type { Cli, Run } from './io.ts';
import { type OpenRun, type RunOptions, withRun } from './open-run.ts';
import { formatBytes, formatCount, safeJson, table } from './output.ts';
import { warnOfPolicies } from './policy-advice.ts';
import { createProgress } from './progress.ts';
import { sealAfter, settingsOf } from './seal.ts';
import { rangeOption, shardOption } from './when.ts';

interface CollectOptions extends RunOptions {
  summary?: string;
  seal?: boolean;
}

interface BackfillOptions extends CollectOptions {
  from: string;
  to?: string;
  shard?: string;
}

export const collect: Run<CollectOptions> = (cli) => withRun(cli, (run) => runAndReport(cli, run));

export const backfill: Run<BackfillOptions> = (cli) =>
  withRun(cli, (run) => {
    const { shard } = cli.options;
    const asked = rangeOption(cli.options.from, cli.options.to, run.now);
    const only = onGrid(asked, run.config.collect.window);
    const from = only.from === asked.from ? '' : ` --from ${formatTime(only.from)}`;
    const to = cli.options.to === undefined || only.to === asked.to ? '' : ` --to ${formatTime(only.to)}`;
    if (from + to !== '') cli.tell(`widened to whole windows:${from}${to}`);
    return runAndReport(cli, run, only, shard === undefined ? undefined : shardOption(shard));
  });

async function runAndReport(
  cli: Cli<CollectOptions>,
  run: OpenRun,
  only?: Span,
  shard?: { index: number; of: number },
): Promise<number> {
  warnOfPolicies(run.clusters, run.log);
  const progress = createProgress(cli.stderr, run.log, () => performance.now());
  let summaries: ClusterSummary[];
  try {
    summaries = await runCollect({
      ...run,
      signal: cli.signal,
      version: `auditkeep ${VERSION}`,
      emit: progress.onEvent,
      sealedKeys: sealedKeysOf(run.store),
      ...(only !== undefined && { only }),
      ...(shard !== undefined && { shard }),
    });
  } finally {
    progress.end();
  }
  const lines = summaries.map((summary) => safeJson(summaryJson(summary)));
  if (cli.options.output === 'json') for (const line of lines) await cli.out.write(`${line}\n`);
  else await printSummaries(cli, summaries);
  for (const { cluster, notice, errors } of summaries) {
    if (cli.stderr.isTTY !== true) {
      // errors were logged when they happened
      if (notice !== undefined) run.log.warn({ cluster }, notice);
      continue;
    }
    if (notice !== undefined) cli.tell(`${cluster}: ${notice}`);
    for (const error of errors) cli.tell(`${cluster}: ${inWords(error)}`);
  }
  if (cli.options.summary !== undefined) await writeSummary(cli.options.summary, lines);
  const code = exitCodeOf(summaries);
  // shards only collect: one sealer seals
  if (cli.options.seal === false || shard !== undefined || (await isSealed(run, summaries))) return code;
  return gravest(code, await sealEnd(cli, run));
}

/**
 * Nothing was committed and the log has as many leaves as the ledgers have files: an idle run need not read the log. Where other clusters
 * or keys have leaves too, the numbers differ, and sealing looks closely; at worst it is put off to the next run that commits something.
 */
async function isSealed({ store }: OpenRun, summaries: readonly ClusterSummary[]): Promise<boolean> {
  const total = (of: (summary: ClusterSummary) => number) => summaries.reduce((sum, summary) => sum + of(summary), 0);
  if (total((s) => s.committed + s.adopted + s.errors.length) > 0) return false;
  return (await readCheckpoint(store))?.checkpoint.size === total((s) => s.ledgerFiles);
}

/** What was collected stays, whatever sealing comes to: its fault is told, and counts. */
async function sealEnd(cli: Cli, run: OpenRun): Promise<number> {
  try {
    return await sealAfter(settingsOf(cli, run), run.log);
  } catch (error) {
    cli.signal.throwIfAborted();
    const { message } = error as Error;
    const hint = error instanceof AuditkeepError ? error.hint : undefined;
    run.log.error({ error: message, ...(hint !== undefined && { hint }) }, 'collected, but not sealed');
    return error instanceof AuditkeepError ? error.exitCode : EXIT.failed;
  }
}

/** Tampering before all else; otherwise what collecting came to, if that was not success. */
const gravest = (collected: number, sealed: number): number =>
  sealed === EXIT.tampered || collected === EXIT.done ? sealed : collected;

/** One line of the run summary; its members are a stable interface (docs/cli.md). */
export function summaryJson(summary: ClusterSummary): object {
  const { errors, ledgerFiles: _, ...rest } = summary;
  return {
    ...rest,
    errors: errors.map((error) => ({
      name: error.name,
      message: error.message,
      ...(error instanceof AuditkeepError && error.hint !== undefined && { hint: error.hint }),
    })),
  };
}

function inWords(error: Error): string {
  return error instanceof AuditkeepError && error.hint !== undefined
    ? `${error.message}\n  ${error.hint}`
    : error.message;
}

async function printSummaries(cli: Cli, summaries: readonly ClusterSummary[]): Promise<void> {
  const head = [
    'cluster',
    '>windows',
    '>failed',
    '>events',
    '>rejected',
    '>late',
    '>stored',
    'collected until',
    '>gaps',
  ];
  const rows = summaries.map((s) => [
    s.cluster,
    `${formatCount(s.committed + s.adopted)}/${formatCount(s.planned)}`,
    formatCount(s.failed),
    formatCount(s.written),
    formatCount(s.rejected),
    formatCount(s.late),
    formatBytes(s.bytes),
    s.collectedUntil ?? '-',
    formatCount(s.gaps),
  ]);
  for (const line of table([head, ...rows])) await cli.out.line(line);
}

async function writeSummary(file: string, lines: readonly string[]): Promise<void> {
  try {
    await writeFile(file, lines.map((line) => `${line}\n`).join(''));
  } catch (error) {
    throw new AuditkeepError(`the run is done, but its summary ${file} can't be written: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/**
 * 0 all done · 4 something stored is not what it should be · 3 some windows failed, the rest is committed ·
 * where nothing at all could be done, the code of what prevented it (2 config, 1 the rest).
 */
export function exitCodeOf(summaries: readonly ClusterSummary[]): number {
  const errors = summaries.flatMap((summary) => summary.errors);
  if (errors.length === 0) return summaries.some((s) => s.failed > 0) ? EXIT.incomplete : EXIT.done;
  const codes = errors.map((error) => (error instanceof AuditkeepError ? error.exitCode : EXIT.failed));
  if (codes.includes(EXIT.tampered)) return EXIT.tampered;
  const nothing = summaries.every((summary) => summary.errors.length > 0 && summary.committed + summary.adopted === 0);
  if (!nothing) return EXIT.incomplete;
  return errors.every((error) => error instanceof ConfigError) ? EXIT.usage : EXIT.failed;
}
