// Walks of one source, span after span: each begins where one before ended, and gives what a walk from the beginning gives.

import { appendFileSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openReader } from '../../providers/kube/reader.ts';
import type { Source } from '../../src/provider.ts';
import { DAY, eventText, folder, HOUR, itemText, listText, sourceOf, T0, texts, walk } from './kube-lab.ts';

let dir: ReturnType<typeof folder>;
beforeEach(() => (dir = folder()));
afterEach(() => dir.remove());

const NOW = T0 + 40 * DAY;
const now = () => NOW;

/** A line: an hour after T0, or what has no time, lies far ahead, or is a list. */
const lineArb = fc.oneof(
  { weight: 12, arbitrary: fc.integer({ min: 0, max: 60 }) },
  { weight: 2, arbitrary: fc.constant('blank' as const) },
  { weight: 1, arbitrary: fc.constant('garbage' as const) },
  { weight: 1, arbitrary: fc.constant('far' as const) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 60 }).map((hours) => ({ list: hours })) },
);
type Line = number | 'blank' | 'garbage' | 'far' | { readonly list: number };

let count = 0;
function textOf(line: Line): string {
  const id = `id-${count++}`;
  if (line === 'blank') return '';
  if (line === 'garbage') return `not json ${id}`;
  if (line === 'far') return eventText(T0 + 20 * DAY, id);
  if (typeof line === 'number') return eventText(T0 + line * HOUR, id, 'x'.repeat(line));
  return listText([itemText(T0 + line.list * HOUR, id), itemText(T0 + line.list * HOUR + 1, `${id}-b`)]);
}
/** Times mostly rise, as in a log. */
const linesArb = fc
  .tuple(fc.array(lineArb, { maxLength: 25 }), fc.boolean())
  .map(([lines, sorted]) =>
    sorted ? lines.sort((a, b) => (typeof a === 'number' && typeof b === 'number' ? a - b : 0)) : lines,
  );

/** What becomes of the files between two walks. */
const betweenArb = fc.oneof(
  { weight: 3, arbitrary: fc.constant({ do: 'nothing' as const }) },
  { weight: 3, arbitrary: linesArb.map((lines) => ({ do: 'append' as const, lines })) },
  { weight: 1, arbitrary: fc.constantFrom('rotate' as const, 'compress' as const).map((how) => ({ do: how })) },
);

test('each walk gives what one from the beginning gives', async () => {
  let shorter = 0;
  await fc.assert(
    fc.asyncProperty(
      linesArb,
      fc.array(fc.tuple(fc.integer({ min: 0, max: 30 }), betweenArb), { minLength: 1, maxLength: 6 }),
      fc.constantFrom(200, 700, 1 << 20),
      async (lines, steps, chunk) => {
        dir.remove();
        dir = folder();
        const log = dir.at('audit.log');
        let rotated = 0;
        const append = (more: readonly Line[]) => appendFileSync(log, more.map((line) => `${textOf(line)}\n`).join(''));
        append(lines);
        const source = sourceOf(dir.at('audit*'), now, chunk);
        let from = T0 - HOUR;
        for (const [hours, between] of steps) {
          const to = from + hours * HOUR;
          const fresh = sourceOf(dir.at('audit*'), now, chunk);
          const [one, other] = [await measured(source, from, to), await measured(fresh, from, to)];
          expect(one.texts).toEqual(other.texts);
          if (one.bytes < other.bytes) shorter++;
          await fresh.close();
          from = to;
          if (between.do === 'append') append(between.lines);
          if (between.do === 'rotate' || between.do === 'compress') {
            const path = dir.at(`audit-2026-06-${String(23 + rotated++)}T10-00-00.000.log`);
            renameSync(log, path);
            if (between.do === 'compress') {
              writeFileSync(`${path}.gz`, gzipSync(readFileSync(path)));
              rmSync(path);
            }
            writeFileSync(log, '');
          }
        }
        await source.close();
      },
    ),
    { numRuns: 120 },
  );
  // it was worth it
  expect(shorter).toBeGreaterThan(20);
});

async function measured(source: Source, from: number, to: number) {
  let bytes = 0;
  const { fetchPage } = source;
  const counting: Source = {
    ...source,
    async fetchPage(...args) {
      const page = await fetchPage(...args);
      bytes += page.bytes;
      return page;
    },
  };
  return { texts: texts(await walk(counting, from, to)), bytes };
}

const hour = (n: number) => T0 + n * HOUR;
const file = (hours: readonly number[]) =>
  hours.map((n) => `${eventText(hour(n), `id-${n}`, 'x'.repeat(300))}\n`).join('');

test('a file is read once, however many spans are asked for in their order', async () => {
  const all = Array.from({ length: 48 }, (_, n) => n);
  writeFileSync(dir.at('audit.log'), file(all));
  const source = sourceOf(dir.at('audit*'), now, 2000);
  let bytes = 0;
  for (const from of [0, 12, 24, 36]) {
    const one = await measured(source, hour(from), hour(from + 12));
    expect(one.texts).toHaveLength(12);
    bytes += one.bytes;
  }
  // the last page of each but the last is read again
  expect(bytes).toBeLessThan(file(all).length + 3 * 2000);
  // and a span behind all that was read reads next to nothing
  expect((await measured(source, hour(60), hour(61))).bytes).toBeLessThan(1000);
});

test('another file under the name is read from its beginning', async () => {
  const path = dir.at('audit.log');
  writeFileSync(path, file([1, 2, 3, 4]));
  const source = sourceOf(path, now);
  expect((await measured(source, hour(0), hour(3))).texts).toHaveLength(2);
  // copytruncate, and a longer content after it
  writeFileSync(path, file([1, 3, 4, 5, 6, 7, 8]).replaceAll('id-', 'other-'));
  const again = await measured(source, hour(3), hour(7));
  expect(again.texts).toHaveLength(4);
});

test('a place that is no longer in the file fails the walk, and the next one begins anew', async () => {
  const path = dir.at('audit.log');
  const head = file([1]);
  writeFileSync(path, head + file([2, 3, 4]));
  const source = sourceOf(path, now);
  expect((await measured(source, hour(0), hour(3))).texts).toHaveLength(2);
  // the same beginning, so the same file to all appearance
  writeFileSync(path, head + file([3, 4]).replaceAll('x', 'y'));
  await expect(measured(source, hour(3), hour(5))).rejects.toThrow('was cut or replaced while it was read');
  expect((await measured(source, hour(3), hour(5))).texts).toHaveLength(2);
});

test('a line keeps its arrival when later ones are added, also when its page must look ahead for it', async () => {
  const path = dir.at('audit.log');
  // the page holds the blank line alone; what follows settles it, and then the list
  writeFileSync(path, `\n${eventText(T0, 'id-0')}\n`);
  const first = await measured(sourceOf(path, now, 200), T0 - HOUR, T0 + HOUR);
  appendFileSync(path, `${listText([itemText(hour(1), 'id-1'), itemText(hour(1) + 1, 'id-2')])}\n`);
  const second = await measured(sourceOf(path, now, 200), T0 + HOUR, T0 + 2 * HOUR);
  const ids = (list: readonly string[]) => list.map((text) => /id-\d/.exec(text)?.[0]);
  expect(ids(first.texts)).toEqual([undefined, 'id-0']);
  expect(ids(second.texts)).toEqual(['id-1', 'id-2']);
});

test('a compressed file can be read back, also behind its end', async () => {
  const content = file(Array.from({ length: 2000 }, (_, n) => n));
  writeFileSync(dir.at('a.gz'), gzipSync(content));
  const reader = await openReader(dir.at('a.gz'));
  const at = async (offset: number) => (await reader.read(offset, 50)).toString('latin1');
  expect(await at(600_000)).toBe(content.slice(600_000, 600_050));
  expect(await at(100)).toBe(content.slice(100, 150));
  expect(await at(content.length)).toBe('');
  expect(await at(content.length - 20)).toBe(content.slice(-20));
  expect(await at(0)).toBe(content.slice(0, 50));
  await reader.close();
});
