// A thread of pack-threads.ts: compresses blocks, and keeps SHA-256 and CRC-32 of growing contents, each under a number.

import { createHash, type Hash } from 'node:crypto';
import { readlinkSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { crc32 } from 'node:zlib';
import { createDeflater } from '../deflate/deflate.ts';
import { freeMemory } from '../free-memory.ts';

/** Requests are answered in their order, `drop` is not. */
export type Request =
  | { readonly ask: 'deflate'; readonly block: Uint8Array; readonly dictionary: Uint8Array | undefined }
  | { readonly ask: 'hash'; readonly content: number; readonly block: Uint8Array }
  | { readonly ask: 'digest'; readonly content: number }
  | { readonly ask: 'drop'; readonly content: number };

/** To `deflate`. */
export type Deflated = Uint8Array<ArrayBuffer>;
/** To `digest`. */
export interface Digests {
  readonly sha256: string;
  readonly crc32: number;
}
/** The answer to `hash` says nothing but that the block was read. */
export type Answer = Deflated | Digests | undefined;

/** So much nicer than the program itself. */
const NICER = 10;

/**
 * Lets others go first: a page that was read, an answer that came, and the threads that read files have little to do at a time, and
 * packing has always more than enough. If they wait for a core, the packing threads run out of work soon after. Only on Linux, where
 * each thread has a priority.
 */
function goLast(): void {
  try {
    const [, id] = /\/task\/(\d+)$/.exec(readlinkSync('/proc/thread-self')) ?? [];
    if (id !== undefined) setPriority(Number(id), Math.min(19, getPriority() + NICER));
  } catch {
    // slower by a few per cent, no more
  }
}

goLast();

const deflater = createDeflater();
const contents = new Map<number, { readonly hash: Hash; crc: number }>();

function stateOf(content: number) {
  let state = contents.get(content);
  if (state === undefined) {
    state = { hash: createHash('sha256'), crc: 0 };
    contents.set(content, state);
  }
  return state;
}

function deflate({ block, dictionary }: Extract<Request, { ask: 'deflate' }>): void {
  const bytes = deflater.compress(block, dictionary);
  // Node doesn't part with the memory that short buffers share
  const answer: Deflated = bytes.length === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
  parentPort!.postMessage(answer, [answer.buffer]);
  // what isn't shared was copied to the thread
  freeMemory(block);
  if (dictionary !== undefined) freeMemory(dictionary);
}

parentPort!.on('message', (request: Request) => {
  if (request.ask === 'deflate') {
    deflate(request);
    return;
  }
  const state = stateOf(request.content);
  let answer: Answer;
  if (request.ask === 'hash') {
    state.hash.update(request.block);
    state.crc = crc32(request.block, state.crc);
    freeMemory(request.block);
  } else {
    contents.delete(request.content);
    if (request.ask === 'drop') return;
    answer = { sha256: state.hash.digest('hex'), crc32: state.crc };
  }
  parentPort!.postMessage(answer);
});
