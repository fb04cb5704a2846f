// The ledger of a cluster: which windows are committed. Read by names alone; manifests are opened only where their content matters.

import { TamperError } from '../errors.ts';
import type { Span } from '../provider.ts';
import {
  clusterKey,
  ledgerPrefix,
  manifestKey,
  type ManifestName,
  manifestOfLedgerKey,
  parseStartKey,
} from './keys.ts';
import { type ClusterFile, clusterFileSchema, decodeManifest, type Manifest } from './manifest.ts';
import type { Store } from './store/store.ts';

export interface Ledger {
  readonly cluster: string;
  /** Absent before the first run. */
  readonly file?: ClusterFile;
  /** Spans that must be in the ledger besides `[file.first, …)`: backfills further back. */
  readonly starts: readonly Span[];
  /** Committed windows by name. */
  readonly windows: ReadonlyMap<string, Span>;
  /** Rechecked days with the number of rechecks. */
  readonly rechecks: ReadonlyMap<string, number>;
  /** Keys that don't belong here. */
  readonly strangers: readonly string[];
}

/** Is a manifest of this name committed? */
export function holds({ windows, rechecks }: Pick<Ledger, 'windows' | 'rechecks'>, name: ManifestName): boolean {
  return name.kind === 'window' ? windows.has(name.name) : name.round <= (rechecks.get(name.date) ?? 0);
}

/** Reads cluster.json, parsed; undefined if there is none. Throws TamperError if it isn't what auditkeep writes. */
export async function readClusterFile(store: Store, cluster: string): Promise<ClusterFile | undefined> {
  const found = await store.get(clusterKey(cluster));
  if (found === undefined) return undefined;
  const parsed = clusterFileSchema.safeParse(safeJson(found.bytes));
  if (parsed.success) return parsed.data;
  throw new TamperError(`${store.url}: ${clusterKey(cluster)} is not a cluster file`, {
    hint: 'it fixes the plan of this cluster: restore it from a copy or an earlier version of the object',
  });
}

function safeJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

/** One listing and at most one get. */
export async function readLedger(store: Store, cluster: string): Promise<Ledger> {
  const starts: Span[] = [];
  const windows = new Map<string, Span>();
  const rechecks = new Map<string, number>();
  const strangers: string[] = [];
  let hasFile = false;
  for await (const { key } of store.list(ledgerPrefix(cluster))) {
    const name = manifestOfLedgerKey(key);
    const start = name === undefined ? parseStartKey(key) : undefined;
    if (name?.kind === 'window') windows.set(name.name, name.span);
    else if (name?.kind === 'recheck') rechecks.set(name.date, Math.max(name.round, rechecks.get(name.date) ?? 0));
    else if (start !== undefined) starts.push(start);
    else if (key === clusterKey(cluster)) hasFile = true;
    else strangers.push(key);
  }
  const file = hasFile ? await readClusterFile(store, cluster) : undefined;
  return { cluster, ...(file !== undefined && { file }), starts, windows, rechecks, strangers };
}

/** Reads a committed manifest. Throws TamperError if it is gone or not what auditkeep writes. */
export async function readManifest(
  store: Store,
  cluster: string,
  name: string,
): Promise<{ readonly manifest: Manifest; readonly bytes: Buffer }> {
  const key = manifestKey(cluster, name);
  const found = await store.get(key);
  if (found === undefined) throw new TamperError(`${store.url}: the manifest ${key} was committed and is gone`);
  try {
    return { manifest: decodeManifest(found.bytes), bytes: found.bytes };
  } catch (error) {
    throw new TamperError(`${store.url}: ${key} is not a manifest that this version can read`, { cause: error });
  }
}
