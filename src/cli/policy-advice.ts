// Says before a run what the policies it collects under would lose, though they are valid.

import type { Cluster } from '../config.ts';
import type { Log } from '../log.ts';
import { advise } from '../policy/advice.ts';

/** One warning for each piece of advice, with the policy and the clusters it is for. */
export function warnOfPolicies(clusters: readonly Cluster[], log: Log): void {
  const found = new Map<string, { policy: string; text: string; names: string[] }>();
  for (const { name, policy: chosen, implementation } of clusters) {
    if (chosen.policy === undefined) continue;
    for (const text of advise(chosen.policy, { groups: implementation.groups ?? 'known' })) {
      const key = `${chosen.sha256} ${text}`;
      const known = found.get(key);
      if (known === undefined) found.set(key, { policy: chosen.name, text, names: [name] });
      else known.names.push(name);
    }
  }
  for (const { policy, text, names } of found.values())
    log.warn({ cluster: names.join(', '), policy }, `policy ${policy}: ${text}`);
}
