// Memory that pages use again: what is given back comes again, what belongs to others never does.

import { expect, it } from 'vitest';
import { collectBytes, giveMemory, takeMemory } from '../src/page-memory.ts';

it('gives memory out again that was given back, whatever part of it came back', () => {
  const first = takeMemory(1_000_000);
  expect(first.length).toBeGreaterThanOrEqual(1_000_000);
  const second = takeMemory(1_000_000);
  expect(second.buffer).not.toBe(first.buffer);
  giveMemory(first.subarray(10, 20));
  const third = takeMemory(900_000);
  expect(third.buffer).toBe(first.buffer);
  expect(third.length).toBe(first.length);
  expect(takeMemory(900_000).buffer).not.toBe(first.buffer);
});

it('never hands out what it did not make: small buffers share theirs with strangers', () => {
  const stranger = Buffer.from('secret');
  giveMemory(stranger);
  giveMemory(Buffer.alloc(4 << 20));
  const taken = Array.from({ length: 10 }, () => takeMemory(1).buffer);
  expect(taken).not.toContain(stranger.buffer);
  expect(new Set(taken).size).toBe(10);
});

it('finds room for what is larger than all that came back', () => {
  giveMemory(takeMemory(1000));
  expect(takeMemory(9_000_000).length).toBeGreaterThanOrEqual(9_000_000);
});

it('collects a stream, and frees the chunks that have their memory for themselves', async () => {
  const own = [1, 1 << 20, 70_000, 3 << 20].map((length, i) => Buffer.allocUnsafeSlow(length).fill(i + 1));
  const shared = Buffer.allocUnsafeSlow(100).fill(9);
  const expected = Buffer.concat([...own, shared.subarray(10, 90)]);
  async function* chunks() {
    yield* own;
    yield shared.subarray(10, 90);
  }
  for (const said of ['1000', String(expected.length), null, 'nonsense', '9e15']) {
    const again = own.map((chunk) => Buffer.from(chunk));
    expect((await collectBytes(chunks(), said)).equals(expected), String(said)).toBe(true);
    expect(own.map((chunk) => chunk.length)).toEqual([0, 0, 0, 0]);
    expect(shared.every((byte) => byte === 9)).toBe(true);
    own.splice(0, own.length, ...again.map((chunk) => Buffer.from(new Uint8Array(chunk).buffer)));
  }
});
