// The core's promise under random histories: whatever arrives late, fails, dies, sleeps or runs at once, each record is counted once.

import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readLedger } from '../../src/archive/ledger.ts';
import type { Manifest } from '../../src/archive/manifest.ts';
import type { Store } from '../../src/archive/store/store.ts';
import { checkArchive } from '../archive/check-archive.ts';
import type { FakeLog, FakeRecord } from './fake-source.ts';
import { END, FIRST, historyArb, play, WINDOW } from './history.ts';
import { DAY } from './run.ts';

const SETTLE = 300_000;
/** AUDITKEEP_TEST_RUNS asks for more histories. */
const RUNS = Number(process.env['AUDITKEEP_TEST_RUNS'] ?? 60);

/** Written anew from the format's description. */
function fingerprint(record: FakeRecord): string {
  const hash = createHash('sha256');
  if (record.id === undefined) hash.update(Buffer.from([0])).update(record.content);
  else hash.update(record.id);
  return hash.digest('hex').slice(0, 24);
}

async function fingerprintsOf(store: Store, m: Manifest): Promise<string[]> {
  if (m.ids === undefined) return [];
  const hex = (await store.get(m.ids.key))!.bytes.toString('hex');
  return Array.from({ length: hex.length / 24 }, (_, i) => hex.slice(i * 24, (i + 1) * 24));
}

const windowOf = (record: FakeRecord) => Math.floor(record.arrival / WINDOW) * WINDOW;
const dayOf = (time: number) => Math.floor(time / DAY) * DAY;

/** Names of the windows that must be there: from the first on, and what backfills asked for. */
async function expectedWindows(store: Store): Promise<number[]> {
  const { starts } = await readLedger(store, 'one');
  const spans = [...starts, { from: FIRST, to: Math.floor((END - SETTLE) / WINDOW) * WINDOW }];
  const all = spans.flatMap(({ from, to }) =>
    Array.from({ length: (to - from) / WINDOW }, (_, i) => from + i * WINDOW),
  );
  return [...new Set(all)].sort((a, b) => a - b);
}

/**
 * Compares the manifests with the source, record by record; throws where a rule is broken.
 * @param mayBeOld some runs slept: what they read may have been committed much later
 */
async function verify(store: Store, log: FakeLog, mayBeOld: boolean): Promise<void> {
  const { problems, manifests, lines } = await checkArchive(store);
  expect(problems).toEqual([]);
  const windows = manifests.filter((m) => m.kind === 'window');
  const rechecks = manifests.filter((m) => m.kind === 'recheck');
  const grid = await expectedWindows(store);
  expect(windows.map((m) => Date.parse(m.from)).sort((a, b) => a - b)).toEqual(grid);
  const overDays = [...new Set(grid.map(dayOf))].filter((day) => day + 2 * DAY <= END);
  expect(rechecks.map((m) => dayOf(Date.parse(m.from))).sort((a, b) => a - b)).toEqual(overDays);

  const due = log.records.filter((record) => grid.includes(windowOf(record)));
  const waiting = new Map<string, FakeRecord[]>();
  for (const record of due) {
    const key = `${windowOf(record)} ${fingerprint(record)}`;
    waiting.set(key, [...(waiting.get(key) ?? []), record]);
  }
  // A copy that its window counted without an id can't be told apart from that one any more.
  const known = new Set<string>();
  const byId = log.records[0]?.id !== undefined;
  const counted = new Map<Manifest, FakeRecord[]>();
  for (const m of [...windows, ...rechecks]) {
    const from = Date.parse(m.from);
    const answersFor = m.kind === 'window' ? [from] : grid.filter((window) => dayOf(window) === dayOf(from));
    const own: FakeRecord[] = [];
    for (const print of await fingerprintsOf(store, m)) {
      const keys = answersFor.map((window) => `${window} ${print}`);
      const key = keys.find((k) => (waiting.get(k)?.length ?? 0) > 0 && (m.kind === 'window' || byId || !known.has(k)));
      if (key === undefined) throw new Error(`${m.name} counts ${print}, which is none of its records, or twice`);
      own.push(waiting.get(key)!.shift()!);
      if (m.kind === 'window') known.add(key);
    }
    counted.set(m, own);
  }
  const left = [...waiting].filter(([key, records]) => records.length > 0 && (byId || !known.has(key)));
  expect(left, 'never counted').toEqual([]);

  // in the order in which checkArchive read them
  let at = 0;
  for (const m of manifests) {
    const lineCount = m.parts.reduce((n, part) => n + part.lines, 0);
    const own = lines.get('one')!.slice(at, at + lineCount);
    at += lineCount;
    const records = counted.get(m)!;
    // rule 8: identical copies are one inside a window, and only there
    const distinct = [...new Map(records.map((r) => [`${windowOf(r)} ${r.content.toString()}`, r])).values()];
    const events = distinct.filter((r) => kindOf(r) === 'event').map((r) => r.content.toString());
    expect(own.sort(), m.name).toEqual(events.sort());
    const skipped = records.filter((r) => kindOf(r) === 'klog').length;
    expect(m.counts, m.name).toMatchObject({
      received: records.length,
      written: events.length,
      skipped,
      rejected: distinct.filter((r) => kindOf(r) === 'broken').length,
    });
    const made = Date.parse(m.made.at);
    const from = Date.parse(m.from);
    const late = made >= dayOf(from) + 2 * DAY;
    if (m.kind === 'recheck') expect(late, `${m.name}, made at ${m.made.at}`).toBe(true);
    else if (mayBeOld) expect(late || !m.final, `${m.name}, made at ${m.made.at}`).toBe(true);
    else {
      expect(made, `${m.name} is closed`).toBeGreaterThanOrEqual(from + WINDOW + SETTLE);
      expect(m.final, `${m.name}, made at ${m.made.at}`).toBe(late);
      // a first read finds all that it can, and leaves to the recheck only what it can't
      const lateness = m.query!.latenessSeconds * 1000;
      const couldBeSeen = due.filter(
        (r) => windowOf(r) === from && r.visibleAt <= made && r.arrival - r.time <= lateness,
      );
      const found = (r: FakeRecord) => records.some((own) => (byId ? own === r : own.content.equals(r.content)));
      expect(
        couldBeSeen.filter((r) => !found(r)),
        `missed by ${m.name}`,
      ).toEqual([]);
    }
    if (m.kind === 'window') expect(m.coverage, m.name).toBe(records.length > skipped ? 'complete' : 'silent');
  }
}

const kindOf = ({ content }: FakeRecord) => {
  const text = content.toString();
  return text.startsWith('{') ? 'event' : text.startsWith('klog') ? 'klog' : 'broken';
};

it(
  'each record ends in exactly one manifest, and each line is there as often as the rules say',
  { timeout: 3_600_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(historyArb, async (history) => {
        const { store, log } = await play(history);
        await verify(store, log, history.sleepers);
      }),
      { numRuns: RUNS },
    );
  },
);
