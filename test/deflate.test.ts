// The compressor: what zlib inflates is what went in, the same input gives the same bytes, and lines come out as small as zlib makes them.

import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { generateDay } from '../emulators/story/index.ts';
import { createDeflater, type DeflateWasm, loadWasm, WINDOW_BYTES } from '../src/deflate/deflate.ts';
import { REAL_LINES } from './event-lines.ts';

const failOnSlip = () => {
  throw new Error('compressed wrongly');
};
/** Ours, never zlib in its place. */
const strict = () => createDeflater(loadWasm(), failOnSlip);
const deflater = strict();

/** Raw deflate that isn't ended. */
const inflate = (bytes: Buffer, dictionary?: Buffer) =>
  inflateRawSync(bytes, {
    finishFlush: constants.Z_SYNC_FLUSH,
    ...(dictionary !== undefined && dictionary.length > 0 && { dictionary }),
  });

const FROM = Date.parse('2026-06-20T00:00:00Z');
const DAY = Buffer.concat(
  [
    ...generateDay({
      seed: 7,
      cluster: { name: 'prod', account: '111122223333', region: 'us-east-1' },
      from: FROM,
      to: FROM + 24 * 3_600_000,
      eventsPerHour: 60,
    }),
  ].flatMap(({ line }) => [line, Buffer.from('\n')]),
);

/** A number generator of its own, so that a run can be repeated. */
function noise(length: number, seed: number, alphabet = 256): Buffer {
  let state = BigInt(seed) + 1n;
  return Buffer.from(
    Array.from({ length }, () => {
      state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
      return Number(state >> 40n) % alphabet;
    }),
  );
}

const partOf = (bytes: Buffer) =>
  fc
    .tuple(fc.nat(bytes.length), fc.oneof(fc.nat(300), fc.nat(70_000)))
    .map(([from, length]) => bytes.subarray(from, from + length));
const NOISE = noise(200_000, 1);
const pieceArb = fc.oneof(
  { weight: 6, arbitrary: partOf(DAY) },
  { weight: 2, arbitrary: partOf(NOISE) },
  { weight: 2, arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)) },
  // runs and short periods: matches that overlap themselves
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.uint8Array({ minLength: 1, maxLength: 9 }), fc.integer({ min: 1, max: 3000 }))
      .map(([bytes, times]) => Buffer.concat(Array.from({ length: times }, () => Buffer.from(bytes)))),
  },
);
const contentArb = fc.array(pieceArb, { maxLength: 8 }).map((pieces) => Buffer.concat(pieces));

describe('compress', () => {
  it('gives back what went in, block after block, whatever it compressed before', () => {
    fc.assert(
      fc.property(fc.array(contentArb, { minLength: 1, maxLength: 4 }), (blocks) => {
        const compressed = blocks.map((block, i) => deflater.compress(block, blocks[i - 1]));
        const whole = Buffer.concat([...compressed, Buffer.from([3, 0])]);
        for (const [i, block] of blocks.entries())
          expect(inflate(compressed[i]!, blocks[i - 1]?.subarray(-WINDOW_BYTES)).equals(block)).toBe(true);
        expect(inflateRawSync(whole).equals(Buffer.concat(blocks))).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('gives the same bytes from a compressor that is new', () => {
    const used = strict();
    fc.assert(
      fc.property(contentArb, contentArb, (dictionary, content) => {
        expect(used.compress(content, dictionary).equals(strict().compress(content, dictionary))).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  it('leaves nothing of a block behind that the next one could find', () => {
    const used = strict();
    for (const [seed, size] of [400_000, 1 << 20, 90_000, 1 << 20, 700_000].entries()) {
      const content = Buffer.concat([noise(seed * 1000, seed), DAY, NOISE, DAY]).subarray(0, size);
      const dictionary = DAY.subarray(seed * 7000, seed * 7000 + WINDOW_BYTES);
      expect(used.compress(content, dictionary).equals(strict().compress(content, dictionary))).toBe(true);
    }
  });

  it.each<[string, Buffer]>([
    ['nothing', Buffer.alloc(0)],
    ['one byte', Buffer.from('x')],
    ['eight bytes', Buffer.from('xxxxxxxx')],
    ['nine bytes', Buffer.from('xxxxxxxxx')],
    ['a long run', Buffer.alloc(1 << 20, 'a')],
    ['noise', noise(1 << 20, 2)],
    ['noise of few letters', noise(1 << 20, 3, 3)],
    ['noise of two letters', noise(300_000, 4, 2)],
    ['every byte in turn', Buffer.from(Array.from({ length: 70_000 }, (_, i) => i % 256))],
    ['one piece and a byte', Buffer.concat([DAY, DAY, DAY]).subarray(0, (1 << 20) + (64 << 10) + 1)],
    ['several pieces', Buffer.concat([DAY, noise(1 << 20, 5), DAY])],
    [
      'the same far away',
      Buffer.concat([NOISE.subarray(0, 500), noise(WINDOW_BYTES - 500, 6), NOISE.subarray(0, 500)]),
    ],
    ['the same too far away', Buffer.concat([NOISE.subarray(0, 500), noise(WINDOW_BYTES, 6), NOISE.subarray(0, 500)])],
  ])('takes %s', (_, content) => {
    const bytes = deflater.compress(content);
    expect(inflate(bytes).equals(content)).toBe(true);
    expect(bytes.length).toBeLessThan(content.length * 1.01 + 200);
  });

  it('keeps codes within 15 bits where letters are of very unequal number', () => {
    // numbers of Fibonacci make the deepest tree; mixed up, so that there are hardly any matches
    const letters: number[] = [];
    for (let [a, b, letter] = [1, 1, 0]; letters.length < 30_000; [a, b, letter] = [b, a + b, letter + 1])
      letters.push(...Array<number>(a).fill(letter));
    const order = noise(letters.length * 4, 8);
    const mixed = letters
      .map((letter, i) => ({ letter, at: order.readUInt32LE(i * 4) }))
      .sort((x, y) => x.at - y.at)
      .map(({ letter }) => letter);
    const content = Buffer.from(mixed);
    expect(inflate(deflater.compress(content)).equals(content)).toBe(true);
  });

  it.each<[string, Buffer]>([
    ['generated lines', DAY],
    ['real lines', Buffer.concat(REAL_LINES.flatMap((line) => [line, Buffer.from('\n')]))],
  ])('makes %s as small as zlib at level 6, within 3 %%', (_, content) => {
    const ours = deflater.compress(content.subarray(0, 1 << 20)).length;
    const zlibs = deflateRawSync(content.subarray(0, 1 << 20), { level: 6 }).length;
    expect(ours).toBeLessThan(zlibs * 1.03);
  });
});

describe('a compressor that slips', () => {
  const real = loadWasm()!;
  const broken: [string, DeflateWasm['compress']][] = [
    [
      'changes a byte',
      (size, dictionary) => {
        const written = real.compress(size, dictionary);
        new Uint8Array(real.memory.buffer)[1_835_008 + (written >> 1)]! ^= 0x10;
        return written;
      },
    ],
    ['leaves something out', (size, dictionary) => real.compress(size - 1, dictionary)],
    ['writes nothing', () => 0],
    [
      'fails',
      () => {
        throw new Error('unreachable');
      },
    ],
  ];
  it.each(broken)('%s: zlib does it, and it is said', (_, compress) => {
    let slips = 0;
    const slipping = createDeflater({ memory: real.memory, compress }, () => slips++);
    const dictionary = DAY.subarray(0, 50_000);
    const content = DAY.subarray(50_000, 300_000);
    expect(inflate(slipping.compress(content, dictionary), dictionary.subarray(-WINDOW_BYTES)).equals(content)).toBe(
      true,
    );
    expect(slips).toBe(1);
  });
});

it('where it can’t run, zlib does it', () => {
  const without = createDeflater(null, failOnSlip);
  const bytes = without.compress(DAY.subarray(1000, 90_000), DAY.subarray(0, 1000));
  expect(inflate(bytes, DAY.subarray(0, 1000)).equals(DAY.subarray(1000, 90_000))).toBe(true);
});
