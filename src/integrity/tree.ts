// RFC 6962 Merkle trees over leaf hashes: roots, inclusion and consistency proofs, and their checks. Pure.

import { hash } from 'node:crypto';

const EMPTY_ROOT = hash('sha256', Buffer.alloc(0), 'buffer');

/** SHA-256(0x00 ‖ entry): the hash of a leaf. */
export function hashLeaf(entry: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(entry.length + 1);
  bytes[0] = 0x00;
  bytes.set(entry, 1);
  return hash('sha256', bytes, 'buffer');
}

const pair = Buffer.alloc(65);
pair[0] = 0x01;

/** SHA-256(0x01 ‖ left ‖ right). */
export function hashChildren(left: Uint8Array, right: Uint8Array): Buffer {
  pair.set(left, 1);
  pair.set(right, 33);
  return hash('sha256', pair, 'buffer');
}

/** The largest power of two smaller than n; n ≥ 2. */
function split(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

/** Hashes of all complete subtrees, level by level: `levels[h][i]` covers the leaves [i·2^h, (i+1)·2^h). */
export interface Tree {
  readonly size: number;
  readonly levels: readonly (readonly Buffer[])[];
}

/** Builds the complete subtrees over leaf hashes: about one hash a leaf, once; roots and proofs are then cheap. */
export function buildTree(leaves: readonly Buffer[]): Tree {
  const levels: Buffer[][] = [leaves as Buffer[]];
  for (let below = levels[0]!; below.length > 1; below = levels.at(-1)!) {
    const level = new Array<Buffer>(below.length >>> 1);
    for (let i = 0; i < level.length; i++) level[i] = hashChildren(below[2 * i]!, below[2 * i + 1]!);
    levels.push(level);
  }
  return { size: leaves.length, levels };
}

/** Root of the leaves [from, to) of a tree; `from` must be a multiple of the subtree's size. */
function subRoot(tree: Tree, from: number, to: number): Buffer {
  const n = to - from;
  const height = Math.log2(n);
  if (Number.isInteger(height)) return tree.levels[height]![from / n]!;
  const k = split(n);
  return hashChildren(subRoot(tree, from, from + k), subRoot(tree, from + k, to));
}

/** Root of the first `size` leaves (default: all). */
export function rootOf(tree: Tree, size = tree.size): Buffer {
  if (size < 0 || size > tree.size) throw new RangeError(`a tree of ${tree.size} leaves has no root for ${size}`);
  return size === 0 ? EMPTY_ROOT : subRoot(tree, 0, size);
}

/** Audit path of leaf `index` in the tree of the first `size` leaves: the leaf's sibling first (RFC 6962, 2.1.1). */
export function inclusionProof(tree: Tree, index: number, size = tree.size): Buffer[] {
  if (!(index >= 0 && index < size && size <= tree.size)) throw new RangeError(`no leaf ${index} in a tree of ${size}`);
  const path: Buffer[] = [];
  for (let from = 0, to = size; to - from > 1;) {
    const middle = from + split(to - from);
    if (index < middle) {
      path.push(subRoot(tree, middle, to));
      to = middle;
    } else {
      path.push(subRoot(tree, from, middle));
      from = middle;
    }
  }
  return path.reverse();
}

/** Consistency proof from the first `older` leaves to the first `size` (RFC 6962, 2.1.2); empty for 0 and for equal sizes. */
export function consistencyProof(tree: Tree, older: number, size = tree.size): Buffer[] {
  if (!(older >= 0 && older <= size && size <= tree.size)) throw new RangeError(`no proof from ${older} to ${size}`);
  if (older === 0 || older === size) return [];
  const prove = (from: number, m: number, to: number, complete: boolean): Buffer[] => {
    if (m === to - from) return complete ? [] : [subRoot(tree, from, to)];
    const k = split(to - from);
    if (m <= k) return [...prove(from, m, from + k, complete), subRoot(tree, from + k, to)];
    return [...prove(from + k, m - k, to, false), subRoot(tree, from, from + k)];
  };
  return prove(0, older, size, true);
}

/** Root that an audit path leads to; undefined when the path has the wrong length for this index and size. */
export function rootFromInclusion(
  leaf: Uint8Array,
  index: number,
  size: number,
  path: readonly Uint8Array[],
): Buffer | undefined {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return undefined;
  let fn = index;
  let sn = size - 1;
  let root: Buffer = Buffer.from(leaf);
  for (const sibling of path) {
    if (sn === 0) return undefined;
    if (fn % 2 === 1 || fn === sn) {
      root = hashChildren(sibling, root);
      while (fn % 2 === 0 && fn !== 0) {
        fn /= 2;
        sn = Math.floor(sn / 2);
      }
    } else root = hashChildren(root, sibling);
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  return sn === 0 ? root : undefined;
}

/** Does the proof show that the tree with `newRoot` begins with the one with `oldRoot`? */
export function checkConsistency(
  older: number,
  oldRoot: Uint8Array,
  size: number,
  newRoot: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  if (!Number.isSafeInteger(older) || !Number.isSafeInteger(size) || older < 0 || older > size) return false;
  const same = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;
  if (older === 0) return proof.length === 0 && same(oldRoot, EMPTY_ROOT);
  if (older === size) return proof.length === 0 && same(oldRoot, newRoot);
  let fn = older - 1;
  let sn = size - 1;
  while (fn % 2 === 1) {
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  const rest = [...proof];
  // an older tree that is a complete subtree of the newer one is its own first node
  const first = fn === 0 ? oldRoot : rest.shift();
  if (first === undefined) return false;
  let fromOld: Buffer = Buffer.from(first);
  let fromNew: Buffer = Buffer.from(first);
  for (const node of rest) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      fromOld = hashChildren(node, fromOld);
      fromNew = hashChildren(node, fromNew);
      while (fn % 2 === 0 && fn !== 0) {
        fn /= 2;
        sn = Math.floor(sn / 2);
      }
    } else fromNew = hashChildren(fromNew, node);
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  return sn === 0 && same(fromOld, oldRoot) && same(fromNew, newRoot);
}
