// The core's promise over a source in memory: each record once, whatever arrives late, fails or runs at the same time.

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Store } from '../../src/archive/store/store.ts';
import { AuditkeepError, AuthError, StaleTokenError } from '../../src/errors.ts';
import { checkArchive } from '../archive/check-archive.ts';
import { keysOf } from '../archive/store-texts.ts';
import { eventLine, type FakeLog, fakeLog } from './fake-source.ts';
import { DAY, HOUR, run, temporaryArchive } from './run.ts';

const T = Date.parse('2026-06-20T00:00:00Z');

function put(log: FakeLog, time: number, arrival = time + 5_000, note?: string): Buffer {
  const content = eventLine(time, note);
  log.records.push({ id: `id-${log.records.length}`, time, arrival, visibleAt: arrival, content });
  return content;
}

const linesOf = (log: FakeLog) => log.records.map((r) => r.content.toString()).sort();

describe('collect', () => {
  it('brings every event of closed windows once and commits a manifest for every window', async () => {
    const { store } = temporaryArchive();
    const log = fakeLog(T + 6 * HOUR + 10 * 60_000);
    for (let i = 0; i < 200; i++) put(log, T + i * 100_000);
    const summary = await run(store, log, { config: { collect: { start: '2026-06-20' } } });
    expect(summary).toMatchObject({
      planned: 6,
      committed: 6,
      failed: 0,
      gaps: 0,
      collectedUntil: '2026-06-20T06:00:00Z',
    });
    const archive = await checkArchive(store);
    expect(archive.problems).toEqual([]);
    const due = log.records.filter((r) => r.arrival < T + 6 * HOUR).map((r) => r.content.toString());
    expect(archive.lines.get('one')!.sort()).toEqual(due.sort());
    expect(archive.manifests).toHaveLength(6);
  });

  it('finds late events at the recheck, once, and says the windows are final then', async () => {
    const { store } = temporaryArchive();
    const log = fakeLog(T + 3 * HOUR);
    for (let i = 0; i < 50; i++) put(log, T + i * 200_000);
    // arrives in its window, but 20 h older than its arrival: beyond the first read's lateness
    put(log, T - 18 * HOUR, T + 2 * HOUR + 1);
    // searchable only hours after it arrived
    const hidden = eventLine(T + HOUR);
    log.records.push({
      id: 'hidden',
      time: T + HOUR,
      arrival: T + HOUR + 1,
      visibleAt: T + 10 * HOUR,
      content: hidden,
    });
    const config = { config: { collect: { start: '2026-06-20' } } };
    await run(store, log, config);
    expect((await checkArchive(store)).lines.get('one')).not.toContain(hidden.toString());
    for (const hours of [12, 24.5, 47, 48.5]) {
      log.now = T + hours * HOUR;
      await run(store, log, config);
    }
    const archive = await checkArchive(store);
    expect(archive.problems).toEqual([]);
    expect(archive.lines.get('one')!.sort()).toEqual(linesOf(log));
    const recheck = archive.manifests.find((m) => m.name === '20260620_recheck')!;
    expect(recheck.counts).toMatchObject({ received: 2, written: 2, known: 50 });
    expect(recheck.covers).toHaveLength(24);
  });

  it('gives the same archive when two collectors run at once', async () => {
    const { store } = temporaryArchive();
    const log = fakeLog(T + 30 * HOUR);
    for (let i = 0; i < 400; i++) put(log, T + i * 200_000);
    const config = { config: { collect: { start: '2026-06-20' } } };
    const summaries = await Promise.all([run(store, log, config), run(store, log, config), run(store, log, config)]);
    expect(summaries.reduce((n, s) => n + s.committed, 0)).toBe(29);
    const archive = await checkArchive(store);
    expect(archive.problems).toEqual([]);
    expect(archive.lines.get('one')!.sort()).toEqual(
      linesOf({ ...log, records: log.records.filter((r) => r.arrival < T + 29 * HOUR) }),
    );
  });

  it('lets parts that outgrow memory grow in the store, where it offers that', async () => {
    const { store, directory } = temporaryArchive();
    const spooled: string[] = [];
    const taken: string[] = [];
    const watched: Store = {
      ...store,
      async spool() {
        const file = await store.spool!();
        spooled.push(file.path);
        return file;
      },
      put(key, body, options) {
        if (!Buffer.isBuffer(body)) taken.push(body.path);
        return store.put(key, body, options);
      },
    };
    const log = fakeLog(T + 6 * HOUR);
    for (let i = 0; i < 100; i++) put(log, T + i * 200_000);
    // of an attempt that is thrown away nothing stays
    let fetches = 0;
    log.onFetch = () => {
      if (fetches++ === 8) throw new StaleTokenError('lost the place');
    };
    await run(watched, log, { config: { collect: { start: '2026-06-20', memory: 1 } } });
    const { problems, lines } = await checkArchive(store);
    expect(problems).toEqual([]);
    expect(lines.get('one')!.sort()).toEqual(
      linesOf({ ...log, records: log.records.filter((r) => r.arrival < T + 5 * HOUR) }),
    );
    expect(taken.length).toBeGreaterThanOrEqual(5);
    expect(spooled).toEqual(expect.arrayContaining(taken));
    expect(await readdir(join(directory, '.tmp'))).toEqual([]);
  });

  it('drops identical copies inside a window, keeps them across windows, and keeps equal audit IDs with other content', async () => {
    const { store } = temporaryArchive();
    const log = fakeLog(T + 5 * HOUR);
    const content = put(log, T + 60_000);
    log.records.push({ id: 'copy-same-window', time: T + 61_000, arrival: T + 70_000, visibleAt: 0, content });
    log.records.push({ id: 'copy-next-window', time: T + 61_000, arrival: T + HOUR + 1, visibleAt: 0, content });
    put(log, T + 120_000, undefined, 'same-id');
    put(log, T + 121_000, undefined, 'same-id');
    const summary = await run(store, log, { config: { collect: { start: '2026-06-20' } } });
    expect(summary).toMatchObject({ received: 5, written: 4, duplicate: 1 });
    const archive = await checkArchive(store);
    expect(archive.problems).toEqual([]);
    expect(archive.lines.get('one')!.filter((line) => line === content.toString())).toHaveLength(2);
  });

  it('calls windows expired, silent or partly expired', async () => {
    const { store } = temporaryArchive();
    const log = fakeLog(T + 5 * HOUR + 10 * 60_000);
    log.retention = 3 * HOUR;
    put(log, T + 3 * HOUR);
    const input = { config: { collect: { start: '2026-06-20' } }, only: { from: T, to: T + 5 * HOUR } };
    await run(store, log, input);
    const { manifests } = await checkArchive(store);
    expect(manifests.map((m) => m.coverage)).toEqual(['expired', 'expired', 'partly-expired', 'complete', 'silent']);
  });

  it('calls nothing expired that lies before the source was created, unless it was created anew', async () => {
    const { store } = temporaryArchive();
    const log = fakeLog(T + 5 * HOUR + 10 * 60_000);
    log.created = T + 2 * HOUR + 20 * 60_000;
    put(log, T + 2 * HOUR + 30 * 60_000);
    const coverage = async () =>
      (await checkArchive(store)).manifests.filter((m) => m.kind === 'window').map((m) => m.coverage);
    await run(store, log, { config: { collect: { start: '2026-06-20' } } });
    expect(await coverage()).toEqual(['complete', 'silent', 'silent']);
    await run(store, log, { only: { from: T, to: T + 2 * HOUR } });
    expect(await coverage()).toEqual(['silent', 'silent', 'complete', 'silent', 'silent']);
    // a log group that is deleted takes its events with it, whatever the new one says of its age
    log.created = T + 6 * HOUR + 20 * 60_000;
    log.now = T + 8 * HOUR + 10 * 60_000;
    put(log, T + 6 * HOUR + 30 * 60_000);
    put(log, T + 7 * HOUR);
    await run(store, log);
    expect((await coverage()).slice(5)).toEqual(['expired', 'partly-expired', 'complete']);
  });

  it('starts where the source still holds something, keeps that start, and fills further back by backfill', async () => {
    const { store } = temporaryArchive();
    const log = fakeLog(T + 2 * DAY);
    log.created = T + DAY + 90 * 60_000;
    for (let i = 0; i < 20; i++) put(log, log.created + i * 60_000);
    await run(store, log, { config: { collect: { start: '-7d' } } });
    log.created = T;
    put(log, T + 3 * HOUR);
    const later = await run(store, log, { config: { collect: { start: '-90d' } } });
    expect(later.planned).toBe(0);
    const filled = await run(store, log, { only: { from: T + 2 * HOUR + 1, to: T + 5 * HOUR } });
    // three windows, and the recheck of a day that is over
    expect(filled).toMatchObject({ planned: 4, committed: 4, written: 1 });
    // the hours between the backfill and the first window were never asked for
    expect(filled.gaps).toBe(0);
    expect((await checkArchive(store)).problems).toEqual([]);
  });

  it('leaves a day unchecked while one of its windows is missing, and fills it at the next run', async () => {
    const { store } = temporaryArchive();
    const log = fakeLog(T + 3 * DAY);
    for (let i = 0; i < 30; i++) put(log, T + i * HOUR);
    const broken = T + 26 * HOUR;
    log.onFetch = (query) => {
      if (query.arrival.from <= broken && broken < query.arrival.to) throw new AuditkeepError('out of order');
    };
    const config = { config: { collect: { start: '2026-06-20', parallel: 1 } } };
    const first = await run(store, log, config);
    expect(first.errors.map((error) => error.message)).toEqual(['out of order']);
    expect(first).toMatchObject({ committed: 24 + 1 + 23, gaps: 1, finalUntil: '2026-06-21T00:00:00Z' });
    delete log.onFetch;
    const second = await run(store, log, config);
    expect(second).toMatchObject({ failed: 0, gaps: 0, finalUntil: '2026-06-22T00:00:00Z' });
    const archive = await checkArchive(store);
    expect(archive.problems).toEqual([]);
    expect(archive.lines.get('one')!.sort()).toEqual(linesOf(log));
  });

  it('refuses another log, provider or grid under the same name', async () => {
    const { store } = temporaryArchive();
    const log = fakeLog(T + 5 * HOUR);
    await run(store, log, { config: { collect: { start: '2026-06-20' } } });
    log.now += HOUR;
    const other = await run(store, { ...log, identity: 'fake:two' });
    expect(other.errors[0]).toMatchObject({ name: 'ConfigError' });
    const grid = await run(store, log, { config: { collect: { window: '30m' } } });
    expect(grid.errors[0]?.message).toContain('collect.window');
  });
});

describe('windows that the walk has passed', () => {
  function threeHours(passes: FakeLog['passes']): FakeLog {
    const log = { ...fakeLog(T + 3 * HOUR + 10 * 60_000), passes };
    for (let i = 0; i < 90; i++) put(log, T + i * 120_000);
    return log;
  }
  async function expectAll(store: Store, log: FakeLog): Promise<void> {
    const archive = await checkArchive(store);
    expect(archive.problems).toEqual([]);
    expect(archive.lines.get('one')!.sort()).toEqual(linesOf(log));
  }
  const config = { config: { collect: { start: '2026-06-20' } } };

  it('are packed and put while it goes on, and committed when it has ended', async () => {
    const { store } = temporaryArchive();
    const log = threeHours('truly');
    let parts: string[] = [];
    log.onFetch = async () => {
      expect(await keysOf(store, 'ledger/cluster=one/2026')).toEqual([]);
      if (log.fetches < 10) return;
      // they are put beside the walk
      const deadline = Date.now() + 10_000;
      while (parts.length === 0 && Date.now() < deadline) {
        parts = await keysOf(store, 'events/');
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    };
    await run(store, log, config);
    expect(parts.join()).toContain('20260620T000000Z_');
    await expectAll(store, log);
  });

  it('are read again where a record of one comes all the same', async () => {
    const { store } = temporaryArchive();
    const log = threeHours('rashly');
    // found with the last pages: by its own clock it is hours younger than its arrival
    put(log, T + 2 * HOUR + 50 * 60_000, T + 5 * 60_000);
    let begins = 0;
    log.onFetch = (_query, token) => {
      if (token === undefined) begins++;
    };
    const summary = await run(store, log, config);
    expect(summary).toMatchObject({ committed: 3, failed: 0 });
    expect(begins).toBe(2);
    await expectAll(store, log);
  });

  it('leave nothing in the store where too much of them can’t be decoded', async () => {
    const { store } = temporaryArchive();
    const log = threeHours('truly');
    for (let i = 0; i < 150; i++) {
      const time = T + i * 1000;
      log.records.push({ time, arrival: time + 5000, visibleAt: time, content: Buffer.from(`broken ${i}`) });
    }
    const summary = await run(store, log, config);
    expect(summary).toMatchObject({ committed: 2, failed: 1 });
    for (const prefix of ['events/', 'rejects/', 'ids/'])
      expect((await keysOf(store, prefix)).filter((key) => key.includes('20260620T000000Z_'))).toEqual([]);
  });

  it('are left alone once the walk has failed', async () => {
    const { store } = temporaryArchive();
    const log = fakeLog(T + 12 * HOUR + 10 * 60_000);
    for (let i = 0; i < 120; i++) put(log, T + i * 360_000);
    log.passes = 'truly';
    log.pageSize = 119;
    log.onFetch = (_query, token) => {
      if (token !== undefined) throw new AuthError('no longer');
    };
    let puts = 0;
    const slow: Store = {
      ...store,
      async put(...args) {
        await new Promise((resolve) => setTimeout(resolve, 10));
        puts++;
        return store.put(...args);
      },
    };
    expect(await run(slow, log, config)).toMatchObject({ committed: 0, failed: 12 });
    const before = puts;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(puts).toBe(before);
    // of eleven that were passed only those that were under way were put
    expect((await keysOf(store, 'events/')).length).toBeLessThan(8);
  });
});
