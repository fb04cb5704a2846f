// The budget: never over its limit but by force, who waits is woken, and an abort ends the waiting.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createBudget } from '../../src/archive/budget.ts';

const quiet = new AbortController().signal;

it('takes while it fits, and counts what is taken by force', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100 }),
      fc.array(fc.tuple(fc.constantFrom('take', 'force', 'give'), fc.integer({ min: 0, max: 60 })), { maxLength: 30 }),
      (limit, steps) => {
        const budget = createBudget(limit);
        const held: number[] = [];
        for (const [what, bytes] of steps) {
          const before = budget.used;
          if (what === 'give') budget.give(held.pop() ?? 0);
          else if (what === 'force') budget.force(bytes);
          const took = what === 'take' && budget.take(bytes);
          if (what === 'take') expect(took).toBe(before + bytes <= limit);
          if (took || what === 'force') held.push(bytes);
          expect(budget.used).toBe(held.reduce((a, b) => a + b, 0));
        }
      },
    ),
  );
});

it('room waits until it fits, in whatever order the others give', async () => {
  const budget = createBudget(10);
  expect(budget.take(8)).toBe(true);
  const order: string[] = [];
  const large = budget.room(9, quiet).then(() => order.push('large'));
  const small = budget.room(3, quiet).then(() => order.push('small'));
  await new Promise(setImmediate);
  expect(order).toEqual([]);
  budget.give(2);
  await small;
  expect(order).toEqual(['small']);
  budget.give(6);
  await large;
  expect(order).toEqual(['small', 'large']);
});

it('room lets in what is larger than the whole budget, once nothing is taken', async () => {
  const budget = createBudget(10);
  await budget.room(1000, quiet);
  budget.force(1);
  const waiting = budget.room(1000, quiet);
  budget.give(1);
  await waiting;
});

it('an abort ends the waiting, and nothing is left behind', async () => {
  const budget = createBudget(10);
  budget.force(10);
  const stop = new AbortController();
  const waiting = budget.room(5, stop.signal);
  stop.abort(new Error('stopped'));
  await expect(waiting).rejects.toThrow('stopped');
  await expect(budget.room(5, stop.signal)).rejects.toThrow('stopped');
  budget.give(10);
  expect(budget.used).toBe(0);
});
