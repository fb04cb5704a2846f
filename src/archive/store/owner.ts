// Which process a temporary file or lock belongs to, and whether that process is still there.

import { hash, randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

export interface Owner {
  /** Host name and a digest of what makes a process id meaningful: this boot and this pid namespace. */
  readonly host: string;
  readonly pid: number;
  /** Start of the process in clock ticks since boot; 0 where the system doesn't tell. Process ids are used again. */
  readonly start: number;
}

function tryRead(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}

interface ProcessState {
  readonly start: number;
  /** Killed, but its parent hasn't asked for its exit code yet: it will never run again. */
  readonly dead: boolean;
}

/** State of a process by /proc; undefined where there is no such file. */
function processState(pid: number): ProcessState | undefined {
  const stat = tryRead(() => readFileSync(`/proc/${pid}/stat`, 'latin1'));
  // the second field is the command in brackets and may hold anything, brackets too
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.length < 20 ? undefined : { start: Number(fields[19]), dead: fields[0] === 'Z' || fields[0] === 'X' };
}

function thisHost(): string {
  const boot = tryRead(() => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1'));
  const namespace = tryRead(() => readlinkSync('/proc/self/ns/pid'));
  return `${hostname().replace(/[^A-Za-z0-9.-]/g, '.')}-${hash('sha256', boot + namespace, 'hex').slice(0, 8)}`;
}

/** This process. */
export const self: Owner = { host: thisHost(), pid: process.pid, start: processState(process.pid)?.start ?? 0 };

// worker threads share the process id, so each copy of this module adds random digits
const instance = randomBytes(4).toString('hex');
let counter = 0;

/** A file name that no other process or thread makes: `<host>_<pid>_<start>_<counter>`. */
export function ownName(): string {
  return `${self.host}_${self.pid}_${self.start}_${instance}${counter++}`;
}

/** Whether a name is of this very thread. */
export const isOwn = (name: string): boolean => name.startsWith(`${self.host}_${self.pid}_${self.start}_${instance}`);

/** The owner in a name that `ownName` made; undefined if it is none. */
export function parseOwner(name: string): Owner | undefined {
  const m = /^([A-Za-z0-9.-]+)_(\d+)_(\d+)_[0-9a-f]+$/.exec(name);
  return m === null ? undefined : { host: m[1]!, pid: Number(m[2]), start: Number(m[3]) };
}

/** `alive` and `gone` are certain; `unknown`: a process of another host, container or boot. */
export function stateOf(owner: Owner): 'alive' | 'gone' | 'unknown' {
  if (owner.host !== self.host) return 'unknown';
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return 'gone';
  }
  const state = processState(owner.pid);
  if (state === undefined) return 'alive';
  return state.dead || state.start !== owner.start ? 'gone' : 'alive';
}
