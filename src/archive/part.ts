// One part: lines in, one compressed object out, with all that the manifest says of it.

import { createHash } from 'node:crypto';
import type { TreeHasher } from './hash.ts';
import { createTreeHasher } from './hash.ts';
import { BLOCK_BYTES, type Compression, createCompressor } from './compress.ts';
import { createSpool, type Scratch } from './spool.ts';
import type { Body } from './store/store.ts';

/** Content bytes at which a part ends: with the line that reaches it. */
export const PART_BYTES = 256 << 20;

const FIRST_BLOCK = 64 << 10;
const LINE_END = 0x0a;

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
  add(line: Buffer, leaf?: Buffer): void;
  /** Resolves when the blocks handed to the thread pool so far are compressed and kept. Rejects if that failed. */
  settled(): Promise<void>;
  /** Ends the part. */
  finish(): Promise<Packed>;
  dispose(): Promise<void>;
}

export function createPartWriter(compression: Compression, scratch: Scratch): PartWriter {
  const spool = createSpool(scratch);
  const compressor = createCompressor(compression);
  const stored = createHash('sha256');
  const content = createHash('sha256');
  const tree: TreeHasher = createTreeHasher();
  let block = Buffer.allocUnsafe(FIRST_BLOCK);
  let filled = 0;
  let lines = 0;
  let contentBytes = 0;
  let tail: Promise<void> = Promise.resolve();
  scratch.budget.force(block.length);

  function resize(size: number): void {
    const larger = Buffer.allocUnsafe(size);
    block.copy(larger, 0, 0, filled);
    scratch.budget.force(size - block.length);
    block = larger;
  }

  function flush(): void {
    if (filled === 0) return;
    const full = block.subarray(0, filled);
    content.update(full);
    const compressed = compressor.block(full);
    const size = block.length;
    scratch.budget.force(size);
    tail = Promise.all([tail, compressed]).then(async ([, bytes]) => {
      scratch.budget.give(size);
      stored.update(bytes);
      await spool.append(bytes);
    });
    tail.catch(() => undefined); // reported by settled() and finish()
    scratch.budget.give(block.length);
    block = Buffer.allocUnsafe(Math.min(BLOCK_BYTES, block.length) + FIRST_BLOCK);
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
      if (needed > block.length) resize(Math.max(needed, Math.min(block.length * 2, BLOCK_BYTES + FIRST_BLOCK)));
      line.copy(block, filled);
      block[needed - 1] = LINE_END;
      filled = needed;
      contentBytes += line.length + 1;
      lines++;
      if (leaf !== undefined) tree.add(leaf);
      if (filled >= BLOCK_BYTES) flush();
    },
    settled: () => tail,
    async finish() {
      flush();
      await tail;
      const end = compressor.end();
      stored.update(end);
      await spool.append(end);
      scratch.budget.give(block.length);
      block = Buffer.alloc(0);
      return {
        body: await spool.body(),
        bytes: spool.size,
        sha256: stored.digest('hex'),
        contentBytes,
        contentSha256: content.digest('hex'),
        lines,
        lineRoot: tree.root(),
      };
    },
    async dispose() {
      await tail.catch(() => undefined);
      scratch.budget.give(block.length);
      block = Buffer.alloc(0);
      await spool.dispose();
    },
  };
}
