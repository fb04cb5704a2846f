// Copies bytes into or out of memory that threads share.

/** Copies `bytes` to `target` from `at` on. By fill, for it is a plain memcpy: V8 copies shared memory piece by piece. */
export function copyBytes(bytes: Uint8Array, target: Buffer, at: number): void {
  // it refuses to fill with nothing
  if (bytes.length > 0) target.fill(bytes, at, at + bytes.length);
}
