// Builders for tests of createBuilder alone: records, a store in memory, and an independent reader of what comes out.

import { gunzipSync } from 'node:zlib';
import { expect } from 'vitest';
import { sha256Hex } from '../../src/archive/hash.ts';
import { encodeManifest, type Manifest, type RejectPart } from '../../src/archive/manifest.ts';
import type { Scratch } from '../../src/archive/spool.ts';
import type { Store } from '../../src/archive/store/store.ts';
import { type Builder, type BuildDeps, type Built, createBuilder, fingerprintOf } from '../../src/collect/build.ts';
import { policyFor } from '../../src/policy/apply.ts';
import type { ProviderRecord } from '../../src/provider.ts';
import { checkArchive } from '../archive/check-archive.ts';

const NAME = '20260622T100000Z_20260622T110000Z';
export const T = Date.parse('2026-06-22T10:00:00Z');
export const DAY = 86_400_000;
const POLICY = 'x';

/** An Event of a time, at least so many bytes long. */
export function eventLine(time: number, note: string, size = 0, over: Record<string, unknown> = {}): Buffer {
  const stamp = new Date(time).toISOString().replace('Z', '123Z');
  return Buffer.from(
    JSON.stringify({
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level: 'Metadata',
      auditID: note,
      stage: 'ResponseComplete',
      requestURI: `/api/v1/pods?${'x'.repeat(size)}`,
      verb: 'list',
      user: { username: 'kim' },
      requestReceivedTimestamp: stamp,
      stageTimestamp: stamp,
      ...over,
    }),
  );
}

let count = 0;
export const record = (content: Buffer | string, over: Partial<ProviderRecord> = {}): ProviderRecord => ({
  arrival: T + 1000,
  content: Buffer.from(content),
  id: `id-${count++}`,
  ...over,
});

export function build(store: Store, scratch: Scratch, over: Partial<BuildDeps> = {}): Builder {
  return createBuilder('one', NAME, {
    store,
    scratch,
    compression: 'gzip',
    apply: policyFor(undefined, { secrets: 'keep', groups: 'known', panics: 'keep' }),
    rawRejects: false,
    keepRaw: false,
    decode: ({ content }) => (content.subarray(0, 4).toString() === 'klog' ? { skip: 'klog' } : { event: content }),
    ...over,
  });
}

export function add(builder: Builder, ...records: ProviderRecord[]): void {
  for (const one of records) builder.add(one, fingerprintOf(one));
}

/** Commits what was built, and lets an independent reader recompute every figure of it. */
export async function problemsOf(store: Store, built: Built): Promise<string[]> {
  const policySha256 = sha256Hex(Buffer.from(POLICY));
  await store.put(`policies/${policySha256}.yaml`, Buffer.from(POLICY), { sha256: policySha256 });
  const manifest: Manifest = {
    format: 1,
    kind: 'window',
    cluster: 'one',
    name: NAME,
    from: '2026-06-22T10:00:00Z',
    to: '2026-06-22T11:00:00Z',
    final: false,
    visible: { sources: [], logging: 'on', notes: [], holdsBecause: 'unknown' },
    coverage: 'complete',
    made: { at: '2026-06-22T11:05:00Z', by: 'test', configSha256: policySha256, policySha256 },
    ...built,
  };
  const bytes = encodeManifest(manifest);
  await store.put(`ledger/cluster=one/${NAME}.json`, bytes, { sha256: sha256Hex(bytes) });
  return (await checkArchive(store)).problems;
}

export const numberOf = ({ key }: { key: string }) => Number(/Z_(\d+)_[0-9a-f]{16}\./.exec(key)![1]);
export const dateOf = ({ key }: { key: string }) => /date=([^/]+)/.exec(key)![1]!;

/** Lines of each part, by date, in the order of the parts' numbers. */
export async function linesOf(store: Store, parts: readonly RejectPart[]): Promise<Map<string, string[][]>> {
  const dates = new Map<string, string[][]>();
  for (const part of parts.toSorted((a, b) => numberOf(a) - numberOf(b))) {
    const own = dates.get(dateOf(part)) ?? [];
    dates.set(dateOf(part), own);
    expect(numberOf(part)).toBe(own.length);
    own.push(
      gunzipSync((await store.get(part.key))!.bytes)
        .toString()
        .trimEnd()
        .split('\n'),
    );
  }
  return dates;
}
