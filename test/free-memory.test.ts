import { expect, it } from 'vitest';
import { freeMemory, freeOwnMemory } from '../src/free-memory.ts';

it('frees all of the buffer, also by a part of it', () => {
  const bytes = Buffer.allocUnsafeSlow(1 << 20);
  const { buffer } = bytes;
  freeMemory(bytes.subarray(10, 20));
  expect(buffer.byteLength).toBe(0);
  expect(bytes.length).toBe(0);
});

it('leaves shared memory to the others', () => {
  const bytes = Buffer.from(new SharedArrayBuffer(100));
  freeMemory(bytes);
  expect(bytes.buffer.byteLength).toBe(100);
});

it('frees what lies alone in its buffer, and no part of one', () => {
  const bytes = Buffer.allocUnsafeSlow(100);
  freeOwnMemory(bytes.subarray(0, 99));
  expect(bytes.length).toBe(100);
  freeOwnMemory(bytes);
  expect(bytes.length).toBe(0);
});
