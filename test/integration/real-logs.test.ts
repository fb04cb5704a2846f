// Logs of a real kube-apiserver, through files and through CloudWatch, by real processes: the same lines, byte for byte, and lines that Kubernetes' own code reads.

import { readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CloudWatchEmulator, startCloudWatchEmulator } from '../../emulators/cloudwatch/server.ts';
import type { Manifest } from '../../src/archive/manifest.ts';
import { openStore } from '../../src/archive/store/open.ts';
import { formatTime } from '../../src/time.ts';
import { checkArchive } from '../archive/check-archive.ts';
import { hasShared, readLines, SHARED } from '../policy/lines.ts';
import { secretValues, spellings } from '../policy/secret-values.ts';
import { collectorRun } from './campaign.ts';
import { hasOracle, oracleDecode } from './oracle.ts';

const FOLDER = `${SHARED}data/apiserver`;
const REGION = 'eu-central-1';
const ACCOUNT = '111122223333';
const HOUR = 3_600_000;

const names = hasShared
  ? readdirSync(FOLDER)
      .filter((name) => name.endsWith('.ndjson.gz') && !name.includes('webhook'))
      .map((name) => name.replace('.ndjson.gz', ''))
      .sort()
  : [];

interface Log {
  readonly name: string;
  readonly lines: readonly Buffer[];
}

const timeOf = (line: Buffer) =>
  Date.parse((JSON.parse(line.toString('utf8')) as { stageTimestamp: string }).stageTimestamp);

describe.skipIf(!hasShared)(
  'logs of a real API server (skipped without the reference data beside the repository)',
  () => {
    let folder: string;
    let emulator: CloudWatchEmulator;
    let logs: Log[];
    let first: number;
    let last: number;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'real-logs-'));
      emulator = await startCloudWatchEmulator({ account: ACCOUNT });
      logs = names.map((name) => ({ name, lines: readLines(`${FOLDER}/${name}.ndjson.gz`) }));
      const times = logs.flatMap(({ lines }) => lines.map(timeOf));
      first = times.reduce((a, b) => Math.min(a, b));
      last = times.reduce((a, b) => Math.max(a, b));
      for (const log of logs) {
        await writeFile(
          join(folder, `${log.name}.log`),
          Buffer.concat(log.lines.flatMap((l) => [l, Buffer.from('\n')])),
        );
        putIntoCloud(
          log.name,
          log.lines.map((line) => ({ timestamp: timeOf(line), message: line.toString('utf8') })),
        );
      }
    });
    afterAll(async () => {
      await emulator.close();
      await rm(folder, { recursive: true, force: true });
    });

    function putIntoCloud(name: string, events: readonly { timestamp: number; message: string }[]): void {
      const group = { account: ACCOUNT, region: REGION, logGroup: `/aws/eks/${name}/cluster` };
      emulator.createLogGroup({ ...group, creationTime: first - 24 * HOUR });
      emulator.setCluster({ account: ACCOUNT, region: REGION, name, audit: true });
      const arrived = events.map((event) => ({ ...event, ingestionTime: event.timestamp + 2000 }));
      emulator.putEvents(group, 'kube-apiserver-audit-0123456789abcdef0123456789abcdef', arrived);
    }

    const throughFiles = (name: string) => ({
      name: `kube-${name}`,
      provider: 'kube',
      files: join(folder, `${name}.log`),
    });
    const throughCloud = (name: string) => ({
      name: `eks-${name}`,
      provider: 'eks',
      region: REGION,
      cluster: name,
      endpoint: emulator.url,
      auth: 'none',
      aws: { account: ACCOUNT },
      callsPerSecond: 500,
    });

    /** Collects these clusters into a new archive, in a process of its own. */
    async function collected(name: string, clusters: readonly object[], options: object) {
      const archive = join(folder, `archive-${name}`);
      const config = join(folder, `${name}.yaml`);
      const until = formatTime(Math.ceil((last + 1) / HOUR) * HOUR + HOUR);
      await writeFile(
        config,
        JSON.stringify({
          archive,
          collect: { start: formatTime(Math.floor(first / HOUR) * HOUR) },
          ...options,
          clusters: clusters.map((cluster) => ({ ...cluster, until })),
        }),
      );
      const store = await openStore(
        archive,
        { forcePathStyle: false, tags: {}, timeout: 30_000 },
        { onServerDate() {} },
      );
      const ran = await collectorRun({ url: archive, config, store }, Date.now());
      expect(ran.code, ran.stderr).toBe(0);
      const checked = await checkArchive(store);
      expect(checked.problems).toEqual([]);
      return { ...checked, store };
    }

    const total = (manifests: readonly Manifest[], cluster: string, of: (m: Manifest) => number) =>
      manifests.filter((m) => m.cluster === cluster).reduce((sum, m) => sum + of(m), 0);

    test('come out of files and of CloudWatch byte for byte', async () => {
      const clusters = names.flatMap((name) => [throughFiles(name), throughCloud(name)]);
      const { lines, manifests } = await collected('whole', clusters, { secrets: 'keep', policy: 'none' });
      for (const log of logs) {
        const should = [...new Set(log.lines.map((line) => line.toString('utf8')))].sort();
        for (const cluster of [`kube-${log.name}`, `eks-${log.name}`]) {
          const got = [...lines.get(cluster)!].sort();
          expect(got.length, cluster).toBe(should.length);
          expect(
            got.every((line, i) => line === should[i]),
            cluster,
          ).toBe(true);
          expect(
            total(manifests, cluster, (m) => m.counts.received),
            cluster,
          ).toBe(log.lines.length);
          expect(
            total(manifests, cluster, (m) => m.counts.rejected),
            cluster,
          ).toBe(0);
        }
      }
      if (!hasOracle) return;
      const all = [...lines.values()].flat();
      const { summary, complaints } = oracleDecode(all);
      expect({ summary, complaints }).toEqual({
        summary: { lines: all.length, ok: all.length, bad: 0 },
        complaints: '',
      });
    });

    test('cut on their way, they are rejects, and what is salvaged of them is an Event to Kubernetes', async () => {
      const source = logs.find((log) => log.name === 'everything')!.lines;
      // cut at every kind of place: in the middle of numbers, escapes, names; with and without the mark
      const cut = source.map((line, i) => {
        const kept = line
          .subarray(0, Math.floor(line.length * (0.05 + 0.94 * ((i * 0.6180339887) % 1))))
          .toString('utf8');
        return {
          timestamp: timeOf(line),
          message: `${kept.replace(/\ufffd+$/, '')}${i % 2 === 0 ? '[Truncated...]' : ''}`,
        };
      });
      putIntoCloud('cut', cut);
      const options = { secrets: 'keep', policy: 'none', rejects: { maxRatio: 1 } };
      const { lines, manifests } = await collected('cut', [throughCloud('cut')], options);
      const of = (pick: (m: Manifest) => number) => total(manifests, 'eks-cut', pick);
      const salvaged = of((m) => m.counts.salvaged);
      expect(of((m) => m.counts.received)).toBe(cut.length);
      expect(of((m) => m.rejectedByReason['truncated'] ?? 0) + of((m) => m.counts.duplicate)).toBe(cut.length);
      expect(salvaged).toBeGreaterThan(cut.length / 4);
      const got = lines.get('eks-cut')!;
      expect(got.length).toBe(salvaged);
      for (const line of got) {
        const { level, annotations } = JSON.parse(line) as { level: string; annotations: Record<string, string> };
        expect(level).toBe('Metadata');
        expect(annotations['auditkeep/truncated']).toBe('true');
      }
      if (!hasOracle) return;
      const { summary, complaints } = oracleDecode(got);
      expect({ summary, complaints }).toEqual({
        summary: { lines: got.length, ok: got.length, bad: 0 },
        complaints: '',
      });
    });

    test('leave no value of a Secret or token in the archive, unless the config says so', async () => {
      const values = new Set(
        logs.flatMap(({ lines }) => lines.flatMap((line) => secretValues(JSON.parse(line.toString('utf8')) as object))),
      );
      // a word that other requests use too: `?continue=nonsense`
      values.delete('nonsense');
      expect(values.size).toBeGreaterThan(20);
      const clusters = names.flatMap((name) => [throughFiles(name), throughCloud(name)]);
      const { store, manifests, lines } = await collected('redacted', clusters, {});
      const rejects: string[] = [];
      for (const { key } of manifests.flatMap((m) => m.rejects))
        rejects.push(gunzipSync((await store.get(key))!.bytes).toString('utf8'));
      const text = [...[...lines.values()].flat(), ...rejects].join('\n');
      expect([...values].flatMap(spellings).filter((value) => text.includes(value))).toEqual([]);
      expect(total(manifests, 'eks-everything', (m) => m.lowered['secrets'] ?? 0)).toBeGreaterThan(10);
    });
  },
);
