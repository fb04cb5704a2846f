// Arrival times follow from content alone: order, garbage, pauses, and where a walk is taken up again.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createArrivals } from '../../providers/kube/arrival.ts';
import { DAY, HOUR, T0 } from './kube-lab.ts';

const LIMIT = T0 + 30 * DAY;

/** Arrival of each line; undefined while it waits. */
function arrivals(times: readonly number[], fallback?: number, from?: number): (number | undefined)[] {
  const found: (number | undefined)[] = times.map(() => undefined);
  let given = 0;
  const state = createArrivals(from, LIMIT, (count, arrival) => {
    for (let i = 0; i < count; i++) found[given++] = arrival;
  });
  times.forEach((time, i) => state.push(time, i + 1));
  state.end(fallback);
  return found;
}

describe('arrival', () => {
  const none = Number.NaN;
  test('is the largest time so far', () => {
    expect(arrivals([T0, T0 + 5, T0 + 3, T0 + 9])).toEqual([T0, T0 + 5, T0 + 5, T0 + 9]);
  });
  test('of a line without time is that of the next one with time', () => {
    expect(arrivals([none, T0, none, none, T0 + 5])).toEqual([T0, T0, T0 + 5, T0 + 5, T0 + 5]);
  });
  test('of the last lines of a file that may grow is open; in a final one it is that of the line before', () => {
    expect(arrivals([T0, T0 + 5, none, none])).toEqual([T0, T0 + 5, undefined, undefined]);
    expect(arrivals([T0, T0 + 5, none, none], 1)).toEqual([T0, T0 + 5, T0 + 5, T0 + 5]);
  });
  test('without any time is what the file itself tells', () => {
    expect(arrivals([none, none], 7)).toEqual([7, 7]);
    expect(arrivals([none, none])).toEqual([undefined, undefined]);
  });
  test('is not moved by one garbage time, first, in the middle or beyond what can be true', () => {
    const far = T0 + 20 * DAY;
    const never = T0 + 9999 * DAY;
    expect(arrivals([far, T0, T0 + 1])).toEqual([T0, T0, T0 + 1]);
    expect(arrivals([T0, T0 + 1, far, T0 + 2])).toEqual([T0, T0 + 1, T0 + 2, T0 + 2]);
    expect(arrivals([T0, never, never, never, T0 + 2])).toEqual([T0, T0 + 2, T0 + 2, T0 + 2, T0 + 2]);
    expect(arrivals([T0, far, far - 5 * DAY, T0 + 2])).toEqual([T0, T0 + 2, T0 + 2, T0 + 2]);
  });
  test('goes on after a pause of weeks, also when the line after it is the last one', () => {
    const later = T0 + 20 * DAY;
    expect(arrivals([T0, T0 + 1, later, later + 1])).toEqual([T0, T0 + 1, later, later + 1]);
    expect(arrivals([T0, T0 + 1, later])).toEqual([T0, T0 + 1, later]);
    expect(arrivals([T0, later, none])).toEqual([T0, later, undefined]);
  });

  const time = fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: 3 * HOUR }).map((d) => T0 + d) },
    { weight: 2, arbitrary: fc.constant(none) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 40 }).map((d) => T0 + d * DAY) },
  );
  test('never falls, and what is known stays when lines are added', () => {
    fc.assert(
      fc.property(fc.array(time, { maxLength: 30 }), fc.array(time, { maxLength: 10 }), (lines, more) => {
        const before = arrivals([...lines]);
        const known = before.filter((a) => a !== undefined);
        expect([...known].sort((a, b) => a - b)).toEqual(known);
        // a leap at the very end is taken at its word, all others stay
        const steps = [...new Set(known)];
        const leap = steps.length === 1 || (steps.length > 1 && steps.at(-1)! > steps.at(-2)! + DAY);
        const sure = leap ? known.filter((a) => a < steps.at(-1)!) : known;
        expect(arrivals([...lines, ...more]).slice(0, sure.length)).toEqual(sure);
      }),
      { numRuns: 500 },
    );
  });
  test('is the same when a walk is taken up at the first line that waits', () => {
    fc.assert(
      fc.property(fc.array(time, { maxLength: 40 }), fc.nat({ max: 39 }), (lines, cut) => {
        const whole = arrivals(lines, 1);
        const found: number[] = [];
        const first = createArrivals(undefined, LIMIT, (count, arrival) =>
          found.push(...Array<number>(count).fill(arrival)),
        );
        lines.slice(0, cut).forEach((at, i) => first.push(at, i));
        const rest = arrivals(lines.slice(found.length), 1, first.max());
        expect([...found, ...rest]).toEqual(whole);
      }),
      { numRuns: 500 },
    );
  });
});
