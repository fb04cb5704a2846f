// Files that Google's tools wrote, as `auditkeep decode gke` takes them.

import { describe, expect, it } from 'vitest';
import { provider } from '../../providers/gke/index.ts';
import type { ProviderRecord } from '../../src/provider.ts';
import { entryWith, type Json, textOf } from './gke-entries.ts';

const ENTRIES = Array.from({ length: 4 }, (_, i) =>
  entryWith(
    { request: { '@type': 't', text: `"[{${i}}]," \\ é`, list: [[], [1, [2]], {}] } },
    { insertId: `e-${i}`, receiveTimestamp: `2026-06-22T10:00:0${i}.123456789Z` },
  ),
);
const EVENTS = ENTRIES.map((entry) => textOf(provider.decode(record(JSON.stringify(entry)), undefined as never)));

function record(text: string): ProviderRecord {
  return { arrival: 0, content: Buffer.from(text) };
}

async function read(text: string | Buffer, size = 1000): Promise<ProviderRecord[]> {
  async function* chunks() {
    const bytes = Buffer.from(text);
    for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size);
  }
  const records: ProviderRecord[] = [];
  for await (const found of provider.readExport(chunks())) records.push(found);
  return records;
}
const decoded = (records: readonly ProviderRecord[]) => records.map((r) => provider.decode(r, undefined as never));
const events = (records: readonly ProviderRecord[]) => decoded(records).map(textOf);

const base64 = (entry: Json) => Buffer.from(JSON.stringify(entry)).toString('base64');
const pulled = ENTRIES.map((entry, i) => ({
  ackId: `ack-${i}`,
  message: { attributes: { 'logging.googleapis.com/timestamp': 'x' }, data: base64(entry), messageId: String(i) },
}));
const pushed = ENTRIES.map((entry) => ({ message: { data: base64(entry), messageId: '1' }, subscription: 's' }));
const lines = (values: readonly unknown[], end = '\n') => values.map((value) => JSON.stringify(value) + end).join('');

describe('readExport', () => {
  for (const [what, text] of Object.entries({
    'gcloud logging read --format=json': `${JSON.stringify(ENTRIES, null, 2)}\n`,
    'the same with tabs': JSON.stringify(ENTRIES, null, '\t'),
    'an array on one line': JSON.stringify(ENTRIES),
    'an array with an entry a line': `[\n${ENTRIES.map((e) => JSON.stringify(e)).join(',\n')}\n]\n`,
    'an array that opens with its first entry': `[${ENTRIES.map((e) => JSON.stringify(e)).join(',\n')}]`,
    lines: lines(ENTRIES),
    'lines as Windows ends them, without the last': lines(ENTRIES, '\r\n').trimEnd(),
    'entries printed one after the other': ENTRIES.map((e) => JSON.stringify(e, null, 4)).join('\n'),
    'arrays printed one after the other': `${JSON.stringify(ENTRIES.slice(0, 1), null, 2)}\n${JSON.stringify(ENTRIES.slice(1), null, 2)}\n`,
    'an answer of entries.list': JSON.stringify({ entries: ENTRIES, nextPageToken: 'x' }),
    'a printed answer of entries.list': JSON.stringify({ entries: ENTRIES, nextPageToken: 'x' }, null, 2),
    'gcloud pubsub subscriptions pull --format=json': JSON.stringify(pulled, null, 2),
    'lines of Pub/Sub pushes': lines(pushed),
    'plain Event lines': EVENTS.map((line) => `${line}\n`).join(''),
  }))
    for (const size of [1, 7, 1_000_000])
      it(`${what}, in chunks of ${size}`, async () => {
        const records = await read(text, size);
        expect(events(records)).toEqual(EVENTS);
        if (what === 'plain Event lines') return;
        expect(new Set(records.map((r) => r.id)).size).toBe(4);
        expect(records.map((r) => r.arrival)).toEqual(
          [0, 1, 2, 3].map((i) => Date.parse('2026-06-22T10:00:00.123Z') + i * 1000),
        );
      });

  it('one entry, printed or not', async () => {
    for (const text of [JSON.stringify(ENTRIES[0]), JSON.stringify(ENTRIES[0], null, 2)])
      expect(events(await read(text))).toEqual(EVENTS.slice(0, 1));
  });

  it('an entry without receiveTimestamp arrives at its own time', async () => {
    const [first] = await read(JSON.stringify({ ...ENTRIES[0], receiveTimestamp: undefined }));
    expect(first).toMatchObject({ arrival: Date.parse('2026-06-22T10:00:00.500Z') });
    expect(first!.id).toBeUndefined();
  });

  it('broken lines are handed on, each to be counted, and the rest is read', async () => {
    const text = `${JSON.stringify(ENTRIES[0])}\n{"insertId":"cut\nnot json\n42\n\n${JSON.stringify(ENTRIES[1])} trailing\n${JSON.stringify(ENTRIES[2])}\n`;
    const all = decoded(await read(text));
    expect(all.map((d) => ('event' in d ? 'event' : Object.values(d)[0]))).toEqual([
      'event',
      'not-json',
      'not-json',
      'not-an-object',
      'event',
      'not-json',
      'event',
    ]);
  });

  it('an array that is cut off gives what is whole, and a reject', async () => {
    const text = JSON.stringify(ENTRIES, null, 2).slice(0, -60);
    const all = decoded(await read(text, 100));
    expect(all.map((d) => Object.keys(d)[0])).toEqual(['event', 'event', 'event', 'reject']);
  });

  it('nothing gives nothing', async () => {
    for (const text of ['', '\n', ' \n\r\n ', '[]', '[\n]\n', '{"entries":[]}', '{\n  "entries": []\n}\n'])
      expect(await read(text)).toEqual([]);
  });

  it('what is no entry at all is a reject, not an event', async () => {
    expect(decoded(await read('{"message":{"data":"bm8="}}\n{"events":[]}\n'))).toEqual([
      { reject: 'not-json' },
      { reject: 'no-proto-payload' },
    ]);
  });
});
