// What killed and losing attempts leave behind is gone after the next run, wherever it lies (rule 9).

import { expect, it } from 'vitest';
import type { Store } from '../../src/archive/store/store.ts';
import { createMark } from '../../src/collect/clean-up.ts';
import { createClock } from '../../src/collect/clock.ts';
import { AuthError, TransientError } from '../../src/errors.ts';
import { silentLog } from '../../src/log.ts';
import { checkArchive } from '../archive/check-archive.ts';
import { putText } from '../archive/store-texts.ts';
import { eventLine, type FakeLog, fakeLog } from './fake-source.ts';
import { Dead, memoryStore } from './memory-store.ts';
import { policyFile } from './policy-file.ts';
import { HOUR, run } from './run.ts';
import { witnessed } from './witness.ts';

const T = Date.parse('2026-06-20T00:00:00Z');
const config = { config: { collect: { start: '2026-06-20' } } };

/** Arrives `late` after its time; found from `visibleAt` on. */
function put(log: FakeLog, time: number, late = 5_000, visibleAt = time + late): void {
  const arrival = time + late;
  log.records.push({ id: `id-${log.records.length}`, time, arrival, visibleAt, content: eventLine(time) });
}

/** The process dies before or right after its first put of such a key: nothing has an effect from there on. */
function dyingAt(store: Store, key: RegExp, effect: 'before' | 'after', before?: () => Promise<void>): Store {
  let dead = false;
  const alive = <A extends unknown[], R>(work: (...args: A) => R) =>
    ((...args: A) => {
      if (dead) throw new Dead('dead');
      return work(...args);
    }) as (...args: A) => R;
  return {
    ...store,
    get: alive(store.get),
    head: alive(store.head),
    list: alive(store.list),
    delete: alive(store.delete),
    async put(name, body, options) {
      if (!dead && key.test(name)) await before?.();
      if (dead) throw new Dead('dead');
      const dies = key.test(name);
      dead ||= dies && effect === 'before';
      const tag = dead ? '' : await store.put(name, body, options);
      dead ||= dies;
      if (dead) throw new Dead('dead');
      return tag;
    },
  };
}

/** Six days of which the first has two events that only its recheck finds, the second of them hours after the first. */
function lateLog(): FakeLog {
  const log = fakeLog(T);
  for (let i = 0; i < 60; i++) put(log, T + i * 2 * HOUR);
  put(log, T - 18 * HOUR, 20 * HOUR);
  put(log, T - 17 * HOUR, 20 * HOUR, T + 50 * HOUR);
  return log;
}

/** A recheck is killed when its parts are put; the next finds more, commits, and is killed before it has cleaned up. */
async function killedTwice(between: (log: FakeLog) => void = () => undefined): Promise<{ store: Store; log: FakeLog }> {
  const store = witnessed(memoryStore());
  const log = lateLog();
  log.now = T + 47 * HOUR;
  await run(store, log, config);
  log.now = T + 49 * HOUR;
  await run(dyingAt(store, /^ledger\/.*20260620_recheck/, 'before'), log, config).catch(() => undefined);
  log.now = T + 51 * HOUR;
  between(log);
  await run(dyingAt(store, /^ledger\/.*20260620_recheck/, 'after'), log, config).catch(() => undefined);
  expect(await checkArchive(store)).toMatchObject({ problems: { length: 2 } });
  return { store, log };
}

it('finds what a recheck has left on an old day, though nothing more is to be collected', async () => {
  const { store, log } = await killedTwice();
  expect((await run(store, log, config)).planned).toBe(0);
  expect(await checkArchive(store)).toMatchObject({ problems: [], marks: { length: 2 } });
});

it('finds it too where the recheck that was committed has nothing: the source has forgotten since', async () => {
  const { store, log } = await killedTwice((log) => {
    log.records = log.records.filter(({ time }) => time >= T);
  });
  await run(store, log, config);
  expect(await checkArchive(store)).toMatchObject({ problems: [], marks: { length: 1 } });
});

it('lets the marks of killed runs stand for a day, for they may be at work, and then removes them', async () => {
  const { store, log } = await killedTwice();
  for (const [hours, marks] of [
    [52, 2],
    [73.5, 1],
    [75.5, 0],
  ] as const) {
    log.now = T + hours * HOUR;
    await run(store, log, config);
    expect(await checkArchive(store)).toMatchObject({ problems: [], marks: { length: marks } });
  }
});

it('keeps marks while something waits for its manifest, but not for ever', async () => {
  const { store, log } = await killedTwice();
  const orphan = 'events/cluster=one/date=2026-06-19/20260619T000000Z_20260619T010000Z_0_0123456789abcdef.ndjson.gz';
  await putText(store, orphan, 'of a window before the first');
  for (const [hours, marks] of [
    [100, 2],
    [50 + 24 * 30, 1],
    [52 + 24 * 30, 0],
  ] as const) {
    log.now = T + hours * HOUR;
    await run(store, log, config);
    const archive = await checkArchive(store);
    expect({ hours, problems: archive.problems, marks: archive.marks.length }).toEqual({
      hours,
      problems: [`${orphan}: no manifest names it`],
      marks,
    });
  }
});

it('renews the mark of a run that goes on for long, and removes all that it put', async () => {
  const store = memoryStore();
  const log = lateLog();
  log.now = T + 51 * HOUR;
  const seen: string[] = [];
  let slept = false;
  // it sleeps for half a day over the first part that it has put a mark for
  const sleepy: Store = {
    ...store,
    put(key, ...rest) {
      if (!slept && key.startsWith('events/') && seen.some((other) => other.includes('/open_'))) {
        log.now += 13 * HOUR;
        slept = true;
      }
      seen.push(key);
      return store.put(key, ...rest);
    },
  };
  expect(await run(sleepy, log, config)).toMatchObject({ failed: 0 });
  const marks = seen.filter((key) => key.includes('/open_')).map((key) => /open_(\w+?)_/.exec(key)![1]);
  expect(marks).toEqual(['20260622T030000Z', '20260622T160000Z']);
  expect(await checkArchive(store)).toMatchObject({ problems: [], marks: [] });
});

it('a mark that could not be put fails what needs it, and what comes later tries again', async () => {
  const inner = memoryStore();
  const clock = createClock(() => T, undefined, silentLog);
  let full = true;
  const store: Store = {
    ...inner,
    put: (...args) => (full ? Promise.reject(new TransientError('503')) : inner.put(...args)),
  };
  const mark = createMark('one', store, clock, 'auditkeep test');
  const both = await Promise.allSettled([mark.put(), mark.put()]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  full = false;
  await mark.put();
  await mark.put();
  expect((await checkArchive(inner)).marks).toHaveLength(1);
});

it('leaves no mark behind when nothing goes wrong, and puts none where nothing is found', async () => {
  const inner = memoryStore();
  const put: string[] = [];
  const store: Store = { ...inner, put: (key, ...rest) => (put.push(key), inner.put(key, ...rest)) };
  const log = lateLog();
  for (const hours of [47, 49, 73, 97]) {
    log.now = T + hours * HOUR;
    await run(store, log, config);
    expect(await checkArchive(store)).toMatchObject({ problems: [], marks: [] });
  }
  // the late event; no other day has one
  expect(put.filter((key) => key.includes('/open_'))).toHaveLength(1);
});

it('finds what a slow second collector has put after the recheck', async () => {
  const store = witnessed(memoryStore());
  const log = lateLog();
  log.now = T + 51 * HOUR;
  // its walk has ended; meanwhile another run collects, rechecks and cleans up, from a log that has one record more
  const slow = dyingAt(store, /^events\/.*20260620T00/, 'after', async () => {
    put(log, T + 1000);
    await run(store, log, config);
    expect((await checkArchive(store)).problems).toEqual([]);
  });
  await run(slow, log, config).catch(() => undefined);
  expect((await checkArchive(store)).problems).not.toEqual([]);
  await run(store, log, config);
  expect((await checkArchive(store)).problems).toEqual([]);
});

it('removes what an attempt under another policy left where the committed one has nothing', async () => {
  const store = witnessed(memoryStore());
  const log = fakeLog(T + 2 * HOUR);
  put(log, T - 10 * 60_000, 11 * 60_000);
  const dies = dyingAt(store, /^ledger\/.*20260620T00/, 'before');
  await run(dies, log, config).catch(() => undefined);
  const nothing = { config: { ...config.config, policy: policyFile('- {level: None}\n') } };
  const again = dyingAt(store, /^ledger\/.*20260620T01/, 'after');
  await run(again, log, nothing).catch(() => undefined);
  log.now = T + 49 * HOUR;
  await run(store, log, nothing);
  const { problems } = await checkArchive(store);
  expect(problems.filter((problem) => !problem.startsWith('policies/'))).toEqual([]);
});

it('does without the right to delete: it says what is left, and ends well', async () => {
  const { store, log } = await killedTwice();
  const readOnly: Store = { ...store, delete: () => Promise.reject(new AuthError('not allowed: s3:DeleteObject')) };
  log.now = T + 73.5 * HOUR;
  expect(await run(readOnly, log, config)).toMatchObject({ failed: 0 });
  expect(await checkArchive(store)).toMatchObject({ problems: { length: 2 }, marks: { length: 2 } });
});
