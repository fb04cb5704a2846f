// Reads a whole small archive back for the demo: counts of all manifests, and the text of all lines.

import { gunzipSync } from 'node:zlib';
import { readLedger, readManifest } from '../archive/ledger.ts';
import { recheckName } from '../archive/keys.ts';
import { type Manifest, partsOf } from '../archive/manifest.ts';
import type { Store } from '../archive/store/store.ts';

export interface DemoArchive {
  readonly counts: ReadonlyMap<string, Manifest['counts']>;
  readonly lowered: number;
  readonly bytes: number;
  readonly contentBytes: number;
  /** Content of each part and of each reject file. */
  readonly text: readonly string[];
}

export async function readDemoArchive(store: Store, clusters: readonly string[]): Promise<DemoArchive> {
  const counts = new Map<string, Manifest['counts']>();
  const text: string[] = [];
  let lowered = 0;
  let bytes = 0;
  let contentBytes = 0;
  for (const cluster of clusters) {
    const sum = { received: 0, written: 0, duplicate: 0, dropped: 0, skipped: 0, rejected: 0, salvaged: 0 };
    counts.set(cluster, sum);
    const ledger = await readLedger(store, cluster);
    for (const name of [...ledger.windows.keys(), ...[...ledger.rechecks.keys()].map((date) => recheckName(date))]) {
      const { manifest } = await readManifest(store, cluster, name);
      for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += manifest.counts[key];
      lowered += manifest.lowered['secrets'] ?? 0;
      for (const part of partsOf(manifest)) {
        bytes += part.bytes;
        contentBytes += part.contentBytes;
        text.push(gunzipSync((await store.get(part.key))!.bytes).toString('utf8'));
      }
    }
  }
  return { counts, lowered, bytes, contentBytes, text };
}
