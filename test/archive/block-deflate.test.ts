// Deflate of blocks: in threads or on the spot, the same bytes.

import type { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { deflateBlock } from '../../src/archive/block-deflate.ts';
import { PACK_THREADS } from '../../src/archive/pack-threads.ts';
import { createDeflater } from '../../src/deflate/deflate.ts';
import { REAL_LINES } from '../event-lines.ts';

const started: Worker[] = [];
process.on('worker', (worker: Worker) => started.push(worker));

const expected = createDeflater();
const LINES = Buffer.concat(REAL_LINES);
/** Blocks of all sizes; the first ones are too small for a thread. */
const blocks = [1000, 70_000, 1 << 20, (1 << 20) + 70_000, 3 << 20, 50, 1 << 20, 1 << 20, 1 << 20].map((size, i) => {
  const block = Buffer.from(new SharedArrayBuffer(size));
  for (let at = 0; at < size; at += LINES.length) LINES.copy(block, at, (i * 100) % 5000);
  return block;
});

it('gives the bytes of the compressor, in the order asked for, from no more threads than it says', async () => {
  const small = await Promise.all(blocks.slice(0, 2).map((block, i) => deflateBlock(block, blocks[i - 1])));
  expect(started).toHaveLength(0);
  const large = await Promise.all(blocks.slice(2).map((block, i) => deflateBlock(block, blocks[i + 1])));
  expect(started).toHaveLength(PACK_THREADS);
  for (const [i, bytes] of [...small, ...large].entries())
    expect(bytes.equals(expected.compress(blocks[i]!, blocks[i - 1]))).toBe(true);
});

it('a thread that ended fails what it had in hand, and the next block gets another', async () => {
  await deflateBlock(blocks[2]!, undefined);
  // so much that no thread can be done with it before it is stopped
  const asked = Array.from({ length: 60 }, () => deflateBlock(blocks[4]!, undefined));
  const settled = Promise.allSettled(asked);
  await Promise.all(started.splice(0).map((worker) => worker.terminate()));
  const failed = (await settled).filter((one) => one.status === 'rejected');
  expect(failed.length).toBeGreaterThan(0);
  for (const { reason } of failed)
    expect(String(reason)).toContain('the thread that packs parts ended: exit code 1; what it had in hand is not');
  const bytes = await deflateBlock(blocks[3]!, blocks[2]);
  expect(bytes.equals(expected.compress(blocks[3]!, blocks[2]))).toBe(true);
  expect(started.length).toBeGreaterThan(0);
});
