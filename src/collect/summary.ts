// The run summary: what a run did for one cluster.

import type { reachOf } from '../archive/coverage.ts';
import type { Ledger } from '../archive/ledger.ts';
import { type Manifest, partsOf } from '../archive/manifest.ts';
import { formatTime } from '../time.ts';
import type { Outcome } from './context.ts';

/** What a run did for one cluster; the run summary of the command line. */
export interface ClusterSummary {
  readonly cluster: string;
  /** Windows and rechecks that were due. */
  readonly planned: number;
  readonly committed: number;
  /** Windows that another run committed first. */
  readonly adopted: number;
  readonly failed: number;
  readonly silent: number;
  readonly expired: number;
  readonly received: number;
  readonly written: number;
  readonly duplicate: number;
  readonly skipped: number;
  readonly rejected: number;
  /** Bodies of written events that the source had left out. */
  readonly omitted: number;
  /** Late events that rechecks found. */
  readonly late: number;
  /** Bytes written to the archive, compressed. */
  readonly bytes: number;
  readonly collectedUntil?: string;
  readonly finalUntil?: string;
  readonly gaps: number;
  /** Files in the cluster's ledger when the run ended, as far as this run knows. */
  readonly ledgerFiles: number;
  /** What the source holds before the first window, and how to save it. */
  readonly notice?: string;
  readonly errors: readonly Error[];
}

/** cluster.json, starts, windows and all rounds of rechecks. */
function filesIn({ file, starts, windows, rechecks }: Ledger): number {
  const rounds = [...rechecks.values()].reduce((sum, round) => sum + round, 0);
  return (file === undefined ? 0 : 1) + starts.length + windows.size + rounds;
}

export function summarize(
  cluster: string,
  outcomes: readonly Outcome[],
  planned: number,
  failed: number,
  errors: readonly Error[],
  ledger?: Ledger,
  reach?: ReturnType<typeof reachOf>,
  notice?: string,
): ClusterSummary {
  const done = outcomes.flatMap((outcome) => ('manifest' in outcome ? [outcome] : []));
  const own = done.filter((outcome) => outcome.won).map((outcome) => outcome.manifest);
  const total = (of: (manifest: Manifest) => number) => own.reduce((sum, manifest) => sum + of(manifest), 0);
  const is = (coverage: Manifest['coverage']) =>
    own.filter((manifest) => manifest.kind === 'window' && manifest.coverage === coverage).length;
  return {
    cluster,
    planned,
    committed: own.length,
    adopted: done.length - own.length,
    failed,
    silent: is('silent'),
    expired: is('expired') + is('partly-expired'),
    received: total((m) => m.counts.received),
    written: total((m) => m.counts.written),
    duplicate: total((m) => m.counts.duplicate),
    skipped: total((m) => m.counts.skipped),
    rejected: total((m) => m.counts.rejected),
    omitted: total((m) => Object.values(m.omitted ?? {}).reduce((sum, n) => sum + n, 0)),
    late: total((m) => (m.kind === 'recheck' ? m.counts.received : 0)),
    bytes: total((m) => partsOf(m).reduce((sum, part) => sum + part.bytes, 0)),
    ...(reach?.collectedUntil !== undefined && { collectedUntil: formatTime(reach.collectedUntil) }),
    ...(reach?.finalUntil !== undefined && { finalUntil: formatTime(reach.finalUntil) }),
    gaps: reach?.gaps.length ?? 0,
    ledgerFiles: ledger === undefined ? 0 : filesIn(ledger),
    ...(notice !== undefined && { notice }),
    errors,
  };
}
