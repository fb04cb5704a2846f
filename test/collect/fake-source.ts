// A provider in memory for the core's own tests: records with arrival, event time and a time from which they can be found.

import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import type { ClusterSettings, Page, Provider, ProviderRecord, Query, Source, SourceDeps } from '../../src/provider.ts';

export interface FakeRecord {
  readonly id?: string;
  readonly time: number;
  readonly arrival: number;
  /** From when on a query finds it. */
  readonly visibleAt: number;
  readonly content: Buffer;
}

export interface FakeLog {
  records: FakeRecord[];
  /** The service's clock. */
  now: number;
  retention?: number;
  created?: number;
  pageSize: number;
  identity: string;
  reads: 'wide' | 'exact';
  /** What pages say of `passed`: nothing, what is true now, or that nothing older comes than the page has, which is often wrong. */
  passes: 'never' | 'truly' | 'rashly';
  /** Called before each page; may throw what a service would. */
  onFetch?: (query: Query, token: string | undefined) => void | Promise<void>;
  fetches: number;
}

export function fakeLog(now: number): FakeLog {
  return { records: [], now, pageSize: 7, identity: 'fake:one', reads: 'wide', passes: 'never', fetches: 0 };
}

/** A believable Event; `note` makes it unique. */
export function eventLine(time: number, note = randomUUID() as string): Buffer {
  const stamp = `${new Date(time).toISOString().slice(0, -1)}000Z`;
  return Buffer.from(
    `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"${note}","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/default/pods/web","verb":"get","user":{"username":"alice"},"sourceIPs":["10.0.0.1"],"objectRef":{"resource":"pods","namespace":"default","name":"web","apiVersion":"v1"},"responseStatus":{"metadata":{},"code":200},"requestReceivedTimestamp":"${stamp}","stageTimestamp":"${stamp}"}`,
  );
}

const arrivalOf = ({ record }: { record: FakeRecord }) => record.arrival;

export function fakeProvider(log: FakeLog): Provider {
  const ahead = 2 * 3_600_000;
  function connect(_cluster: ClusterSettings, _options: unknown, deps: SourceDeps): Source {
    const bounds = (query: Query) => ({ from: query.arrival.from - query.lateness, to: query.arrival.to + ahead });
    return {
      quota: async () => ({ key: 'fake', perSecond: 1e6 }),
      settle: 300_000,
      lateness: { first: 3_600_000, recheck: 86_400_000, max: 14 * 86_400_000 },
      reads: log.reads,
      bounds,
      describe: () => ({ log: log.identity }),
      identity: async () => log.identity,
      horizon: async () => {
        const oldest = Math.max(
          log.created ?? -Infinity,
          log.retention === undefined ? -Infinity : log.now - log.retention,
        );
        return {
          because: oldest === -Infinity ? 'unknown' : oldest === log.created ? 'created' : 'retention',
          ...(oldest !== -Infinity && { at: oldest }),
          ...(log.retention !== undefined && { retention: log.retention }),
        };
      },
      visible: async () => ({ sources: [log.identity], logging: 'on', notes: [] }),
      async fetchPage(query, token): Promise<Page> {
        log.fetches++;
        await log.onFetch?.(query, token);
        deps.onServerDate(log.now);
        const span = bounds(query);
        const oldest = log.retention === undefined ? -Infinity : log.now - log.retention;
        const found = log.records
          .filter((r) => r.visibleAt <= log.now && r.time >= span.from && r.time < span.to && r.time >= oldest)
          .filter((r) => log.reads === 'wide' || (r.arrival >= query.arrival.from && r.arrival < query.arrival.to))
          .map((record) => ({ record, order: log.records.indexOf(record) }))
          .sort((a, b) => a.record.time - b.record.time || a.order - b.order);
        // a position, not an offset: what can be found from now on moves nothing
        const [time = -Infinity, order = -1] = token?.split(':').map(Number) ?? [];
        const rest = found.filter((one) => one.record.time > time || (one.record.time === time && one.order > order));
        const page = rest.slice(0, log.pageSize);
        const last = page.at(-1);
        const records: ProviderRecord[] = page.map(({ record }) => ({
          ...record,
          content: Buffer.from(record.content),
        }));
        return {
          records,
          // whoever still looks at them then finds garbage
          release: () => records.forEach(({ content }) => content.fill('!')),
          bytes: records.reduce((n, r) => n + r.content.length, 0),
          ...(last !== undefined &&
            rest.length > page.length && {
              next: `${last.record.time}:${last.order}`,
              ...(log.passes === 'truly' && { passed: Math.min(...rest.slice(page.length).map(arrivalOf)) }),
              ...(log.passes === 'rashly' && { passed: Math.max(...page.map(arrivalOf)) }),
            }),
        };
      },
      close: async () => undefined,
    };
  }
  return {
    name: 'fake',
    options: z.strictObject({ keepRaw: z.boolean().optional() }),
    keepsRaw: (options) => (options as { keepRaw?: boolean }).keepRaw === true,
    connect,
    decode: (record) =>
      record.content.subarray(0, 4).toString() === 'klog' ? { skip: 'klog' } : { event: record.content },
    async *readExport() {},
  };
}
