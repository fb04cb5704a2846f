// An emulator as a process of its own, so that what it does is not measured, nor holds up what is.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { ROOT } from './data.ts';

export interface EmulatorProcess {
  readonly url: string;
  /** One of its controls: see its admin.ts. */
  order<T = unknown>(what: string, body: object | Readable): Promise<T>;
  stop(): Promise<void>;
}

/** @param heapMB what its records may take: they are JavaScript strings there */
export async function startEmulator(
  folder: 'cloudwatch' | 'log-analytics' | 'cloud-logging',
  args: readonly string[],
  heapMB = 2000,
): Promise<EmulatorProcess> {
  const main = join(ROOT, 'emulators', folder, 'main.ts');
  const child = spawn(process.execPath, [`--max-old-space-size=${heapMB}`, main, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const [first] = (await Promise.race([once(child.stdout, 'data'), exited])) as [Buffer | number | null];
  if (!Buffer.isBuffer(first)) throw new Error(`the emulator of ${folder} ended with ${String(first)}`);
  const { url } = JSON.parse(String(first)) as { url: string };
  return {
    url,
    async order<T>(what: string, given: object | Readable) {
      const body = Symbol.asyncIterator in given ? given : JSON.stringify(given);
      const answer = await fetch(`${url}/_admin/${what}`, { method: 'POST', body, duplex: 'half' } as object);
      const result = (await answer.json()) as { error?: string };
      if (!answer.ok) throw new Error(`the emulator of ${folder}: ${JSON.stringify(result)}`);
      return result as T;
    },
    async stop() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
