// Ledgers of many windows, written straight to disk: for tests and benchmarks that need size, not content.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256Hex } from '../../src/archive/hash.ts';
import {
  clusterKey,
  HOUR,
  idsKey,
  manifestKey,
  partKey,
  dateOf,
  policyKey,
  windowName,
} from '../../src/archive/keys.ts';
import { encodeManifest, type Manifest } from '../../src/archive/manifest.ts';
import { formatTime } from '../../src/time.ts';

export const FIRST = Date.parse('2020-01-01T00:00:00Z');
const POLICY = Buffer.from('# policy: none\n');

export interface SyntheticPart {
  readonly bytes: Buffer;
  readonly content: Omit<Manifest['parts'][number], 'key' | 'bytes' | 'sha256'>;
}

/** Manifest of the n-th window of a cluster: silent, or with one part whose bytes are given. */
export function syntheticManifest(cluster: string, n: number, part?: SyntheticPart): Manifest {
  const span = { from: FIRST + n * HOUR, to: FIRST + (n + 1) * HOUR };
  const name = windowName(span);
  const lines = part?.content.lines ?? 0;
  const sha256 = part === undefined ? '' : sha256Hex(part.bytes);
  return {
    format: 1,
    kind: 'window',
    cluster,
    name,
    from: formatTime(span.from),
    to: formatTime(span.to),
    final: true,
    visible: { sources: ['synthetic'], logging: 'on', notes: [], holdsBecause: 'unknown' },
    coverage: part === undefined ? 'silent' : 'complete',
    made: {
      at: formatTime(span.to + 600_000),
      by: 'auditkeep test',
      configSha256: '0'.repeat(64),
      policySha256: sha256Hex(POLICY),
    },
    counts: { received: lines, written: lines, duplicate: 0, dropped: 0, skipped: 0, rejected: 0, salvaged: 0 },
    droppedByRule: {},
    skippedByReason: {},
    rejectedByReason: {},
    lowered: {},
    byLevel: { Metadata: lines },
    byStage: { ResponseComplete: lines },
    byVerb: { get: lines },
    ...(part !== undefined && { ids: idsOf(cluster, name, lines) }),
    parts:
      part === undefined
        ? []
        : [
            {
              key: partKey('events', cluster, dateOf(span.from), name, 0, sha256, 'ndjson.gz'.slice(7)),
              bytes: part.bytes.length,
              sha256,
              ...part.content,
            },
          ],
    rejects: [],
  };
}

const idsBytes = (lines: number): Buffer => Buffer.alloc(lines * 12);

function idsOf(cluster: string, name: string, lines: number): NonNullable<Manifest['ids']> {
  const sha256 = sha256Hex(idsBytes(lines));
  return { key: idsKey(cluster, name, sha256), count: lines, sha256 };
}

/** Adds the windows [from, to) of a cluster to an archive in a directory. */
export function writeWindows(
  directory: string,
  cluster: string,
  from: number,
  to: number,
  part?: (n: number) => SyntheticPart | undefined,
): void {
  const folders = new Set<string>();
  const write = (key: string, bytes: Buffer) => {
    const folder = key.slice(0, key.lastIndexOf('/'));
    if (!folders.has(folder)) mkdirSync(join(directory, folder), { recursive: true });
    folders.add(folder);
    writeFileSync(join(directory, key), bytes);
  };
  write(policyKey(sha256Hex(POLICY)), POLICY);
  if (from === 0)
    write(
      clusterKey(cluster),
      Buffer.from(
        `${JSON.stringify({ format: 1, cluster, provider: 'fake', source: 'fake:one', windowSeconds: 3600, first: formatTime(FIRST), because: 'a test', made: { at: formatTime(FIRST), by: 'auditkeep test' } }, null, 2)}\n`,
      ),
    );
  for (let n = from; n < to; n++) {
    const given = part?.(n);
    const manifest = syntheticManifest(cluster, n, given);
    if (given !== undefined) {
      write(manifest.parts[0]!.key, given.bytes);
      write(manifest.ids!.key, idsBytes(given.content.lines));
    }
    write(manifestKey(cluster, manifest.name), encodeManifest(manifest));
  }
}
