// The day of a cluster as a stream of audit lines in order of time: ordinary traffic, the intruder, and leaked secrets.

import { leaks } from './leaks.ts';
import { intrusion, INTRUDER, STORY_SECONDS } from './intruder.ts';
import { type Call, type Line, render } from './encode.ts';
import { type Fact, factOf, type Planned } from './plan.ts';
import { populate, type Population, type StoryCluster } from './population.ts';
import { seeded } from './random.ts';
import { type Kind, type Stage, traffic } from './traffic.ts';

export interface StoryShape {
  /** Worker nodes. Default 24. */
  readonly nodes?: number;
  /** API server instances, each a log stream. Default 2. */
  readonly apiServers?: number;
  /** Mean length of a line in bytes that the mix of traffic is steered to. Default 1800; about 1100 to 4000 can be reached. */
  readonly meanBytes?: number;
  /** Every 4,000th request is huge, with lines of up to 300 KB. Default true. */
  readonly longTail?: boolean;
  /** Default true. */
  readonly intruder?: boolean;
  /** The lines with secrets in their bodies, which EKS itself would not record. Default true. */
  readonly leaks?: boolean;
}

export interface StoryOptions {
  /** Same seed and options, same bytes. */
  readonly seed: number;
  readonly cluster: StoryCluster;
  /** stageTimestamps lie in `[from, to)`, milliseconds since the epoch. */
  readonly from: number;
  readonly to: number;
  /** Mean rate of lines. It swings by a tenth over the day. */
  readonly eventsPerHour: number;
  readonly shape?: StoryShape;
}

interface Plan {
  readonly population: Population;
  readonly intrusion: readonly Planned[];
  readonly leaks: readonly Planned[];
}

/** What is fixed before the first line is written. */
function planOf({ seed, cluster, from, to, shape = {} }: StoryOptions): Plan {
  const population = populate(seed, cluster, { nodes: shape.nodes ?? 24, apiServers: shape.apiServers ?? 2 });
  const span = (to - from) / 1000;
  const random = seeded(seed, 'story');
  const begin = Math.round((from + (to - from) * (0.1 + random.unit() * 0.03)) * 1000);
  const scale = Math.min(1, (span * 0.5) / STORY_SECONDS);
  return {
    population,
    intrusion: shape.intruder === false ? [] : intrusion(seed, population, begin, scale),
    leaks: shape.leaks === false ? [] : leaks(seed, population, from * 1000, span),
  };
}

/** What a test or the demo can say of the intruder before reading a line. */
export interface IntruderFacts {
  readonly ip: string;
  /** The service account whose token leaked, and the one it found on a node. */
  readonly usernames: readonly [string, string];
  readonly namespace: string;
  /** First and last stageTimestamp, milliseconds since the epoch. */
  readonly first: number;
  readonly last: number;
  readonly pod: string;
  readonly node: string;
  readonly binding: string;
  readonly cronJob: { readonly namespace: string; readonly name: string };
  readonly roleArn: string;
  readonly secrets: readonly string[];
  /** Every request in order of time. */
  readonly requests: readonly Fact[];
  /** Requests by step. */
  readonly counts: Readonly<Record<string, number>>;
  /** Audit IDs of the lines that hold secrets, by step. */
  readonly leaks: readonly Fact[];
}

/** The facts of the story that `generateDay` tells with the same options. */
export function intruderFacts(options: StoryOptions): IntruderFacts {
  const plan = planOf(options);
  const requests = plan.intrusion.map(factOf).sort((a, b) => a.time - b.time);
  const counts: Record<string, number> = {};
  for (const { step } of requests) counts[step] = (counts[step] ?? 0) + 1;
  const times = plan.intrusion.flatMap(({ lines }) => lines.map(({ at }) => at));
  const creation = plan.intrusion.find(({ step }) => step === 'privileged-pod');
  const pod = creation === undefined ? undefined : JSON.parse(creation.lines[0]!.text).requestObject;
  return {
    ip: INTRUDER.ip,
    usernames: [INTRUDER.username, INTRUDER.second],
    namespace: INTRUDER.namespace,
    first: Math.floor(Math.min(...times) / 1000),
    last: Math.floor(Math.max(...times) / 1000),
    pod: pod?.metadata.name ?? '',
    node: pod?.spec.nodeName ?? '',
    binding: INTRUDER.binding,
    cronJob: { namespace: 'kube-system', name: INTRUDER.cronJob },
    roleArn: INTRUDER.roleArn,
    secrets: INTRUDER.secrets,
    requests,
    counts,
    leaks: plan.leaks.map(factOf),
  };
}

interface Entry {
  readonly at: number;
  /** Entries of one microsecond keep the order in which they were put in. */
  readonly order: number;
  readonly line?: Line;
  readonly run?: () => void;
}

/** A queue by time, as a binary heap. Holds what is still to come of requests already begun. */
function agenda() {
  const heap: Entry[] = [];
  let order = 0;
  const before = (a: Entry, b: Entry) => a.at < b.at || (a.at === b.at && a.order < b.order);
  return {
    next: (): Entry | undefined => heap[0],
    add: (at: number, what: { line: Line } | { run: () => void }) => {
      const entry: Entry = { at, order: order++, ...what };
      let i = heap.length;
      heap.push(entry);
      while (i > 0) {
        const parent = (i - 1) >> 1;
        if (!before(entry, heap[parent]!)) break;
        heap[i] = heap[parent]!;
        i = parent;
      }
      heap[i] = entry;
    },
    take: () => {
      const last = heap.pop()!;
      if (heap.length === 0) return;
      let i = 0;
      for (;;) {
        let child = 2 * i + 1;
        if (child >= heap.length) break;
        if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
        if (!before(heap[child]!, last)) break;
        heap[i] = heap[child]!;
        i = child;
      }
      heap[i] = last;
    },
  };
}

/** Chooses by weight. */
function chooser(kinds: readonly Kind[], unit: () => number, hourOf: () => number): () => Kind {
  return () => {
    // people work from six to eighteen, UTC, and hardly at night
    const hour = hourOf();
    const awake = hour >= 6 && hour < 18 ? 1.6 : 0.15;
    let total = 0;
    for (const { weight, human } of kinds) total += human === true ? weight * awake : weight;
    let rest = unit() * total;
    for (const kind of kinds) {
      rest -= kind.human === true ? kind.weight * awake : kind.weight;
      if (rest < 0) return kind;
    }
    return kinds[0]!;
  };
}

/** The lines of a day as text, in order of stageTimestamp. */
export function* renderDay(options: StoryOptions): Generator<Line> {
  const { seed, from, to, eventsPerHour, shape = {} } = options;
  const plan = planOf(options);
  const random = seeded(seed, `traffic/${options.cluster.name}`);
  const queue = agenda();
  const begin = from * 1000;
  const end = to * 1000;
  let now = begin;
  const stage: Stage = {
    population: plan.population,
    random,
    seed,
    now: () => now,
    version: () => 48_000_000 + Math.floor((now - begin) / 45_000),
    send: (call: Call) => {
      for (const line of render(call, now + random.int(400), random.uuid(), random)) queue.add(line.at, { line });
    },
    later: (us, next) => queue.add(now + Math.round(us), { run: next }),
  };
  for (const { lines } of [...plan.intrusion, ...plan.leaks]) for (const line of lines) queue.add(line.at, { line });

  const kinds = traffic(stage);
  const hour = () => (now / 3_600e6) % 24;
  const of = (size: Kind['size']) =>
    chooser(
      kinds.filter((kind) => kind.size === size),
      random.unit,
      hour,
    );
  const light = of('light');
  const heavy = of('heavy');
  const huge = of('huge');
  const target = shape.meanBytes ?? 1800;
  const wanted = ((end - begin) / 3_600e6) * eventsPerHour;
  // How much of a day's work is done at a time: the rate swings by a tenth, highest in the afternoon.
  const swing = (us: number) => Math.cos(((us / 3_600e6 - 9) / 12) * Math.PI);
  const dayShare = (us: number) => (us - begin) / 3_600e6 + (1.2 / Math.PI) * (swing(begin) - swing(us));
  const whole = dayShare(end);

  let lines = 0;
  let bytes = 0;
  // requests are offered a little faster than wanted, and let through where lines are owed
  const gap = (0.75 * (end - begin)) / wanted;
  let arrival = begin + random.wait(gap);
  let started = 0;
  while (true) {
    const entry = queue.next();
    if (entry !== undefined && (entry.at <= arrival || arrival >= end)) {
      if (entry.at >= end) return;
      queue.take();
      now = entry.at;
      if (entry.run !== undefined) entry.run();
      else if (entry.line !== undefined && entry.at >= begin) {
        lines++;
        bytes += entry.line.text.length + 1;
        yield entry.line;
      }
      continue;
    }
    if (arrival >= end) return;
    now = Math.ceil(arrival);
    // lines that follow from earlier requests count when they appear, so the rate stays what was asked for
    const surplus = lines - wanted * (dayShare(now) / whole);
    if (surplus <= 0) {
      const debt = target * lines - bytes;
      const share = Math.min(0.85, Math.max(0.02, 0.3 + debt / (target * 400)));
      if (shape.longTail !== false && started % 4000 === 1999) huge().run();
      else (random.chance(share) ? heavy : light)().run();
      started++;
    }
    arrival += random.wait(gap);
  }
}
