// The emulator's time: the real one, a fixed one that the test moves, or one that is lent.

export interface Clock {
  now(): number;
  /** Stops the clock at this time, milliseconds since the epoch. */
  set(time: number): void;
  advance(ms: number): void;
}

/** @param start a time to stand still at, a function to ask, or nothing for the real time */
export function createClock(start?: number | (() => number)): Clock {
  let base = typeof start === 'function' ? start : start === undefined ? Date.now : () => start;
  let shift = 0;
  return {
    now: () => base() + shift,
    set(time) {
      base = () => time;
      shift = 0;
    },
    advance(ms) {
      shift += ms;
    },
  };
}
