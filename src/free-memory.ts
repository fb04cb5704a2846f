// Gives memory back without waiting for the garbage collector.

/**
 * Frees the whole buffer that the bytes lie in; nobody may read or write any of it afterwards. Only for whom it belongs to alone: Node
 * puts many small buffers into one. Shared memory stays.
 *
 * The megabytes of a buffer lie outside of the heap, where they make hardly any garbage: the collector would come seldom, and
 * one buffer for each block would lie about until then.
 */
export function freeMemory({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}

/** The same for bytes that have their buffer for themselves; where they are a part of it, others may have the rest, and nothing happens. */
export function freeOwnMemory(bytes: Uint8Array): void {
  if (bytes.length === bytes.buffer.byteLength) freeMemory(bytes);
}
