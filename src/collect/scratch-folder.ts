// The folder of a run for what doesn't fit into memory; folders of runs that were killed are removed.

import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AuditkeepError } from '../errors.ts';

/** A folder for what doesn't fit into memory. */
export async function makeScratch(): Promise<string> {
  try {
    await removeOldScratch();
    return await mkdtemp(join(tmpdir(), `auditkeep-${process.pid}-`));
  } catch (error) {
    throw new AuditkeepError(`no temporary folder can be made in ${tmpdir()}: ${(error as Error).message}`, {
      cause: error,
      hint: 'windows that outgrow collect.memory are kept there while they are packed: set TMPDIR to a folder that can be written',
    });
  }
}

/** Folders of runs that were killed; those of other users stay. */
async function removeOldScratch(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = Number(/^auditkeep-(\d+)-/.exec(name)?.[1]);
    if (Number.isNaN(pid) || isAlive(pid)) continue;
    await rm(join(tmpdir(), name), { recursive: true, force: true }).catch(() => undefined);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
