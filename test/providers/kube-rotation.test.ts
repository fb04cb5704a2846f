// Rotation, compression and copying at any moment: each line of the log comes out exactly once, in the window of its arrival.

import {
  appendFileSync,
  copyFileSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { StaleTokenError, type ProviderRecord, type Source } from '../../src/provider.ts';
import { DAY, eventText, folder, HOUR, listText, itemText, sourceOf, T0, texts, walk } from './kube-lab.ts';

const WINDOW = HOUR;
const SETTLE = 120_000;

type Action =
  | { do: 'write'; lines: number; kind: 'event' | 'late' | 'blank' | 'garbage' | 'future' | 'list' | 'long' }
  | { do: 'half' | 'rotate' | 'copytruncate' | 'compress' | 'half-compress' | 'remove-plain' | 'read' }
  | { do: 'wait'; minutes: number };

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      lines: fc.integer({ min: 1, max: 12 }),
      kind: fc.constantFrom('event', 'event', 'event', 'late', 'blank', 'garbage', 'future', 'list', 'long'),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const), minutes: fc.integer({ min: 1, max: 50 }) }) },
  {
    weight: 6,
    arbitrary: fc
      .constantFrom('half', 'rotate', 'copytruncate', 'compress', 'half-compress', 'remove-plain', 'read')
      .map((name) => ({ do: name }) as Action),
  },
);

/** A server that writes audit.log, a rotator with all its habits, and a clock. */
function lab(chunk: number) {
  const dir = folder();
  const live = dir.at('audit.log');
  let now = T0;
  let serial = 0;
  let half = '';
  // plain backups, oldest first
  const plain: string[] = [];
  const expected: string[] = [];
  let read: ProviderRecord[] = [];
  let from = T0 - 5 * DAY;
  const next: Action[] = [];

  const touch = (path: string) => utimesSync(path, now / 1000, now / 1000);
  function append(text: string): void {
    appendFileSync(live, text, 'latin1');
    touch(live);
  }
  const line = (text: string) => append(`${text}\n`);
  function event(time = now): void {
    now += 1;
    const text = eventText(time, `id-${serial++}`, 'x'.repeat(serial % 90));
    expected.push(text);
    line(text);
  }
  /** What the server was writing is finished, and a line with a time follows whatever has none. */
  function settle(): void {
    if (half !== '') {
      append(half);
      half = '';
      append('\n');
    }
    event();
  }
  const backup = () => dir.at(`audit-${new Date(now).toISOString().slice(0, 23).replaceAll(':', '-')}.log`);

  function write(kind: Extract<Action, { do: 'write' }>['kind']): void {
    if (half !== '') settle();
    now += 50;
    if (kind === 'event') return event();
    if (kind === 'late') return event(now - 60_000);
    if (kind === 'long') {
      const text = eventText(now, `id-${serial++}`, 'y'.repeat(5000));
      expected.push(text);
      return line(text);
    }
    if (kind === 'list') {
      const items = [0, 1, 2].map(() => itemText(now, `id-${serial++}`));
      expected.push(...items);
      return line(listText(items));
    }
    const text =
      kind === 'blank'
        ? ''
        : kind === 'garbage'
          ? `garbage ${serial++} \x00\xff {`
          : eventText(now + 3 * DAY * 365, `f-${serial++}`);
    expected.push(text);
    line(text);
    event();
  }

  async function readWindow(source: Source, to: number, between?: (page: number) => void): Promise<void> {
    for (;;) {
      try {
        const records = await walk(source, from, to, between);
        for (const r of records) expect(r.arrival >= from && r.arrival < to).toBe(true);
        read = read.concat(records);
        from = to;
        return;
      } catch (error) {
        // the walk starts again, as the core would do it
        if (!(error instanceof StaleTokenError)) throw error;
      }
    }
  }

  async function run(one: Action): Promise<void> {
    if (one.do === 'write') for (let i = 0; i < one.lines; i++) write(one.kind);
    else if (one.do === 'wait') {
      // a server doesn't stop in the middle of a line for longer than the settling time
      if (half !== '') settle();
      now += one.minutes * 60_000;
    } else if (one.do === 'half') {
      if (half !== '') return;
      const text = eventText(now, `id-${serial++}`);
      expected.push(text);
      half = text.slice(30);
      append(text.slice(0, 30));
    } else if (one.do === 'rotate' || one.do === 'copytruncate') {
      settle();
      const path = backup();
      if (one.do === 'rotate') renameSync(live, path);
      else copyFileSync(live, path);
      if (one.do === 'copytruncate') truncateSync(live);
      plain.push(path);
      touch(path);
      now += 10;
      event();
    } else if (one.do === 'compress' || one.do === 'half-compress') {
      const path = plain.find((p) => existsSync(p));
      if (path === undefined) return;
      const bytes = readFileSync(path);
      const half = bytes.length >> 1;
      // several members, as gzip files that were put together have
      const zipped = Buffer.concat([gzipSync(bytes.subarray(0, half)), gzipSync(bytes.subarray(half))]);
      writeFileSync(`${path}.gz`, one.do === 'compress' ? zipped : zipped.subarray(0, Math.floor(zipped.length * 0.6)));
      touch(`${path}.gz`);
    } else if (one.do === 'remove-plain') {
      const path = plain.find((p) => existsSync(p) && existsSync(`${p}.gz`));
      if (path === undefined) return;
      writeFileSync(`${path}.gz`, gzipSync(readFileSync(path)));
      touch(`${path}.gz`);
      rmSync(path);
    } else {
      const to = Math.floor((now - SETTLE) / WINDOW) * WINDOW;
      if (to <= from) return;
      const source = sourceOf(`${dir.path}/audit*`, () => now, chunk);
      // things go on between the pages of a walk
      await readWindow(source, to, (page) => {
        const more = page < 6 ? next.shift() : undefined;
        if (more !== undefined && more.do !== 'read' && more.do !== 'wait') void run(more);
      });
      await source.close();
    }
  }

  return {
    async play(actions: readonly Action[]): Promise<void> {
      event();
      event();
      next.push(...actions);
      for (let one = next.shift(); one !== undefined; one = next.shift()) await run(one);
      settle();
      now += 2 * DAY;
      const source = sourceOf(`${dir.path}/audit*`, () => now, chunk);
      await readWindow(source, now);
      await source.close();
    },
    expected,
    result: () => texts(read),
    remove: dir.remove,
  };
}

test('each line exactly once, whatever rotates, compresses or copies the files between and during reads', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(action, { minLength: 5, maxLength: 45 }),
      fc.constantFrom(64, 700, 4096, 1 << 20),
      async (actions, chunk) => {
        const one = lab(chunk);
        try {
          await one.play(actions);
          expect(one.result().sort()).toEqual([...one.expected].sort());
        } finally {
          one.remove();
        }
      },
    ),
    { numRuns: 150 },
  );
});
