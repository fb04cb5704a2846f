// The beginning of a cluster's archive: cluster.json and the starts of backfills, both create-only (rule 2).

import { clusterKey, startKey } from '../archive/keys.ts';
import { readClusterFile } from '../archive/ledger.ts';
import { type ClusterFile, FORMAT } from '../archive/manifest.ts';
import { sha256Hex } from '../archive/hash.ts';
import type { Store } from '../archive/store/store.ts';
import { ConfigError, ConflictError } from '../errors.ts';
import type { Horizon, Span } from '../provider.ts';
import { formatDuration, formatTime, parseTime } from '../time.ts';

export interface BeginInput {
  readonly cluster: string;
  readonly provider: string;
  readonly source: string;
  /** Window length, milliseconds. */
  readonly window: number;
  /** collect.start as written. */
  readonly start: string;
  /** Before `start`: a backfill is this cluster's first run. */
  readonly backfillFrom?: number;
  readonly horizon: Horizon;
  readonly now: number;
  readonly version: string;
}

const floor = (time: number, window: number) => Math.floor(time / window) * window;

/** What the first window would be, and why. */
export function firstWindow(input: BeginInput): { readonly first: number; readonly because: string } {
  const { start, window, horizon, now } = input;
  const wanted = parseTime(start, now);
  const held = horizon.at;
  if (held !== undefined && held > wanted) {
    const why = horizon.because === 'created' ? 'the source was created' : 'the source still holds events from';
    return {
      first: floor(held, window),
      because: `${why} ${formatTime(held)}, which is later than collect.start (${start})`,
    };
  }
  return { first: floor(wanted, window), because: `collect.start is ${start} (${formatTime(wanted)})` };
}

/** Writes cluster.json, or reads that of the run that was first. */
export async function begin(store: Store, input: BeginInput): Promise<ClusterFile> {
  const { first, because } = firstWindow(input);
  const file: ClusterFile = {
    format: FORMAT,
    cluster: input.cluster,
    provider: input.provider,
    source: input.source,
    windowSeconds: input.window / 1000,
    first: formatTime(first),
    because,
    made: { at: formatTime(input.now), by: input.version },
  };
  const bytes = Buffer.from(`${JSON.stringify(file, null, 2)}\n`);
  try {
    await store.put(clusterKey(input.cluster), bytes, {
      ifAbsent: true,
      sha256: sha256Hex(bytes),
      contentType: 'application/json',
    });
    return file;
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    return (await readClusterFile(store, input.cluster))!;
  }
}

/** Adds what a backfill further back must bring. `span` is on the grid. */
export async function addStart(store: Store, cluster: string, span: Span, now: number, version: string): Promise<void> {
  const bytes = Buffer.from(
    `${JSON.stringify(
      {
        format: FORMAT,
        cluster,
        from: formatTime(span.from),
        to: formatTime(span.to),
        made: { at: formatTime(now), by: version },
      },
      null,
      2,
    )}\n`,
  );
  try {
    await store.put(startKey(cluster, span), bytes, {
      ifAbsent: true,
      sha256: sha256Hex(bytes),
      contentType: 'application/json',
    });
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error; // the same obligation stands already
  }
}

/** Refuses a config that would continue another cluster's ledger, or another grid. */
export function checkSame(file: ClusterFile, now: { provider: string; window: number; source?: string }): void {
  const differs = (what: string, was: string, is: string, hint: string) =>
    new ConfigError(`cluster ${file.cluster}: ${what} is ${is} in the config, but the archive was begun with ${was}`, {
      hint,
    });
  const otherName = 'give the other cluster another name: one name in the archive is one log for ever';
  if (file.provider !== now.provider) throw differs('the provider', file.provider, now.provider, otherName);
  if (file.windowSeconds * 1000 !== now.window)
    throw differs(
      'collect.window',
      formatDuration(file.windowSeconds * 1000),
      formatDuration(now.window),
      `set collect.window back to ${formatDuration(file.windowSeconds * 1000)}: the grid of a cluster is fixed by its first run`,
    );
  if (now.source !== undefined && file.source !== now.source)
    throw differs('the source', file.source, now.source, otherName);
}
