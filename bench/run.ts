// `npm run bench`: measures speed and memory against their goals, prints each ratio, writes JSON, ends with 1 if a goal is missed.
//   npm run bench [-- [--quick] [--no-build] file eks clouds memory idle help policy quota]

import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { clouds } from './clouds.ts';
import { OUT, ROOT } from './data.ts';
import { eks } from './eks.ts';
import { file } from './file.ts';
import { type Benchmark, figure, ratioOf, type Result } from './goal.ts';
import { help } from './help.ts';
import { idle } from './idle.ts';
import { memory } from './memory.ts';
import { policy } from './policy.ts';
import { quota } from './quota.ts';

const BENCHMARKS: Readonly<Record<string, Benchmark>> = { help, idle, eks, clouds, file, memory, policy, quota };

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { quick: { type: 'boolean', default: false }, 'no-build': { type: 'boolean', default: false } },
  });
  const unknown = positionals.find((name) => !Object.hasOwn(BENCHMARKS, name));
  if (unknown !== undefined) {
    process.stderr.write(`no benchmark ${unknown}; there are ${Object.keys(BENCHMARKS).join(', ')}\n`);
    return 2;
  }
  // what is measured is what is published
  if (!values['no-build']) execFileSync(process.execPath, ['build.ts'], { cwd: ROOT, stdio: 'inherit' });
  await mkdir(OUT, { recursive: true });

  const machine = {
    processor: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGB: Math.round(totalmem() / 1e9),
    node: process.version,
    system: `${process.platform} ${process.arch}`,
  };
  const { processor, cores, memoryGB, node, system } = machine;
  process.stdout.write(`${processor}, ${cores} cores, ${memoryGB} GB, Node ${node}, ${system}\n`);
  const report: Record<string, Result & { readonly load: { before: number; after: number } }> = {};
  let missed = 0;
  for (const [name, benchmark] of Object.entries(BENCHMARKS)) {
    if (positionals.length > 0 && !positionals.includes(name)) continue;
    const before = loadavg()[0]!;
    const result = await benchmark(values.quick);
    // other work on the machine makes figures worthless: so that it can be seen
    report[name] = { ...result, load: { before, after: loadavg()[0]! } };
    for (const goal of result.goals) {
      const met = ratioOf(goal) >= 1;
      if (!met) missed++;
      const sign = goal.better === 'more' ? '≥' : '≤';
      const figures = `${figure(goal.measured)} ${goal.unit}`.padStart(12) + `  goal ${sign} ${goal.goal} ${goal.unit}`;
      process.stdout.write(
        `${goal.what.padEnd(58)}${figures.padEnd(30)}${figure(ratioOf(goal)).padStart(6)} of the goal${met ? '' : '  MISSED'}\n`,
      );
    }
    for (const remark of result.remarks ?? []) process.stdout.write(`${remark}\n`);
    for (const what of result.missing ?? []) process.stdout.write(`${what}: not measured\n`);
  }
  const at = new Date().toISOString();
  const path = join(OUT, `${at.replaceAll(':', '-').slice(0, 19)}.json`);
  await writeFile(path, `${JSON.stringify({ at, quick: values.quick, machine, benchmarks: report }, null, 2)}\n`);
  process.stdout.write(`${relative(process.cwd(), path)}: all runs\n`);
  return missed > 0 ? 1 : 0;
}

process.exitCode = await main();
