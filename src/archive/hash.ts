// SHA-256 as the archive uses it: of stored bytes, of lines (RFC 6962 tree) and of records (fingerprints).

import { hash } from 'node:crypto';

export function sha256Hex(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex');
}

/** Bytes of a fingerprint (rule 4). */
export const FINGERPRINT_BYTES = 12;

/**
 * A SHA-256 as a string of 32 characters, one a byte (latin1). Millions of them are made in a run, and short strings
 * cost the garbage collector far less than buffers do.
 */
export type Digest = string;

/** SHA-256 of bytes or of a text's UTF-8. */
export function digestOf(data: Uint8Array | string): Digest {
  return hash('sha256', data, 'binary');
}

/** Leaf and node prefixes of RFC 6962, section 2.1. */
const LEAF = 0x00;
const NODE = 0x01;

// One buffer for all leaves: hashing is synchronous, and a copy costs less than a Hash object a line.
let leafBuffer = Buffer.alloc(64 << 10);
// Views of its beginning, by length: lengths repeat, and a new view a line is work for the garbage collector.
const leafViews: Buffer[] = [];
const LONGEST_KEPT = 8192;

function leafView(length: number): Buffer {
  if (length > LONGEST_KEPT) return leafBuffer.subarray(0, length);
  return (leafViews[length] ??= leafBuffer.subarray(0, length));
}

/** SHA-256(0x00 ‖ line): the leaf of a line. The fingerprint of a record without id is the leaf of its content. */
export function leafHash(line: Uint8Array): Digest {
  if (line.length >= leafBuffer.length) {
    leafBuffer = Buffer.alloc(2 ** Math.ceil(Math.log2(line.length + 1)));
    leafViews.length = 0;
  }
  leafBuffer[0] = LEAF;
  leafBuffer.set(line, 1);
  return digestOf(leafView(line.length + 1));
}

const nodeBuffer = Buffer.alloc(65);
nodeBuffer[0] = NODE;

function nodeHash(left: Digest, right: Digest): Digest {
  nodeBuffer.write(left, 1, 'latin1');
  nodeBuffer.write(right, 33, 'latin1');
  return digestOf(nodeBuffer);
}

/** A tree that grows leaf by leaf and keeps only the roots of its full subtrees. */
export interface TreeHasher {
  /** `leaf` as leafHash gives it. */
  add(leaf: Digest): void;
  /** Root over all leaves so far, hex; SHA-256 of nothing when there are none. */
  root(): string;
}

export function createTreeHasher(): TreeHasher {
  // roots of full subtrees, their sizes falling strictly: the binary digits of `count`
  const subtrees: Digest[] = [];
  let count = 0;
  return {
    add(leaf) {
      let top = leaf;
      for (let n = count; n % 2 === 1; n = Math.floor(n / 2)) top = nodeHash(subtrees.pop()!, top);
      subtrees.push(top);
      count++;
    },
    root() {
      if (count === 0) return sha256Hex(Buffer.alloc(0));
      let top = subtrees.at(-1)!;
      for (let i = subtrees.length - 2; i >= 0; i--) top = nodeHash(subtrees[i]!, top);
      return Buffer.from(top, 'latin1').toString('hex');
    },
  };
}
