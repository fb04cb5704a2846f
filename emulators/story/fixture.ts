// Lines that a real kube-apiserver wrote, byte for byte, for the demo's self-managed cluster and for tests.

import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';

/** The gzipped fixture. Kubernetes 1.34, everything at RequestResponse; README.md says what is in it. */
export const KUBE_LOG = fileURLToPath(new URL('./fixtures/kube-apiserver.ndjson.gz', import.meta.url));

export interface KubeLog {
  /** Without line ends, in the order in which the server wrote them. */
  readonly lines: readonly Buffer[];
  /** The stageTimestamps lie in `[from, to]`, milliseconds since the epoch. */
  readonly from: number;
  readonly to: number;
}

/** Reads the fixture. The times stay as they were recorded: collect it with a backfill over `[from, to]`. */
export function readKubeLog(): KubeLog {
  const bytes = gunzipSync(readFileSync(KUBE_LOG));
  const lines: Buffer[] = [];
  let from = Number.POSITIVE_INFINITY;
  let to = Number.NEGATIVE_INFINITY;
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(0x0a, start);
    const line = bytes.subarray(start, end);
    const { stageTimestamp } = JSON.parse(line.toString('utf8')) as { stageTimestamp: string };
    const time = Date.parse(stageTimestamp);
    from = Math.min(from, time);
    to = Math.max(to, time);
    lines.push(line);
    start = end + 1;
  }
  return { lines, from, to };
}

/** Lays the fixture down as a control-plane node keeps its log: one gzipped backup and `audit.log`. Returns their paths, oldest first. */
export async function writeKubeLogs(folder: string): Promise<KubeLog & { readonly files: readonly string[] }> {
  const log = readKubeLog();
  const half = Math.floor(log.lines.length / 2);
  const text = (lines: readonly Buffer[]) => Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')]));
  const { stageTimestamp } = JSON.parse(log.lines[half]!.toString('utf8')) as { stageTimestamp: string };
  // the name that the API server's log rotation gives a backup
  const stamp = stageTimestamp.slice(0, 23).replaceAll(':', '-');
  const files = [join(folder, `audit-${stamp}.log.gz`), join(folder, 'audit.log')];
  await mkdir(folder, { recursive: true });
  await writeFile(files[0]!, gzipSync(text(log.lines.slice(0, half))));
  await writeFile(files[1]!, text(log.lines.slice(half)));
  return { ...log, files };
}
