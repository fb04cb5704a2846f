// Two EKS clusters to be collected under the knife, in the CloudWatch emulator; other-clouds.ts has those of AKS and GKE.

import { type CloudWatchEmulator, startCloudWatchEmulator } from '../../emulators/cloudwatch/server.ts';
import { type DayLogEvent, dayOfLogEvents } from '../../emulators/story/index.ts';
import { formatTime } from '../../src/time.ts';
import type { CheckedArchive } from '../archive/check-archive.ts';
import { type Cloud, storyTimes } from './campaign.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** EKS clusters. */
export interface EksCloud extends Cloud {
  readonly emulator: CloudWatchEmulator;
  /** Audit messages with a time of ingestion, by cluster. */
  readonly sent: ReadonlyMap<string, readonly DayLogEvent[]>;
}

/** Two clusters with 40 hours of events that ended days ago, so that all rechecks are due by now, in a cloud that tells the real time. */
export async function startEksCloud(seed: number, eventsPerHour: number): Promise<EksCloud> {
  const emulator = await startCloudWatchEmulator({ account: '111122223333', latency: 2 });
  const { from, to } = storyTimes();
  const sent = new Map<string, DayLogEvent[]>();
  for (const [i, name] of ['one', 'two'].entries()) {
    const group = { account: '111122223333', region: 'eu-central-1', logGroup: `/aws/eks/${name}/cluster` };
    emulator.createLogGroup({ ...group, creationTime: from - DAY });
    emulator.setCluster({ account: '111122223333', region: 'eu-central-1', name, audit: true });
    const events = [
      ...dayOfLogEvents({
        seed: seed + i,
        cluster: { name, account: '111122223333', region: 'eu-central-1' },
        from,
        to,
        eventsPerHour,
        late: 0.01,
        lateUpTo: 20 * HOUR,
        duplicates: 0.005,
        truncated: 0.002,
        klogPerHour: 5,
        shape: { longTail: false },
      }),
    ];
    for (const [stream, inStream] of Map.groupBy(events, (event) => event.logStreamName))
      emulator.putEvents(group, stream, inStream);
    sent.set(
      name,
      events.filter((event) => event.logStreamName.startsWith('kube-apiserver-audit-')),
    );
  }
  const cluster = (name: string) => ({
    name,
    provider: 'eks',
    region: 'eu-central-1',
    cluster: name,
    endpoint: emulator.url,
    auth: 'none',
    aws: { account: '111122223333' },
    callsPerSecond: 500,
    recheck: { after: '12h', lateness: '2d' },
    until: formatTime(to + DAY),
  });
  return {
    emulator,
    sent,
    from,
    to,
    settle: 5 * 60_000,
    clusters: () => [...sent.keys()].map(cluster),
    compare: (archive) => [...sent].flatMap(([name, events]) => compareMessages(archive, name, events)),
    close: () => emulator.close(),
  };
}

function compareMessages({ lines, manifests }: CheckedArchive, name: string, events: readonly DayLogEvent[]): string[] {
  const wrong: string[] = [];
  const got = lines.get(name) ?? [];
  const whole = events.filter((event) => event.note !== 'cut-marked' && event.note !== 'cut-unmarked');
  // rule 8: identical copies are one inside a window, and stay where they arrived in different ones
  const unique = new Set(whole.map((event) => event.message));
  const distinct = new Set(got);
  const missing = [...unique].filter((message) => !distinct.has(message)).length;
  if (missing > 0) wrong.push(`${name}: ${missing} of ${unique.size} events are missing`);
  const of = manifests.filter((manifest) => manifest.cluster === name);
  const total = (pick: (m: (typeof manifests)[number]) => number) => of.reduce((sum, m) => sum + pick(m), 0);
  const received = total((m) => m.counts.received - m.counts.skipped);
  if (received !== events.length) wrong.push(`${name}: ${received} records were counted, ${events.length} were sent`);
  const salvaged = total((m) => m.counts.salvaged);
  const copies = whole.length - unique.size;
  if (got.length - salvaged < unique.size || got.length - salvaged > unique.size + copies)
    wrong.push(`${name}: ${got.length - salvaged} lines for ${unique.size} events and ${copies} copies`);
  return wrong;
}
