// What a manifest counts of its events, beside the sums of rule 5.

import type { Manifest } from '../archive/manifest.ts';
import type { AuditEvent } from '../event.ts';

/** Numbers in boxes: three are counted a line, and to look a name up twice would take longer than all else. */
type Counter = Map<string, { n: number }>;

function count(counter: Counter, key: string): void {
  const box = counter.get(key);
  if (box === undefined) counter.set(key, { n: 1 });
  else box.n++;
}

const sorted = (counter: Counter) =>
  Object.fromEntries([...counter].map(([key, { n }]) => [key, n] as const).sort(([a], [b]) => (a < b ? -1 : 1)));

/** HTTP methods can be anything, and with them verbs of non-resource requests: manifests list this many and count the rest together. */
const MOST_VERBS = 50;
const OTHER_VERBS = '(other)';

/** Counters of which a manifest has nothing where nothing was counted. */
const OPTIONAL = ['undecided', 'unattained', 'omitted'] as const;
const ALWAYS = ['droppedByRule', 'skippedByReason', 'rejectedByReason', 'lowered'] as const;

export type Tallied = Pick<
  Manifest,
  (typeof OPTIONAL)[number] | (typeof ALWAYS)[number] | 'redacted' | 'byLevel' | 'byStage' | 'byVerb'
>;

export interface Tally {
  /** One more of what is counted by a rule, reason or name. */
  add(what: (typeof OPTIONAL)[number] | (typeof ALWAYS)[number], key: string): void;
  /** A line in the parts. */
  line(event: AuditEvent): void;
  /**
   * The members of the manifest, each in the order of its keys.
   * @param redacted events in which something was redacted; undefined where nothing is
   */
  end(redacted: number | undefined): Tallied;
}

export function createTally(): Tally {
  const counters: Record<(typeof OPTIONAL)[number] | (typeof ALWAYS)[number], Counter> = {
    droppedByRule: new Map(),
    skippedByReason: new Map(),
    rejectedByReason: new Map(),
    lowered: new Map(),
    undecided: new Map(),
    unattained: new Map(),
    omitted: new Map(),
  };
  const byLevel: Counter = new Map();
  const byStage: Counter = new Map();
  const byVerb: Counter = new Map();
  return {
    add: (what, key) => count(counters[what], key),
    line(event) {
      count(byLevel, event.level);
      count(byStage, event.stage);
      count(byVerb, byVerb.size < MOST_VERBS || byVerb.has(event.verb) ? event.verb : OTHER_VERBS);
    },
    end: (redacted) => ({
      droppedByRule: sorted(counters.droppedByRule),
      skippedByReason: sorted(counters.skippedByReason),
      rejectedByReason: sorted(counters.rejectedByReason),
      lowered: sorted(counters.lowered),
      ...Object.fromEntries(
        OPTIONAL.filter((what) => counters[what].size > 0).map((what) => [what, sorted(counters[what])]),
      ),
      ...(redacted !== undefined && { redacted }),
      byLevel: sorted(byLevel),
      byStage: sorted(byStage),
      byVerb: sorted(byVerb),
    }),
  };
}
