// Kubernetes' own code, where it could be built (run.ts), as a program that lines are put to.

import { spawnSync } from 'node:child_process';

const ORACLE = process.env['AUDITKEEP_TEST_ORACLE'] ?? '';

export const hasOracle = ORACLE !== '';

/** Kubernetes' own decoder on lines: its summary, and what it complains of. */
export function oracleDecode(lines: readonly string[]): { summary: unknown; complaints: string } {
  const ran = spawnSync(ORACLE, ['decode'], { input: lines.map((line) => `${line}\n`).join(''), maxBuffer: 1 << 28 });
  return { summary: JSON.parse(ran.stdout.toString()), complaints: ran.stderr.toString().slice(0, 2000) };
}
