// From Cloud Logging to an archive: every entry once, with late arrivals, faults, entries that hide for hours, and kill -9.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { type CloudLoggingEmulator, startCloudLoggingEmulator } from '../../emulators/cloud-logging/server.ts';
import { type DayLogEntry, dayOfLogEntries } from '../../emulators/story/gke.ts';
import { provider } from '../../providers/gke/index.ts';
import { openFileStore } from '../../src/archive/store/file.ts';
import { withRetries } from '../../src/archive/store/retrying.ts';
import { parseConfig } from '../../src/config.ts';
import { silentLog } from '../../src/log.ts';
import type { Provider } from '../../src/provider.ts';
import { formatTime } from '../../src/time.ts';
import { checkArchive } from '../archive/check-archive.ts';
import { collectAt, DAY, HOUR } from '../collect/run.ts';
import { decodeEntry, textOf } from './gke-entries.ts';
import { CLUSTER } from './gke-harness.ts';

const { project } = CLUSTER;

const noSleep = async () => undefined;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'auditkeep-gke-'));
  cleanups.push(() => rmSync(dir, { recursive: true }));
  return dir;
}

/** A day with entries that come up to 40 hours late: more than a first read looks back. */
function dayAt(from: number): DayLogEntry[] {
  const story = { seed: 7, from, to: from + DAY, eventsPerHour: 25, shape: { longTail: false } };
  return [...dayOfLogEntries({ ...story, cluster: CLUSTER, late: 0.05, lateUpTo: 40 * HOUR })];
}

async function cloud(
  entries: readonly DayLogEntry[],
  options: Parameters<typeof startCloudLoggingEmulator>[0],
  hidden = 0,
) {
  const emulator = await startCloudLoggingEmulator(options);
  cleanups.push(() => emulator.close());
  emulator.createProject({ project });
  emulator.putEntries(
    project,
    // every 50th can be found only so long after it was received
    entries.map(({ entry, received }, i) => ({ entry, visibleAt: i % 50 === 0 ? received + hidden : received })),
  );
  return emulator;
}

function configOf(emulator: CloudLoggingEmulator, archive: string, from: number, window = '1h'): string {
  return JSON.stringify({
    archive,
    collect: { start: formatTime(from), window },
    secrets: 'keep',
    clusters: [
      {
        name: 'data',
        provider: 'gke',
        ...CLUSTER,
        callsPerMinute: 60_000,
        endpoint: emulator.url,
        auth: 'none',
        until: formatTime(from + 3 * DAY),
      },
    ],
  });
}

/** Lines that the archive must hold: each entry once, decoded by itself. */
const expected = (entries: readonly DayLogEntry[]) => entries.map(({ entry }) => textOf(decodeEntry(entry))).sort();

async function archived(archive: string) {
  const store = openFileStore(archive, { onServerDate() {} });
  const { problems, lines, manifests } = await checkArchive(store);
  return { problems, lines: lines.get('data')?.sort() ?? [], manifests };
}

describe('collect from Cloud Logging', () => {
  it('brings each entry once over two runs, with faults of every kind and entries that hide for hours', async () => {
    const from = Date.parse('2026-06-22T00:00:00Z');
    const entries = dayAt(from);
    expect(entries.filter((e) => e.received - e.time > DAY).length).toBeGreaterThan(5);
    let now = from + 14 * HOUR;
    const emulator = await cloud(entries, { clock: () => now, searchLimit: 100 }, 3 * HOUR);
    const kinds = ['error-503', 'throttle', 'cut-body', 'empty-page', 'reset-body', 'not-json', 'reset'] as const;
    for (const [i, kind] of kinds.entries()) emulator.fail({ kind, times: 2, every: 21, skip: 3 * i });
    // after these a walk begins again, which the core allows five times
    for (const kind of ['expire-token', 'repeat-token'] as const) emulator.fail({ kind, times: 2, every: 7, skip: 5 });
    const archive = folder();
    const config = await parseConfig(
      configOf(emulator, archive, from, '2h'),
      { gke: async () => provider as Provider },
      {},
    );
    const { signal } = new AbortController();
    const store = withRetries(openFileStore(archive, { onServerDate() {} }), {
      signal,
      log: silentLog,
      sleep: noSleep,
    });
    for (now of [from + 14 * HOUR, from + 6 * DAY]) {
      const [summary] = await collectAt(now, config, store, { sleep: noSleep });
      expect(summary!.errors).toEqual([]);
    }
    const found = await archived(archive);
    expect(found.problems).toEqual([]);
    expect(found.lines).toEqual(expected(entries));
    const rechecks = found.manifests.filter((m) => m.name.includes('recheck'));
    expect(rechecks.some((m) => m.counts.written > 0)).toBe(true);
    expect(found.manifests[0]!.visible.logging).toBe('on');
  }, 60_000);

  it('says so where Data Access was off for three hours, and counts what came', async () => {
    const from = Date.parse('2026-06-22T00:00:00Z');
    const isRead = ({ entry }: DayLogEntry) => String(entry['logName']).endsWith('data_access');
    const entries = dayAt(from).filter((e) => !isRead(e) || e.time < from + 9 * HOUR || e.time >= from + 12 * HOUR);
    let now = from;
    const emulator = await cloud(entries, { clock: () => now });
    const archive = folder();
    const config = await parseConfig(configOf(emulator, archive, from), { gke: async () => provider as Provider }, {});
    const store = openFileStore(archive, { onServerDate() {} });
    for (const [at, types] of [
      [8, ['ADMIN_READ', 'DATA_READ', 'DATA_WRITE']],
      [11, []],
      [13, ['ADMIN_READ', 'DATA_READ', 'DATA_WRITE']],
    ] as const) {
      now = from + at * HOUR + HOUR / 2;
      emulator.setDataAccess(project, types);
      await collectAt(now, config, store, { sleep: noSleep });
    }
    const { manifests } = await archived(archive);
    const seen = Object.fromEntries(manifests.map((m) => [m.name.slice(9, 11), m.visible]));
    expect([seen['07']!.logging, seen['10']!.logging, seen['12']!.logging]).toEqual(['on', 'off', 'on']);
    expect(seen['10']!.notes.join()).toContain("reads can't be seen");
    const due = entries.filter((e) => e.received >= from && e.received < from + 13 * HOUR && e.received - e.time < DAY);
    expect(manifests.reduce((sum, m) => sum + m.counts.written, 0)).toBe(due.length);
  }, 60_000);

  it('loses and doubles nothing under kill -9', async () => {
    const from = Math.floor(Date.now() / DAY) * DAY - 6 * DAY;
    const entries = dayAt(from);
    const emulator = await cloud(entries, { latency: 2, searchLimit: 250 });
    const dir = folder();
    const archive = join(dir, 'archive');
    const file = join(dir, 'auditkeep.yaml');
    writeFileSync(file, configOf(emulator, archive, from, '4h'));
    const bin = join(import.meta.dirname, '../../bin/auditkeep.ts');
    const asked = () => emulator.statistics().actions['entries.list']?.calls ?? 0;

    /** A collector that is killed once it has asked for `pages` pages; its exit code, or null if it was killed. */
    async function run(pages: number): Promise<number | null> {
      const child = spawn(process.execPath, [bin, 'collect', '--config', file], { stdio: 'ignore' });
      const exited = once(child, 'exit') as Promise<[number | null]>;
      const until = asked() + pages;
      while (child.exitCode === null && asked() < until) await sleep(1);
      child.kill('SIGKILL');
      return (await exited)[0];
    }
    const codes: (number | null)[] = [];
    for (const pages of [2, 9, 17]) codes.push(await run(pages));
    expect(codes.filter((code) => code === null).length).toBeGreaterThanOrEqual(2);
    expect(await run(Number.POSITIVE_INFINITY)).toBe(0);
    const found = await archived(archive);
    expect(found.problems).toEqual([]);
    expect(found.lines).toEqual(expected(entries));
  }, 120_000);
});
