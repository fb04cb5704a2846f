// What this machine saw last of each log, so that a log that shrinks, forks or is exchanged is noticed even without a pin.

import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256Hex } from '../archive/hash.ts';
import { AuditkeepError } from '../errors.ts';
import { parseCheckpoint, type SignedCheckpoint } from './checkpoint.ts';

/** A folder of its own per user, or none where nothing shall be remembered. */
export interface LastSeen {
  /** The newest checkpoint of the log with this origin. */
  checkpoint(origin: string): Promise<SignedCheckpoint | undefined>;
  /** Origin of the log that was seen in this archive. */
  origin(url: string): Promise<string | undefined>;
  /** Remembers; never an older one than it has. */
  remember(url: string, checkpoint: SignedCheckpoint): Promise<void>;
  /** Opaque bytes under a name of an origin, for incremental verification. */
  read(origin: string, name: string): Promise<Buffer | undefined>;
  write(origin: string, name: string, bytes: Buffer): Promise<void>;
}

export const noLastSeen: LastSeen = {
  checkpoint: async () => undefined,
  origin: async () => undefined,
  remember: async () => undefined,
  read: async () => undefined,
  write: async () => undefined,
};

const HINT =
  'set integrity.state or XDG_STATE_HOME to a folder that this user may read and write; "auditkeep verify --no-state" goes without it';

/**
 * Throws AuditkeepError where the folder can't be read or written: to go on would be to forget what was seen.
 * @param folder is made when something is remembered
 */
export function openLastSeen(folder: string): LastSeen {
  const id = (text: string) => sha256Hex(Buffer.from(text)).slice(0, 24);
  const get = async (name: string): Promise<Buffer | undefined> => {
    try {
      return await readFile(join(folder, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new AuditkeepError(
        `${join(folder, name)}, where this machine keeps what it saw last of the log, can't be read: ${(error as Error).message}`,
        { cause: error, hint: HINT },
      );
    }
  };
  const put = async (name: string, bytes: Buffer | string): Promise<void> => {
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const temporary = join(folder, `${name}.${process.pid}.new`);
      await writeFile(temporary, bytes, { mode: 0o600 });
      await rename(temporary, join(folder, name));
    } catch (error) {
      throw new AuditkeepError(`${join(folder, name)} can't be written: ${(error as Error).message}`, {
        cause: error,
        hint: HINT,
      });
    }
  };
  const checkpoint = async (origin: string) => {
    const bytes = await get(`${id(origin)}.checkpoint`);
    return bytes && parseCheckpoint(bytes);
  };
  return {
    checkpoint,
    origin: async (url) => (await get(`${id(url)}.origin`))?.toString('utf8').split('\n')[0],
    async remember(url, seen) {
      const known = await checkpoint(seen.origin);
      if (known === undefined || known.size <= seen.size) await put(`${id(seen.origin)}.checkpoint`, seen.bytes);
      await put(`${id(url)}.origin`, `${seen.origin}\n${url}\n`);
    },
    read: (origin, name) => get(`${id(origin)}.${name}`),
    write: (origin, name, bytes) => put(`${id(origin)}.${name}`, bytes),
  };
}
