// Parts and their spools: any gzip reads them, the same lines give the same bytes, and nothing is kept when they fail.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync, inflateRawSync, zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Compression } from '../../src/archive/compress.ts';
import { leafHash } from '../../src/archive/hash.ts';
import { createPartWriter, type Packed } from '../../src/archive/part.ts';
import { createSpool, type Scratch } from '../../src/archive/spool.ts';
import { brokenScratch, scratchOf, UNKEPT } from './scratch.ts';

const hasGzip = spawnSync('gzip', ['--version']).status === 0;

/** Bytes that compress like JSON does: a few words over and over, and some noise. */
function lineOf(length: number, seed: number): Buffer {
  const noise = createHash('sha256').update(`${seed}`).digest('hex');
  return Buffer.from(`{"noise":"${noise}","text":"${'lorem ipsum '.repeat(Math.ceil(length / 12))}`.slice(0, length));
}

async function pack(
  lines: readonly Buffer[],
  compression: Compression,
  scratch: Scratch,
): Promise<Packed & { stored: Buffer }> {
  const writer = createPartWriter(compression, scratch);
  for (const [i, line] of lines.entries()) {
    writer.add(line, leafHash(line));
    if (i % 50 === 49) await writer.ready();
  }
  const packed = await writer.finish();
  const stored = Buffer.isBuffer(packed.body) ? packed.body : readFileSync(packed.body.path);
  await writer.dispose();
  return { ...packed, stored };
}

const contentOf = (lines: readonly Buffer[]) => Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')]));
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** Small lines, and now and then one that is longer than a block. */
const linesArb = fc
  .array(
    fc.oneof(
      { weight: 20, arbitrary: fc.integer({ min: 0, max: 3000 }) },
      { weight: 3, arbitrary: fc.integer({ min: 3000, max: 400_000 }) },
      { weight: 1, arbitrary: fc.constantFrom(1 << 20, (1 << 20) - 1, (1 << 20) + (64 << 10), 1_300_000) },
    ),
    { minLength: 1, maxLength: 40 },
  )
  .map((lengths) => lengths.map(lineOf));

describe.each(['gzip', 'zstd'] as const)('a %s part', (compression) => {
  it('gives its lines back, says the truth of itself, and is the same wherever it was kept', async () => {
    const roomy = scratchOf(1 << 30);
    const narrow = scratchOf(0);
    await fc.assert(
      fc.asyncProperty(linesArb, async (lines) => {
        const content = contentOf(lines);
        const inMemory = await pack(lines, compression, roomy);
        const spilled = await pack(lines, compression, narrow);
        expect(Buffer.isBuffer(inMemory.body)).toBe(true);
        expect(spilled.body).toHaveProperty('path');
        expect(spilled.stored.equals(inMemory.stored)).toBe(true);
        const { stored, bytes, lines: count, contentBytes } = inMemory;
        expect({ bytes, count, contentBytes }).toEqual({
          bytes: stored.length,
          count: lines.length,
          contentBytes: content.length,
        });
        expect(inMemory.sha256).toBe(sha256(stored));
        expect(inMemory.contentSha256).toBe(sha256(content));
        const back = compression === 'gzip' ? gunzipSync(stored) : zstdDecompressSync(stored);
        expect(back.equals(content)).toBe(true);
        expect([roomy.budget.used, narrow.budget.used]).toEqual([0, 0]);
      }),
      { numRuns: 25 },
    );
    expect(readdirSync(narrow.directory)).toEqual([]);
  });
});

describe('a gzip part', () => {
  const lines = Array.from({ length: 3000 }, (_, i) => lineOf(900 + (i % 700), i));

  it('is one member without time and name, as the format says', async () => {
    const { stored } = await pack(lines, 'gzip', scratchOf(1 << 30));
    expect(stored.subarray(0, 10).toString('hex')).toBe('1f8b08000000000000ff');
    const deflated = stored.subarray(10, -8);
    const { buffer, engine } = inflateRawSync(deflated, { info: true }) as unknown as {
      buffer: Buffer;
      engine: { bytesWritten: number };
    };
    expect(engine.bytesWritten).toBe(deflated.length);
    expect(buffer.equals(contentOf(lines))).toBe(true);
    expect(buffer.length).toBeGreaterThan(3 << 20);
  });

  it.skipIf(!hasGzip)('is what the gzip of this machine calls good', async () => {
    const { stored } = await pack(lines, 'gzip', scratchOf(1 << 30));
    expect(spawnSync('gzip', ['-t'], { input: stored })).toMatchObject({ status: 0, stderr: Buffer.alloc(0) });
    const back = spawnSync('gzip', ['-dc'], { input: stored, maxBuffer: 1 << 26 }).stdout;
    expect(back.equals(contentOf(lines))).toBe(true);
  });
});

it('a part that can’t be kept fails, and gives back what it took', async () => {
  const scratch = brokenScratch();
  const writer = createPartWriter('gzip', scratch);
  for (let i = 0; i < 40; i++) writer.add(lineOf(300_000, i), leafHash(Buffer.from([i])));
  await expect(writer.finish()).rejects.toThrow(UNKEPT);
  await expect(writer.ready()).rejects.toThrow('ENOENT');
  await writer.dispose();
  expect(scratch.budget.used).toBe(0);
});

it('a spool keeps in memory what the budget grants and the rest in a file', async () => {
  const chunk = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));
  const scratch = scratchOf(60);
  await fc.assert(
    fc.asyncProperty(fc.array(chunk, { maxLength: 8 }), async (chunks) => {
      const spool = createSpool(scratch);
      const whole = Buffer.concat(chunks);
      for (const one of chunks) await spool.append(one);
      expect(spool.size).toBe(whole.length);
      const body = await spool.body();
      expect(Buffer.isBuffer(body)).toBe(whole.length <= 60);
      expect((Buffer.isBuffer(body) ? body : readFileSync(body.path)).equals(whole)).toBe(true);
      await spool.dispose();
      await spool.dispose();
      expect(scratch.budget.used).toBe(0);
      expect(readdirSync(scratch.directory)).toEqual([]);
    }),
  );
});
