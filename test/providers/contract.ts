// The contract suite of providers: what every source must do against its stand-in, whatever the cloud (src/provider.ts).

import { afterEach, describe, expect, it } from 'vitest';
import {
  AuditkeepError,
  AuthError,
  ConfigError,
  StaleTokenError,
  ThrottledError,
  TransientError,
} from '../../src/errors.ts';
import { scanEvent } from '../../src/event.ts';
import type { Provider, ProviderRecord, Query, Source, Span } from '../../src/provider.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** A record for the stand-in to hold: an Event, which it wraps as its cloud would. Times in milliseconds since the epoch. */
export interface Entry {
  readonly auditID: string;
  /** Event time: the Event's stageTimestamp, and that of the envelope. */
  readonly time: number;
  readonly arrival: number;
  /** From when on it can be read; default: `arrival`. */
  readonly visible?: number;
  /** The Event as one line of JSON. */
  readonly line: string;
}

/** What a stand-in may be able to do wrong, and the error that it must come out as. */
const FAULTS = {
  throttle: ThrottledError,
  'server-error': TransientError,
  unavailable: TransientError,
  reset: TransientError,
  'cut-body': TransientError,
  'torn-body': TransientError,
  'not-json': TransientError,
  'record-without-arrival': TransientError,
  hang: TransientError,
  denied: AuthError,
  'expired-credentials': AuthError,
  'unknown-credentials': AuthError,
} as const;
/** Those of the pages that follow a first one. */
const TOKEN_FAULTS = ['stale-token', 'repeated-token'] as const;
export type ContractFault = keyof typeof FAULTS | (typeof TOKEN_FAULTS)[number] | 'empty-page';

/** A stand-in that holds one log, and how to reach it. */
export interface Harness {
  readonly provider: Provider;
  /** Parsed options of the cluster, as the provider's `options` gave them. */
  readonly options: unknown;
  /** A new source of the log. */
  connect(): Source;
  /** A source of a log that doesn't exist; absent if the provider can't know. */
  connectMissing?(): Source;
  put(entries: readonly Entry[]): void | Promise<void>;
  /** The stand-in's clock. */
  setClock(time: number): void;
  /** The next page (with a token, for token faults) goes wrong; absent faults can't happen to this provider. */
  readonly faults: Partial<Record<ContractFault, () => void>>;
  /** Pages asked for so far. */
  pagesAsked(): number;
  /** Switches audit logging, or takes away the right to ask; absent if the provider can't know. */
  setLogging?(state: 'on' | 'off' | 'unknown'): void;
  /** The log keeps records so long; undefined = for ever. Absent if there is no such thing. */
  setRetention?(days: number | undefined): void;
  /** Date headers that sources reported, absent where the service sends none. */
  serverDates?(): readonly number[];
  close(): Promise<void>;
}

/** Each provider's tests call this. */
export interface ContractSetup {
  readonly name: string;
  /** A new stand-in, empty, whose log was created at `created` and whose clock stands at `now`. */
  start(times: { created: number; now: number }): Promise<Harness>;
  /** Records of one millisecond that surely need more than one page; default 6000. */
  readonly burst?: number;
}

/** An Event as an API server writes it. `pad` makes it longer. */
export function entry(auditID: string, time: number, arrival: number, pad = 0): Entry {
  const at = `${new Date(time).toISOString().slice(0, -1)}000Z`;
  const line = JSON.stringify({
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'Metadata',
    auditID,
    stage: 'ResponseComplete',
    requestURI: '/api/v1/namespaces/default/pods/web-0',
    verb: 'get',
    user: { username: `jané "the admin"${'x'.repeat(pad)}`, groups: ['system:authenticated'] },
    sourceIPs: ['10.0.0.1'],
    objectRef: { resource: 'pods', namespace: 'default', name: 'web-0', apiVersion: 'v1' },
    responseStatus: { metadata: {}, code: 200 },
    requestReceivedTimestamp: at,
    stageTimestamp: at,
  });
  return { auditID, time, arrival, line };
}

const MAX_PAGES = 500;

/** All records of a walk, also those outside of the span. */
export async function walk(source: Source, query: Query, onPage?: (n: number) => void): Promise<ProviderRecord[]> {
  const { signal } = new AbortController();
  const records: ProviderRecord[] = [];
  let token: string | undefined;
  for (let n = 0; n < MAX_PAGES; n++) {
    const page = await source.fetchPage(query, token, signal);
    records.push(...page.records);
    if (page.next === undefined) return records;
    token = page.next;
    onPage?.(n);
  }
  throw new Error(`a walk of more than ${MAX_PAGES} pages`);
}

/** What a value would be in an error that was thrown; fails if none was. */
export async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ('value' in outcome) throw new Error(`expected an error, got ${JSON.stringify(outcome.value)?.slice(0, 200)}`);
  return outcome.error;
}

export function providerContract({ name, start, burst = 6000 }: ContractSetup): void {
  const T = Date.parse('2026-06-22T10:00:00Z');
  const created = T - 40 * 24 * HOUR;
  const now = T + 6 * HOUR;
  const hour: Span = { from: T, to: T + HOUR };

  describe(`provider contract: ${name}`, () => {
    const open: { close(): Promise<void> }[] = [];
    afterEach(async () => {
      for (const one of open.splice(0).reverse()) await one.close();
    });
    async function fresh(): Promise<{ harness: Harness; source: Source }> {
      const harness = await start({ created, now });
      open.push(harness);
      const source = harness.connect();
      open.push(source);
      return { harness, source };
    }
    const queryOf = (source: Source, arrival: Span): Query => ({ arrival, lateness: source.lateness.first });
    const inSpan = ({ from, to }: Span, records: readonly ProviderRecord[]) =>
      records.filter((r) => r.arrival >= from && r.arrival < to);
    function auditIds(harness: Harness, records: readonly ProviderRecord[]): string[] {
      return records.flatMap((record) => {
        const decoded = harness.provider.decode(record, harness.options);
        return 'event' in decoded ? [(JSON.parse(decoded.event.toString()) as { auditID: string }).auditID] : [];
      });
    }
    const sortedIds = (entries: readonly Entry[]) => entries.map((e) => e.auditID).sort();

    it('gives each record to exactly one of adjoining windows', async () => {
      const { harness, source } = await fresh();
      // every 47 s, arriving up to 20 minutes later, out of order; on the very bounds of windows as well
      const entries = Array.from({ length: 300 }, (_, i) => {
        const time = T - HOUR + i * 47 * SECOND;
        return entry(`a-${i}`, time, time + ((i * 7919) % 1200) * SECOND);
      });
      for (const [i, bound] of [T, T + HOUR, T + 2 * HOUR].entries())
        entries.push(
          entry(`b-${i}`, bound - MINUTE, bound),
          entry(`c-${i}`, bound - MINUTE, bound - 1),
          entry(`d-${i}`, bound, bound),
        );
      await harness.put(entries);
      for (let from = T - HOUR; from < T + 4 * HOUR; from += HOUR) {
        const span = { from, to: from + HOUR };
        const records = inSpan(span, await walk(source, queryOf(source, span)));
        const expected = entries.filter((e) => e.arrival >= span.from && e.arrival < span.to);
        expect(auditIds(harness, records).sort()).toEqual(sortedIds(expected));
      }
    });

    it('gives the same records again, with the same ids and contents', async () => {
      const { harness, source } = await fresh();
      await harness.put(Array.from({ length: 50 }, (_, i) => entry(`e-${i}`, T + i, T + i * SECOND)));
      const first = await walk(source, queryOf(source, hour));
      const second = await walk(harness.connect(), queryOf(source, hour));
      expect(first).toHaveLength(50);
      const key = (r: ProviderRecord) => `${r.id} ${r.arrival} ${r.content.toString()}`;
      expect(second.map(key)).toEqual(first.map(key));
    });

    it('gives ids, where it gives any, once each', async () => {
      const { harness, source } = await fresh();
      await harness.put(Array.from({ length: 200 }, (_, i) => entry(`e-${i % 50}`, T + (i % 50), T + (i % 50) + 1)));
      const ids = (await walk(source, queryOf(source, hour))).map((r) => r.id);
      expect(ids).toHaveLength(200);
      expect([1, 200]).toContain(new Set(ids).size);
      if (ids[0] === undefined) expect(new Set(ids).size).toBe(1);
    });

    it('loses nothing of a burst in one millisecond that takes several pages', async () => {
      const { harness, source } = await fresh();
      const entries = Array.from({ length: burst }, (_, i) => entry(`e-${i}`, T + MINUTE, T + 2 * MINUTE));
      await harness.put(entries);
      let pages = 1;
      const records = await walk(source, queryOf(source, hour), () => pages++);
      expect(pages).toBeGreaterThan(1);
      expect(auditIds(harness, records).sort()).toEqual(sortedIds(entries));
    });

    it('finds what is as late as the query says', async () => {
      const { harness, source } = await fresh();
      const { first, recheck } = source.lateness;
      await harness.put([
        entry('late', T + MINUTE - first, T + MINUTE),
        entry('later', T + MINUTE - recheck, T + MINUTE),
      ]);
      expect(auditIds(harness, inSpan(hour, await walk(source, { arrival: hour, lateness: first })))).toContain('late');
      const wide = inSpan(hour, await walk(source, { arrival: hour, lateness: recheck }));
      expect(auditIds(harness, wide).sort()).toEqual(['late', 'later']);
    });

    it('keeps a walk whole while more records become visible', async () => {
      const { harness, source } = await fresh();
      const early = Array.from({ length: burst }, (_, i) => entry(`e-${i}`, T + i, T + i));
      const hidden = Array.from({ length: burst }, (_, i) => ({
        ...entry(`h-${i}`, T + i, T + i),
        visible: now + MINUTE,
      }));
      await harness.put([...early, ...hidden]);
      const records = await walk(source, queryOf(source, hour), () => harness.setClock(now + 2 * MINUTE));
      const ids = auditIds(harness, records);
      expect(new Set(ids).size).toBe(ids.length);
      expect(ids.filter((id) => id.startsWith('e-')).sort()).toEqual(sortedIds(early));
    });

    it('serves two walks at once without mixing them', async () => {
      const { harness, source } = await fresh();
      const entries = Array.from({ length: 400 }, (_, i) =>
        entry(`e-${i}`, T + i * 15 * SECOND, T + i * 15 * SECOND, 8000),
      );
      await harness.put(entries);
      const spans = [hour, { from: T + HOUR, to: T + 2 * HOUR }];
      const walks = await Promise.all(spans.map((span) => walk(source, queryOf(source, span))));
      for (const [i, span] of spans.entries())
        expect(auditIds(harness, inSpan(span, walks[i]!)).sort()).toEqual(
          sortedIds(entries.filter((e) => e.arrival >= span.from && e.arrival < span.to)),
        );
    });

    it('walked in pieces, gives each record of the query in exactly one of them', async (context) => {
      const { harness, source } = await fresh();
      if (source.pieces === undefined) return context.skip('pages of one query are no slower than of several');
      const day: Span = { from: T - 20 * HOUR, to: T + 4 * HOUR };
      const query = queryOf(source, day);
      const bounds = source.pieces(query, 4).map((piece) => piece.events!.from);
      expect(bounds).toHaveLength(4);
      const near = [...bounds, day.from, day.to, ...Array.from({ length: 100 }, (_, i) => day.from + i * 14 * MINUTE)];
      const entries = near.flatMap((at, i) =>
        [-1, 0, 1].map((d) => entry(`e-${i}${d}`, at + d, at + d + (i % 40) * SECOND)),
      );
      await harness.put(entries);
      const key = (r: ProviderRecord) => `${r.id} ${r.arrival} ${r.content.toString()}`;
      const whole = (await walk(source, query)).map(key).sort();
      expect(whole.length).toBeGreaterThan(300);
      for (const most of [1, 2, 4, 64]) {
        const pieces = source.pieces(query, most);
        expect(pieces.length).toBeLessThanOrEqual(most);
        const records = (await Promise.all(pieces.map((piece) => walk(source, piece)))).flat();
        expect(records.map(key).sort()).toEqual(whole);
      }
      // an hour is read in a call or two, which pieces would only multiply
      expect(source.pieces(queryOf(source, hour), 4)).toHaveLength(1);
    });

    it('decodes one record into one result, the same each time, an Event where it is one', async () => {
      const { harness, source } = await fresh();
      await harness.put([entry('one', T, T), entry('two', T + 1, T + 1)]);
      for (const record of await walk(source, queryOf(source, hour))) {
        const before = Buffer.from(record.content);
        const decoded = harness.provider.decode(record, harness.options);
        expect(harness.provider.decode(record, harness.options)).toEqual(decoded);
        expect(record.content.equals(before)).toBe(true);
        if (!('event' in decoded)) throw new Error(`not an event: ${JSON.stringify(decoded)}`);
        expect(scanEvent(decoded.event)).not.toHaveProperty('not');
      }
    });

    it('goes on over empty pages', async (context) => {
      const { harness, source } = await fresh();
      const order = harness.faults['empty-page'];
      if (order === undefined) return context.skip('this service has no empty pages');
      await harness.put([entry('one', T, T)]);
      for (let i = 0; i < 3; i++) order();
      expect(auditIds(harness, await walk(source, queryOf(source, hour)))).toEqual(['one']);
    });

    for (const fault of TOKEN_FAULTS)
      it(`${fault} → StaleTokenError, and a new walk is whole`, async (context) => {
        const { harness, source } = await fresh();
        const order = harness.faults[fault];
        if (order === undefined) return context.skip('this service has no such tokens');
        const entries = Array.from({ length: burst }, (_, i) => entry(`e-${i}`, T + i, T + i));
        await harness.put(entries);
        order();
        expect(await errorOf(walk(source, queryOf(source, hour)))).toBeInstanceOf(StaleTokenError);
        expect(auditIds(harness, await walk(source, queryOf(source, hour))).sort()).toEqual(sortedIds(entries));
      });

    for (const [fault, type] of Object.entries(FAULTS) as [keyof typeof FAULTS, (typeof FAULTS)['throttle']][])
      it(`${fault} → ${type.name}, after one call, and the next one succeeds`, async (context) => {
        const { harness, source } = await fresh();
        const order = harness.faults[fault];
        if (order === undefined) return context.skip('this service has no such fault');
        await harness.put([entry('one', T, T), entry('two', T + 1, T + 1), entry('three', T + 2, T + 2)]);
        const { signal } = new AbortController();
        const asked = harness.pagesAsked();
        order();
        const error = await errorOf(source.fetchPage(queryOf(source, hour), undefined, signal));
        expect(error).toBeInstanceOf(type);
        expect((error as Error).message).not.toContain('the admin');
        expect(harness.pagesAsked()).toBe(asked + 1);
        expect(auditIds(harness, await walk(source, queryOf(source, hour))).sort()).toEqual(['one', 'three', 'two']);
      });

    it('a log that does not exist → ConfigError that says what to do', async (context) => {
      const { harness } = await fresh();
      const source = harness.connectMissing?.();
      if (source === undefined) return context.skip('this provider cannot know');
      open.push(source);
      const { signal } = new AbortController();
      for (const asked of [
        () => source.fetchPage(queryOf(source, hour), undefined, signal),
        () => source.horizon(signal),
      ]) {
        const error = await errorOf(asked());
        expect(error).toBeInstanceOf(ConfigError);
        expect((error as ConfigError).hint).toBeTruthy();
      }
    });

    it('stops when the signal says so: before a call, and in the middle of one', async (context) => {
      const { harness, source } = await fresh();
      await harness.put([entry('one', T, T)]);
      const reason = new Error('stop');
      const asked = harness.pagesAsked();
      expect(await errorOf(source.fetchPage(queryOf(source, hour), undefined, AbortSignal.abort(reason)))).toBe(reason);
      expect(harness.pagesAsked()).toBe(asked);
      const hang = harness.faults.hang;
      if (hang === undefined) return context.skip('this service never hangs');
      hang();
      const controller = new AbortController();
      const running = errorOf(source.fetchPage(queryOf(source, hour), undefined, controller.signal));
      while (harness.pagesAsked() === asked) await new Promise((resolve) => setTimeout(resolve, 5));
      controller.abort(reason);
      expect(await running).toBe(reason);
    });

    it('calls nothing after close', async () => {
      const { harness } = await fresh();
      await harness.put([entry('one', T, T)]);
      const source = harness.connect();
      const { signal } = new AbortController();
      await source.fetchPage(queryOf(source, hour), undefined, signal);
      await source.close();
      const asked = harness.pagesAsked();
      expect(await errorOf(source.fetchPage(queryOf(source, hour), undefined, signal))).toBeInstanceOf(AuditkeepError);
      expect(harness.pagesAsked()).toBe(asked);
      await source.close();
    });

    it('has one identity and one quota, run after run', async () => {
      const { harness, source } = await fresh();
      const { signal } = new AbortController();
      const identity = await source.identity(signal);
      expect(identity).toMatch(/^\S+:\S+$/);
      await harness.put([entry('one', T, T)]);
      const again = harness.connect();
      open.push(again);
      expect(await again.identity(signal)).toBe(identity);
      const quota = await source.quota();
      expect(await again.quota()).toEqual(quota);
      expect(quota.perSecond).toBeGreaterThan(0);
    });

    it('says which event times a query reads, and in which terms', async () => {
      const { source } = await fresh();
      const query = queryOf(source, hour);
      const bounds = source.bounds(query);
      expect(bounds.from).toBeLessThanOrEqual(hour.from - query.lateness);
      expect(bounds.to).toBeGreaterThanOrEqual(hour.to);
      const terms = source.describe(query);
      expect(source.describe(query)).toEqual(terms);
      for (const value of Object.values(terms)) expect(['string', 'number']).toContain(typeof value);
      expect(source.settle).toBeGreaterThan(0);
      expect(source.lateness.recheck).toBeGreaterThanOrEqual(source.lateness.first);
      expect(source.lateness.max).toBeGreaterThanOrEqual(source.lateness.recheck);
    });

    it('says what the source still holds', async () => {
      const { harness, source } = await fresh();
      const { signal } = new AbortController();
      await harness.put([entry('one', T, T)]);
      const horizon = await source.horizon(signal);
      if (horizon.at !== undefined) expect(horizon.at).toBeLessThanOrEqual(T);
      if (harness.setRetention === undefined) return;
      harness.setRetention(undefined);
      expect(await source.horizon(signal)).toEqual({ at: created, because: 'created' });
      harness.setRetention(7);
      const retention = 7 * 24 * HOUR;
      expect(await source.horizon(signal)).toEqual({ at: now - retention, because: 'retention', retention });
    });

    it('says what can be seen', async () => {
      const { harness, source } = await fresh();
      const { signal } = new AbortController();
      expect((await source.visible(signal)).sources).not.toHaveLength(0);
      if (harness.setLogging === undefined) return;
      for (const state of ['on', 'off', 'unknown'] as const) {
        harness.setLogging(state);
        const visible = await source.visible(signal);
        expect(visible.logging).toBe(state);
        // what can't be seen while it is off may be worth a remark
        if (state !== 'off') expect(visible.notes.length > 0).toBe(state === 'unknown');
      }
    });

    it('reports the date of the service', async (context) => {
      const { harness, source } = await fresh();
      if (harness.serverDates === undefined) return context.skip('this service tells no date');
      await walk(source, queryOf(source, hour));
      expect(harness.serverDates().length).toBeGreaterThan(0);
      expect(new Set(harness.serverDates())).toEqual(new Set([now]));
    });
  });
}
