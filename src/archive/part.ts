// One part: lines in, one compressed object out, with all that the manifest says of it.

import { createHash } from 'node:crypto';
import { freeMemory } from '../free-memory.ts';
import { createTreeHasher, type Digest } from './hash.ts';
import { createBlockHash } from './block-hash.ts';
import { BLOCK_BYTES, type Compression, createCompressor, inHand, roomForBlocks } from './compress.ts';
import { copyBytes } from '../copy-bytes.ts';
import { createSpool, type Scratch } from './spool.ts';
import type { Body, SpoolFile } from './store/store.ts';

/** Content bytes at which a part ends: with the line that reaches it. */
export const PART_BYTES = 256 << 20;

const FIRST_BLOCK = 64 << 10;
/** Room for one block and the line that ends it, unless that line is very long. */
const FULL_BLOCK = BLOCK_BYTES + FIRST_BLOCK;
/** Room for a block that ends with a line of a megabyte: of a large list, as clouds cut them. */
const DOUBLE_BLOCK = 2 * FULL_BLOCK;
const LINE_END = 0x0a;

// Memory of blocks is used again: fresh megabytes for every block would make the garbage collector run all the time.
const pools: ReadonlyMap<number, { readonly free: Buffer[]; readonly most: number }> = new Map([
  [FULL_BLOCK, { free: [], most: 8 }],
  [DOUBLE_BLOCK, { free: [], most: 3 }],
]);

function takeBlock(size: number): Buffer {
  const pool = pools.get(size);
  // shared: packing threads read it where it lies; other lengths are copied to them, since shared memory can't be freed at once
  if (pool !== undefined) return pool.free.pop() ?? Buffer.from(new SharedArrayBuffer(size));
  return Buffer.allocUnsafeSlow(size);
}

/** To be called once, when nothing reads the block any more. */
function giveBlock(block: Buffer): void {
  const pool = pools.get(block.length);
  if (pool === undefined) freeMemory(block);
  else if (pool.free.length < pool.most) pool.free.push(block);
}

/** Length of a block that has room for `needed` bytes, when one of `now` has not. */
function grown(needed: number, now: number): number {
  if (needed <= FULL_BLOCK) return Math.max(needed, Math.min(now * 4, FULL_BLOCK));
  return Math.max(needed, DOUBLE_BLOCK);
}

/** A finished part, to be put under a key that holds its hash. */
export interface Packed {
  readonly body: Body;
  readonly bytes: number;
  readonly sha256: string;
  readonly contentBytes: number;
  readonly contentSha256: string;
  readonly lines: number;
  /** Root of the tree over the lines; empty for parts whose lines were added without leaves (rejects). */
  readonly lineRoot: string;
}

export interface PartWriter {
  readonly lines: number;
  readonly contentBytes: number;
  /** Adds a line (without line end). `leaf` is its leafHash, for event parts. Copies the bytes. */
  add(line: Buffer, leaf?: Digest): void;
  /** Resolves when the threads have room for more blocks. Rejects if one handed over so far could not be kept. */
  ready(): Promise<void>;
  /** No line is coming for a while: keeps only the memory that it has filled. */
  rest(): void;
  /** Ends the part. */
  finish(): Promise<Packed>;
  dispose(): Promise<void>;
}

/** @param begin makes the file for a part that outgrows memory, where it isn't to be one of the scratch folder */
export function createPartWriter(
  compression: Compression,
  scratch: Scratch,
  begin?: () => Promise<SpoolFile>,
): PartWriter {
  const spool = createSpool(scratch, begin);
  const compressor = createCompressor(compression);
  const stored = createHash('sha256');
  const content = createBlockHash();
  const tree = createTreeHasher();
  let block = takeBlock(FIRST_BLOCK);
  let filled = 0;
  let lines = 0;
  let contentBytes = 0;
  let tail: Promise<void> = Promise.resolve();
  let failed: { readonly error: unknown } | undefined;
  scratch.budget.force(block.length);

  function resize(size: number): void {
    const larger = takeBlock(size);
    copyBytes(block.subarray(0, filled), larger, 0);
    scratch.budget.force(size - block.length);
    giveBlock(block);
    block = larger;
  }

  function release(): void {
    scratch.budget.give(block.length);
    giveBlock(block);
    block = Buffer.alloc(0);
  }

  function flush(): void {
    if (filled === 0) return;
    const full = block;
    const bytes = full.subarray(0, filled);
    const worked = inHand(async () => (await Promise.all([compressor.block(bytes), content.update(bytes)]))[0]);
    const before = tail;
    tail = (async () => {
      let result: Buffer;
      try {
        result = await worked;
      } finally {
        scratch.budget.give(full.length);
        giveBlock(full);
      }
      await before;
      stored.update(result);
      await spool.append(result);
    })();
    tail.catch((error: unknown) => (failed = { error })); // reported by ready() and finish()
    block = takeBlock(full.length > FIRST_BLOCK ? FULL_BLOCK : FIRST_BLOCK);
    scratch.budget.force(block.length);
    filled = 0;
  }

  return {
    get lines() {
      return lines;
    },
    get contentBytes() {
      return contentBytes;
    },
    add(line, leaf) {
      const needed = filled + line.length + 1;
      if (needed > block.length) resize(grown(needed, block.length));
      copyBytes(line, block, filled);
      block[needed - 1] = LINE_END;
      filled = needed;
      contentBytes += line.length + 1;
      lines++;
      if (leaf !== undefined) tree.add(leaf);
      if (filled >= BLOCK_BYTES) flush();
    },
    rest() {
      if (filled + FIRST_BLOCK < block.length) resize(filled + FIRST_BLOCK);
    },
    async ready() {
      await roomForBlocks();
      if (failed !== undefined) throw failed.error;
    },
    async finish() {
      flush();
      await tail;
      const { sha256: contentSha256, crc32 } = await content.digest();
      const end = await compressor.end({ crc32, size: contentBytes });
      stored.update(end);
      await spool.append(end);
      release();
      return {
        body: await spool.body(),
        bytes: spool.size,
        sha256: stored.digest('hex'),
        contentBytes,
        contentSha256,
        lines,
        lineRoot: tree.root(),
      };
    },
    async dispose() {
      await tail.catch(() => undefined);
      compressor.close();
      content.dispose();
      release();
      await spool.dispose();
    },
  };
}
