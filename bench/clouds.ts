// AKS and GKE to archive: peak memory of `collect` against their emulators, each a process of its own, and what decoding alone takes.

import { rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { collectArgs, freshConfig, writtenEvents } from './data.ts';
import { CLOUDS, type CloudCase, FROM, HOURS } from './cloud-records.ts';
import { startEmulator } from './emulator.ts';
import { scanEvent } from '../src/event.ts';
import type { Goal, Result } from './goal.ts';
import { run } from './measure.ts';

const HOUR = 3_600_000;
const MOST_MB = 256;
/** Records that the emulators hold are JavaScript strings: so much for 1 GB of them, and then some. */
const EMULATOR_HEAP_MB = 8000;

/** Starts the cloud's emulator and puts `bytes` of records into it, in `hours` windows. */
async function startWith(cloud: CloudCase, bytes: number, hours: number) {
  const emulator = await startEmulator(cloud.emulator, ['--latency=5'], EMULATOR_HEAP_MB);
  for (const [what, body] of cloud.setUp) await emulator.order(what, body);
  const sent = { records: 0, bytes: 0 };
  const lines = Readable.from(cloud.lines(bytes, hours, sent), { objectMode: false });
  const { accepted } = await emulator.order<{ accepted: number }>(cloud.put, lines);
  if (accepted !== sent.records) throw new Error(`${accepted} of ${sent.records} records were taken`);
  return { ...emulator, sent };
}

async function memoryOf(cloud: CloudCase, bytes: number, hours: number): Promise<{ goal: Goal; details: object }> {
  const emulator = await startWith(cloud, bytes, hours);
  try {
    const { config, archive } = await freshConfig('clouds', [cloud.cluster(emulator.url)], {}, FROM);
    const args = collectArgs(config, FROM + (HOURS + 2) * HOUR);
    const one = await run({ command: process.execPath, args, memory: true });
    const written = await writtenEvents();
    if (written !== emulator.sent.records)
      throw new Error(`${emulator.sent.records} records, ${written} events in the archive`);
    await rm(archive, { recursive: true });
    const size = bytes < 1e9 ? `${bytes / 1e6} MB` : `${bytes / 1e9} GB`;
    const name = `${cloud.name}, ${size}, ${hours === 1 ? 'one window' : `${hours} windows`}`;
    return {
      goal: { what: `clouds: memory, ${name}`, measured: one.rss!, goal: MOST_MB, unit: 'MB', better: 'less' },
      details: { name, ...emulator.sent, written, ...one, mbPerSecond: emulator.sent.bytes / 1e6 / one.wall },
    };
  } finally {
    await emulator.stop();
  }
}

/** Records in memory → Events, on this thread alone: no network, no files, no policy. */
function decodeOf(cloud: CloudCase, rounds: number): { goal: Goal; details: object } {
  const records = cloud.records();
  const bytes = records.reduce((sum, { content }) => sum + content.length, 0);
  let best = 0;
  const speeds: number[] = [];
  // the first rounds warm the code; the machine's other work only ever slows a round
  for (let round = 0; round < rounds + 2; round++) {
    const begin = process.cpuUsage();
    let events = 0;
    for (const record of records) {
      const decoded = cloud.decode(record);
      // what decoding didn't scan is scanned by whoever takes the Event: it is part of the work
      if ('event' in decoded && (decoded.scan ?? scanEvent(decoded.event))) events++;
    }
    const { user, system } = process.cpuUsage(begin);
    if (events !== records.length) throw new Error(`${events} of ${records.length} records became events`);
    const speed = bytes / (user + system);
    if (round < 2) continue;
    speeds.push(speed);
    best = Math.max(best, speed);
  }
  const middle = speeds.toSorted((a, b) => a - b)[Math.floor(speeds.length / 2)]!;
  return {
    goal: {
      what: `clouds: decode, ${cloud.name}, raw records`,
      measured: middle,
      goal: cloud.decodeGoal,
      unit: 'MB/s',
      better: 'more',
    },
    details: { cloud: cloud.name, records: records.length, bytes, speeds, best },
  };
}

export async function clouds(quick: boolean): Promise<Result> {
  const large = quick ? 300e6 : 1e9;
  const goals: Goal[] = [];
  const details: object[] = [];
  const note = ({ goal, details: more }: { goal: Goal; details: object }) => {
    goals.push(goal);
    details.push(more);
  };
  for (const cloud of CLOUDS) note(decodeOf(cloud, quick ? 5 : 15));
  for (const cloud of CLOUDS.filter(({ memory }) => memory)) {
    note(await memoryOf(cloud, 100e6, HOURS));
    note(await memoryOf(cloud, large, HOURS));
    note(await memoryOf(cloud, large, 1));
  }
  return { goals, details: { runs: details } };
}
