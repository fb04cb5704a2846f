// The day as CloudWatch holds it: the same lines in streams, with believable delays and with faults where they are ordered.

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { KUBE_LOG, readKubeLog, writeKubeLogs } from '../../emulators/story/fixture.ts';
import { dayOfLogEvents, generateDay, type LogEventOptions } from '../../emulators/story/index.ts';
import { scanEvent } from '../../src/event.ts';

const FROM = Date.UTC(2026, 5, 22);
const DAY: LogEventOptions = {
  seed: 3,
  cluster: { name: 'prod-eu', account: '111122223333', region: 'eu-central-1' },
  from: FROM,
  to: FROM + 86_400_000,
  eventsPerHour: 250,
};
const AUDIT = /^kube-apiserver-audit-[0-9a-f]{32}$/;
const read = (more: Partial<LogEventOptions> = {}) => [...dayOfLogEvents({ ...DAY, ...more })];
const lines = Array.from(generateDay(DAY), ({ line }) => line.toString('utf8'));

describe('dayOfLogEvents', () => {
  it('is the day, line by line, in audit streams that change at noon', () => {
    const events = read();
    expect(events.map(({ message }) => message)).toEqual(lines);
    expect(events).toEqual(read());
    for (const { logStreamName } of events) expect(logStreamName).toMatch(AUDIT);
    expect(new Set(events.map(({ logStreamName }) => logStreamName)).size).toBe(4);
  });

  it('takes most events in within half a minute, few later, none early', () => {
    const delays = read().map(({ timestamp, ingestionTime }) => ingestionTime - timestamp);
    expect(Math.min(...delays)).toBeGreaterThan(0);
    const within = (from: number, to: number) =>
      delays.filter((delay) => delay >= from && delay < to).length / delays.length;
    expect(within(1000, 30_000)).toBeGreaterThan(0.97);
    expect(within(60_000, 660_000)).toBeGreaterThan(0);
    expect(within(3_600_000, Number.POSITIVE_INFINITY)).toBe(0);
  });

  it('delivers late, twice, cut and among other logs on demand', () => {
    const day = 86_400_000;
    const events = read({ late: 0.02, lateUpTo: 13 * day, duplicates: 0.05, truncated: 0.01, klogPerHour: 40 });
    const noted = (note: string) => events.filter((event) => event.note === note);
    expect(noted('late').length).toBeGreaterThan(20);
    for (const { timestamp, ingestionTime } of noted('late')) {
      expect(ingestionTime - timestamp).toBeGreaterThanOrEqual(3_600_000);
      expect(ingestionTime - timestamp).toBeLessThanOrEqual(13 * day + 5000);
    }
    expect(noted('late').some(({ timestamp, ingestionTime }) => ingestionTime - timestamp > 7 * day)).toBe(true);
    expect(noted('duplicate').length).toBeGreaterThan(100);
    for (const copy of noted('duplicate')) {
      const all = events.filter(({ message, timestamp }) => message === copy.message && timestamp === copy.timestamp);
      expect(all.length).toBe(2);
    }
    const [marked, unmarked] = [noted('cut-marked'), noted('cut-unmarked')];
    expect(Math.abs(marked.length - unmarked.length)).toBeLessThanOrEqual(1);
    for (const { message } of marked)
      expect(lines.some((line) => line.startsWith(message.slice(0, -'[Truncated...]'.length)))).toBe(true);
    for (const { message } of unmarked) expect(scanEvent(Buffer.from(message))).toEqual({ not: 'truncated' });
    expect(noted('klog').length).toBeGreaterThan(500);
    for (const { logStreamName } of noted('klog')) expect(logStreamName).not.toMatch(AUDIT);
    expect(events.length).toBe(lines.length + noted('duplicate').length + noted('klog').length);
    expect(events.every(({ timestamp }, i) => i === 0 || timestamp >= events[i - 1]!.timestamp)).toBe(true);
  });
});

describe('the lines of a real API server', () => {
  it('are Events of many kinds', () => {
    const { lines: real, from, to } = readKubeLog();
    expect(real.length).toBeGreaterThan(1500);
    const scans = real.map((line) => scanEvent(line));
    const stages = new Set<string>();
    const verbs = new Set<string>();
    for (const scan of scans) {
      if ('not' in scan) throw new Error(scan.not);
      stages.add(scan.stage);
      verbs.add(scan.verb);
      expect(scan.stageTime >= from && scan.stageTime <= to).toBe(true);
    }
    expect([...stages].sort()).toEqual(['Panic', 'RequestReceived', 'ResponseComplete', 'ResponseStarted']);
    expect(verbs.size).toBeGreaterThan(12);
  });

  it('are laid down byte for byte as a log and its backup', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'story-'));
    try {
      const { files } = await writeKubeLogs(folder);
      const parts = await Promise.all(files.map((file) => readFile(file)));
      expect(Buffer.concat([gunzipSync(parts[0]!), parts[1]!]).equals(gunzipSync(await readFile(KUBE_LOG)))).toBe(true);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
