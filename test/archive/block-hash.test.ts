// Hashes of contents that come in blocks: in a thread or on the spot, the same as over the whole.

import { createHash, randomBytes } from 'node:crypto';
import type { Worker } from 'node:worker_threads';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createBlockHash } from '../../src/archive/block-hash.ts';

const started: Worker[] = [];
process.on('worker', (worker: Worker) => started.push(worker));

const shared = (bytes: Buffer) => {
  const block = Buffer.from(new SharedArrayBuffer(bytes.length));
  bytes.copy(block);
  return block;
};
const BYTES = randomBytes(5 << 20);
const expected = (bytes: Buffer) => ({
  sha256: createHash('sha256').update(bytes).digest('hex'),
  crc32: crc32(bytes),
});

it('hashes many contents at once, each as if it were alone, whatever its blocks', async () => {
  const sizes = fc.array(fc.oneof(fc.nat(3000), fc.integer({ min: 1 << 20, max: (1 << 20) + 70_000 })), {
    maxLength: 4,
  });
  await fc.assert(
    fc.asyncProperty(fc.array(sizes, { minLength: 1, maxLength: 5 }), async (contents) => {
      const hashes = contents.map(() => createBlockHash());
      const ends = contents.map(() => 0);
      const updates: Promise<void>[] = [];
      for (let n = 0; n < 4; n++)
        for (const [i, blocks] of contents.entries())
          if (blocks[n] !== undefined) {
            const block = BYTES.subarray(ends[i], (ends[i]! += blocks[n]!));
            updates.push(hashes[i]!.update(n % 2 === 0 ? shared(block) : block));
          }
      const digests = hashes.map((hash) => hash.digest());
      await Promise.all(updates);
      expect(await Promise.all(digests)).toEqual(ends.map((end) => expected(BYTES.subarray(0, end))));
    }),
    { numRuns: 15 },
  );
});

it.each([10, 1 << 20])('empty blocks change nothing, behind one of %i bytes', async (size) => {
  for (const empty of [Buffer.from(new SharedArrayBuffer(0)), Buffer.from(new ArrayBuffer(0)), Buffer.alloc(0)]) {
    const hash = createBlockHash();
    await hash.update(empty);
    await hash.update(shared(BYTES.subarray(0, size)));
    await hash.update(empty);
    expect(await hash.digest()).toEqual(expected(BYTES.subarray(0, size)));
  }
});

it('a block may be used again when its update has resolved', async () => {
  const block = shared(BYTES.subarray(0, 1 << 20));
  const hash = createBlockHash();
  await hash.update(block);
  BYTES.copy(block, 0, 1 << 20);
  await hash.update(block);
  block.fill(0);
  expect(await hash.digest()).toEqual(expected(BYTES.subarray(0, 2 << 20)));
});

it('goes on after contents that were given up', async () => {
  for (let i = 0; i < 3; i++) {
    const given = createBlockHash();
    await given.update(shared(BYTES.subarray(0, 1 << 20)));
    given.dispose();
    given.dispose();
  }
  const hash = createBlockHash();
  await hash.update(shared(BYTES.subarray(0, 1 << 20)));
  expect(await hash.digest()).toEqual(expected(BYTES.subarray(0, 1 << 20)));
  hash.dispose();
});

it('a thread that ended fails what it was hashing, now and later, and the next content gets another', async () => {
  const hash = createBlockHash();
  await hash.update(shared(BYTES.subarray(0, 1 << 20)));
  // so much that the thread can't be done with it before it is stopped
  const block = shared(BYTES.subarray(0, 1 << 20));
  const settled = Promise.allSettled(Array.from({ length: 500 }, () => hash.update(block)));
  await Promise.all(started.splice(0).map((worker) => worker.terminate()));
  const failed = (await settled).filter((one) => one.status === 'rejected');
  expect(failed.length).toBeGreaterThan(0);
  for (const { reason } of failed) expect(String(reason)).toContain('the thread that packs parts ended');
  await expect(hash.digest()).rejects.toThrow('the thread that packs parts ended');
  hash.dispose();
  const next = createBlockHash();
  await next.update(shared(BYTES.subarray(0, 1 << 20)));
  expect(await next.digest()).toEqual(expected(BYTES.subarray(0, 1 << 20)));
});
