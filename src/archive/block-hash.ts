// SHA-256 and CRC-32 of a content that comes in blocks: large ones in a thread, small ones on the spot.

import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Digests } from './pack-thread.ts';
import { freeThread, HASH_COST, WORTH_A_THREAD } from './pack-threads.ts';

export interface BlockHash {
  /** Blocks count in the order of the calls. The bytes must stay as they are until this resolves. */
  update(block: Buffer): Promise<void>;
  /** Of all blocks: hex, and unsigned. Ends the hash. */
  digest(): Promise<Digests>;
  /** Gives back what a hash holds that was not ended. */
  dispose(): void;
}

let contents = 0;

export function createBlockHash(): BlockHash {
  let hash: BlockHash | undefined;
  const chosen = (size: number) => (hash ??= size < WORTH_A_THREAD ? hashHere() : hashBeside());
  return {
    // of an empty block without memory Node gives CRC-32 0, whatever came before
    async update(block) {
      if (block.length > 0) await chosen(block.length).update(block);
    },
    digest: () => chosen(0).digest(),
    dispose: () => hash?.dispose(),
  };
}

function hashHere(): BlockHash {
  const hash = createHash('sha256');
  let crc = 0;
  return {
    update(block) {
      hash.update(block);
      crc = crc32(block, crc);
      return Promise.resolve();
    },
    digest: () => Promise.resolve({ sha256: hash.digest('hex'), crc32: crc }),
    dispose() {},
  };
}

function hashBeside(): BlockHash {
  const thread = freeThread();
  const content = contents++;
  let ended = false;
  return {
    async update(block) {
      await thread.send({ ask: 'hash', content, block }, block.length * HASH_COST);
    },
    async digest() {
      ended = true;
      return (await thread.send({ ask: 'digest', content }, HASH_COST)) as Digests;
    },
    dispose() {
      if (!ended) thread.tell({ ask: 'drop', content });
      ended = true;
    },
  };
}
