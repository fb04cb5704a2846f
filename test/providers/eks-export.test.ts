// Files that AWS tools wrote, as `auditkeep decode eks` takes them.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { provider } from '../../providers/eks/index.ts';
import { scanEvent } from '../../src/event.ts';
import type { ProviderRecord } from '../../src/provider.ts';
import { lineOf, members, REAL_LINES } from '../event-lines.ts';
import { STREAM } from './eks-harness.ts';

const LINES = REAL_LINES.slice(0, 5).map((line) => line.toString());
const LOG_EVENTS = LINES.map((message, i) => ({
  logStreamName: STREAM,
  timestamp: 1782122400000 + i,
  message,
  ingestionTime: 1782122401000 + i,
  eventId: String(i).padStart(56, '3'),
}));

async function read(text: string, size = 1000): Promise<ProviderRecord[]> {
  async function* chunks() {
    const bytes = Buffer.from(text);
    for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size);
  }
  const records: ProviderRecord[] = [];
  for await (const record of provider.readExport(chunks())) records.push(record);
  return records;
}
const contents = (records: readonly ProviderRecord[]) => records.map((r) => r.content.toString());

describe('readExport', () => {
  const answer = { events: LOG_EVENTS, searchedLogStreams: [] };
  for (const [what, text] of Object.entries({
    'filter-log-events, printed': JSON.stringify(answer, null, 4),
    'filter-log-events, several answers one after the other': `${JSON.stringify({ events: LOG_EVENTS.slice(0, 2) }, null, 4)}\n${JSON.stringify({ events: LOG_EVENTS.slice(2) }, null, 4)}\n`,
    'filter-log-events on one line': JSON.stringify(answer),
    'an array of events, printed': JSON.stringify(LOG_EVENTS, null, 2),
    'events as lines': LOG_EVENTS.map((e) => JSON.stringify(e)).join('\r\n'),
  }))
    for (const size of [1, 7, 1_000_000])
      it(`${what}, in chunks of ${size}`, async () => {
        const records = await read(text, size);
        expect(contents(records)).toEqual(LINES);
        expect(records.map((r) => r.id)).toEqual(LOG_EVENTS.map((e) => e.eventId));
        expect(records.map((r) => r.arrival)).toEqual(LOG_EVENTS.map((e) => e.ingestionTime));
        expect(records.map((r) => r.origin)).toEqual(LOG_EVENTS.map(() => STREAM));
      });

  it('get-log-events has no ids', async () => {
    const events = LOG_EVENTS.map(({ timestamp, message, ingestionTime }) => ({ timestamp, message, ingestionTime }));
    const records = await read(JSON.stringify({ events, nextForwardToken: 'f/1' }, null, 4));
    expect(contents(records)).toEqual(LINES);
    expect(records.every((r) => r.id === undefined && r.origin === undefined)).toBe(true);
  });

  it('subscription payloads, run together as Firehose writes them', async () => {
    const logEvents = LOG_EVENTS.map(({ eventId, timestamp, message }) => ({ id: eventId, timestamp, message }));
    const payload = { messageType: 'DATA_MESSAGE', logGroup: '/aws/eks/prod/cluster', logStream: STREAM, logEvents };
    const control = {
      messageType: 'CONTROL_MESSAGE',
      logStream: '',
      logEvents: [{ id: '', timestamp: 1, message: 'CWL CONTROL MESSAGE: Checking health of destination Firehose.' }],
    };
    const records = await read(JSON.stringify(control) + JSON.stringify(payload) + JSON.stringify(payload));
    expect(contents(records).slice(1)).toEqual([...LINES, ...LINES]);
    expect(provider.decode(records[0]!, undefined as never)).toEqual({ skip: 'other-stream' });
    expect(records[1]).toMatchObject({ id: LOG_EVENTS[0]!.eventId, arrival: LOG_EVENTS[0]!.timestamp, origin: STREAM });
  });

  it('plain Event lines stay as they are, broken ones as well', async () => {
    const lines = [LINES[0]!, '{"kind":"Event","cut', 'not json', '[1]', '42', `${LINES[1]!} trailing`, LINES[2]!];
    expect(contents(await read(`\n${lines.join('\n\n')}`))).toEqual(lines);
  });

  it('an Event with members of an envelope is still an Event', async () => {
    const line = lineOf({ ...members(), message: '"x"', events: '[]' });
    expect(contents(await read(line.toString()))).toEqual([line.toString()]);
  });

  it('the fixtures give events, a cut one, and one of another stream', async () => {
    const fixture = (name: string) =>
      readFileSync(join(import.meta.dirname, '../../providers/eks/fixtures', name), 'utf8');
    const outcome = (record: ProviderRecord) => {
      const decoded = provider.decode(record, undefined as never);
      if (!('event' in decoded)) return decoded;
      const scan = scanEvent(decoded.event);
      return 'not' in scan ? scan.not : 'event';
    };
    const answer = (await read(fixture('filter-log-events.json'))).map(outcome);
    expect(answer).toEqual(['event', 'event', 'event', 'event', 'truncated', { skip: 'other-stream' }]);
    expect((await read(fixture('subscription.json'))).map(outcome)).toEqual(['event', 'event', 'event', 'event']);
  });

  it('nothing gives nothing', async () => {
    for (const text of ['', '\n', ' \n\r\n ', '{"events":[]}', '{\n  "events": []\n}\n'])
      expect(await read(text)).toEqual([]);
  });

  it('a document that is cut off is handed on, to be counted as a reject', async () => {
    const text = JSON.stringify(answer, null, 4).slice(0, -40);
    const records = await read(text);
    expect(records).toHaveLength(1);
    expect(records[0]!.content.length).toBeGreaterThan(1000);
  });
});
