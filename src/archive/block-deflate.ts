// Deflate of blocks: large ones in threads beside the reading, as many at a time as there are cores.

import { availableParallelism } from 'node:os';
import { createDeflater, type Deflater } from '../deflate/deflate.ts';
import type { Answer, Request } from './deflate-thread.ts';
import { startThread, type Thread } from './thread.ts';

/** Smaller blocks are compressed on the spot as long as there are no threads: they are few, and a thread costs some 20 ms and 8 MB. */
const WORTH_A_THREAD = 1 << 20;

/** More would wait for the decoding of what they compress. */
const MOST_THREADS = 4;

/** Blocks that are compressed at a time. */
export const DEFLATE_THREADS = Math.min(MOST_THREADS, availableParallelism());

let threads: Thread<Request, Answer>[] = [];
let here: Deflater | undefined;

/** The thread with the least to do. */
function freeThread(): Thread<Request, Answer> {
  threads = threads.filter(({ gone }) => !gone);
  const idle = threads.find(({ waiting }) => waiting === 0);
  if (idle !== undefined) return idle;
  if (threads.length < DEFLATE_THREADS) {
    const started = startThread<Request, Answer>(new URL('./deflate-thread.ts', import.meta.url), 'compresses parts');
    threads.push(started);
    return started;
  }
  return threads.reduce((least, thread) => (thread.waiting < least.waiting ? thread : least));
}

/**
 * As Deflater.compress; the same bytes wherever it is done.
 * @param content must stay as it is until this resolves; best in shared memory, else it is copied
 */
export async function deflateBlock(content: Uint8Array, dictionary: Uint8Array | undefined): Promise<Buffer> {
  if (content.length < WORTH_A_THREAD && threads.length === 0)
    return (here ??= createDeflater()).compress(content, dictionary);
  const { buffer, byteOffset, byteLength } = await freeThread().send({ content, dictionary });
  return Buffer.from(buffer, byteOffset, byteLength);
}
