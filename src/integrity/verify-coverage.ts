// Verification of completeness: the windows of a cluster cover their range on one grid, without gap or overlap, up to now.

import { gridWindows, obligationsOf, unite } from '../archive/coverage.ts';
import { dateOf, HOUR, parseManifestName, windowName } from '../archive/keys.ts';
import type { Span } from '../provider.ts';
import { formatTime } from '../time.ts';
import type { Findings } from './findings.ts';
import { type ClusterLedger, inScope, type Scope, spanOf } from './verify-ledger.ts';

/** What the config says of a cluster that decides when a window is due. */
export interface ClusterSettings {
  readonly settle: number;
  /** How long after a day it is rechecked. */
  readonly recheckAfter: number;
  readonly until?: number;
}

/** The longest settle of any provider, and the usual recheck: for archives that are verified without their config. */
export const DEFAULT_SETTINGS: ClusterSettings = { settle: 20 * 60_000, recheckAfter: 24 * HOUR };

/** A run of cron's may come this much after a window is due. */
const GRACE = HOUR;
const FINAL_AFTER = 48 * HOUR;

export interface CoverageReport {
  readonly cluster: string;
  /** Range that was verified. */
  readonly from?: string;
  readonly to?: string;
  readonly windows: number;
  readonly rechecks: number;
  readonly silent: number;
  readonly expired: number;
  readonly missing: number;
  readonly notFinal: number;
  readonly events: number;
  readonly received: number;
}

/** @param now the time up to which the archive must be complete */
export function verifyCoverage(
  ledger: ClusterLedger,
  settings: ClusterSettings,
  scope: Scope,
  now: number,
  findings: Findings,
  hostClock = now,
): CoverageReport {
  const { cluster, file, manifests } = ledger;
  const all = [...manifests.values()];
  const windows = all.filter(({ name }) => name.kind === 'window');
  const rechecks = all.filter(({ name }) => name.kind === 'recheck');
  const counts = {
    cluster,
    windows: windows.length,
    rechecks: rechecks.length,
    silent: windows.filter(({ manifest }) => manifest.coverage === 'silent').length,
    expired: windows.filter(({ manifest }) => /expired/.test(manifest.coverage)).length,
    events: all.reduce((sum, { manifest }) => sum + manifest.counts.written + manifest.counts.salvaged, 0),
    received: all.reduce((sum, { manifest }) => sum + manifest.counts.received, 0),
  };
  const finals = checkRechecks(ledger, findings);
  const ahead = all.filter(({ manifest }) => Date.parse(manifest.made.at) > hostClock + 5 * 60_000);
  if (ahead[0] !== undefined)
    findings.unverifiable(
      'clock',
      `${cluster}: ${ahead.length} manifests were made after now (${formatTime(hostClock)}), such as ${ahead[0].name.name} at ${ahead[0].manifest.made.at}: a clock is wrong`,
    );
  if (file === undefined) {
    if (!ledger.broken)
      findings.tampered('cluster-file-missing', `${cluster} has no cluster.json: nothing says where it begins`, {
        cluster,
      });
    return { ...counts, missing: 0, notFinal: 0 };
  }
  const window = file.windowSeconds * 1000;
  const closed = Math.floor(Math.min(scope.range?.to ?? Infinity, now - settings.settle - GRACE) / window) * window;
  const last = Math.max(closed, ...windows.map(({ name }) => spanOf(name).to));
  const obligations = obligationsOf({ ...emptyLedger, cluster, file, starts: ledger.starts }, settings.until);
  const missing: Span[] = [];
  const late: Span[] = [];
  const expected = new Set<string>();
  const finalBy = now - Math.max(FINAL_AFTER, settings.recheckAfter + 24 * HOUR + settings.settle + GRACE);
  for (const obligation of obligations)
    for (const span of gridWindows({ from: obligation.from, to: Math.min(obligation.to, last) }, window)) {
      const name = windowName(span);
      if (!inScope({ kind: 'window', name, span }, scope.range)) continue;
      expected.add(name);
      const found = manifests.get(name);
      if (found === undefined) {
        if (span.to <= closed && !ledger.names.has(name)) missing.push(span);
        continue;
      }
      if (!found.manifest.final && !finals.has(name) && span.to <= finalBy) late.push(span);
      if (/expired/.test(found.manifest.coverage))
        findings.incomplete(
          'expired',
          `${cluster}: ${name} was ${found.manifest.coverage === 'expired' ? '' : 'partly '}deleted at the source before it was collected`,
          { cluster },
        );
    }
  for (const span of unite(missing))
    findings.incomplete(
      'window-missing',
      `${cluster}: nothing was collected from ${formatTime(span.from)} to ${formatTime(span.to)}`,
      { cluster },
    );
  for (const span of unite(late))
    findings.incomplete(
      'not-final',
      `${cluster}: ${formatTime(span.from)} to ${formatTime(span.to)} was never rechecked for late events`,
      { cluster },
    );
  for (const { name } of windows)
    if (!expected.has(name.name))
      findings.tampered(
        'window-unexpected',
        `${cluster}: ${name.name} is not on the grid, or outside of what the cluster must have`,
        { cluster },
      );
  const from = Math.max(scope.range?.from ?? -Infinity, obligations[0]?.from ?? Infinity);
  return {
    ...counts,
    ...(Number.isFinite(from) && from < last && { from: formatTime(from), to: formatTime(last) }),
    missing: missing.length,
    notFinal: late.length,
  };
}

const emptyLedger = { windows: new Map<string, Span>(), rechecks: new Map<string, number>(), strangers: [] };

/** Windows that rechecks answer for; each recheck names them with their hashes. */
function checkRechecks({ cluster, manifests, names }: ClusterLedger, findings: Findings): Set<string> {
  const finals = new Set<string>();
  for (const { name, manifest } of manifests.values()) {
    if (name.kind !== 'recheck') continue;
    for (const covered of manifest.covers ?? []) {
      const window = parseManifestName(covered.name);
      if (window?.kind !== 'window' || dateOf(window.span.from) !== name.date) {
        findings.tampered('recheck-differs', `${cluster}: ${name.name} names ${covered.name}, no window of its day`, {
          cluster,
        });
        continue;
      }
      finals.add(covered.name);
      const there = manifests.get(covered.name);
      if (there === undefined ? names.has(covered.name) : there.sha256 === covered.sha256) continue;
      findings.tampered(
        'recheck-differs',
        `${cluster}: ${name.name} compared ${covered.name}, which is ${there === undefined ? 'gone' : 'another one now'}`,
        { cluster },
      );
    }
  }
  return finals;
}
