// Verification of the ledger: each sealed file is there and unchanged, each file is sealed, and manifests agree with each other.

import pLimit from 'p-limit';
import {
  clusterKey,
  DAY,
  dayStart,
  manifestOfDataKey,
  manifestOfLedgerKey,
  type ManifestName,
  parseStartKey,
} from '../archive/keys.ts';
import { clusterFileSchema, decodeManifest, partsOf, type ClusterFile, type Manifest } from '../archive/manifest.ts';
import { sha256Hex } from '../archive/hash.ts';
import type { Store } from '../archive/store/store.ts';
import type { Span } from '../provider.ts';
import { clusterOfKey, entryKind } from './entry.ts';
import type { Findings } from './findings.ts';
import { faultOf } from './pending.ts';
import { PARALLEL } from './read-log.ts';

export interface Scope {
  /** Arrival times that are looked at; absent = all. */
  readonly range?: Span;
  /** Clusters that are looked at. */
  isWanted(cluster: string): boolean;
}

/** What verification needs to remember of a manifest. */
export interface SlimManifest {
  readonly name: ManifestName;
  readonly sha256: string;
  readonly manifest: Pick<
    Manifest,
    'kind' | 'final' | 'coverage' | 'covers' | 'counts' | 'parts' | 'rejects' | 'raw' | 'ids' | 'strays' | 'made'
  >;
}

export interface ClusterLedger {
  readonly cluster: string;
  readonly file?: ClusterFile;
  readonly starts: readonly Span[];
  /** Windows and rechecks in scope, by name. */
  readonly manifests: ReadonlyMap<string, SlimManifest>;
  /** Names of all manifests, also out of scope. */
  readonly names: ReadonlySet<string>;
  /** cluster.json is not what it was: nothing is built on it. */
  readonly broken: boolean;
}

interface Growing {
  file?: ClusterFile;
  readonly starts: Span[];
  readonly manifests: Map<string, SlimManifest>;
  readonly names: Set<string>;
  broken: boolean;
}

/** Span that a manifest answers for. */
export const spanOf = (name: ManifestName): Span =>
  name.kind === 'window' ? name.span : { from: dayStart(name.date), to: dayStart(name.date) + DAY };

export const inScope = (name: ManifestName, range: Span | undefined): boolean =>
  range === undefined || (spanOf(name).from < range.to && range.from < spanOf(name).to);

/**
 * Reads the ledger and compares it with the leaves.
 * @param leaves of the log; undefined when there is none to compare with, which is a finding already
 * @param onFile called after each file, with the number of sealed ones, where there is a log
 */
export async function verifyLedger(
  store: Store,
  leaves: ReadonlyMap<string, string> | undefined,
  scope: Scope,
  findings: Findings,
  onFile: (total: number | undefined) => void,
): Promise<Map<string, ClusterLedger>> {
  const clusters = new Map<string, Growing>();
  const open = new Set(leaves?.keys());
  for (const key of open) if (!key.startsWith('ledger/')) open.delete(key);
  const total = leaves === undefined ? undefined : countInScope(open, scope);
  const limit = pLimit(PARALLEL);
  let tasks: Promise<void>[] = [];
  for await (const { key } of store.list('ledger/')) {
    open.delete(key);
    const cluster = clusterOfKey(key);
    if (cluster === undefined || entryKind(key) === undefined) {
      findings.tampered('unlisted', `${key} is nothing that auditkeep writes`, { key });
      continue;
    }
    if (!scope.isWanted(cluster)) continue;
    let own = clusters.get(cluster);
    if (own === undefined)
      clusters.set(cluster, (own = { starts: [], manifests: new Map(), names: new Set(), broken: false }));
    const name = manifestOfLedgerKey(key);
    if (name !== undefined) {
      own.names.add(name.name);
      if (!inScope(name, scope.range)) continue;
    }
    const into = own;
    tasks.push(
      limit(async () => {
        await readFile(store, key, cluster, name, leaves, into, findings);
        onFile(total);
      }),
    );
    // promises of a hundred thousand files at once would only take memory
    if (tasks.length < 2048) continue;
    await Promise.all(tasks);
    tasks = [];
  }
  await Promise.all(tasks);
  for (const key of open) {
    const cluster = clusterOfKey(key);
    if (cluster === undefined || !scope.isWanted(cluster)) continue;
    findings.tampered('sealed-missing', `${key} was sealed and is gone: restore it from a copy or an earlier version`, {
      key,
      cluster,
    });
    if (!clusters.has(cluster))
      clusters.set(cluster, { starts: [], manifests: new Map(), names: new Set(), broken: false });
  }
  return new Map([...clusters].map(([cluster, own]) => [cluster, { cluster, ...own }]));
}

/** Files that will be read if none is missing. */
function countInScope(keys: Iterable<string>, scope: Scope): number {
  let count = 0;
  for (const key of keys) {
    const cluster = clusterOfKey(key);
    const name = manifestOfLedgerKey(key);
    if (cluster !== undefined && scope.isWanted(cluster) && (name === undefined || inScope(name, scope.range))) count++;
  }
  return count;
}

async function readFile(
  store: Store,
  key: string,
  cluster: string,
  name: ManifestName | undefined,
  leaves: ReadonlyMap<string, string> | undefined,
  own: Growing,
  findings: Findings,
): Promise<void> {
  const about = { key, cluster };
  const bytes = (await store.get(key))?.bytes;
  if (bytes === undefined) {
    findings.tampered('sealed-missing', `${key} vanished while it was verified`, about);
    return;
  }
  const sha256 = sha256Hex(bytes);
  const leaf = leaves?.get(key);
  if (leaf !== undefined && leaf !== sha256)
    findings.tampered('sealed-differs', `${key} is not what was sealed`, about);
  else if (leaves !== undefined && leaf === undefined)
    findings.incomplete('unsealed', `${key} is not in the log: seal it`, about);
  const fault = faultOf(key, bytes);
  if (key === clusterKey(cluster) && (fault !== undefined || (leaf !== undefined && leaf !== sha256)))
    own.broken = true;
  if (fault !== undefined) {
    findings.tampered('ledger-invalid', `${key}: ${fault}`, about);
    return;
  }
  if (name === undefined) {
    const start = parseStartKey(key);
    const content = JSON.parse(bytes.toString('utf8')) as { from: string; to: string };
    if (start === undefined && own.broken) return;
    if (start === undefined) own.file = clusterFileSchema.parse(content);
    else if (Date.parse(content.from) === start.from && Date.parse(content.to) === start.to) own.starts.push(start);
    else findings.tampered('ledger-invalid', `${key}: it holds another span than its name`, about);
    return;
  }
  const manifest = decodeManifest(bytes);
  checkManifest(key, cluster, name, manifest, findings);
  const { kind, final, coverage, covers, counts, parts, rejects, raw, ids, strays, made } = manifest;
  own.manifests.set(name.name, {
    name,
    sha256,
    manifest: {
      kind,
      final,
      coverage,
      counts,
      parts,
      rejects,
      made,
      ...(covers !== undefined && { covers }),
      ...(raw !== undefined && { raw }),
      ...(ids !== undefined && { ids }),
      ...(strays !== undefined && { strays }),
    },
  });
}

/** A manifest's own contradictions, beyond its sums. */
function checkManifest(key: string, cluster: string, name: ManifestName, m: Manifest, findings: Findings): void {
  const about = { key, cluster };
  const wrong = (why: string) => findings.tampered('ledger-invalid', `${key}: ${why}`, about);
  if (m.kind !== name.kind) wrong(`it calls itself a ${m.kind}`);
  const span = { from: Date.parse(m.from), to: Date.parse(m.to) };
  if (name.kind === 'window' && (span.from !== name.span.from || span.to !== name.span.to))
    wrong('it answers for another span than its name');
  if (Date.parse(m.made.at) < span.to) wrong(`it was made at ${m.made.at}, before its end`);
  for (const part of [...partsOf(m), ...(m.ids === undefined ? [] : [m.ids])])
    if (clusterOfKey(part.key) !== cluster || manifestOfDataKey(part.key)?.name !== m.name)
      wrong(`it lists ${part.key}, which is not its own`);
}
