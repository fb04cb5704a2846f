// A set of SHA-256 digests that stays within the budget: an open-addressing table, then sorted runs on disk behind Bloom filters.

import { closeSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import type { Digest } from './hash.ts';
import { sortKeys } from './sorted-keys.ts';
import { type Scratch, scratchError } from './spool.ts';

/**
 * Bytes of a digest that are compared. 128 bits of SHA-256: finding two contents that agree in them takes 2^64 work,
 * so equal means identical (rule 8).
 */
const WIDTH = 16;
const FIRST_SLOTS = 1024;
/** A table is moved to a file when the budget refuses its growth; smaller ones grow anyway: a day has 24 windows, each with its own. */
const SMALLEST_RUN = 1 << 14;
/** Fewer are not worth a file. */
const WORTH_A_RUN = 1 << 10;
/** It is moved at this size in any case: for a moment, moving takes as much memory again, sorted and unsorted. */
const MOST_SLOTS = 1 << 19;
const BLOOM_BITS = 10;
const BLOOM_HASHES = 7;
const INDEX_EVERY = 256;

export interface DigestSet {
  /** Adds a digest; false if it was there already. */
  add(digest: Digest): boolean;
  /** Nothing is coming for a while: gives its memory back, but for what it takes to look into a file. */
  rest(): void;
  dispose(): void;
}

interface Run {
  /** `key`: the first 16 bytes of a digest. */
  has(key: Buffer): boolean;
  readonly memory: number;
  dispose(): void;
}

export function createDigestSet(scratch: Scratch): DigestSet {
  let slots = FIRST_SLOTS;
  let table = new Uint32Array(slots * 4);
  let used = 0;
  let held = 0;
  // the all-zero digest would look like an empty slot
  let zero = false;
  const key = Buffer.alloc(WIDTH);
  // the same memory: how a digest lies in the table, whatever the order of its bytes
  const words = new Uint32Array(key.buffer, key.byteOffset, WIDTH / 4);
  const runs: Run[] = [];

  /** Slot of the digest, or of the empty one where it would go. */
  function find(a: number, b: number, c: number, d: number): number {
    let slot = (a ^ b) & (slots - 1);
    for (;;) {
      const i = slot * 4;
      const ta = table[i]!;
      const tb = table[i + 1]!;
      const tc = table[i + 2]!;
      const td = table[i + 3]!;
      if ((ta === a && tb === b && tc === c && td === d) || (ta | tb | tc | td) === 0) return i;
      slot = (slot + 1) & (slots - 1);
    }
  }

  function resize(larger: number): void {
    const old = table;
    table = new Uint32Array(larger * 4);
    slots = larger;
    for (let i = 0; i < old.length; i += 4) {
      if ((old[i]! | old[i + 1]! | old[i + 2]! | old[i + 3]!) === 0) continue;
      const to = find(old[i]!, old[i + 1]!, old[i + 2]!, old[i + 3]!);
      for (let k = 0; k < 4; k++) table[to + k] = old[i + k]!;
    }
  }

  function grow(): void {
    const more = table.byteLength;
    if (slots < MOST_SLOTS && scratch.budget.take(more)) {
      held += more;
      resize(slots * 2);
      return;
    }
    if (used < SMALLEST_RUN) {
      scratch.budget.force(more);
      held += more;
      resize(slots * 2);
      return;
    }
    moveToRun();
    table.fill(0);
  }

  /** The table is to be emptied by the caller. */
  function moveToRun(): void {
    const keys = new Uint32Array(used * 4);
    let at = 0;
    for (let i = 0; i < table.length; i += 4) {
      if ((table[i]! | table[i + 1]! | table[i + 2]! | table[i + 3]!) === 0) continue;
      for (let k = 0; k < 4; k++) keys[at++] = table[i + k]!;
    }
    const run = createRun(sortKeys(Buffer.from(keys.buffer), WIDTH), scratch.path());
    scratch.budget.force(run.memory);
    runs.push(run);
    used = 0;
  }

  function begin(): void {
    scratch.budget.give(held);
    held = 0;
    table = new Uint32Array(FIRST_SLOTS * 4);
    slots = FIRST_SLOTS;
    used = 0;
  }

  return {
    add(digest) {
      key.write(digest, 0, WIDTH, 'latin1');
      const a = words[0]!;
      const b = words[1]!;
      const c = words[2]!;
      const d = words[3]!;
      if ((a | b | c | d) === 0) {
        const fresh = !zero;
        zero = true;
        return fresh;
      }
      let i = find(a, b, c, d);
      if ((table[i]! | table[i + 1]! | table[i + 2]! | table[i + 3]!) !== 0) return false;
      for (const run of runs) if (run.has(key)) return false;
      if (used * 4 >= slots * 3) {
        grow();
        i = find(a, b, c, d);
      }
      table[i] = a;
      table[i + 1] = b;
      table[i + 2] = c;
      table[i + 3] = d;
      used++;
      return true;
    },
    rest() {
      if (used < WORTH_A_RUN) return;
      moveToRun();
      begin();
    },
    dispose() {
      for (const run of runs.splice(0)) {
        scratch.budget.give(run.memory);
        run.dispose();
      }
      begin();
    },
  };
}

/** Sorted digests in a file, with a Bloom filter and the first digest of every 256 in memory. */
function createRun(keys: Buffer, path: string): Run {
  const n = keys.length / WIDTH;
  const bits = n * BLOOM_BITS;
  const bloom = new Uint8Array(Math.ceil(bits / 8));
  const bit = (from: Buffer, at: number, k: number) =>
    // `| 1` alone would make it signed, and a negative place is none
    (from.readUInt32BE(at + 8) + k * ((from.readUInt32BE(at + 12) | 1) >>> 0)) % bits;
  const index = Buffer.allocUnsafe(Math.ceil(n / INDEX_EVERY) * WIDTH);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < BLOOM_HASHES; k++) {
      const b = bit(keys, i * WIDTH, k);
      bloom[b >>> 3]! |= 1 << (b & 7);
    }
    if (i % INDEX_EVERY === 0) keys.copy(index, (i / INDEX_EVERY) * WIDTH, i * WIDTH, (i + 1) * WIDTH);
  }
  try {
    writeFileSync(path, keys, { flag: 'wx' });
  } catch (error) {
    // where the disk is full, its beginning is there
    rmSync(path, { force: true });
    throw scratchError(error, path);
  }
  const page = Buffer.allocUnsafe(INDEX_EVERY * WIDTH);

  return {
    memory: bloom.length + index.length,
    has(key) {
      for (let k = 0; k < BLOOM_HASHES; k++) {
        const b = bit(key, 0, k);
        if ((bloom[b >>> 3]! & (1 << (b & 7))) === 0) return false;
      }
      let low = 0;
      let high = index.length / WIDTH;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (index.compare(key, 0, WIDTH, middle * WIDTH, (middle + 1) * WIDTH) <= 0) low = middle + 1;
        else high = middle;
      }
      if (low === 0) return false;
      // seldom come to, so it is opened each time: runs of many windows would be more files than a process may keep open
      const file = openSync(path, 'r');
      const length = readSync(file, page, 0, page.length, (low - 1) * page.length);
      closeSync(file);
      for (let at = 0; at < length; at += WIDTH) if (page.compare(key, 0, WIDTH, at, at + WIDTH) === 0) return true;
      return false;
    },
    dispose() {
      rmSync(path, { force: true });
    },
  };
}
