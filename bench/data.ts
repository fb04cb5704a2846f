// Input of the benchmarks, made from a seed and kept between runs; and configs to read it with.

import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { dayOfLogEvents, generateDay } from '../emulators/story/index.ts';
import { formatTime } from '../src/time.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

export const ROOT = join(import.meta.dirname, '..');
/** Results and data; ignored by git. */
export const OUT = join(import.meta.dirname, 'out');
const DATA = join(OUT, 'data');
/** What `auditkeep` remembers of archives, for the programs that are measured. */
export const STATE = join(OUT, 'state');
/** Real lines, where they lie beside the repository. */
const REAL = join(ROOT, '../shared/data/apiserver/soak.ndjson.gz');

export const DAY_FROM = Date.parse('2026-06-20T00:00:00Z');
export const DAY_TO = DAY_FROM + 24 * HOUR;
const CLUSTER = { name: 'bench', account: '111122223333', region: 'us-east-1' };
const story = (events: number, from = DAY_FROM) => ({
  seed: 7,
  cluster: CLUSTER,
  from,
  to: from + 24 * HOUR,
  eventsPerHour: events / 24,
});

/** A file of the data folder, made by `write` unless it is there. */
async function kept(name: string, write: (path: string) => Promise<void>): Promise<string> {
  const path = join(DATA, name);
  if (existsSync(path)) return path;
  await mkdir(DATA, { recursive: true });
  await write(`${path}.part`);
  await rename(`${path}.part`, path);
  return path;
}

async function writeLines(path: string, lines: Iterable<Buffer | string>): Promise<void> {
  const out = createWriteStream(path);
  for (const line of lines) {
    out.write(line);
    if (!out.write('\n')) await once(out, 'drain');
  }
  out.end();
  await once(out, 'close');
}

/** An audit.log of one day with about `events` lines of 1.8 KB in the mean. */
export function generatedLog(events: number): Promise<string> {
  return kept(`generated-${events}.ndjson`, (path) =>
    writeLines(
      path,
      (function* () {
        for (const { line } of generateDay(story(events))) yield line;
      })(),
    ),
  );
}

/** The day before yesterday: CloudWatch takes no events of long ago, and its clock is compared with ours. */
export const recentDay = (): number => (Math.floor(Date.now() / DAY) - 2) * DAY;

/** Such a day as CloudWatch has it: NDJSON for the emulator, and the messages alone. */
export async function generatedLogEvents(events: number, from: number): Promise<{ input: string; messages: string }> {
  const name = `${events}-${formatTime(from).slice(0, 10)}.ndjson`;
  const messages = await kept(`messages-${name}`, (path) =>
    writeLines(
      path,
      (function* () {
        for (const { message } of dayOfLogEvents(story(events, from))) yield message;
      })(),
    ),
  );
  const input = await kept(`log-events-${name}`, (path) =>
    writeLines(
      path,
      (function* () {
        for (const { timestamp, ingestionTime, message } of dayOfLogEvents(story(events, from)))
          yield JSON.stringify({ timestamp, ingestionTime, message });
      })(),
    ),
  );
  return { input, messages };
}

const AUDIT_ID = Buffer.from('"auditID":"');
const STAMPS = [Buffer.from('"requestReceivedTimestamp":"'), Buffer.from('"stageTimestamp":"')];

/** Where the digits stand that make a copy of a line another event: end of the audit ID, hours of both timestamps. */
function placesOf(line: Buffer): { id: number; hours: number[] } {
  const id = line.indexOf(AUDIT_ID) + AUDIT_ID.length + 24;
  const hours = STAMPS.map((name) => line.lastIndexOf(name) + name.length + '2026-06-20T'.length);
  return { id, hours };
}

/**
 * Writes the lines of `base` again and again, each as an event of its own, until there are `bytes`. All lines of one round get
 * one hour of the day; the rounds go through the first `hours` of it in order.
 */
export async function stretch(base: readonly Buffer[], bytes: number, hours: number, path: string): Promise<void> {
  const block = Buffer.concat(base.flatMap((line) => [line, Buffer.from('\n')]));
  const places: { id: number; hours: number[] }[] = [];
  let at = 0;
  for (const line of base) {
    const { id, hours: found } = placesOf(line);
    places.push({ id: at + id, hours: found.map((place) => at + place) });
    at += line.length + 1;
  }
  const rounds = Math.ceil(bytes / block.length);
  const file = await open(path, 'w');
  // lines from anywhere else in time too
  const day = formatTime(DAY_FROM).slice(0, 10);
  let count = 0;
  for (let round = 0; round < rounds; round++) {
    const hour = String(Math.floor((round * hours) / rounds)).padStart(2, '0');
    for (const place of places) {
      block.write((count++).toString(16).padStart(12, '0'), place.id, 'latin1');
      for (const one of place.hours) block.write(`${day}T${hour}`, one - day.length - 1, 'latin1');
    }
    await file.writeFile(block);
  }
  await file.close();
}

/** Generated lines for `stretch`. */
export async function baseLines(): Promise<Buffer[]> {
  const lines: Buffer[] = [];
  for (const { line } of generateDay(story(12_000))) lines.push(line);
  return lines;
}

/** About `bytes` of real lines, each an event of its own; undefined where they don't lie beside the repository. */
export async function realLog(bytes: number): Promise<string | undefined> {
  if (!existsSync(REAL)) return undefined;
  return kept(`real-${bytes}.ndjson`, async (path) => {
    const text = gunzipSync(await readFile(REAL));
    const lines: Buffer[] = [];
    for (let from = 0, to = text.indexOf(10); to >= 0; from = to + 1, to = text.indexOf(10, from)) {
      const line = text.subarray(from, to);
      // an audit ID of the client's own may be of any length
      if (line[placesOf(line).id - 1] === 0x2d) lines.push(line);
    }
    await stretch(lines, bytes, 24, path);
  });
}

/** A config for one cluster or more, with an archive that doesn't exist yet. */
export async function freshConfig(
  name: string,
  clusters: readonly object[],
  more: object = {},
  start = DAY_FROM,
): Promise<{ config: string; archive: string }> {
  const archive = join(OUT, `archive-${name}`);
  await rm(archive, { recursive: true, force: true });
  // an archive that begins anew at the same place would be taken for one that lost its log
  await rm(STATE, { recursive: true, force: true });
  const config = join(OUT, `${name}.json`);
  await mkdir(OUT, { recursive: true });
  await writeFile(config, JSON.stringify({ archive, collect: { start: formatTime(start) }, clusters, ...more }));
  return { config, archive };
}

/** Arguments of `collect` for a time shortly after the generated day. */
export const collectArgs = (config: string, asOf = DAY_TO + 3 * HOUR): string[] => [
  join(ROOT, 'dist/auditkeep.js'),
  'collect',
  `--config=${config}`,
  `--as-of=${formatTime(asOf)}`,
  '--log-level=error',
  '--output=json',
];

/** Of the summary that the last `collect` wrote: events in the archive. */
export async function writtenEvents(): Promise<number> {
  const lines = (await readFile(join(OUT, 'stdout'), 'utf8')).trim().split('\n');
  return lines.reduce((sum, line) => sum + (JSON.parse(line) as { written: number }).written, 0);
}

export const sizeOf = async (path: string): Promise<number> => (await stat(path)).size;

export async function countLines(path: string): Promise<number> {
  let lines = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>)
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lines++;
  return lines;
}
