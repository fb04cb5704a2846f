// The thread of block-deflate.ts: compresses one block after the other.

import { parentPort } from 'node:worker_threads';
import { createDeflater } from '../deflate/deflate.ts';

/** What block-deflate.ts asks. */
export interface Request {
  readonly content: Uint8Array;
  readonly dictionary: Uint8Array | undefined;
}

/** The compressed bytes. */
export type Answer = Uint8Array<ArrayBuffer>;

const deflater = createDeflater();

parentPort!.on('message', ({ content, dictionary }: Request) => {
  // a copy, since Node doesn't part with the memory that short buffers share
  const answer: Answer = new Uint8Array(deflater.compress(content, dictionary));
  parentPort!.postMessage(answer, [answer.buffer]);
});
