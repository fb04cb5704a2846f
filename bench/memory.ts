// Peak memory of `collect` does not depend on how much there is to collect, nor on how much of it falls into one window.

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { baseLines, collectArgs, freshConfig, OUT, sizeOf, stretch, writtenEvents } from './data.ts';
import type { Goal, Result } from './goal.ts';
import { run } from './measure.ts';

const MOST_MB = 256;

export async function memory(quick: boolean): Promise<Result> {
  const large = quick ? 1e9 : 5e9;
  const cases: [string, number, number][] = [
    ['100 MB, 24 windows', 100e6, 24],
    [`${large / 1e9} GB, 24 windows`, large, 24],
    [`${large / 1e9} GB, one window`, large, 1],
  ];
  const base = await baseLines();
  const goals: Goal[] = [];
  const details: object[] = [];
  const path = join(OUT, 'memory.ndjson');
  try {
    for (const [name, bytes, hours] of cases) {
      await stretch(base, bytes, hours, path);
      const { config, archive } = await freshConfig('memory', [{ name: 'lab', provider: 'kube', files: path }]);
      const one = await run({ command: process.execPath, args: collectArgs(config), memory: true });
      const written = await writtenEvents();
      if (written < bytes / 4096) throw new Error(`only ${written} events were collected`);
      goals.push({ what: `memory: ${name}`, measured: one.rss!, goal: MOST_MB, unit: 'MB', better: 'less' });
      details.push({ name, bytes: await sizeOf(path), written, ...one });
      await rm(archive, { recursive: true });
    }
  } finally {
    await rm(path, { force: true });
  }
  return { goals, details: { cases: details } };
}
