// kill -9 at random moments, then a rerun: the archive equals the source exactly, on a directory and on a real S3 server.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { campaign, type Cloud, PHASES } from './campaign.ts';
import { startEksCloud } from './eks-cloud.ts';
import { freshBucket, s3Options } from './s3-server.ts';

const SEED = Number(process.env['AUDITKEEP_TEST_SEED'] ?? Math.floor(Math.random() * 1e6));
const KILLS = Number(process.env['AUDITKEEP_TEST_KILLS'] ?? 100);

describe(`kill -9, seed ${SEED}`, () => {
  let cloud: Cloud;
  let folder: string;
  beforeAll(async () => {
    cloud = await startEksCloud(SEED, 60);
    folder = await mkdtemp(join(tmpdir(), 'kill-'));
  });
  afterAll(async () => {
    await cloud.close();
    await rm(folder, { recursive: true, force: true });
  });

  test.each([
    ['a directory', async (n: number) => join(folder, `archive-${n}`), undefined],
    ['S3', async () => `s3://${await freshBucket()}/archive`, s3Options],
  ] as const)(
    'loses nothing and doubles nothing in %s',
    async (name, makeUrl, s3) => {
      const result = await campaign(cloud, SEED, KILLS, makeUrl, { s3 });
      console.log(
        `${name}: ${result.runs} runs over ${result.archives} archives; killed in ${JSON.stringify(result.kills)}`,
      );
      expect(result.wrong).toEqual([]);
      const killed = Object.values(result.kills).reduce((a, b) => a + b, 0);
      expect(killed).toBeGreaterThanOrEqual(KILLS);
      for (const phase of PHASES) expect(result.kills[phase], phase).toBeGreaterThanOrEqual(Math.floor(KILLS / 30));
    },
    // under a loaded machine a kill and its rerun take some seconds
    Math.max(25 * 60_000, KILLS * 10_000),
  );
});
