// SHA-256 and CRC-32 of a content that comes in blocks. Large ones are hashed in a thread beside the reading: a sixth of a core that decoding needs more.

import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Answer, Request } from './hash-thread.ts';
import { startThread, type Thread } from './thread.ts';

/** Contents whose first block is smaller are hashed on the spot: a thread costs some 20 ms and 5 MB. */
const WORTH_A_THREAD = 1 << 20;

export interface BlockHash {
  /** Blocks count in the order of the calls. The bytes must stay as they are until this resolves. */
  update(block: Buffer): Promise<void>;
  /** Of all blocks: hex, and unsigned. Ends the hash. */
  digest(): Promise<{ readonly sha256: string; readonly crc32: number }>;
  /** Gives back what a hash holds that was not ended. */
  dispose(): void;
}

let started: Thread<Request, Answer> | undefined;
let contents = 0;

function hashThread(): Thread<Request, Answer> {
  if (started === undefined || started.gone)
    started = startThread(new URL('./hash-thread.ts', import.meta.url), 'hashes parts');
  return started;
}

export function createBlockHash(): BlockHash {
  let hash: BlockHash | undefined;
  const chosen = (size: number) => (hash ??= size < WORTH_A_THREAD ? hashHere() : hashBeside());
  return {
    update: (block) => chosen(block.length).update(block),
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
  const thread = hashThread();
  const content = contents++;
  let ended = false;
  return {
    async update(block) {
      await thread.send({ ask: 'update', content, block });
    },
    async digest() {
      ended = true;
      return (await thread.send({ ask: 'digest', content }))!;
    },
    dispose() {
      if (!ended) thread.tell({ ask: 'drop', content });
      ended = true;
    },
  };
}
