// Memory of answers and their messages, used again page after page: fresh megabytes for each would keep the garbage collector busy.

const STEP = 256 << 10;
const MOST_KEPT = 16;
const free: Buffer[] = [];
/** Others may share theirs with strangers (Buffer.concat). */
const ours = new WeakSet<ArrayBufferLike>();

/** At least `size` bytes, holding anything. */
export function takeMemory(size: number): Buffer {
  const at = free.findIndex((memory) => memory.length >= size);
  if (at >= 0) return free.splice(at, 1)[0]!;
  const memory = Buffer.allocUnsafeSlow(Math.ceil(size / STEP) * STEP);
  ours.add(memory.buffer);
  return memory;
}

/** For memory, or a part of it, that nobody reads or writes any more; to be called once. What takeMemory didn't give is left alone. */
export function giveMemory({ buffer }: Buffer): void {
  if (ours.has(buffer) && free.length < MOST_KEPT) free.push(Buffer.from(buffer as ArrayBuffer));
}
