// The commit (rule 9): everything a manifest names is durable, then the manifest, create-only; who loses adopts the winner's.

import { ConflictError } from '../errors.ts';
import { manifestKey } from './keys.ts';
import { readManifest } from './ledger.ts';
import { encodeManifest, type Manifest, manifestSchema, sumErrors } from './manifest.ts';
import { sha256Hex } from './hash.ts';
import type { Store } from './store/store.ts';

export interface Committed {
  /** What the ledger holds now: ours, or that of the run that was first. */
  readonly manifest: Manifest;
  readonly won: boolean;
}

/**
 * Commits a manifest. Throws an Error if its sums don't hold (a bug: nothing is committed).
 * An unclear answer of the store is settled by the store's retries: the stored bytes decide.
 */
export async function commit(store: Store, manifest: Manifest): Promise<Committed> {
  const wrong = sumErrors(manifestSchema.parse(manifest));
  if (wrong.length > 0)
    throw new Error(`the counts of ${manifest.name} don't add up, so it is not committed: ${wrong.join('; ')}`);
  const bytes = encodeManifest(manifest);
  try {
    await store.put(manifestKey(manifest.cluster, manifest.name), bytes, {
      ifAbsent: true,
      sha256: sha256Hex(bytes),
      contentType: 'application/json',
    });
    return { manifest, won: true };
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    const { manifest: stored } = await readManifest(store, manifest.cluster, manifest.name);
    return { manifest: stored, won: false };
  }
}
