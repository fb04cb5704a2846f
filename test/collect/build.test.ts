// The builder alone: what it makes of the records of one manifest, part by part, and what it gives back when it fails.

import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sha256Hex } from '../../src/archive/hash.ts';
import type { Store } from '../../src/archive/store/store.ts';
import { fingerprintOf } from '../../src/collect/build.ts';
import { AuthError, StaleTokenError, TamperError } from '../../src/errors.ts';
import { scratchOf } from '../archive/scratch.ts';
import { add, build, dateOf, DAY, eventLine, linesOf, numberOf, problemsOf, record, T } from './building.ts';
import { memoryStore } from './memory-store.ts';

const bytesOf = (lines: readonly string[]) => lines.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0);

/** All parts but the last of a date end with the line that reached the size. */
function expectFull(dates: Map<string, string[][]>, partBytes: number): void {
  for (const parts of dates.values())
    for (const [i, lines] of parts.entries()) {
      expect(bytesOf(lines.slice(0, -1))).toBeLessThan(partBytes);
      if (i < parts.length - 1) expect(bytesOf(lines)).toBeGreaterThanOrEqual(partBytes);
    }
}

describe('parts', () => {
  it('end at their size, one row of them for each date, with events, raw records and rejects in the order of the records', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            day: fc.nat(2),
            ms: fc.nat(1000),
            size: fc.nat(600),
            what: fc.constantFrom('event', 'event', 'event', 'broken', 'again', 'klog'),
          }),
          { maxLength: 60 },
        ),
        fc.integer({ min: 300, max: 4000 }),
        async (plan, partBytes) => {
          const store = memoryStore();
          const scratch = scratchOf(64 << 20);
          const builder = build(store, scratch, { partBytes, keepRaw: true, rawRejects: true });
          const events: { date: string; line: string; stage: string }[] = [];
          const rejected: { date: string; line: string }[] = [];
          let [skipped, duplicate] = [0, 0];
          for (const [i, { day, ms, size, what }] of plan.entries()) {
            const time = T + day * DAY + ms;
            const date = new Date(time).toISOString().slice(0, 10);
            const line = eventLine(time, `event-${i}`, size);
            if (what === 'klog') {
              skipped++;
              add(builder, record(`klog ${i}`));
            } else if (what === 'broken') {
              rejected.push({ date, line: `{"broken": ${i} ${'y'.repeat(size)}` });
              add(builder, record(rejected.at(-1)!.line, { arrival: time }));
            } else {
              const previous = what === 'again' ? events.at(-1) : undefined;
              if (previous === undefined) events.push({ date, line: line.toString(), stage: `${ms}` });
              else duplicate++;
              add(builder, record(previous?.line ?? line));
            }
            if (i % 7 === 0) await builder.settle();
          }
          const built = await builder.finish();
          await builder.dispose();
          expect(scratch.budget.used).toBe(0);
          expect(await problemsOf(store, built)).toEqual([]);
          expect(built.counts).toMatchObject({ received: plan.length, written: events.length, duplicate, skipped });
          expect(built.counts.rejected).toBe(rejected.length);

          const found = await linesOf(store, built.parts);
          expectFull(found, partBytes);
          expect(found.size).toBe(new Set(events.map(({ date }) => date)).size);
          const raw = await linesOf(store, built.raw!);
          expectFull(raw, partBytes);
          for (const [date, parts] of found) {
            const own = events.filter((event) => event.date === date).map(({ line }) => line);
            expect(parts.flat()).toEqual(own);
            expect(raw.get(date)!.flat()).toEqual(own);
          }
          const left = await linesOf(store, built.rejects);
          expectFull(left, partBytes);
          for (const [date, parts] of left)
            expect(parts.flat().map((line) => (JSON.parse(line) as { content: string }).content)).toEqual(
              rejected.filter((reject) => reject.date === date).map(({ line }) => line),
            );
          expect([...builder.dates].sort()).toEqual([...new Set([...events, ...rejected].map((x) => x.date))].sort());
          for (const part of built.parts) {
            const stages = found
              .get(dateOf(part))!
              [numberOf(part)]!.map((line) => (JSON.parse(line) as { stageTimestamp: string }).stageTimestamp)
              .sort();
            expect([part.firstStage, part.lastStage]).toEqual([stages[0], stages.at(-1)]);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('have first and last stage to the microsecond', async () => {
    const store = memoryStore();
    const builder = build(store, scratchOf(1 << 20));
    const at = (stamp: string) => record(eventLine(T, stamp, 0, { stageTimestamp: stamp }));
    const stamps = ['000500', '000100', '000900', '000101'].map((us) => `2026-06-22T10:00:00.${us}Z`);
    add(builder, ...stamps.map(at));
    await builder.settle();
    const { parts } = await builder.finish();
    expect(parts[0]).toMatchObject({ firstStage: stamps[1], lastStage: stamps[2], lines: 4 });
  });

  it('have the same names when the same records come again, and are adopted', async () => {
    const store = memoryStore();
    const records = Array.from({ length: 20 }, (_, i) => record(eventLine(T + i, `e${i}`, 100)));
    const again = async () => {
      const builder = build(store, scratchOf(1 << 20), { partBytes: 1000 });
      add(builder, ...records);
      return builder.finish();
    };
    const first = await again();
    expect(first.parts.length).toBeGreaterThan(3);
    expect(await again()).toEqual(first);
    expect(await problemsOf(store, first)).toEqual([]);
  });

  it('are refused where other bytes lie under their name', async () => {
    const store = memoryStore();
    const one = record(eventLine(T, 'one'));
    const before = build(store, scratchOf(1 << 20));
    add(before, one);
    const { key } = (await before.finish()).parts[0]!;
    await store.delete(key);
    await store.put(key, Buffer.from('other'), { ifAbsent: true, sha256: sha256Hex(Buffer.from('other')) });
    const builder = build(store, scratchOf(1 << 20));
    add(builder, one);
    await expect(builder.finish()).rejects.toThrow(TamperError);
  });
});

describe('counts', () => {
  it('call equal contents in one window copies, whatever their ids, and in another window none', async () => {
    const builder = build(memoryStore(), scratchOf(1 << 20));
    const one = record(eventLine(T, 'same'));
    const other = { ...one, id: 'other' };
    const { id: _, ...nameless } = one;
    const bad = record('{"no": "event"}');
    builder.add(one, fingerprintOf(one), 1);
    builder.add(other, fingerprintOf(other), 1);
    builder.add(nameless, fingerprintOf(nameless), 1);
    builder.add(one, fingerprintOf(one), 2);
    for (let i = 0; i < 2; i++) builder.add(bad, fingerprintOf(bad), 1);
    for (let i = 0; i < 2; i++) add(builder, record('klog'));
    expect(builder.counts).toEqual({
      received: 8,
      written: 2,
      duplicate: 3,
      dropped: 0,
      skipped: 2,
      rejected: 1,
      salvaged: 0,
    });
    const built = await builder.finish();
    expect(built).toMatchObject({ skippedByReason: { klog: 2 }, rejectedByReason: { 'wrong-kind': 1 } });
    expect(built.ids!.count).toBe(8);
  });

  it('save what a cut record still tells, and list at most 50 verbs', async () => {
    const store = memoryStore();
    const builder = build(store, scratchOf(1 << 20));
    const whole = eventLine(T, 'whole', 0, { requestObject: { a: 'b' }, annotations: {} });
    add(builder, record(Buffer.concat([whole.subarray(0, whole.length - 20), Buffer.from('[Truncated...]')])));
    for (let i = 0; i < 60; i++) add(builder, record(eventLine(T, `v${i}`, 0, { verb: `verb-${i}` })));
    const built = await builder.finish();
    expect(built.counts).toMatchObject({ received: 61, written: 60, rejected: 1, salvaged: 1 });
    expect(built.rejectedByReason).toEqual({ truncated: 1 });
    expect(Object.keys(built.byVerb)).toHaveLength(51);
    expect(built.byVerb['(other)']).toBe(11);
    expect(await problemsOf(store, built)).toEqual([]);
  });

  it('make a reject of a record that brings the decoder down, and of one that is an event no more', async () => {
    const builder = build(memoryStore(), scratchOf(1 << 20), {
      decode() {
        throw new Error('oops');
      },
    });
    add(builder, record('x'));
    expect((await builder.finish()).rejectedByReason).toEqual({ 'decoder-failed': 1 });
  });

  it('tell what policy, redaction and the source took', async () => {
    const builder = build(memoryStore(), scratchOf(1 << 20), {
      apply: (event) =>
        event.verb === 'get'
          ? { kept: false, droppedBy: 'rules[0]' }
          : { kept: true, line: event.line, level: event.level, undecided: 'rules[1]', unattained: 'rules[2]' },
      redact: ({ line }) => Buffer.from(line.toString().replace('kim', 'someone')),
      decode: ({ content }) => ({ event: content, omitted: ['requestObject'] }),
    });
    add(builder, record(eventLine(T, 'a')), record(eventLine(T, 'b', 0, { verb: 'get' })));
    add(builder, record(eventLine(T, 'c', 0, { user: {} })));
    const built = await builder.finish();
    expect(built).toMatchObject({
      droppedByRule: { 'rules[0]': 1 },
      undecided: { 'rules[1]': 2 },
      unattained: { 'rules[2]': 2 },
      omitted: { requestObject: 2 },
      redacted: 1,
      byVerb: { list: 2 },
    });
  });

  it('nothing is nothing: no parts, no fingerprints', async () => {
    const store = memoryStore();
    const built = await build(store, scratchOf(1 << 20)).finish();
    expect(built).toMatchObject({ parts: [], rejects: [], counts: { received: 0 } });
    expect(built).not.toHaveProperty('ids');
    expect(await problemsOf(store, built)).toEqual([]);
  });
});

describe('a store that fails', () => {
  const failing = (store: Store, which: RegExp): Store => ({
    ...store,
    put: async (key, body, options) => {
      if (which.test(key)) throw new AuthError(`no right to put ${key}`);
      return store.put(key, body, options);
    },
  });
  const many = () => Array.from({ length: 12 }, (_, i) => record(eventLine(T + i, `e${i}`, 400)));

  it.each([
    ['events', /^events\/.*Z_1_/],
    ['rejects', /^rejects\//],
    ['raw records', /^raw\/.*Z_0_/],
    ['fingerprints', /^ids\//],
  ])('makes finish fail, when %s can’t be put', async (_what, which) => {
    const scratch = scratchOf(1 << 20);
    const builder = build(failing(memoryStore(), which), scratch, { partBytes: 1000, keepRaw: true });
    add(builder, ...many(), record('{"broken'));
    await expect(builder.finish()).rejects.toThrow(AuthError);
    await builder.dispose();
    expect(scratch.budget.used).toBe(0);
  });

  it('makes settle fail as soon as it is known', async () => {
    const builder = build(failing(memoryStore(), /^events\//), scratchOf(1 << 20), { partBytes: 1000 });
    add(builder, ...many());
    await expect(builder.settle()).rejects.toThrow(AuthError);
    await expect(builder.finish()).rejects.toThrow(AuthError);
    await builder.dispose();
  });
});

describe('dispose', () => {
  it('gives back the budget and the temporary files, in the middle as at the end', async () => {
    for (const budget of [0, 64 << 20])
      for (const end of ['middle', 'finish'] as const) {
        let files = 0;
        const plain = scratchOf(budget);
        const scratch = { ...plain, path: () => `${plain.path()}-${files++}` };
        const builder = build(memoryStore(), scratch, { keepRaw: true });
        for (let i = 0; i < 24; i++) {
          // long enough for full blocks, and small enough compressed to stay in memory where the budget allows
          const noise = createHash('shake256', { outputLength: 5000 }).update(`${i}`).digest('hex').repeat(10);
          add(builder, record(eventLine(T + (i % 2) * DAY, noise)), record(`{"broken ${i}`));
          await builder.settle();
        }
        expect(scratch.budget.used).toBeGreaterThan(0);
        if (end === 'finish') await builder.finish();
        await builder.dispose();
        expect(scratch.budget.used).toBe(0);
        expect(readdirSync(scratch.directory)).toEqual([]);
        expect(files > 0).toBe(budget === 0);
      }
  });

  it('lets go of pages: what it keeps of an event is its stage', async () => {
    const page = eventLine(T, 'in a page');
    const builder = build(memoryStore(), scratchOf(1 << 20), { decode: () => ({ event: page }) });
    add(builder, record(page));
    await builder.settle();
    page.fill(0x20);
    const { parts } = await builder.finish();
    expect(parts[0]).toMatchObject({ firstStage: '2026-06-22T10:00:00.000123Z', lines: 1 });
  });
});

describe('finish', () => {
  it('may be asked for more than once, and for a record that comes later the walk must start again', async () => {
    const store = memoryStore();
    const builder = build(store, scratchOf(64 << 20));
    add(builder, record(eventLine(T, 'one')));
    const built = builder.finish();
    expect(builder.finish()).toBe(built);
    expect(() => add(builder, record(eventLine(T, 'two')))).toThrow(StaleTokenError);
    expect(builder.settle()).toBeUndefined();
    expect((await built).counts).toMatchObject({ received: 1, written: 1 });
    expect(await problemsOf(store, await built)).toEqual([]);
    await builder.dispose();
  });

  it('is waited for by dispose', async () => {
    const store = memoryStore();
    let done = false;
    const put: Store['put'] = async (key, body, options) => {
      if (key.startsWith('ids/')) await new Promise((resolve) => setTimeout(resolve, 20));
      const result = await store.put(key, body, options);
      done = key.startsWith('ids/');
      return result;
    };
    const builder = build({ ...store, put }, scratchOf(64 << 20));
    add(builder, record(eventLine(T, 'one')));
    const built = builder.finish();
    await builder.dispose();
    expect(done).toBe(true);
    await built;
  });
});
