// Arrival times of the lines of one file, from their content alone: the largest stageTimestamp so far, garbage times left out.

const DAY = 86_400_000;

/** The oldest `count` lines that wait have this arrival; the last of them ends at `end`. */
export type OnResolved = (count: number, arrival: number, end: number) => void;

/**
 * Gives lines their arrival, in order, as soon as it is certain.
 * - A line without a usable time waits and arrives with the next usable one.
 * - A time more than a day ahead of the largest so far (the first one of a file, too) is usable if the next line with a time is at
 *   most a day older. So one garbage line can't push all later ones into the future, while a log goes on after a long pause.
 * - A time beyond `limit` is not usable.
 * Lines that wait have no effect on the state: going on from the first of them with `max()` gives the same arrivals.
 * @param from largest usable time so far, milliseconds; undefined at the start of a file
 * @param limit latest time that can be true, milliseconds
 */
export function createArrivals(from: number | undefined, limit: number, onResolved: OnResolved) {
  let max = from;
  let waiting = 0;
  let last = 0;
  // the leap that waits for its confirmation: how many lines wait up to it, its time and end
  let leap = 0;
  let leapTime = 0;
  let leapEnd = 0;

  function resolve(count: number, arrival: number, end: number): void {
    max = arrival;
    waiting -= count;
    leap = 0;
    onResolved(count, arrival, end);
  }

  return {
    /** The next line: its time (NaN if it has none) and where it ends in the file. */
    push(time: number, end: number): void {
      waiting++;
      last = end;
      if (!(time <= limit)) return;
      if (leap > 0 && time >= leapTime - DAY) resolve(leap, leapTime, leapEnd);
      leap = 0;
      if (max !== undefined && time <= max + DAY) resolve(waiting, Math.max(max, time), end);
      else {
        leap = waiting;
        leapTime = time;
        leapEnd = end;
      }
    },
    /** There is no further line now. A leap at the end counts; what still waits does so unless `fallback` is given: then nothing will follow. */
    end(fallback: number | undefined): void {
      if (leap > 0) resolve(leap, leapTime, leapEnd);
      if (waiting > 0 && fallback !== undefined) resolve(waiting, max ?? fallback, last);
    },
    max: () => max,
    waiting: () => waiting,
  };
}
