import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  buildTree,
  checkConsistency,
  consistencyProof,
  hashLeaf,
  inclusionProof,
  rootFromInclusion,
  rootOf,
} from '../../src/integrity/tree.ts';
import { mth, path, proof } from './naive-tree.ts';

const data = (n: number) => Array.from({ length: n }, (_, i) => Buffer.from(`entry ${i}`));
const tree = (n: number) => buildTree(data(n).map(hashLeaf));
const sizes = fc.integer({ min: 1, max: 70 });

describe('RFC 6962 trees', () => {
  it('has the published root of nothing', () => {
    expect(rootOf(buildTree([])).toString('base64')).toBe('47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=');
  });

  it('agrees with the definition on roots of every prefix', () => {
    const big = tree(70);
    for (let n = 0; n <= 70; n++) expect(rootOf(big, n)).toEqual(mth(data(n)));
  });

  it('agrees with the definition on inclusion proofs, which lead to the root', () => {
    fc.assert(
      fc.property(sizes, sizes, fc.nat(69), (a, b, i) => {
        const [size, all] = [Math.min(a, b), Math.max(a, b)];
        const index = i % size;
        const proved = inclusionProof(tree(all), index, size);
        expect(proved).toEqual(path(index, data(size)));
        expect(rootFromInclusion(hashLeaf(data(size)[index]!), index, size, proved)).toEqual(mth(data(size)));
      }),
    );
  });

  it('agrees with the definition on consistency proofs, which check', () => {
    fc.assert(
      fc.property(sizes, sizes, (a, b) => {
        const [older, size] = [Math.min(a, b), Math.max(a, b)];
        const proved = consistencyProof(tree(70), older, size);
        expect(proved).toEqual(proof(older, data(size)));
        expect(checkConsistency(older, mth(data(older)), size, mth(data(size)), proved)).toBe(true);
      }),
    );
  });

  it('refuses every changed inclusion proof', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 70 }), fc.nat(69), fc.nat(), fc.nat(3), (size, i, at, kind) => {
        const index = i % size;
        const leaf = hashLeaf(data(size)[index]!);
        const good = inclusionProof(tree(size), index);
        const path = good.map((hash) => Buffer.from(hash));
        if (kind === 0) path[at % path.length]![at % 32]! ^= 1 + (at % 255);
        else if (kind === 1) path.pop();
        else if (kind === 2) path.push(Buffer.from(good[0]!));
        const other = kind === 3 ? (index + 1) % size : index;
        expect(rootFromInclusion(leaf, other, size, path)?.equals(mth(data(size)))).not.toBe(true);
      }),
    );
  });

  it('refuses every changed consistency proof, and trees that were rewritten', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 69 }), fc.nat(), fc.nat(3), (older, at, kind) => {
        const size = older + 1 + (at % (70 - older));
        const proved = consistencyProof(tree(70), older, size).map((hash) => Buffer.from(hash));
        const oldRoot = mth(data(older));
        let newRoot = mth(data(size));
        if (kind === 0) proved[at % proved.length]![at % 32]! ^= 1 + (at % 255);
        else if (kind === 1) proved.pop();
        else if (kind === 2) proved.push(Buffer.alloc(32));
        else newRoot = mth(data(size).map((d, i) => (i === older - 1 ? Buffer.from('rewritten') : d)));
        expect(checkConsistency(older, oldRoot, size, newRoot, proved)).toBe(false);
      }),
    );
  });

  it('takes no proof for sizes that make no sense', () => {
    const root = mth(data(3));
    expect(checkConsistency(4, root, 3, root, [])).toBe(false);
    expect(checkConsistency(3, root, 3, mth(data(2)), [])).toBe(false);
    expect(checkConsistency(0, root, 3, root, [])).toBe(false);
    expect(rootFromInclusion(root, 3, 3, [])).toBeUndefined();
    expect(rootFromInclusion(root, -1, 3, [])).toBeUndefined();
    expect(() => inclusionProof(tree(3), 3)).toThrow(RangeError);
    expect(() => rootOf(tree(3), 4)).toThrow(RangeError);
  });
});
