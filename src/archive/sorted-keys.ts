// Sorting of fixed-width binary keys, in memory and merged from files.

import { open } from 'node:fs/promises';

/** Below this many keys a plain insertion sort is quicker than counting 65,536 buckets. */
const FEW = 2_000;

function compare(a: Buffer, i: number, b: Buffer, j: number, width: number): number {
  for (let k = 0; k < width; k++) {
    const d = a[i + k]! - b[j + k]!;
    if (d !== 0) return d;
  }
  return 0;
}

/** Keys of hashes are spread evenly: one pass into buckets by their first two bytes leaves little to sort. */
export function sortKeys(keys: Buffer, width: number): Buffer {
  const n = keys.length / width;
  if (n < 2) return keys;
  if (n <= FEW) {
    const order = Array.from({ length: n }, (_, i) => i * width).sort((i, j) => compare(keys, i, keys, j, width));
    return Buffer.concat(order.map((i) => keys.subarray(i, i + width)));
  }
  const starts = new Uint32Array(65_537);
  const bucketOf = (i: number) => (keys[i * width]! << 8) | keys[i * width + 1]!;
  for (let i = 0; i < n; i++) starts[bucketOf(i) + 1]!++;
  for (let b = 0; b < 65_536; b++) starts[b + 1]! += starts[b]!;
  const ends = starts.slice();
  const sorted = Buffer.allocUnsafe(keys.length);
  for (let i = 0; i < n; i++) {
    const bucket = bucketOf(i);
    let at = ends[bucket]!++;
    const first = starts[bucket]!;
    while (at > first && compare(keys, i * width, sorted, (at - 1) * width, width) < 0) {
      sorted.copyWithin(at * width, (at - 1) * width, at * width);
      at--;
    }
    // a call for so few bytes would take longer
    for (let k = 0; k < width; k++) sorted[at * width + k] = keys[i * width + k]!;
  }
  return sorted;
}

const READ_KEYS = 4096;

async function* keysOf(path: string, width: number): AsyncGenerator<Buffer> {
  const file = await open(path, 'r');
  try {
    for (;;) {
      const chunk = Buffer.allocUnsafe(READ_KEYS * width);
      const { bytesRead } = await file.read(chunk, 0, chunk.length);
      if (bytesRead === 0) return;
      yield chunk.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

interface Input {
  readonly chunks: AsyncGenerator<Buffer>;
  chunk: Buffer;
  at: number;
}

/** Merges sorted files of keys into one. */
export async function mergeSorted(paths: readonly string[], width: number, target: string): Promise<void> {
  const inputs: Input[] = paths.map((path) => ({ chunks: keysOf(path, width), chunk: Buffer.alloc(0), at: 0 }));
  try {
    const out = await open(target, 'w');
    try {
      await merge(inputs, width, (block) => out.writeFile(block));
    } finally {
      await out.close();
    }
  } finally {
    for (const { chunks } of inputs) await chunks.return(undefined);
  }
}

async function merge(inputs: Input[], width: number, write: (block: Buffer) => Promise<void>): Promise<void> {
  const advance = async (input: Input) => {
    const next = await input.chunks.next();
    input.chunk = next.done === true ? Buffer.alloc(0) : next.value;
    input.at = 0;
  };
  for (const input of inputs) await advance(input);
  const block = Buffer.allocUnsafe(READ_KEYS * width);
  let filled = 0;
  for (;;) {
    let least: Input | undefined;
    for (const input of inputs) {
      if (input.at === input.chunk.length) continue;
      if (least === undefined || compare(input.chunk, input.at, least.chunk, least.at, width) < 0) least = input;
    }
    if (least === undefined) break;
    least.chunk.copy(block, filled, least.at, least.at + width);
    filled += width;
    least.at += width;
    if (least.at === least.chunk.length) await advance(least);
    if (filled < block.length) continue;
    await write(block);
    filled = 0;
  }
  await write(block.subarray(0, filled));
}

/** Is `key` among the sorted `keys`? */
export function includesKey(keys: Buffer, width: number, key: Buffer): boolean {
  let low = 0;
  let high = keys.length / width;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const d = compare(keys, middle * width, key, 0, width);
    if (d === 0) return true;
    if (d < 0) low = middle + 1;
    else high = middle;
  }
  return false;
}
