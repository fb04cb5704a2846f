// The generated day: the same for the same seed, well-formed to the byte, in order, and as EKS's audit policy would have it.

import fc from 'fast-check';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { generateDay, type StoryEvent, type StoryOptions } from '../../emulators/story/index.ts';
import { beginOf, fieldValue, FIELDS, scanEvent } from '../../src/event.ts';

const FROM = Date.UTC(2026, 5, 22);
const HOUR = 3_600_000;
const DAY: StoryOptions = {
  seed: 7,
  cluster: { name: 'prod-eu', account: '111122223333', region: 'eu-central-1' },
  from: FROM,
  to: FROM + 24 * HOUR,
  eventsPerHour: 500,
};

interface Parsed {
  level: string;
  auditID: string;
  stage: string;
  verb: string;
  user: { username?: string; uid?: string; extra?: Record<string, string[]> };
  userAgent?: string;
  objectRef?: { resource: string; namespace?: string; name?: string; apiGroup?: string; subresource?: string };
  responseStatus?: { code: number; metadata: object };
  requestObject?: unknown;
  responseObject?: unknown;
  requestReceivedTimestamp: string;
  stageTimestamp: string;
}

const day = [...generateDay(DAY)];
const events = day.map(({ line }) => JSON.parse(line.toString('utf8')) as Parsed);

function lines(options: StoryOptions): string[] {
  return Array.from(generateDay(options), ({ line }) => line.toString('utf8'));
}

function checkLine({ line, time }: StoryEvent): void {
  const scan = scanEvent(line);
  if ('not' in scan) throw new Error(`${scan.not}: ${line.toString('utf8')}`);
  expect(scan.stageTime).toBe(time);
  expect(fieldValue(scan, 'level')).toBe(scan.level);
  // members stand in the API server's order
  const begins = FIELDS.map((field) => beginOf(scan, field)).filter((begin) => begin >= 0);
  expect(begins).toEqual([...begins].sort((a, b) => a - b));
}

function goSpelling(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

describe('generateDay', () => {
  it('gives the same bytes for the same seed and others for another', () => {
    const short = { ...DAY, to: FROM + 2 * HOUR };
    expect(lines(short)).toEqual(lines(short));
    expect(lines({ ...short, seed: 8 })).not.toEqual(lines(short));
    const other = lines({ ...short, cluster: { ...DAY.cluster, name: 'prod-us' } });
    const ids = new Set(lines(short).map((line) => (JSON.parse(line) as Parsed).auditID));
    expect(other.some((line) => ids.has((JSON.parse(line) as Parsed).auditID))).toBe(false);
  });

  it('writes Events, each as Go would', () => {
    for (const event of day) checkLine(event);
    day.forEach(({ line }, i) => expect(goSpelling(events[i])).toBe(line.toString('utf8')));
  });

  it('keeps order and bounds for any seed, span and rate', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer({ min: 60_000, max: 3 * HOUR }),
        fc.integer({ min: 50, max: 3000 }),
        fc.record({
          nodes: fc.integer({ min: 1, max: 40 }),
          apiServers: fc.integer({ min: 1, max: 4 }),
          intruder: fc.boolean(),
        }),
        (seed, span, eventsPerHour, shape) => {
          const options = { ...DAY, seed, to: FROM + span, eventsPerHour, shape };
          let last = '';
          for (const event of generateDay(options)) {
            checkLine(event);
            const { stageTimestamp } = JSON.parse(event.line.toString('utf8')) as Parsed;
            expect(stageTimestamp >= last).toBe(true);
            last = stageTimestamp;
            expect(event.time).toBeGreaterThanOrEqual(FROM);
            expect(event.time).toBeLessThan(FROM + span);
            expect(event.stream).toBeLessThan(shape.apiServers);
          }
        },
      ),
      { numRuns: 12 },
    );
  });

  it('keeps the rate and the mean size it was asked for, with a long tail', () => {
    expect(day.length).toBeGreaterThan(11_800);
    expect(day.length).toBeLessThan(12_200);
    for (const meanBytes of [1500, 1800, 2500]) {
      const sizes = Array.from(generateDay({ ...DAY, shape: { meanBytes } }), ({ line }) => line.length + 1);
      const mean = sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
      expect(Math.abs(mean / meanBytes - 1)).toBeLessThan(0.03);
      expect(Math.max(...sizes)).toBeGreaterThan(40_000);
      expect(sizes.filter((size) => size > 5000).length).toBeGreaterThan(50);
    }
  });

  it('compresses like real audit logs', () => {
    const bytes = Buffer.concat(day.flatMap(({ line }) => [line, Buffer.from('\n')]));
    const ratio = bytes.length / gzipSync(bytes, { level: 6 }).length;
    expect(ratio).toBeGreaterThan(7);
    expect(ratio).toBeLessThan(14);
  });

  it('has the levels and stages of a busy cluster', () => {
    const share = (test: (event: Parsed) => boolean) => events.filter(test).length / events.length;
    expect(share(({ level }) => level === 'Metadata')).toBeGreaterThan(0.4);
    expect(share(({ level }) => level === 'Request')).toBeGreaterThan(0.2);
    expect(share(({ level }) => level === 'RequestResponse')).toBeGreaterThan(0.05);
    expect(share(({ stage }) => stage === 'ResponseComplete')).toBeGreaterThan(0.8);
    expect(share(({ stage }) => stage === 'ResponseStarted')).toBeGreaterThan(0.03);
    expect(share(({ stage }) => stage === 'RequestReceived')).toBeGreaterThan(0.01);
    for (const code of [101, 200, 201, 401, 403, 404, 409]) {
      expect(events.some(({ responseStatus }) => responseStatus?.code === code)).toBe(true);
    }
    expect(new Set(events.map(({ user }) => user.username)).size).toBeGreaterThan(40);
    expect(events.some(({ user }) => user.extra?.['sessionName']?.[0] === 'alice')).toBe(true);
    // the resourceVersion, the latency annotation and text beyond ASCII turn up
    expect(day.some(({ line }) => line.includes('apiserver.latency.k8s.io/total'))).toBe(true);
    expect(day.some(({ line }) => line.includes('zoë.groß'))).toBe(true);
  });

  it('follows the rules of stages', () => {
    const started = new Map<string, Parsed>();
    for (const event of events) {
      const { stage, responseStatus, user, verb, objectRef } = event;
      if (responseStatus?.code === 401) {
        expect(stage).toBe('ResponseStarted');
        expect(user).toEqual({});
        continue;
      }
      const long = verb === 'watch' || ['exec', 'log'].includes(objectRef?.subresource ?? '');
      if (stage === 'ResponseStarted') {
        expect(long).toBe(true);
        started.set(event.auditID, event);
      } else if (stage === 'RequestReceived') {
        expect(objectRef?.subresource).toBe('token');
        expect(event.stageTimestamp).toBe(event.requestReceivedTimestamp);
        expect(responseStatus).toBeUndefined();
      } else if (long) {
        expect(started.get(event.auditID)?.requestReceivedTimestamp).toBe(event.requestReceivedTimestamp);
      }
    }
    expect(started.size).toBeGreaterThan(100);
  });

  it('holds no body that the policy of EKS leaves out', () => {
    for (const line of lines({ ...DAY, shape: { leaks: false } })) {
      const event = JSON.parse(line) as Parsed;
      const { resource = '', apiGroup = '', name, subresource } = event.objectRef ?? {};
      const bodies = event.requestObject !== undefined || event.responseObject !== undefined;
      if (event.level === 'Metadata') expect(bodies).toBe(false);
      if (event.level === 'Request') expect(event.responseObject).toBeUndefined();
      const careful =
        (apiGroup === '' && ['secrets', 'configmaps'].includes(resource) && name !== 'aws-auth') ||
        resource === 'tokenreviews';
      if (careful) expect(event.level).toBe('Metadata');
      if (subresource === 'token') expect(event.level).toBe('Request');
      expect(`${apiGroup}/${resource}`).not.toBe('/events');
    }
  });
});
