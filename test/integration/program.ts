// The program as a process of its own over one small cluster in an emulated cloud, and what an archive of it holds.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type CloudWatchEmulator, startCloudWatchEmulator } from '../../emulators/cloudwatch/server.ts';
import { openStore } from '../../src/archive/store/open.ts';
import type { S3Options } from '../../src/config.ts';
import { formatTime } from '../../src/time.ts';
import { type CheckedArchive, checkArchive } from '../archive/check-archive.ts';

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
export const ACCOUNT = '111122223333';
export const REGION = 'eu-central-1';
export const PROGRAM = join(import.meta.dirname, '../../bin/auditkeep.ts');
const STREAM = 'kube-apiserver-audit-0123456789abcdef0123456789abcdef';

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly child: ChildProcess;
  readonly done: Promise<Ended>;
}

/** Starts a program of this repository. `uid`: under another user, where this one may change it. */
export function start(
  file: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; uid?: number } = {},
): Started {
  const child = spawn(process.execPath, [file, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    ...(options.uid !== undefined && { uid: options.uid, gid: options.uid }),
  });
  const closed = new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve([code, signal]));
  });
  const done = Promise.all([closed, text(child.stdout), text(child.stderr)]).then(
    ([[code, signal], stdout, stderr]) => ({
      code,
      signal,
      stdout,
      stderr,
    }),
  );
  return { child, done };
}

export interface Message {
  readonly time: number;
  readonly content: string;
  /** Default: five seconds after `time`. */
  readonly arrival?: number;
  /** Default: on arrival. */
  readonly visibleAt?: number;
}

/** An emulated cloud with one EKS cluster `one`. */
export async function smallCloud(
  created: number,
): Promise<CloudWatchEmulator & { send(messages: readonly Message[], name?: string): void }> {
  const emulator = await startCloudWatchEmulator({ account: ACCOUNT });
  const group = (name: string) => ({ account: ACCOUNT, region: REGION, logGroup: `/aws/eks/${name}/cluster` });
  const known = new Set<string>();
  return {
    ...emulator,
    send(messages, name = 'one') {
      if (!known.has(name)) {
        emulator.createLogGroup({ ...group(name), creationTime: created });
        emulator.setCluster({ account: ACCOUNT, region: REGION, name, audit: true });
        known.add(name);
      }
      const events = messages.map(({ time, content, arrival = time + 5000, visibleAt = arrival }) => ({
        timestamp: time,
        message: content,
        ingestionTime: arrival,
        visibleAt,
      }));
      const { accepted } = emulator.putEvents(group(name), STREAM, events);
      if (accepted !== messages.length) throw new Error(`only ${accepted} of ${messages.length} events were taken`);
    },
  };
}

export interface World {
  readonly config: string;
  readonly archive: string;
  /** One command line; `asOf` in milliseconds. */
  run(
    command: string,
    options?: { asOf?: number; args?: readonly string[]; env?: NodeJS.ProcessEnv; uid?: number },
  ): Promise<Ended>;
  begin(
    command: string,
    options?: { asOf?: number; args?: readonly string[]; env?: NodeJS.ProcessEnv; uid?: number },
  ): Started;
  /** The archive, opened and checked. */
  check(): Promise<CheckedArchive>;
}

/** A config over the cluster `one`, in a folder. `over` is merged into it, member by member. */
export function makeWorld(
  folder: string,
  cloud: CloudWatchEmulator,
  over: { archive?: string; cluster?: object; collect?: object; [member: string]: unknown } = {},
  s3?: S3Options,
): World {
  mkdirSync(folder, { recursive: true });
  const { archive = join(folder, 'archive'), cluster, collect, ...rest } = over;
  const config = join(folder, 'auditkeep.yaml');
  const one = {
    name: 'one',
    provider: 'eks',
    region: REGION,
    cluster: 'one',
    endpoint: cloud.url,
    auth: 'none',
    aws: { account: ACCOUNT },
    callsPerSecond: 500,
    ...cluster,
  };
  writeFileSync(config, JSON.stringify({ archive, collect, secrets: 'keep', ...rest, clusters: [one] }));
  const begin: World['begin'] = (command, { asOf, args = [], ...options } = {}) =>
    start(
      PROGRAM,
      [command, '--config', config, ...(asOf === undefined ? [] : ['--as-of', formatTime(asOf)]), ...args],
      options,
    );
  return {
    config,
    archive,
    begin,
    run: (command, options) => begin(command, options).done,
    async check() {
      const options = s3 ?? { forcePathStyle: false, tags: {}, timeout: 30_000 };
      const store = await openStore(archive, options, { onServerDate() {} });
      try {
        return await checkArchive(store);
      } finally {
        await store.close();
      }
    },
  };
}
