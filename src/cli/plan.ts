// `auditkeep plan`: what collect or backfill would do, and why it starts where it starts; writes nothing.

import { type ClusterPlan, onGrid, planOnly } from '../collect/collect.ts';
import type { Scan } from '../collect/plan.ts';
import { ConfigError, EXIT } from '../errors.ts';
import { formatDuration, formatTime } from '../time.ts';
import { VERSION } from '../version.ts';
import type { Run } from './io.ts';
import { type RunOptions, withRun } from './open-run.ts';
import { formatCount } from './output.ts';
import { warnOfPolicies } from './policy-advice.ts';
import { rangeOption } from './when.ts';

interface PlanOptions extends RunOptions {
  from?: string;
  to?: string;
}

/** Scans that the text shows; JSON has all. */
const MOST_SHOWN = 12;

export const plan: Run<PlanOptions> = (cli) =>
  withRun(cli, async (run) => {
    const { from, to, output } = cli.options;
    if (from === undefined && to !== undefined) throw new ConfigError('--to needs --from');
    const only = from === undefined ? undefined : onGrid(rangeOption(from, to, run.now), run.config.collect.window);
    warnOfPolicies(run.clusters, run.log);
    const plans = await planOnly({
      ...run,
      signal: cli.signal,
      version: `auditkeep ${VERSION}`,
      emit() {},
      ...(only !== undefined && { only }),
    });
    for (const one of plans) {
      if (output === 'json') await cli.out.json(planJson(one));
      else for (const line of inWords(one)) await cli.out.line(line);
    }
    return EXIT.done;
  });

const spanOf = (scan: Scan) => ({ from: scan.windows[0]!.from, to: scan.windows.at(-1)!.to });

/** One line of the JSON output; its members are a stable interface (docs/cli.md). */
export function planJson({ cluster, plan: due, because, first, fresh, ledger, notice }: ClusterPlan): object {
  return {
    cluster,
    firstRun: fresh,
    first: formatTime(first),
    because,
    committedWindows: ledger.windows.size,
    windows: due.windows,
    closedUntil: formatTime(due.closedUntil),
    scans: due.scans.map((scan) => ({
      from: formatTime(spanOf(scan).from),
      to: formatTime(spanOf(scan).to),
      windows: scan.windows.length,
      latenessSeconds: scan.lateness / 1000,
      final: scan.final,
    })),
    rechecks: due.rechecks,
    ...(notice !== undefined && { notice }),
  };
}

function inWords({ cluster, plan: due, because, first, fresh, ledger, notice }: ClusterPlan): string[] {
  const lines = [
    cluster,
    `  begins    ${formatTime(first)}: ${because}${fresh ? '; the first collect fixes that' : ''}`,
    `  ledger    ${formatCount(ledger.windows.size)} windows are committed`,
    `  due       ${formatCount(due.windows)} windows in ${formatCount(due.scans.length)} reads; all up to ${formatTime(due.closedUntil)} are closed`,
  ];
  for (const scan of due.scans.slice(0, MOST_SHOWN)) {
    const { from, to } = spanOf(scan);
    const kind = scan.final ? 'final at once' : 'to be rechecked';
    lines.push(
      `    read    ${formatTime(from)} to ${formatTime(to)}, ${scan.windows.length} windows, events up to ${formatDuration(scan.lateness)} late, ${kind}`,
    );
  }
  const more = due.scans.length - MOST_SHOWN;
  if (more > 0) lines.push(`    and ${formatCount(more)} more (-o json lists all)`);
  if (due.rechecks.length > 0) lines.push(`  rechecks  ${due.rechecks.join(', ')}`);
  if (notice !== undefined) lines.push(`  before    ${notice}`);
  return lines;
}
