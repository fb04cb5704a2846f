// Deflate of blocks: large ones in threads, small ones on the spot.

import { createDeflater, type Deflater } from '../deflate/deflate.ts';
import type { Deflated } from './pack-thread.ts';
import { DEFLATE_COST, freeThread, threadsStarted, WORTH_A_THREAD } from './pack-threads.ts';

let here: Deflater | undefined;

/**
 * As Deflater.compress; the same bytes wherever it is done.
 * @param block must stay as it is until this resolves; best in shared memory, else it is copied
 */
export async function deflateBlock(block: Uint8Array, dictionary: Uint8Array | undefined): Promise<Buffer> {
  if (block.length < WORTH_A_THREAD && !threadsStarted())
    return (here ??= createDeflater()).compress(block, dictionary);
  const sent = freeThread().send({ ask: 'deflate', block, dictionary }, block.length * DEFLATE_COST);
  return Buffer.from(((await sent) as Deflated).buffer);
}
