// The day as CloudWatch Logs holds it: log events in streams, with the time at which they were taken in, and on demand what goes wrong on the way.

import { renderDay, type StoryOptions } from './day.ts';
import { seeded } from './random.ts';

export interface LogEventOptions extends StoryOptions {
  /** Share of deliveries that take 1 to 10 minutes. Default 0.005. */
  readonly slow?: number;
  /** Share of deliveries that take longer than an hour. Default 0. */
  readonly late?: number;
  /** Longest delay of a late one, milliseconds. Default 6 h; CloudWatch takes events of up to 14 days ago. */
  readonly lateUpTo?: number;
  /** Share of events that the agent delivers twice, with the same bytes. Default 0. */
  readonly duplicates?: number;
  /** Share of events whose message is cut: by turns with and without the mark `[Truncated...]`. Default 0. */
  readonly truncated?: number;
  /** Lines of klog text an hour in sibling streams (`kube-apiserver-…`, `kube-scheduler-…`, `authenticator-…`). Default 0. */
  readonly klogPerHour?: number;
}

export interface DayLogEvent {
  readonly logStreamName: string;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  readonly ingestionTime: number;
  readonly message: string;
  /** What is out of the ordinary about it; not part of what CloudWatch hands out. */
  readonly note?: 'late' | 'duplicate' | 'cut-marked' | 'cut-unmarked' | 'klog';
}

const KLOG = [
  'I{d} {t}       1 trace.go:236] Trace[{n}]: "List" accept:application/json, */*,audit-id:{u} (total time: {n}ms)',
  'W{d} {t}       1 reflector.go:569] object-"kube-system"/"aws-auth": watch of *v1.ConfigMap ended with: too old resource version',
  'E{d} {t}       1 authentication.go:73] "Unable to authenticate the request" err="[invalid bearer token, token lookup failed]"',
  'I{d} {t}       1 httplog.go:134] "HTTP" verb="GET" URI="/readyz" latency="{n}µs" userAgent="kube-probe/1.33+" audit-ID="{u}" resp=200',
];

/**
 * Log events in order of `timestamp`. Ingestion times are not in order: events travel in batches, mostly for 2 to 30 seconds.
 * Streams are named as EKS names them, one per API server; halfway through the span each server gets a new one.
 */
export function* dayOfLogEvents(options: LogEventOptions): Generator<DayLogEvent> {
  const { slow = 0.005, late = 0, lateUpTo = 6 * 3_600_000, duplicates = 0, truncated = 0, klogPerHour = 0 } = options;
  const random = seeded(options.seed, `delivery/${options.cluster.name}`);
  const names = new Map<string, string>();
  const streamName = (prefix: string, index: number, time: number) => {
    const generation = time < (options.from + options.to) / 2 ? 0 : 1;
    const key = `${prefix}/${index}/${generation}`;
    const known =
      names.get(key) ?? `${prefix}-${seeded(options.seed, `stream/${options.cluster.name}/${key}`).hex(32)}`;
    names.set(key, known);
    return known;
  };

  // A batch takes the events of one stream for some seconds; all of them arrive together.
  const batches = new Map<string, { until: number; ingested: number; late: boolean }>();
  const ingestion = (stream: string, time: number) => {
    const open = batches.get(stream);
    if (open !== undefined && time < open.until) return open;
    const until = time + random.between(500, 5000);
    const isLate = random.chance(late);
    const wait = isLate
      ? random.between(3_600_000, Math.max(3_600_000, lateUpTo))
      : random.chance(slow)
        ? random.between(60_000, 600_000)
        : Math.min(25_000, Math.round(random.skewed(4000, 0.7)) + 1500);
    const batch = { until, ingested: until + wait, late: isLate };
    batches.set(stream, batch);
    return batch;
  };

  const klogGap = 3_600_000 / klogPerHour;
  let nextKlog = klogPerHour > 0 ? options.from + random.wait(klogGap) : Number.POSITIVE_INFINITY;
  function* klogUntil(time: number): Generator<DayLogEvent> {
    for (; nextKlog < time; nextKlog += random.wait(klogGap)) {
      const timestamp = Math.floor(nextKlog);
      const iso = new Date(timestamp).toISOString();
      const message = random
        .pick(KLOG)
        .replace('{d}', iso.slice(5, 7) + iso.slice(8, 10))
        .replace('{t}', `${iso.slice(11, 23)}${random.between(100, 999)}`)
        .replaceAll('{n}', () => String(random.between(500, 90_000)))
        .replace('{u}', () => random.uuid());
      const logStreamName = streamName(
        random.pick(['kube-apiserver', 'kube-scheduler', 'authenticator']),
        0,
        timestamp,
      );
      yield {
        logStreamName,
        timestamp,
        ingestionTime: ingestion(logStreamName, timestamp).ingested,
        message,
        note: 'klog',
      };
    }
  }

  let cuts = 0;
  for (const { at, text, stream } of renderDay(options)) {
    const timestamp = Math.floor(at / 1000);
    if (nextKlog < timestamp) yield* klogUntil(timestamp);
    const logStreamName = streamName('kube-apiserver-audit', stream, timestamp);
    const batch = ingestion(logStreamName, timestamp);
    const event = { logStreamName, timestamp, ingestionTime: batch.ingested };
    if (truncated > 0 && random.chance(truncated)) {
      const kept = text.slice(0, Math.floor(text.length * (0.3 + 0.65 * random.unit())));
      if (cuts++ % 2 === 0) yield { ...event, message: `${kept}[Truncated...]`, note: 'cut-marked' };
      else yield { ...event, message: kept, note: 'cut-unmarked' };
      continue;
    }
    yield batch.late ? { ...event, message: text, note: 'late' } : { ...event, message: text };
    if (duplicates > 0 && random.chance(duplicates)) {
      yield { ...event, ingestionTime: batch.ingested + random.between(0, 40_000), message: text, note: 'duplicate' };
    }
  }
  yield* klogUntil(options.to);
}
