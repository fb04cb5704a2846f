// From a finished builder to a manifest: query, what could be seen, coverage, digests.

import type { Coverage, Manifest } from '../archive/manifest.ts';
import { FORMAT } from '../archive/manifest.ts';
import type { Horizon, Query, Span } from '../provider.ts';
import { formatTime } from '../time.ts';
import type { Built } from './build.ts';
import type { ClusterContext, Seen } from './context.ts';

export interface Description {
  readonly kind: Manifest['kind'];
  readonly name: string;
  readonly span: Span;
  readonly final: boolean;
  readonly built: Built;
  readonly seen: Seen;
  /** Absent where nothing had to be read. */
  readonly read?: { readonly query: Query; readonly pages: number };
  readonly covers?: Manifest['covers'];
  readonly strays?: readonly string[];
  readonly known?: number;
}

/**
 * Complete, silent, expired or partly expired (rule 11).
 * Before a source was created there was nothing to lose. But one that was created after the cluster's first window has taken the place
 * of the one that was read before, as a log group that was deleted and made anew: what that one held is gone.
 * @param found audit events, whatever became of them
 * @param firstEnd end of the cluster's first window
 */
export function coverageOf(span: Span, found: number, { at, because }: Horizon, firstEnd: number): Coverage {
  const isOriginal = because === 'created' && at !== undefined && at < firstEnd;
  if (at !== undefined && !isOriginal && at > span.from)
    return span.to <= at && found === 0 ? 'expired' : 'partly-expired';
  return found === 0 ? 'silent' : 'complete';
}

export function describeManifest(context: ClusterContext, d: Description): Manifest {
  const { horizon, visible } = d.seen;
  const { counts } = d.built;
  const bounds = d.read === undefined ? undefined : context.source.bounds(d.read.query);
  return {
    format: FORMAT,
    kind: d.kind,
    cluster: context.cluster.name,
    name: d.name,
    from: formatTime(d.span.from),
    to: formatTime(d.span.to),
    final: d.final,
    ...(d.covers !== undefined && { covers: d.covers }),
    ...(d.read !== undefined &&
      bounds !== undefined && {
        query: {
          source: context.cluster.provider,
          latenessSeconds: d.read.query.lateness / 1000,
          eventFrom: formatTime(bounds.from),
          eventTo: formatTime(bounds.to),
          pages: d.read.pages,
          terms: { ...context.source.describe(d.read.query) },
        },
      }),
    visible: {
      sources: [...visible.sources],
      logging: visible.logging,
      notes: [...visible.notes],
      ...(horizon.at !== undefined && { holdsFrom: formatTime(horizon.at) }),
      holdsBecause: horizon.because,
    },
    coverage:
      d.read === undefined
        ? 'complete'
        : coverageOf(d.span, counts.received - counts.skipped + (d.known ?? 0), horizon, context.firstEnd),
    made: {
      at: formatTime(context.clock.now()),
      by: context.version,
      configSha256: context.configSha256,
      policySha256: context.cluster.policy.sha256,
    },
    ...d.built,
    counts: { ...counts, ...(d.known !== undefined && { known: d.known }) },
    ...(d.strays !== undefined && d.strays.length > 0 && { strays: [...d.strays] }),
  };
}
