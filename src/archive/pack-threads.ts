// The threads that compress and hash what is packed, beside the reading: as many as there are cores.

import { availableParallelism } from 'node:os';
import type { Answer, Request } from './pack-thread.ts';
import { startThread, type Thread } from './thread.ts';

/** More would wait for the decoding of what they pack. */
const MOST = 4;
export const PACK_THREADS = Math.min(MOST, availableParallelism());

/**
 * Blocks of this size are worth a thread, which costs some 20 ms and 10 MB. What is smaller is packed on the spot, unless threads
 * are there already.
 */
export const WORTH_A_THREAD = 1 << 20;

/** What a byte costs a thread, measured: deflate and its check take seven times as long as SHA-256 and CRC-32. */
export const DEFLATE_COST = 7;
export const HASH_COST = 1;

export type PackThread = Thread<Request, Answer>;

let threads: PackThread[] = [];

/** Those that didn't end. */
function running(): readonly PackThread[] {
  threads = threads.filter(({ gone }) => !gone);
  return threads;
}

/** Whether a thread is there to be used. */
export const threadsStarted = () => running().length > 0;

/** The thread with the least to do; a new one as long as all have something to do and there may be more. */
export function freeThread(): PackThread {
  const all = running();
  const idle = all.find(({ load }) => load === 0);
  if (idle !== undefined) return idle;
  if (all.length === PACK_THREADS) return all.reduce((least, thread) => (thread.load < least.load ? thread : least));
  const started: PackThread = startThread(new URL('./pack-thread.ts', import.meta.url), 'packs parts');
  threads.push(started);
  return started;
}
