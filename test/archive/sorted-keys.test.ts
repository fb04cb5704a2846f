// Sorting, merging and finding fixed-width keys, against Buffer.compare; fingerprint lists and digest sets over them.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createDigestSet } from '../../src/archive/digest-set.ts';
import { bodyBytes, createFingerprintList } from '../../src/archive/fingerprints.ts';
import { digestOf, FINGERPRINT_BYTES, sha256Hex } from '../../src/archive/hash.ts';
import { includesKey, mergeSorted, sortKeys } from '../../src/archive/sorted-keys.ts';
import { brokenScratch, scratchOf, UNKEPT } from './scratch.ts';

const split = (keys: Buffer, width: number) =>
  Array.from({ length: keys.length / width }, (_, i) => keys.subarray(i * width, (i + 1) * width));

/** Many keys of few bytes: repeated ones, equal beginnings, crowded buckets. */
const crowded = (width: number, count: number) =>
  fc.tuple(fc.integer({ min: 1, max: 256 }), fc.integer()).map(([values, seed]) => {
    const bytes = Buffer.alloc(width * count);
    const random = createHash('shake256', { outputLength: bytes.length }).update(`${seed}`).digest();
    for (let i = 0; i < bytes.length; i++) bytes[i] = random[i]! % values;
    return bytes;
  });

describe('sorted keys', () => {
  it.each([
    ['few', 50, 100],
    ['many', 2_500, 10],
  ])('%s keys come out in the order of their bytes', (_, count, numRuns) => {
    fc.assert(
      fc.property(fc.constantFrom(12, 16), fc.nat(), (width, n) => {
        fc.assert(
          fc.property(crowded(width, Math.min(count, n === 0 ? 0 : count)), (keys) => {
            const should = Buffer.concat(split(Buffer.from(keys), width).sort(Buffer.compare));
            expect(sortKeys(keys, width).equals(should)).toBe(true);
          }),
          { numRuns: 3 },
        );
      }),
      { numRuns },
    );
  });

  it('merging files is sorting all of them, and what is in them is found', async () => {
    const { directory } = scratchOf(0);
    let n = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 9_000 }), { minLength: 1, maxLength: 4 }), async (counts) => {
        const runs = counts.map((count, i) => {
          const keys = Buffer.concat(
            Array.from({ length: count }, (_, k) =>
              Buffer.from(digestOf(`${i}/${k % 5_000}`), 'latin1').subarray(0, 12),
            ),
          );
          const path = `${directory}/run-${n++}`;
          writeFileSync(path, sortKeys(keys, 12));
          return path;
        });
        const target = `${directory}/merged-${n++}`;
        await mergeSorted(runs, 12, target);
        const merged = readFileSync(target);
        const should = Buffer.concat(runs.flatMap((path) => split(readFileSync(path), 12)).sort(Buffer.compare));
        expect(merged.equals(should)).toBe(true);
        for (let k = 0; k < 50; k++) {
          const key = Buffer.from(digestOf(`0/${k}`), 'latin1').subarray(0, 12);
          expect(includesKey(merged, 12, key)).toBe(
            merged.indexOf(key) >= 0 && split(merged, 12).some((one) => one.equals(key)),
          );
        }
      }),
      { numRuns: 8 },
    );
  });

  it('a merge that can’t write rejects, and doesn’t bring the process down', async () => {
    const { directory } = scratchOf(0);
    writeFileSync(`${directory}/run`, Buffer.alloc(12 * 50_000));
    await expect(mergeSorted([`${directory}/run`], 12, '/dev/full')).rejects.toThrow('ENOSPC');
    await expect(mergeSorted([`${directory}/run`], 12, `${directory}/none/target`)).rejects.toThrow('ENOENT');
    await expect(mergeSorted([`${directory}/gone`], 12, `${directory}/target`)).rejects.toThrow('ENOENT');
  });
});

describe('a fingerprint list', () => {
  it.each([
    ['in memory', 1 << 30],
    ['in files', 0],
  ])('gives all fingerprints sorted, repeated ones included, %s', async (_, room) => {
    const scratch = scratchOf(room);
    const list = createFingerprintList(scratch);
    const all: Buffer[] = [];
    for (let i = 0; i < 60_000; i++) {
      const digest = digestOf(`record ${i % 50_000}`);
      all.push(Buffer.from(digest, 'latin1').subarray(0, FINGERPRINT_BYTES));
      list.add(digest);
      if (i % 1000 === 0) await list.settle();
    }
    expect(list.count).toBe(60_000);
    const { body, sha256 } = await list.finish();
    expect(Buffer.isBuffer(body)).toBe(room > 0);
    const bytes = await bodyBytes(body);
    expect(bytes.equals(Buffer.concat(all.sort(Buffer.compare)))).toBe(true);
    expect(sha256).toBe(sha256Hex(bytes));
    await list.dispose();
    expect(scratch.budget.used).toBe(0);
    expect(readdirSync(scratch.directory)).toEqual([]);
  });
});

it('fingerprints that can’t be written say where, and give everything back', async () => {
  const scratch = brokenScratch();
  const list = createFingerprintList(scratch);
  for (let i = 0; i < 60_000; i++) list.add(digestOf(`${i}`));
  await expect(list.settle()).rejects.toEqual(UNKEPT);
  await list.dispose();
  expect(scratch.budget.used).toBe(0);
});

it('fingerprints that rest give their memory back, and none is lost', async () => {
  const scratch = scratchOf(1 << 30);
  const list = createFingerprintList(scratch);
  const all: Buffer[] = [];
  for (const count of [30_000, 10, 0, 40_000, 3]) {
    for (let i = 0; i < count; i++) {
      const digest = digestOf(`record ${all.length}`);
      all.push(Buffer.from(digest, 'latin1').subarray(0, FINGERPRINT_BYTES));
      list.add(digest);
    }
    await list.rest();
    expect(scratch.budget.used).toBe(0);
  }
  expect(readdirSync(scratch.directory)).toHaveLength(2);
  const { body } = await list.finish();
  expect((await bodyBytes(body)).equals(Buffer.concat(all.sort(Buffer.compare)))).toBe(true);
  await list.dispose();
});

describe('a digest set', () => {
  it.each([
    ['in memory', 1 << 30, 0],
    ['in sorted runs on disk', 0, 2],
  ])('says of each digest whether it was there, %s', (_, room, leastFiles) => {
    const scratch = scratchOf(room);
    const set = createDigestSet(scratch);
    const reference = new Set<string>();
    for (let i = 0; i < 330_000; i++) {
      // every third one was there before, near or long ago
      const digest = digestOf(`content ${i % 3 === 0 ? Math.floor(i / 7) : i}`);
      const fresh = !reference.has(digest);
      reference.add(digest);
      if (set.add(digest) !== fresh) expect.fail(`digest ${i} was called ${fresh ? 'old' : 'new'}`);
    }
    expect(readdirSync(scratch.directory).length).toBeGreaterThanOrEqual(leastFiles);
    set.dispose();
    expect(scratch.budget.used).toBe(0);
    expect(readdirSync(scratch.directory)).toEqual([]);
  });

  it('that rests gives its memory back, and still knows what it has seen', () => {
    const scratch = scratchOf(1 << 30);
    const set = createDigestSet(scratch);
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 20_000; i++) {
        const n = round * 10_000 + i;
        if (set.add(digestOf(`content ${n}`)) !== (round === 0 || i >= 10_000)) expect.fail(`${n} in round ${round}`);
      }
      const before = scratch.budget.used;
      set.rest();
      expect(scratch.budget.used).toBeLessThan(before / 2);
      // too few to be worth a file
      set.add(digestOf(`round ${round}`));
      set.rest();
      expect(readdirSync(scratch.directory)).toHaveLength(round + 1);
    }
    for (let n = 0; n < 60_000; n += 7) expect(set.add(digestOf(`content ${n}`))).toBe(false);
    for (let round = 0; round < 5; round++) expect(set.add(digestOf(`round ${round}`))).toBe(false);
    set.dispose();
    expect(scratch.budget.used).toBe(0);
  });

  it('tells digests apart that differ in one bit, and knows the one of zeros', () => {
    const set = createDigestSet(scratchOf(1 << 20));
    const digests = Array.from({ length: 128 }, (_, bit) => {
      const bytes = Buffer.alloc(32);
      bytes[bit >>> 3]! |= 1 << (bit & 7);
      return bytes.toString('latin1');
    });
    digests.push('\0'.repeat(32));
    for (const digest of digests) expect(set.add(digest)).toBe(true);
    for (const digest of digests) expect(set.add(digest)).toBe(false);
  });

  it('gives everything back when a run can’t be written', () => {
    const scratch = brokenScratch();
    const set = createDigestSet(scratch);
    expect(() => {
      for (let i = 0; i < 200_000; i++) set.add(digestOf(`${i}`));
    }).toThrow(UNKEPT);
    set.dispose();
    expect(scratch.budget.used).toBe(0);
  });
});
