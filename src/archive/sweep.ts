// Removal of strays: data objects named after a committed manifest that doesn't list them (rule 9).

import { AuthError } from '../errors.ts';
import type { Log } from '../log.ts';
import { datePrefix, idsPrefix, type ManifestName, manifestOfDataKey, parseMarkKey, type PartKind } from './keys.ts';
import { readManifest } from './ledger.ts';
import { type Manifest, partsOf } from './manifest.ts';
import type { Store } from './store/store.ts';

export interface SweepDeps {
  readonly store: Store;
  readonly cluster: string;
  /** Is this manifest in the ledger? Parts of others are never touched: their run may still commit. */
  isCommitted(name: ManifestName): boolean;
  /** Manifests this run holds already. */
  known(name: string): Manifest | undefined;
  /** Which manifests are opened beside those that this run holds and those whose objects look wrong by name. */
  readonly opens: 'no others' | 'rechecks' | 'all';
  readonly log: Log;
}

export interface Swept {
  readonly removed: readonly string[];
  /** Strays that this role may not delete. */
  readonly left: readonly string[];
  /** Objects whose manifest may still come. */
  readonly waiting: number;
  /** Marks of runs that were come across. */
  readonly marks: readonly string[];
}

/** Which keys a manifest lists. */
export function listedKeys(m: Manifest): Set<string> {
  return new Set([...partsOf(m).map((p) => p.key), ...(m.ids === undefined ? [] : [m.ids.key])]);
}

/** The parts of one manifest and date count up from 0; anything else means that two attempts wrote there. */
function looksWrong(keys: readonly string[]): boolean {
  const byFolder = Map.groupBy(keys, (key) => key.slice(0, key.lastIndexOf('/')));
  for (const [folder, inIt] of byFolder) {
    if (folder.startsWith('ids/')) {
      if (inIt.length > 1) return true;
      continue;
    }
    const numbers = inIt.map((key) => Number(/_(\d+)_[0-9a-f]+\.[^/]*$/.exec(key)?.[1])).sort((a, b) => a - b);
    if (numbers.some((n, i) => n !== i)) return true;
  }
  return false;
}

/** Where to look: all keys with `prefix` after `after`. */
export interface Scope {
  readonly prefix: string;
  readonly after?: string;
}

const KINDS: readonly PartKind[] = ['events', 'rejects', 'raw'];

/** Parts, rejects and raw records of these days, and fingerprints of manifests of these days. */
export function scopesOfDates(cluster: string, dates: Iterable<string>): Scope[] {
  return [...new Set(dates)]
    .sort()
    .flatMap((date) => [
      ...KINDS.map((kind) => ({ prefix: datePrefix(kind, cluster, date) })),
      { prefix: `${idsPrefix(cluster)}${date.replaceAll('-', '')}` },
    ]);
}

/** The same for all days from `date` on, in four listings. An empty text: all of the cluster. */
export function scopesSince(cluster: string, date: string): Scope[] {
  return [
    ...KINDS.map((kind) => {
      const prefix = `${kind}/cluster=${cluster}/`;
      return { prefix, after: `${prefix}date=${date}` };
    }),
    { prefix: idsPrefix(cluster), after: `${idsPrefix(cluster)}${date.replaceAll('-', '')}` },
  ];
}

/** Removes the strays found there. */
export async function sweep(scopes: readonly Scope[], deps: SweepDeps): Promise<Swept> {
  const { store, cluster } = deps;
  deps.log.debug({ cluster }, 'sweep');
  const byManifest = new Map<string, { readonly name: ManifestName; readonly keys: string[] }>();
  const marks: string[] = [];
  let waiting = 0;
  for (const { prefix, after } of scopes)
    for await (const { key } of store.list(prefix, after)) {
      const name = manifestOfDataKey(key);
      if (name === undefined) {
        if (parseMarkKey(key) !== undefined) marks.push(key);
        continue;
      }
      if (!deps.isCommitted(name)) {
        waiting++;
        continue;
      }
      const found = byManifest.get(name.name);
      if (found === undefined) byManifest.set(name.name, { name, keys: [key] });
      else found.keys.push(key);
    }
  const removed: string[] = [];
  const left: string[] = [];
  for (const { name, keys } of byManifest.values()) {
    const held = deps.known(name.name);
    const opened = deps.opens === 'all' || (deps.opens === 'rechecks' && name.kind === 'recheck');
    if (held === undefined && !opened && !looksWrong(keys)) continue;
    const listed = listedKeys(held ?? (await readManifest(store, cluster, name.name)).manifest);
    for (const key of keys) {
      if (listed.has(key)) continue;
      try {
        await store.delete(key);
        removed.push(key);
      } catch (error) {
        if (!(error instanceof AuthError)) throw error;
        left.push(key);
      }
    }
  }
  if (removed.length > 0) deps.log.info({ cluster, removed }, 'removed what broken attempts left behind');
  if (left.length > 0)
    deps.log.warn(
      { cluster, left },
      'broken attempts left objects behind that this role may not delete; no event is lost or doubled',
    );
  return { removed, left, waiting, marks };
}
