// First and last stage of a part's events, without holding the memory of the pages that they came in.

import { type AuditEvent, fieldBytes } from '../event.ts';

/** An event, or what is left of one: when its stage was, and as written. */
type Staged = AuditEvent | { readonly stageTime: number; readonly text: string };

/** The least and greatest stageTimestamp so far. */
export interface Stages {
  first: Staged;
  last: Staged;
}

/** stageTimestamp as written. */
export function stageText(event: Staged): string {
  if ('text' in event) return event.text;
  const quoted = fieldBytes(event, 'stageTimestamp')!;
  return quoted.toString('latin1', 1, quoted.length - 1);
}

/** Order of stage time, to the microsecond where both are written in UTC, as the API server does. */
function isBefore(a: Staged, b: Staged): boolean {
  return a.stageTime === b.stageTime ? stageText(a) < stageText(b) : a.stageTime < b.stageTime;
}

export function widen(stages: Stages, event: AuditEvent): void {
  if (isBefore(event, stages.first)) stages.first = event;
  if (isBefore(stages.last, event)) stages.last = event;
}

/** An event's line lies in the memory of its page, and all of that would be held with it. */
function withoutLine(event: Staged): Staged {
  return 'text' in event ? event : { stageTime: event.stageTime, text: stageText(event) };
}

/** To be called before the page of these events is let go. */
export function letGo(stages: Stages): void {
  stages.first = withoutLine(stages.first);
  stages.last = withoutLine(stages.last);
}
