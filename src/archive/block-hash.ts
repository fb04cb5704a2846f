// SHA-256 and CRC-32 of a content that comes in blocks. Large ones are hashed in a thread beside the reading: a sixth of a core that decoding needs more.

import { createHash } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { crc32 } from 'node:zlib';
import { AuditkeepError } from '../errors.ts';
import type { Answer, Request } from './hash-thread.ts';

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

interface Thread {
  send(request: Request): Promise<Answer>;
  /** A request without answer. */
  tell(request: Request): void;
}

let started: Thread | undefined;
let contents = 0;

function startThread(): Thread {
  const worker = new Worker(new URL('./hash-thread.ts', import.meta.url), {
    // it hashes blocks that lie in shared memory, and keeps a few hundred bytes a content
    resourceLimits: { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 16 },
    execArgv: [],
  });
  const waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void }[] = [];
  let gone: Error | undefined;
  const fail = (why: string, cause?: Error) => {
    // an error is followed by the exit
    gone ??= new AuditkeepError(`the thread that hashes parts ended: ${why}; what it hashed is not committed`, {
      ...(cause !== undefined && { cause }),
      hint: 'run again, the next run goes on from the ledger; if it happens again, give the process more memory',
    });
    if (started === thread) started = undefined;
    for (const one of waiting.splice(0)) one.reject(gone);
  };
  worker.on('message', (answer: Answer) => {
    waiting.shift()!.resolve(answer);
    // a thread with nothing to do must not keep the process alive
    if (waiting.length === 0) worker.unref();
  });
  worker.on('error', (error) => fail(error.message, error));
  worker.on('exit', (code) => fail(`exit code ${code}`));
  worker.unref();
  const thread: Thread = {
    send: (request) =>
      new Promise((resolve, reject) => {
        // nobody would answer
        if (gone !== undefined) throw gone;
        if (waiting.length === 0) worker.ref();
        waiting.push({ resolve, reject });
        worker.postMessage(request);
      }),
    tell: (request) => worker.postMessage(request),
  };
  return thread;
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
  const thread = (started ??= startThread());
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
