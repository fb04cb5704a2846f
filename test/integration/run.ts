// The integration stage: builds and starts a real S3 server, runs the tests of this folder against it, stops it.
//   npm run test:integration [-- <filter or vitest option> …]

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { minioProgram, oracleProgram } from './cache.ts';
import { startMinio } from './minio.ts';

const root = join(import.meta.dirname, '../..');

async function main(): Promise<number> {
  const oracle = oracleProgram();
  if (oracle === undefined) process.stderr.write('no oracle: its sources are not beside the repository\n');
  const minio = await startMinio(minioProgram());
  try {
    const vitest = spawn(
      process.execPath,
      [
        join(root, 'node_modules/vitest/vitest.mjs'),
        'run',
        '--config',
        join(import.meta.dirname, 'vitest.config.ts'),
        ...process.argv.slice(2),
      ],
      {
        cwd: root,
        stdio: 'inherit',
        env: {
          ...process.env,
          AUDITKEEP_TEST_S3_ENDPOINT: minio.endpoint,
          AUDITKEEP_TEST_S3_ACCESS_KEY: minio.accessKey,
          AUDITKEEP_TEST_S3_SECRET_KEY: minio.secretKey,
          ...(oracle !== undefined && { AUDITKEEP_TEST_ORACLE: oracle }),
          // what the SDK's default chain finds; nothing of the machine's own set-up counts
          AWS_ACCESS_KEY_ID: minio.accessKey,
          AWS_SECRET_ACCESS_KEY: minio.secretKey,
          AWS_SESSION_TOKEN: '',
          AWS_REGION: 'us-east-1',
          AWS_EC2_METADATA_DISABLED: 'true',
          AWS_CONFIG_FILE: '/dev/null',
          AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
        },
      },
    );
    // the terminal sends Ctrl-C to both; this process stays to stop the server
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => vitest.kill(signal));
    const [code] = (await once(vitest, 'exit')) as [number | null];
    return code ?? 1;
  } finally {
    await minio.stop();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
