// Programs that the integration stage builds with Go, kept outside of the repository between runs.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The last published MinIO (release 2026-02-12), fixed so that runs are repeatable. */
const MINIO = 'v0.0.0-20260212201848-7aac2a2c5b7c';

const cacheFolder = (): string => join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'auditkeep', 'bin');

function go(args: readonly string[], what: string, options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): void {
  process.stderr.write(`building ${what} with Go, once; this takes a few minutes\n`);
  const run = spawnSync('go', args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    env: { ...process.env, ...options.env },
  });
  if ((run.error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT')
    throw new Error(`the integration stage needs Go to build ${what}: install it (https://go.dev/dl) and run again`);
  if (run.status !== 0) throw new Error(`${what} could not be built: go ${args.join(' ')} ended with ${run.status}`);
}

/** Builds in a folder of its own and moves the program into place: another run never sees half of one. */
function cached(name: string, build: (folder: string) => string): string {
  const folder = cacheFolder();
  const path = join(folder, name);
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  const temporary = mkdtempSync(join(folder, 'build-'));
  try {
    renameSync(build(temporary), path);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return path;
}

/** Path of the MinIO server. Throws where it can't be built. */
export function minioProgram(): string {
  return cached(`minio-${MINIO}`, (folder) => {
    go(['install', `github.com/minio/minio@${MINIO}`], 'MinIO', { env: { GOBIN: folder, GOFLAGS: '' } });
    return join(folder, 'minio');
  });
}

/** Path of the oracle (Kubernetes' own code), built anew when its sources change; undefined where they are not beside the repository. */
export function oracleProgram(): string | undefined {
  const sources = join(import.meta.dirname, '../../../shared/oracle');
  if (!existsSync(join(sources, 'go.mod'))) return undefined;
  const digest = createHash('sha256');
  for (const name of readdirSync(sources).sort())
    if (/\.(go|mod|sum)$/.test(name)) digest.update(`${name}\n`).update(readFileSync(join(sources, name)));
  return cached(`auditoracle-${digest.digest('hex').slice(0, 16)}`, (folder) => {
    cpSync(sources, join(folder, 'oracle'), { recursive: true });
    go(['build', '-o', join(folder, 'auditoracle'), '.'], 'the oracle', { cwd: join(folder, 'oracle') });
    return join(folder, 'auditoracle');
  });
}
