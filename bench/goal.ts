// What a benchmark hands back: figures beside their goals, and what else was seen.

/** One figure with a goal. It is met when `ratio` is at least 1. */
export interface Goal {
  readonly what: string;
  readonly measured: number;
  readonly goal: number;
  readonly unit: string;
  /** Is more better, as with throughput, or less, as with memory? */
  readonly better: 'more' | 'less';
}

export interface Result {
  readonly goals: readonly Goal[];
  /** Goals that could not be measured here, and why. */
  readonly missing?: readonly string[];
  /** What is worth knowing beside them. */
  readonly remarks?: readonly string[];
  /** All runs, sizes and whatever explains the figures; goes to the JSON only. */
  readonly details: object;
}

/** @param quick less data, fewer runs: to see that it works, not what it reaches */
export type Benchmark = (quick: boolean) => Promise<Result>;

/** How far a goal is met: 1 = just met. */
export function ratioOf({ measured, goal, better }: Goal): number {
  return better === 'more' ? measured / goal : goal / measured;
}

/** As figures are printed. */
export const figure = (value: number) => String(Number(value.toPrecision(3)));
