// A MinIO server for one run: free port, empty folder, random credentials, a KMS key.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export interface Minio {
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
  stop(): Promise<void>;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts a server and waits until it answers. Throws with the end of its log when it doesn't. */
export async function startMinio(program: string): Promise<Minio> {
  const folder = mkdtempSync(join(tmpdir(), 'auditkeep-minio-'));
  const accessKey = `root${randomBytes(6).toString('hex')}`;
  const secretKey = randomBytes(20).toString('hex');
  const endpoint = `http://127.0.0.1:${await freePort()}`;
  const log = join(folder, 'log');
  const output = createWriteStream(log);
  await once(output, 'open');
  const child = spawn(
    program,
    ['server', join(folder, 'data'), '--address', endpoint.slice('http://'.length), '--console-address', '127.0.0.1:0'],
    {
      stdio: ['ignore', output, output],
      env: {
        ...process.env,
        MINIO_ROOT_USER: accessKey,
        MINIO_ROOT_PASSWORD: secretKey,
        MINIO_KMS_SECRET_KEY: `auditkeep-key:${randomBytes(32).toString('base64')}`,
        MINIO_UPDATE: 'off',
        MINIO_BROWSER: 'off',
        // all requests here come from this machine: no proxy
        NO_PROXY: '127.0.0.1',
      },
    },
  );
  const stop = async () => {
    await end(child);
    output.close();
    rmSync(folder, { recursive: true, force: true });
  };
  for (let waited = 0; ; waited += 100) {
    const ready = await fetch(`${endpoint}/minio/health/ready`).then(
      (answer) => answer.ok,
      () => false,
    );
    if (ready) return { endpoint, accessKey, secretKey, stop };
    if (waited > 60_000 || child.exitCode !== null) {
      const said = readFileSync(log, 'utf8').slice(-2000);
      await stop();
      throw new Error(`MinIO did not start:\n${said}`);
    }
    await delay(100);
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await exited;
  clearTimeout(timer);
}
