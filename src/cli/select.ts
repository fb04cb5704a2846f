// --cluster: names, comma lists and globs, over the clusters of the config.

import { ConfigError } from '../errors.ts';

/**
 * The chosen ones in the order of the config; all without a pattern. `*` stands for any characters, `?` for one.
 * Throws ConfigError if a pattern meets none: a misspelt name must not look like success.
 */
export function selectClusters<T extends { readonly name: string }>(
  clusters: readonly T[],
  patterns: readonly string[] | undefined,
): readonly T[] {
  const wanted = (patterns ?? []).flatMap((text) => text.split(',')).map((text) => text.trim());
  if (patterns === undefined || patterns.length === 0) return clusters;
  const chosen = new Set<T>();
  const unknown: string[] = [];
  for (const pattern of wanted) {
    const matches = clusters.filter((cluster) => globMatches(pattern, cluster.name));
    if (matches.length === 0) unknown.push(pattern);
    for (const match of matches) chosen.add(match);
  }
  if (unknown.length > 0)
    throw new ConfigError(`--cluster: no cluster of the config is called ${unknown.map((u) => `"${u}"`).join(', ')}`, {
      hint: `the config has: ${clusters.map((c) => c.name).join(', ')}`,
    });
  return clusters.filter((cluster) => chosen.has(cluster));
}

/** Does a name match a pattern of `*`, `?` and literal characters? Linear in both lengths' product, whatever the pattern. */
export function globMatches(pattern: string, name: string): boolean {
  let reached = new Set([0]);
  for (const char of pattern) {
    const next = new Set<number>();
    for (const at of reached) {
      if (char === '*') for (let i = at; i <= name.length; i++) next.add(i);
      else if (at < name.length && (char === '?' || name[at] === char)) next.add(at + 1);
    }
    reached = next;
  }
  return reached.has(name.length);
}
