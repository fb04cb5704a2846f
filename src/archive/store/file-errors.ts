// What a refused system call means for the operator: by its code, never by its text.

import { AuditkeepError, AuthError, ConfigError, TransientError } from '../../errors.ts';

const REFUSED: Readonly<Record<string, string>> = {
  EACCES: 'give the user that runs auditkeep read and write permission on the archive directory and all in it',
  EPERM: 'check the owner of the directory, immutable flags (lsattr) and mount options',
  EROFS: 'the file system is mounted read-only: mount it writable, or point `archive` elsewhere',
};

const FULL: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full or out of inodes: free space (df, df -i), then run again; committed windows are safe',
  EDQUOT: 'the disk quota is used up: raise it or free space, then run again; committed windows are safe',
  EFBIG: 'the file size limit is reached: raise it (ulimit -f), then run again',
};

const WRONG: Readonly<Record<string, string>> = {
  ENOTDIR: 'something on the way to the archive is a file: move it away, or point `archive` elsewhere',
  EISDIR: 'a folder stands where a file should be: move it away',
  ENAMETOOLONG: 'use a shorter archive path',
  ELOOP: 'a symbolic link stands inside of the archive; only the archive directory itself may be one',
  EXDEV: 'another file system is mounted inside of the archive: the whole archive must lie on one',
  ENOENT: 'the archive directory was removed or unmounted',
  EINVAL: 'the file system does not take this name: use a file system for POSIX systems',
};

// Faults that pass. EIO and ESTALE belong here: each attempt writes a new temporary file, so nothing of a failed one is built on.
const PASSING = new Set([
  'EIO',
  'EAGAIN',
  'EBUSY',
  'EINTR',
  'EMFILE',
  'ENFILE',
  'ENOMEM',
  'ESTALE',
  'ETIMEDOUT',
  'EHOSTDOWN',
  'ENOLCK',
]);

/** Turns an error of node:fs into one of errors.ts. A full disk is a plain AuditkeepError: it won't pass by itself, so it isn't retried. */
export function fileError(error: unknown, action: string, path: string): Error {
  if (error instanceof AuditkeepError || !(error instanceof Error)) return error as Error;
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined) return error;
  const message = `can't ${action} ${path}: ${code}`;
  const about = (table: Readonly<Record<string, string>>) => ({ cause: error, hint: table[code]! });
  if (Object.hasOwn(REFUSED, code)) return new AuthError(message, about(REFUSED));
  if (Object.hasOwn(FULL, code)) return new AuditkeepError(message, about(FULL));
  if (Object.hasOwn(WRONG, code)) return new ConfigError(message, about(WRONG));
  if (PASSING.has(code)) return new TransientError(message, { cause: error });
  return new AuditkeepError(message, { cause: error });
}

/** Code of a system error, for comparisons. */
export const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException | undefined)?.code;
