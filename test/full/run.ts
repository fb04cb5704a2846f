// Long campaigns: thousands of kills, and the benchmarks at full size. npm run test:full [-- <kills for each store>]

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');
const kills = process.argv[2] ?? '2000';

function run(name: string, script: string, args: string[], env: NodeJS.ProcessEnv = {}): boolean {
  process.stdout.write(`== ${name}\n`);
  const { status } = spawnSync(process.execPath, [join(root, script), ...args], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  return status === 0;
}

const results = [
  run('kill campaign', 'test/integration/run.ts', ['test/integration/kill.test.ts'], { AUDITKEEP_TEST_KILLS: kills }),
  run('integration stage', 'test/integration/run.ts', []),
  run('benchmarks', 'bench/run.ts', []),
];
const failed = results.filter((good) => !good).length;
process.stdout.write(`${results.length - failed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
