// Memory that pages use again: what is given back comes again, what belongs to others never does.

import { expect, it } from 'vitest';
import { giveMemory, takeMemory } from '../src/page-memory.ts';

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
