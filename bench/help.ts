// `auditkeep --help` of the bundle.

import { join } from 'node:path';
import { ROOT } from './data.ts';
import type { Result } from './goal.ts';
import { inTurns, wallOf } from './measure.ts';

export async function help(quick: boolean): Promise<Result> {
  const args = [join(ROOT, 'dist/auditkeep.js'), '--help'];
  const runs = await inTurns({ help: () => Promise.resolve({ command: process.execPath, args }) }, quick ? 5 : 15);
  const goal = { what: 'help: --help', measured: wallOf(runs['help']), goal: 0.3, unit: 's', better: 'less' } as const;
  return { goals: [goal], details: { runs } };
}
