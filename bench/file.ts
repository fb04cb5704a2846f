// File to archive: against zlib alone at the same level, against what each line needs, and against jq piped into gzip.

import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { bundle } from '../build.ts';
import {
  collectArgs,
  countLines,
  freshConfig,
  generatedLog,
  OUT,
  realLog,
  ROOT,
  sizeOf,
  writtenEvents,
} from './data.ts';
import { figure, type Goal, type Result } from './goal.ts';
import { cpuOf, inTurns, isInstalled, type Program, run, wallOf } from './measure.ts';

const NODE = process.execPath;
const REQUIRED = join(OUT, 'required');
const ZLIB_SHARE = 0.8;
const TIMES_JQ = 5;

interface Input {
  readonly name: string;
  readonly path: string | undefined;
  /** Without goals only the share of zlib alone is measured, for the JSON. */
  readonly goals: boolean;
}

/**
 * Generated lines, and real ones where there are any: as much as a kube-apiserver keeps with --audit-log-maxsize=100 and
 * --audit-log-maxbackup=10. A third of that as well: the shorter the run, the more its start counts.
 */
async function inputsFor(quick: boolean): Promise<Input[]> {
  if (quick)
    return [
      { name: 'generated lines', path: await generatedLog(30_000), goals: true },
      { name: 'real lines', path: await realLog(50e6), goals: true },
    ];
  return [
    { name: 'generated lines', path: await generatedLog(611_000), goals: true },
    { name: 'real lines', path: await realLog(1100e6), goals: true },
    { name: 'generated lines, 360 MB', path: await generatedLog(200_000), goals: false },
    { name: 'real lines, 350 MB', path: await realLog(350e6), goals: false },
  ];
}

/** Measures each input against all; without jq against the others. */
export async function file(quick: boolean): Promise<Result> {
  await bundle({ 'required-work': join(ROOT, 'bench/required-work.ts') }, REQUIRED);
  const goals: Goal[] = [];
  const remarks: string[] = [];
  const missing: string[] = [];
  const details: Record<string, object> = {};
  const hasJq = await isInstalled('jq');
  if (!hasJq) missing.push('file: times jq | gzip (jq is not installed)');
  for (const { name, path, goals: counts } of await inputsFor(quick)) {
    if (path === undefined) {
      missing.push(`file: ${name} (they don't lie beside the repository)`);
      continue;
    }
    const one = await measureFile(path, quick ? 2 : 5, counts && hasJq);
    details[name] = one;
    if (!counts) continue;
    remarks.push(
      `file: ${name}: what each line needs, without the program around it, reaches ${figure(one.requiredShareOfZlib)} of zlib alone`,
    );
    goals.push({
      what: `file: ${name}, share of zlib alone`,
      measured: one.shareOfZlib,
      goal: ZLIB_SHARE,
      unit: '×',
      better: 'more',
    });
    if (one.jq !== undefined)
      goals.push({
        what: `file: ${name}, times jq | gzip`,
        measured: one.jq / one.ours,
        goal: TIMES_JQ,
        unit: '×',
        better: 'more',
      });
  }
  return { goals, missing, remarks, details };
}

/** What each line of the file needs; one part for each window of the day that `collect` makes of it. */
const requiredWorkOf = (path: string): Program => ({
  command: NODE,
  args: [join(REQUIRED, 'required-work.js'), path, join(OUT, 'required-out'), '24'],
});

/** The file into a new archive. */
async function collectOf(path: string): Promise<Program> {
  const { config } = await freshConfig('file', [{ name: 'lab', provider: 'kube', files: path }]);
  return { command: NODE, args: collectArgs(config) };
}

async function measureFile(path: string, repetitions: number, hasJq: boolean) {
  const zlibAlone = (how: string) => (): Promise<Program> =>
    Promise.resolve({
      command: NODE,
      args: [join(ROOT, 'bench/zlib-alone.mjs'), how, path, join(OUT, 'zlib-out')],
      env: { UV_THREADPOOL_SIZE: String(availableParallelism()) },
    });
  const series = await inTurns(
    {
      ours: () => collectOf(path),
      required: () => Promise.resolve(requiredWorkOf(path)),
      blocks: zlibAlone('blocks'),
      shares: zlibAlone('shares'),
    },
    repetitions,
  );
  const written = await checkWritten(path);
  // slow, so fewer runs; each beside one of ours
  const slow = hasJq
    ? await inTurns(
        {
          jq: () =>
            Promise.resolve({
              command: 'bash',
              args: ['-c', `jq -c . "$0" | gzip -6 >"$1"`, path, join(OUT, 'jq-out')],
            }),
          ours: () => collectOf(path),
        },
        Math.min(2, repetitions),
      )
    : undefined;
  const faster = wallOf(series['blocks']) <= wallOf(series['shares']) ? 'blocks' : 'shares';
  const ours = wallOf(series['ours']);
  const bytes = await sizeOf(path);
  return {
    bytes,
    written,
    ours,
    zlib: wallOf(series[faster]),
    shareOfZlib: wallOf(series[faster]) / ours,
    required: wallOf(series['required']),
    requiredShareOfZlib: wallOf(series[faster]) / wallOf(series['required']),
    // against our own run of the same turns
    ...(slow !== undefined && { jq: (wallOf(slow['jq']) / wallOf(slow['ours'])) * ours }),
    zlibAlone: faster,
    megabytesPerSecond: bytes / 1e6 / ours,
    cpu: {
      ours: cpuOf(series['ours']),
      required: cpuOf(series['required']),
      zlib: cpuOf(series[faster]),
      ...(slow !== undefined && { jq: cpuOf(slow['jq']) }),
    },
    cpuShareOfZlib: cpuOf(series[faster]) / cpuOf(series['ours']),
    runs: { ...series, ...(slow !== undefined && { slow }) },
  };
}

/** A fast run that left something out would be worth nothing. */
async function checkWritten(path: string): Promise<number> {
  const lines = await countLines(path);
  await run(requiredWorkOf(path));
  const packed = Number(await readFile(join(OUT, 'stdout'), 'utf8'));
  await run(await collectOf(path));
  const written = await writtenEvents();
  if (written !== lines || packed !== lines)
    throw new Error(`${lines} lines in, ${written} events in the archive, ${packed} packed by required-work.ts`);
  return written;
}
