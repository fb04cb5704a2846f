// Memory of answers and their records, used again page after page: fresh megabytes for each lie about until the garbage collector comes.

import { freeOwnMemory } from './free-memory.ts';

const SMALLEST = 1 << 20;
/** Memory that is kept for later, all pieces together: what two providers use at a time. */
const MOST_KEPT = 24 << 20;
/** The most of a page that a service sends; what says more is collected as it comes. */
const MOST_BELIEVED = 64 << 20;
const free: Buffer[] = [];
let kept = 0;
/** Others may share theirs with strangers (Buffer.concat). */
const ours = new WeakSet<ArrayBufferLike>();

/** At least `size` bytes, holding anything. Sizes go up in powers of two, so that pages of nearly the same size share theirs; what isn't written takes no room. */
export function takeMemory(size: number): Buffer {
  const length = Math.max(SMALLEST, 2 ** Math.ceil(Math.log2(size)));
  const at = free.findIndex((memory) => memory.length === length);
  if (at >= 0) {
    kept -= length;
    return free.splice(at, 1)[0]!;
  }
  const memory = Buffer.allocUnsafeSlow(length);
  ours.add(memory.buffer);
  return memory;
}

/** For memory, or a part of it, that nobody reads or writes any more; to be called once. What takeMemory didn't give is left alone. */
export function giveMemory({ buffer }: Buffer): void {
  if (!ours.has(buffer) || kept + buffer.byteLength > MOST_KEPT) return;
  kept += buffer.byteLength;
  free.push(Buffer.from(buffer as ArrayBuffer));
}

/**
 * The bytes of a stream, in memory from `takeMemory`; whoever gets them gives it back.
 * @param chunks theirs is given up: nobody else may hold them
 * @param said Content-Length of the answer, if it has one. A zipped answer says its zipped length, which is better than nothing.
 */
export async function collectBytes(
  chunks: AsyncIterable<Uint8Array>,
  said: string | null | undefined,
): Promise<Buffer> {
  const expected = Number(said);
  let memory = takeMemory(expected <= MOST_BELIEVED ? expected : 0);
  let filled = 0;
  for await (const chunk of chunks) {
    if (filled + chunk.length > memory.length) {
      const larger = takeMemory(Math.max(2 * memory.length, filled + chunk.length));
      memory.copy(larger, 0, 0, filled);
      giveMemory(memory);
      memory = larger;
    }
    memory.set(chunk, filled);
    filled += chunk.length;
    freeOwnMemory(chunk);
  }
  return memory.subarray(0, filled);
}
