import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bundleBytes, newTiles, parseBundle, parseTileKey, tileBytes, tileKey } from '../../src/integrity/tiles.ts';
import { buildTree, hashLeaf, rootOf } from '../../src/integrity/tree.ts';

describe('tiles', () => {
  it('are named as C2SP tlog-tiles says', () => {
    expect(tileKey({ level: 0, index: 1234067, width: 256 })).toBe('log/tile/0/x001/x234/067');
    expect(tileKey({ level: 0, index: 5, width: 256 })).toBe('log/tile/0/005');
    expect(tileKey({ level: 'entries', index: 273, width: 112 })).toBe('log/tile/entries/273.p/112');
  });

  it('have names that lead back to them, and only one spelling', () => {
    const tiles = fc.record({
      level: fc.oneof(fc.constant('entries' as const), fc.integer({ min: 0, max: 63 })),
      index: fc.integer({ min: 0, max: 2_000_000_000 }),
      width: fc.integer({ min: 1, max: 256 }),
    });
    fc.assert(
      fc.property(tiles, (tile) => {
        expect(parseTileKey(tileKey(tile))).toEqual(tile);
      }),
    );
    for (const key of [
      'log/tile/0/x000/005',
      'log/tile/00/005',
      'log/tile/0/005.p/0',
      'log/tile/0/005.p/256',
      'log/tile/0/5',
    ])
      expect(parseTileKey(key)).toBeUndefined();
  });

  it('of 70,000 leaves are those of the specification', () => {
    const count = (level: number, full: boolean) =>
      newTiles(0, 70_000).filter((tile) => tile.level === level && (tile.width === 256) === full);
    expect(count(0, true)).toHaveLength(273);
    expect(count(0, false).map((t) => t.width)).toEqual([112]);
    expect(count(1, true)).toHaveLength(1);
    expect(count(1, false).map((t) => t.width)).toEqual([17]);
    expect(count(2, false).map((t) => t.width)).toEqual([1]);
    expect(newTiles(0, 256)).toEqual([
      { level: 'entries', index: 0, width: 256 },
      { level: 0, index: 0, width: 256 },
      { level: 1, index: 0, width: 1 },
    ]);
  });

  it('that one size adds to another are the ones it lacks', () => {
    fc.assert(
      fc.property(fc.nat(2000), fc.nat(2000), (a, b) => {
        const [from, to] = [Math.min(a, b), Math.max(a, b)];
        const before = new Set(newTiles(0, from).map(tileKey));
        const expected = newTiles(0, to)
          .map(tileKey)
          .filter((key) => !before.has(key));
        expect(newTiles(from, to).map(tileKey)).toEqual(expected);
      }),
    );
  });

  it('of the levels above hold roots of full tiles below', () => {
    const leaves = Array.from({ length: 600 }, (_, i) => hashLeaf(Buffer.from(`${i}`)));
    const tree = buildTree(leaves);
    expect(tileBytes(tree, 0, 2, 88)).toEqual(Buffer.concat(leaves.slice(512)));
    const roots = [leaves.slice(0, 256), leaves.slice(256, 512)].map((part) => rootOf(buildTree(part)));
    expect(tileBytes(tree, 1, 0, 2)).toEqual(Buffer.concat(roots));
  });

  it('bundles give back their entries, and cut ones nothing', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.uint8Array({ maxLength: 300 }).map((b) => Buffer.from(b)),
          { maxLength: 20 },
        ),
        (entries) => {
          const bytes = bundleBytes(entries);
          expect(parseBundle(bytes)).toEqual(entries);
          if (bytes.length > 0) expect(parseBundle(bytes.subarray(0, -1))).not.toEqual(entries);
        },
      ),
    );
    expect(() => bundleBytes([Buffer.alloc(65_536)])).toThrow(RangeError);
  });
});
