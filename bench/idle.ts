// `collect` with nothing to do: twenty clusters whose ledgers hold every hour of 90 days.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { collectArgs, DAY_FROM, freshConfig, OUT } from './data.ts';
import type { Result } from './goal.ts';
import { inTurns, type Program, run, wallOf } from './measure.ts';

const DAY = 86_400_000;
const MOST_SECONDS = 1;
const MOST_REQUESTS = 10;

/** One line at the begin; every later window is silent, and no less in the ledger for it. */
const LINE = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"00000000-0000-4000-8000-000000000000","stage":"ResponseComplete","requestURI":"/api","verb":"get","user":{"username":"nobody"},"requestReceivedTimestamp":"${new Date(DAY_FROM).toISOString().replace('Z', '000Z')}","stageTimestamp":"${new Date(DAY_FROM).toISOString().replace('Z', '000Z')}"}\n`;

export async function idle(quick: boolean): Promise<Result> {
  const [clusters, days] = quick ? [5, 30] : [20, 90];
  const asOf = DAY_FROM + days * DAY + DAY / 2;
  const log = join(OUT, 'idle.log');
  await mkdir(OUT, { recursive: true });
  await writeFile(log, LINE);
  const names = Array.from({ length: clusters }, (_, i) => `c${String(i).padStart(2, '0')}`);
  const all = names.map((name) => ({ name, provider: 'kube', files: log }));
  const { config, archive } = await freshConfig('idle', all);
  try {
    await run({ command: process.execPath, args: [...collectArgs(config, asOf), '--cluster=c00'] });
    for (const name of names.slice(1)) await copyLedger(archive, 'c00', name);
    const manifests = (await readdir(join(archive, 'ledger/cluster=c00'))).length;

    const program = (): Promise<Program> =>
      Promise.resolve({ command: process.execPath, args: collectArgs(config, asOf) });
    const local = await inTurns({ idle: program }, quick ? 3 : 9);
    const planned = await plannedWindows();
    if (planned > 0) throw new Error(`${planned} windows were due: this run was not idle`);
    const s3 = await onS3(all, archive, asOf);
    return {
      goals: [
        {
          what: `idle: ${clusters} clusters, ${days} days, directory`,
          measured: wallOf(local['idle']),
          goal: MOST_SECONDS,
          unit: 's',
          better: 'less',
        },
        {
          what: `idle: ${clusters} clusters, ${days} days, S3, requests a cluster`,
          measured: s3.requests / clusters,
          goal: MOST_REQUESTS,
          unit: '',
          better: 'less',
        },
      ],
      details: { clusters, days, manifests, local, s3 },
    };
  } finally {
    await rm(archive, { recursive: true, force: true });
  }
}

/** The ledger of one cluster under the name of another. */
async function copyLedger(archive: string, from: string, to: string): Promise<void> {
  const source = join(archive, `ledger/cluster=${from}`);
  const target = join(archive, `ledger/cluster=${to}`);
  await mkdir(target);
  for (const name of await readdir(source)) {
    const text = await readFile(join(source, name), 'utf8');
    const copy = text.replaceAll(`"cluster": "${from}"`, `"cluster": "${to}"`);
    await writeFile(join(target, name), copy.replaceAll(`cluster=${from}/`, `cluster=${to}/`));
  }
}

async function plannedWindows(): Promise<number> {
  const lines = (await readFile(join(OUT, 'stdout'), 'utf8')).trim().split('\n');
  return lines.reduce((sum, line) => sum + (JSON.parse(line) as { planned: number }).planned, 0);
}

/** The same archive behind a server that counts what is asked of it. */
async function onS3(clusters: readonly object[], archive: string, asOf: number) {
  const server = spawn(process.execPath, [join(import.meta.dirname, 'counting-s3.ts'), archive], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  try {
    const [first] = (await once(server.stdout!, 'data')) as [Buffer];
    const { config } = await freshConfig('idle-s3', clusters, {
      archive: 's3://bench/archive',
      s3: { endpoint: String(first).trim(), region: 'us-east-1', forcePathStyle: true },
    });
    const env = { AWS_ACCESS_KEY_ID: 'bench', AWS_SECRET_ACCESS_KEY: 'bench' };
    const program: Program = { command: process.execPath, args: collectArgs(config, asOf), env };
    // the first run ever of an archive writes its probe
    await run(program);
    const counts = async (): Promise<Record<string, number>> => {
      server.send('counts');
      return ((await once(server, 'message')) as [Record<string, number>])[0];
    };
    await counts();
    const measured = await run(program);
    const byKind = await counts();
    return { requests: Object.values(byKind).reduce((a, b) => a + b, 0), byKind, ...measured };
  } finally {
    server.kill();
  }
}
