// A store that doesn't let rule 9 be broken: it sees every put and delete of all runs, and says which one was wrong.

import { manifestKey, manifestOfDataKey, manifestOfLedgerKey, parseMarkKey } from '../../src/archive/keys.ts';
import { decodeManifest } from '../../src/archive/manifest.ts';
import type { Store } from '../../src/archive/store/store.ts';
import { listedKeys } from '../../src/archive/sweep.ts';

/** What a run must never do, whatever happens to it. */
export class Broken extends Error {
  override readonly name = 'Broken';
}

/** @param store one whose answers are true when they are given */
export function witnessed(store: Store): Store {
  const listed = new Set<string>();
  const committed = new Set<string>();
  return {
    ...store,
    async put(key, body, options) {
      if (options.ifAbsent !== true) throw new Broken(`${key} is not put create-only`);
      const tag = await store.put(key, body, options);
      if (!key.startsWith('ledger/') || manifestOfLedgerKey(key) === undefined) return tag;
      committed.add(key);
      const manifest = decodeManifest((await store.get(key))!.bytes);
      for (const part of [...listedKeys(manifest), `policies/${manifest.made.policySha256}.yaml`]) {
        listed.add(part);
        if ((await store.head(part)) === undefined) throw new Broken(`${key} is there before ${part}`);
      }
      return tag;
    },
    async delete(key) {
      if (listed.has(key)) throw new Broken(`${key} is deleted, and a manifest lists it`);
      if (parseMarkKey(key) !== undefined) return store.delete(key);
      const owner = manifestOfDataKey(key);
      const cluster = /cluster=([^/]+)/.exec(key)?.[1] ?? '';
      if (owner === undefined || !committed.has(manifestKey(cluster, owner.name)))
        throw new Broken(`${key} is deleted, and its manifest may still come`);
      await store.delete(key);
    },
  };
}
