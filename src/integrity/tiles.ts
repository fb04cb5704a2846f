// C2SP tlog-tiles: names and contents of tiles and entry bundles for a tree of a given size. Pure.

import type { Tree } from './tree.ts';

/** Hashes in a full tile, entries in a full bundle. */
export const TILE_WIDTH = 256;
const HASH_BYTES = 32;
/** Subtree heights between two tile levels. */
const TILE_HEIGHT = 8;
/** What the two length bytes of a bundle allow. */
export const ENTRY_LIMIT = 65_535;

export interface Tile {
  /** 0 for leaf hashes; `entries` for a bundle of the entries themselves. */
  readonly level: number | 'entries';
  readonly index: number;
  /** 1–256; less than 256 is a partial tile. */
  readonly width: number;
}

/** `log/tile/0/x001/067`, with `.p/<width>` for a partial tile. */
export function tileKey({ level, index, width }: Tile): string {
  const partial = width === TILE_WIDTH ? '' : `.p/${width}`;
  return `log/tile/${level}/${indexPath(index)}${partial}`;
}

/** 1234067 → `x001/x234/067`. */
function indexPath(index: number): string {
  const digits = String(index);
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/\d{3}/g)!;
  return groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join('/');
}

/** The inverse of tileKey; undefined for keys that no tile has. */
export function parseTileKey(key: string): Tile | undefined {
  const m = /^log\/tile\/(entries|\d{1,2})\/((?:x\d{3}\/){0,4}\d{3})(?:\.p\/(\d{1,3}))?$/.exec(key);
  if (m === null) return undefined;
  const tile: Tile = {
    level: m[1] === 'entries' ? 'entries' : Number(m[1]),
    index: Number(m[2]!.replace(/[x/]/g, '')),
    width: m[3] === undefined ? TILE_WIDTH : Number(m[3]),
  };
  // only one spelling names a tile
  return tile.width > 0 && tileKey(tile) === key ? tile : undefined;
}

/** Prefix under which the partial forms of a tile lie. */
export const partialPrefix = (level: Tile['level'], index: number): string =>
  `log/tile/${level}/${indexPath(index)}.p/`;

/** All tiles of a tree of `size` that one of `from` leaves doesn't have yet, bundles first, then level by level. */
export function newTiles(from: number, size: number): Tile[] {
  const tiles = tilesOfLevel('entries', from, size);
  for (let level = 0, unit = 1; unit <= size; level++, unit *= TILE_WIDTH)
    tiles.push(...tilesOfLevel(level, Math.floor(from / unit), Math.floor(size / unit)));
  return tiles;
}

/** @param from hashes (or entries) that were there, of `to` */
function tilesOfLevel(level: Tile['level'], from: number, to: number): Tile[] {
  const tiles: Tile[] = [];
  if (from === to) return tiles;
  for (let index = Math.floor(from / TILE_WIDTH); index * TILE_WIDTH < to; index++)
    tiles.push({ level, index, width: Math.min(TILE_WIDTH, to - index * TILE_WIDTH) });
  return tiles;
}

/** Content of a hash tile. */
export function tileBytes(tree: Tree, level: number, index: number, width: number): Buffer {
  const hashes = tree.levels[level * TILE_HEIGHT]!;
  const first = index * TILE_WIDTH;
  return Buffer.concat(hashes.slice(first, first + width), width * HASH_BYTES);
}

/** Content of an entry bundle: each entry behind its length in two bytes, big-endian. */
export function bundleBytes(entries: readonly Buffer[]): Buffer {
  const parts: Buffer[] = [];
  for (const entry of entries) {
    if (entry.length > ENTRY_LIMIT)
      throw new RangeError(`an entry has ${entry.length} bytes, more than ${ENTRY_LIMIT}`);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(entry.length);
    parts.push(length, entry);
  }
  return Buffer.concat(parts);
}

/** Entries of a bundle; undefined when the bytes are no bundle. */
export function parseBundle(bytes: Buffer): Buffer[] | undefined {
  const entries: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    if (at + 2 > bytes.length) return undefined;
    const end = at + 2 + bytes.readUInt16BE(at);
    if (end > bytes.length) return undefined;
    entries.push(bytes.subarray(at + 2, end));
    at = end;
  }
  return entries;
}
