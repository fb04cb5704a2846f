// Will the source still hold what is to be collected? Its retention against the ledger's gaps and the time of the recheck. Pure.

import { obligationsOf, reachOf } from '../archive/coverage.ts';
import { DAY } from '../archive/keys.ts';
import type { Ledger } from '../archive/ledger.ts';
import type { Cluster } from '../config.ts';
import type { Horizon } from '../provider.ts';
import { formatDuration, formatTime } from '../time.ts';
import { ok, type Point, warn } from './check-point.ts';

export interface RetentionInput {
  readonly cluster: Pick<Cluster, 'name' | 'provider' | 'recheckAfter' | 'until'>;
  readonly horizon: Horizon;
  /** Undefined where the archive can't be read. */
  readonly ledger: Ledger | undefined;
  /** A cloud keeps the log, and could tell for how long. */
  readonly managed: boolean;
  readonly now: number;
  readonly settle: number;
}

export function retentionPoints(input: RetentionInput): Point[] {
  return [...keepsPoints(input), ...uncollectedPoints(input)];
}

function keepsPoints({ cluster, horizon, managed }: RetentionInput): Point[] {
  const { at, because, retention } = horizon;
  if (at === undefined && retention === undefined) {
    const text = 'unknown how long the source keeps its events: nothing can be called expired';
    const fix = `see "Permissions" in providers/${cluster.provider}/README.md`;
    return [managed ? warn('retention', text, fix) : ok('retention', text)];
  }
  const since = at === undefined ? '' : `, now from ${formatTime(at)} on`;
  if (retention === undefined) {
    const limit = because === 'created' ? 'without a limit' : 'for a time that it does not tell';
    return [ok('retention', `events are kept ${limit}${since}`)];
  }
  const text = `events are kept for ${formatDuration(retention)}${since}`;
  // the beginning of a day must still be there when the day is read again
  const needed = DAY + cluster.recheckAfter;
  if (retention >= needed) return [ok('retention', text)];
  return [
    warn(
      'retention',
      `${text}; a day is read again ${formatDuration(cluster.recheckAfter)} after its end, when its beginning is gone`,
      `keep events for ${formatDuration(needed + DAY)} or longer, or set recheck.after of this cluster lower`,
    ),
  ];
}

function uncollectedPoints({ cluster, horizon, ledger, now, settle }: RetentionInput): Point[] {
  if (ledger?.file === undefined) return [];
  const window = ledger.file.windowSeconds * 1000;
  const closedUntil = Math.floor((now - settle) / window) * window;
  const { gaps, collectedUntil } = reachOf(ledger, obligationsOf(ledger, cluster.until), window, closedUntil);
  const reach = collectedUntil === undefined ? 'nothing in one piece' : `until ${formatTime(collectedUntil)}`;
  const oldest = gaps[0];
  if (oldest === undefined) return [ok('uncollected', `everything that is closed is collected: ${reach}`)];
  const command = `auditkeep collect --cluster ${cluster.name}`;
  const from = formatTime(oldest.from);
  const { at, because, retention } = horizon;
  if (at !== undefined && because === 'retention' && oldest.from < at)
    return [
      warn(
        'uncollected',
        `windows from ${from} on are not collected, and the source holds only events from ${formatTime(at)} on: the rest is lost`,
        `${command}, now; then let it run more often, or keep events longer`,
      ),
    ];
  const text = `collected ${reach}; the oldest closed window that is missing begins ${from}`;
  if (retention === undefined) return [ok('uncollected', text)];
  const expires = oldest.from + retention;
  const soon = Math.min(DAY, retention / 2);
  if (expires - now > soon) return [ok('uncollected', `${text}, and is kept until ${formatTime(expires)}`)];
  return [
    warn(
      'uncollected',
      `${text}, and the source forgets it at ${formatTime(expires)}`,
      `${command}, now; then let it run more often`,
    ),
  ];
}
