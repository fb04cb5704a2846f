// Runs programs and measures them: wall time, CPU time of the whole process tree, peak memory.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { OUT, STATE } from './data.ts';

/** What one run of a program took. */
export interface Run {
  /** Seconds from start to end, process start included. */
  readonly wall: number;
  /** Seconds of user and system time, of all processes. */
  readonly cpu: number;
  /** Peak resident memory in MB (10^6), of a Node program that was asked for it. */
  readonly rss?: number;
}

export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  /** Node programs only: report peak memory too. */
  readonly memory?: boolean;
  readonly env?: Readonly<Record<string, string>>;
}

// plain JavaScript, so that what it measures doesn't load a compiler
const REPORT = `import { writeFileSync } from 'node:fs';
process.on('exit', () => writeFileSync(process.env.BENCH_REPORT, String(process.resourceUsage().maxRSS * 1024 / 1e6)));`;

/** Runs it to its end; stdout goes to a file. Throws with what it wrote to stderr when it fails. */
export async function run(program: Program): Promise<Run> {
  const [out, err, report] = ['stdout', 'stderr', 'report'].map((name) => join(OUT, name)) as [string, string, string];
  await rm(report, { force: true });
  const preload = program.memory === true ? [`--import=data:text/javascript,${encodeURIComponent(REPORT)}`] : [];
  const script = `TIMEFORMAT='%3R %3U %3S'; time "$@" >"$BENCH_OUT" 2>"$BENCH_ERR"`;
  const child = spawn('bash', ['-c', script, 'bench', program.command, ...preload, ...program.args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      ...process.env,
      XDG_STATE_HOME: STATE,
      ...program.env,
      BENCH_OUT: out,
      BENCH_ERR: err,
      BENCH_REPORT: report,
      LC_ALL: 'C',
    },
  });
  let times = '';
  child.stderr.on('data', (chunk) => (times += String(chunk)));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0)
    throw new Error(`${program.command} ${program.args.join(' ')} ended with ${code}: ${await readFile(err, 'utf8')}`);
  const [wall, user, system] = times.trim().split(/\s+/).map(Number);
  const rss = program.memory === true ? Number(await readFile(report, 'utf8')) : undefined;
  return { wall: wall!, cpu: user! + system!, ...(rss !== undefined && { rss }) };
}

/** Measured runs of several programs. */
export type Series = Readonly<Record<string, readonly Run[]>>;

/**
 * Runs all programs in turns, A B A B, so that whatever else the machine does falls on all of them alike. The first turn warms
 * caches and isn't counted. A program is made anew for each run: it may need a fresh folder.
 */
export async function inTurns(
  programs: Readonly<Record<string, () => Promise<Program>>>,
  repetitions: number,
): Promise<Series> {
  const series: Record<string, Run[]> = Object.fromEntries(Object.keys(programs).map((name) => [name, []]));
  for (let i = 0; i <= repetitions; i++)
    for (const [name, make] of Object.entries(programs)) {
      const result = await run(await make());
      if (i > 0) series[name]!.push(result);
    }
  return series;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export const wallOf = (runs: readonly Run[] | undefined): number => median((runs ?? []).map((one) => one.wall));
export const cpuOf = (runs: readonly Run[] | undefined): number => median((runs ?? []).map((one) => one.cpu));

/** Is a program of this name on the path? */
export async function isInstalled(name: string): Promise<boolean> {
  const child = spawn('bash', ['-c', `command -v ${name}`], { stdio: 'ignore' });
  const [code] = (await once(child, 'close')) as [number | null];
  return code === 0;
}
