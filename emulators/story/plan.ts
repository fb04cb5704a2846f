// A planned part of the story: requests at fixed times, known before any of them is written.

import { type Call, type Line, render } from './encode.ts';
import type { Random } from './random.ts';

/** A request with its time and a name to find it by. */
export interface Planned {
  /** Word for what it is, such as `exec`. */
  readonly step: string;
  readonly auditID: string;
  /** Microseconds since the epoch. */
  readonly received: number;
  readonly lines: readonly Line[];
}

/** A planned request as tests and the demo see it. */
export interface Fact {
  readonly step: string;
  readonly auditID: string;
  readonly verb: string;
  readonly requestURI: string;
  readonly username?: string;
  readonly code: number;
  readonly stages: readonly string[];
  /** stageTimestamp of its last line, milliseconds since the epoch, rounded down. */
  readonly time: number;
}

/** Renders requests at given seconds after `begin`; `scale` shortens the story where the day is short. */
export function planner(begin: number, scale: number, random: Random) {
  const planned: Planned[] = [];
  return {
    planned,
    /** Adds a request `seconds` after the begin; returns its audit ID. */
    at: (seconds: number, step: string, call: Omit<Call, 'took'> & { took?: number }): string => {
      const auditID = random.uuid();
      const received = begin + Math.round((seconds + random.unit() * 0.9) * scale * 1e6);
      const lines = render({ took: random.between(900, 9000), ...call }, received, auditID, random);
      planned.push({ step, auditID, received, lines });
      return auditID;
    },
  };
}

/** What a test can assert of a planned request, read from its lines. */
export function factOf({ step, auditID, lines }: Planned): Fact {
  const events = lines.map(({ text }) => JSON.parse(text) as Record<string, unknown>);
  const last = events[events.length - 1] as {
    verb: string;
    requestURI: string;
    user: { username?: string };
    responseStatus: { code: number };
  };
  const { username } = last.user;
  return {
    step,
    auditID,
    verb: last.verb,
    requestURI: last.requestURI,
    ...(username === undefined ? {} : { username }),
    code: last.responseStatus.code,
    stages: events.map((event) => String(event['stage'])),
    time: Math.floor(lines[lines.length - 1]!.at / 1000),
  };
}
