// kill -9 at random moments on AKS and GKE, whose records come late: the archive equals what the cloud holds. The other clouds of kill.test.ts.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { campaign, PHASES } from './campaign.ts';
import { startAksCloud, startGkeCloud } from './other-clouds.ts';

const SEED = Number(process.env['AUDITKEEP_TEST_SEED'] ?? Math.floor(Math.random() * 1e6));
/** Fewer than on EKS: what is killed here is the same core over another source. */
const FEW = Number(process.env['AUDITKEEP_TEST_KILLS'] ?? 10);

describe.each([
  ['AKS', startAksCloud],
  ['GKE', startGkeCloud],
] as const)(`kill -9 on %s, with late records, seed ${SEED}`, (name, start) => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kill-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test(
    'loses nothing and doubles nothing',
    async () => {
      const cloud = start(SEED, 60);
      try {
        const result = await campaign(cloud, SEED, FEW, async (n) => join(folder, `archive-${n}`), { each: 1 });
        console.log(
          `${name}: ${result.runs} runs over ${result.archives} archives; killed in ${JSON.stringify(result.kills)}`,
        );
        expect(result.wrong).toEqual([]);
        for (const phase of PHASES) expect(result.kills[phase], phase).toBeGreaterThan(0);
        expect(Object.values(result.kills).reduce((a, b) => a + b, 0)).toBeGreaterThanOrEqual(FEW);
      } finally {
        await cloud.close();
      }
    },
    25 * 60_000,
  );
});
