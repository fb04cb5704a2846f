// A believable day of a Kubernetes cluster as its audit log shows it, made from a seed: for the demo, tests and benchmarks.

import { renderDay, type StoryOptions } from './day.ts';

export { type IntruderFacts, intruderFacts, type StoryOptions, type StoryShape } from './day.ts';
export { type DayLogEvent, dayOfLogEvents, type LogEventOptions } from './log-events.ts';
export { storySecrets } from './leaks.ts';
export type { StoryCluster } from './population.ts';
export type { Fact } from './plan.ts';

/** One line of the audit log. */
export interface StoryEvent {
  /** stageTimestamp, milliseconds since the epoch, rounded down. */
  readonly time: number;
  /** An `audit.k8s.io/v1` Event as kube-apiserver writes it, without line end. */
  readonly line: Buffer;
  /** Index of the API server instance that wrote it. */
  readonly stream: number;
}

/** Audit events of one cluster in order of stageTimestamp. Holds only what is still to come of open requests, however many events there are. */
export function* generateDay(options: StoryOptions): Generator<StoryEvent> {
  for (const { at, text, stream } of renderDay(options)) {
    yield { time: Math.floor(at / 1000), line: Buffer.from(text), stream };
  }
}
