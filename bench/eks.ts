// EKS to archive: the CloudWatch emulator as a process of its own, 5 ms a call, against gzip over the same bytes on one core.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import {
  collectArgs,
  countLines,
  freshConfig,
  generatedLogEvents,
  recentDay,
  OUT,
  ROOT,
  sizeOf,
  writtenEvents,
} from './data.ts';
import type { Result } from './goal.ts';
import { cpuOf, inTurns, type Program, run, wallOf } from './measure.ts';
import { profileByModule } from './profile.ts';

const HOUR = 3_600_000;
const GROUP = '/aws/eks/bench/cluster';
const STREAM = 'kube-apiserver-audit-0123456789abcdef0123456789abcdef';

async function startEmulator(input: string, from: number) {
  const child = spawn(process.execPath, [join(ROOT, 'emulators/cloudwatch/main.ts'), '--latency=5'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [first] = (await once(child.stdout, 'data')) as [Buffer];
  const { url } = JSON.parse(String(first)) as { url: string };
  const order = async (what: string, body: string | Readable) => {
    const answer = await fetch(`${url}/_admin/${what}`, { method: 'POST', body, duplex: 'half' } as object);
    const result = (await answer.json()) as { error?: string; refused?: number };
    if (!answer.ok || (result.refused ?? 0) > 0) throw new Error(`the emulator: ${JSON.stringify(result)}`);
  };
  const where = { region: 'us-east-1', logGroup: GROUP };
  await order('log-groups', JSON.stringify({ ...where, creationTime: from - HOUR }));
  await order('clusters', JSON.stringify({ region: 'us-east-1', name: 'bench', audit: true }));
  await order(
    `events?region=us-east-1&logGroup=${encodeURIComponent(GROUP)}&stream=${STREAM}`,
    createReadStream(input),
  );
  return { url, child };
}

export async function eks(quick: boolean): Promise<Result> {
  const from = recentDay();
  const { input, messages } = await generatedLogEvents(quick ? 30_000 : 100_000, from);
  const { url, child } = await startEmulator(input, from);
  const cluster = {
    name: 'bench',
    provider: 'eks',
    region: 'us-east-1',
    cluster: 'bench',
    endpoint: url,
    auth: 'none',
    // the emulator sets no quota: what counts here is the work, not the waiting
    callsPerSecond: 1000,
  };
  try {
    const program = async (): Promise<Program> => {
      const { config } = await freshConfig('eks', [cluster], {}, from);
      return { command: process.execPath, args: collectArgs(config, from + 27 * HOUR), memory: true };
    };
    const gzip = (): Promise<Program> => Promise.resolve({ command: 'gzip', args: ['-6', '-c', messages] });
    const series = await inTurns({ gzip, ours: program }, quick ? 2 : 5);
    const [written, lines] = [await writtenEvents(), await countLines(messages)];
    if (written !== lines) throw new Error(`${lines} messages, ${written} events in the archive`);

    // where the time goes: one more run, from the sources so that modules have their names
    const { config } = await freshConfig('eks', [cluster], {}, from);
    const profiles = join(OUT, 'profile');
    const args = collectArgs(config, from + 27 * HOUR);
    args[0] = join(ROOT, 'bin/auditkeep.ts');
    const profiled = await run({
      command: process.execPath,
      args: ['--cpu-prof', `--cpu-prof-dir=${profiles}`, ...args],
    });
    return {
      goals: [
        {
          what: 'eks: time, of gzip -6 on one core',
          measured: wallOf(series['ours']) / wallOf(series['gzip']),
          goal: 1,
          unit: '×',
          better: 'less',
        },
      ],
      details: {
        bytes: await sizeOf(messages),
        events: written,
        cpu: { ours: cpuOf(series['ours']), gzip: cpuOf(series['gzip']) },
        peakMB: Math.max(...series['ours']!.map((one) => one.rss!)),
        runs: series,
        whereTimeGoes: { ...profiled, mainThreadMs: await profileByModule(profiles) },
      },
    };
  } finally {
    child.kill();
  }
}
