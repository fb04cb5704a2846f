// An independent reader of the archive: opens everything, recomputes every figure, and lists what nobody names.

import { createHash } from 'node:crypto';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { decodeManifest, type Manifest, sumErrors } from '../../src/archive/manifest.ts';
import type { Store } from '../../src/archive/store/store.ts';
import { keysOf } from './store-texts.ts';

export interface CheckedArchive {
  /** All lines of event parts, by cluster, in the order of manifests and parts. */
  readonly lines: Map<string, string[]>;
  readonly manifests: Manifest[];
  /** Everything that is wrong, in words; empty for a good archive. */
  readonly problems: string[];
  /** Marks of runs that are at work or were killed: no part of the archive. */
  readonly marks: string[];
}

const sha256 = (...bytes: Uint8Array[]) => {
  const hash = createHash('sha256');
  for (const part of bytes) hash.update(part);
  return hash.digest();
};

/** Root of RFC 6962, written from its recursive definition. */
function treeRoot(leaves: Buffer[]): Buffer {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return leaves[0]!;
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return sha256(Buffer.from([1]), treeRoot(leaves.slice(0, k)), treeRoot(leaves.slice(k)));
}

function splitLines(content: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let at = 0; at < content.length;) {
    const end = content.indexOf(10, at);
    if (end < 0) throw new Error('content without a last line end');
    lines.push(content.subarray(at, end));
    at = end + 1;
  }
  return lines;
}

export async function checkArchive(store: Store): Promise<CheckedArchive> {
  const problems: string[] = [];
  const lines = new Map<string, string[]>();
  const manifests: Manifest[] = [];
  const named = new Set<string>();
  const keys = await keysOf(store);
  for (const key of keys.filter(
    (k) => /^ledger\/.*Z_.*Z\.json$|_recheck\d*\.json$/.test(k) && !k.includes('/start_'),
  )) {
    const m = decodeManifest((await store.get(key))!.bytes);
    manifests.push(m);
    for (const error of sumErrors(m)) problems.push(`${key}: ${error}`);
    if (key !== `ledger/cluster=${m.cluster}/${m.name}.json`)
      problems.push(`${key}: names itself ${m.cluster}/${m.name}`);
    const own = lines.get(m.cluster) ?? [];
    lines.set(m.cluster, own);
    for (const part of [...m.parts, ...m.rejects, ...(m.raw ?? [])]) {
      named.add(part.key);
      const found = await store.get(part.key);
      if (found === undefined) {
        problems.push(`${part.key}: gone`);
        continue;
      }
      const stored = found.bytes;
      const content = part.key.endsWith('.gz') ? gunzipSync(stored) : zstdDecompressSync(stored);
      const inIt = splitLines(content);
      if (stored.length !== part.bytes || sha256(stored).toString('hex') !== part.sha256)
        problems.push(`${part.key}: stored bytes differ`);
      if (content.length !== part.contentBytes || sha256(content).toString('hex') !== part.contentSha256)
        problems.push(`${part.key}: content differs`);
      if (inIt.length !== part.lines) problems.push(`${part.key}: ${inIt.length} lines instead of ${part.lines}`);
      if (!part.key.includes(part.sha256.slice(0, 16))) problems.push(`${part.key}: name without its hash`);
      if (!('lineRoot' in part)) continue;
      if (treeRoot(inIt.map((line) => sha256(Buffer.from([0]), line))).toString('hex') !== part.lineRoot)
        problems.push(`${part.key}: line root differs`);
      const date = /date=([^/]+)/.exec(part.key)![1];
      for (const line of inIt) {
        const event = JSON.parse(line.toString('utf8')) as { stageTimestamp: string };
        if (new Date(event.stageTimestamp).toISOString().slice(0, 10) !== date)
          problems.push(`${part.key}: a line of another date`);
        own.push(line.toString('utf8'));
      }
    }
    if (m.ids !== undefined) {
      named.add(m.ids.key);
      const bytes = (await store.get(m.ids.key))?.bytes;
      if (bytes === undefined || sha256(bytes).toString('hex') !== m.ids.sha256 || bytes.length !== m.ids.count * 12)
        problems.push(`${m.ids.key}: fingerprints differ`);
    }
    const policy = `policies/${m.made.policySha256}.yaml`;
    named.add(policy);
    if (!keys.includes(policy)) problems.push(`${policy}: gone`);
  }
  const marks = keys.filter((key) => /^ids\/[^/]+\/open_/.test(key));
  for (const key of marks) named.add(key);
  for (const key of keys)
    // a store that was killed while it tried out create-only leaves its probe; it is no part of the archive; log/ has its own reader
    if (!/^(ledger|log|\.probe)\//.test(key) && !named.has(key)) problems.push(`${key}: no manifest names it`);
  return { lines, manifests, problems, marks };
}
