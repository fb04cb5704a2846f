// The thread of block-hash.ts: keeps SHA-256 and CRC-32 of growing contents, each under a number.

import { createHash, type Hash } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { crc32 } from 'node:zlib';

/** What block-hash.ts asks. Messages are answered in their order, `drop` is not. */
export type Request =
  | { readonly ask: 'update'; readonly content: number; readonly block: Uint8Array }
  | { readonly ask: 'digest'; readonly content: number }
  | { readonly ask: 'drop'; readonly content: number };

/** The answer to `update` says nothing but that the block was read. */
export type Answer = { readonly sha256: string; readonly crc32: number } | undefined;

const contents = new Map<number, { readonly hash: Hash; crc: number }>();

function stateOf(content: number) {
  let state = contents.get(content);
  if (state === undefined) {
    state = { hash: createHash('sha256'), crc: 0 };
    contents.set(content, state);
  }
  return state;
}

parentPort!.on('message', (request: Request) => {
  const state = stateOf(request.content);
  let answer: Answer;
  if (request.ask === 'update') {
    state.hash.update(request.block);
    state.crc = crc32(request.block, state.crc);
  } else {
    contents.delete(request.content);
    if (request.ask === 'drop') return;
    answer = { sha256: state.hash.digest('hex'), crc32: state.crc };
  }
  parentPort!.postMessage(answer);
});
