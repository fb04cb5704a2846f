import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LEVELS, type Level } from '../../src/event.ts';
import { lower } from '../../src/policy/lower.ts';
import { eventOf, fixture, makeEvent, readLines } from './lines.ts';

const events = readLines(fixture('lower/events.ndjson')).map(eventOf);

describe('lower', () => {
  it.each([
    ['Metadata', 'Metadata', false],
    ['Request', 'Request', false],
    ['RequestResponse-without-managed-fields', 'RequestResponse', true],
  ] as const)('equals what Kubernetes makes of real events: %s', (file, to, omitManagedFields) => {
    const expected = readLines(fixture(`lower/${file}.ndjson`)).map(String);
    expect(events.map((event) => lower(event, to, { omitManagedFields }).toString())).toEqual(expected);
    expect(events.some((event, i) => event.line.toString() !== expected[i])).toBe(true);
  });

  it('never raises a level and gives the same buffer back when nothing changes', () => {
    for (const level of LEVELS) {
      const event = makeEvent({ level });
      expect(lower(event, 'RequestResponse')).toBe(event.line);
    }
    const metadata = makeEvent({ level: 'Metadata' });
    expect(lower(metadata, 'Request')).toBe(metadata.line);
  });

  it('keeps number spelling, member order and white space outside of what it cuts', () => {
    const line =
      '{ "responseObject" : {"b":1} , "requestObject":{"a":1.0},  "kind":"Event","apiVersion":"audit.k8s.io/v1", "level" : "RequestResponse",' +
      '"auditID":"x","stage":"ResponseComplete","requestURI":"\\/api","verb":"get","user":{},"extra": 12345678901234567890.10 ,' +
      '"requestReceivedTimestamp":"2026-06-22T10:00:00.000000Z","stageTimestamp":"2026-06-22T10:00:00.000000Z" ,' +
      ' "annotations" : { "patch.webhook.admission.k8s.io/round_0_index_0" : "x" } }';
    expect(lower(eventOf(line), 'Metadata').toString()).toBe(
      '{ "kind":"Event","apiVersion":"audit.k8s.io/v1", "level" : "Metadata",' +
        '"auditID":"x","stage":"ResponseComplete","requestURI":"\\/api","verb":"get","user":{},"extra": 12345678901234567890.10 ,' +
        '"requestReceivedTimestamp":"2026-06-22T10:00:00.000000Z","stageTimestamp":"2026-06-22T10:00:00.000000Z"  }',
    );
    expect(lower(eventOf(line), 'Request').toString()).toContain('"requestObject":{"a":1.0},  "kind"');
  });

  it('cuts annotations and bodies whose names are spelled with escapes', () => {
    const event = makeEvent({
      annotations: { 'a/b': '1', 'patch.webhook.admission.k8s.io/round_0_index_0': 'secret', z: '2' },
      requestObject: { secret: 1 },
    });
    const escaped = event.line
      .toString()
      .replace('"patch.webhook', '"\\u0070atch.webhook')
      .replace('"requestObject"', '"request\\u004fbject"');
    const lowered = lower(eventOf(escaped), 'Metadata').toString();
    expect(JSON.parse(lowered)).toEqual({
      ...JSON.parse(makeEvent({}).line.toString()),
      level: 'Metadata',
      annotations: { 'a/b': '1', z: '2' },
    });
  });

  it('removes a body that is null', () => {
    const event = makeEvent({ requestObject: null, level: 'Request' });
    expect(lower(event, 'Request')).toBe(event.line);
    expect(lower(event, 'Metadata').toString()).not.toContain('requestObject');
  });

  it('equals parsing, changing and writing again, for events in any member order', () => {
    const annotations = fc.dictionary(
      fc.constantFrom('a', 'patch.webhook.admission.k8s.io/x', 'patch.webhook.admission.k8s.io/y', 'z', '__proto__'),
      fc.string(),
    );
    const extra = fc.record(
      { requestObject: fc.jsonValue(), responseObject: fc.jsonValue(), annotations, more: fc.jsonValue() },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(extra, fc.constantFrom<Level>(...LEVELS), fc.nat(), fc.nat(2), (members, to, shift, indent) => {
        const base = JSON.parse(makeEvent({}).line.toString()) as Record<string, unknown>;
        const entries = Object.entries({ ...base, ...members });
        const turned = [...entries.slice(shift % entries.length), ...entries.slice(0, shift % entries.length)];
        // one line, but with white space wherever it may stand
        const line = JSON.stringify(Object.fromEntries(turned), null, indent).replaceAll('\n', '\t');
        const is = JSON.parse(lower(eventOf(line), to).toString()) as Record<string, unknown>;
        const should = JSON.parse(line) as Record<string, unknown>;
        should['level'] = to;
        if (to !== 'RequestResponse') delete should['responseObject'];
        if (to === 'Metadata') {
          delete should['requestObject'];
          const kept = Object.entries((should['annotations'] ?? {}) as object).filter(([k]) => !k.startsWith('patch.'));
          const had = Object.keys((should['annotations'] ?? {}) as object).length;
          if (kept.length > 0) should['annotations'] = Object.fromEntries(kept);
          else if (had > 0) delete should['annotations'];
        }
        expect(JSON.stringify(is)).toBe(JSON.stringify(should));
      }),
      { numRuns: 500 },
    );
  });
});

describe('omitManagedFields', () => {
  const omit = (requestObject: unknown, verb = 'create') =>
    JSON.parse(lower(makeEvent({ requestObject, verb }), 'RequestResponse', { omitManagedFields: true }).toString())
      .requestObject;
  const managed = { metadata: { name: 'a', managedFields: [{ manager: 'kubectl' }] } };
  const plain = { metadata: { name: 'a' } };

  it('takes them from an object, from the items of a list and from the rows of a Table', () => {
    expect(omit(managed)).toEqual(plain);
    expect(omit({ metadata: { managedFields: null } })).toEqual({ metadata: {} });
    expect(omit({ metadata: {}, items: [managed, plain, {}] })).toEqual({ metadata: {}, items: [plain, plain, {}] });
    const table = { kind: 'Table', apiVersion: 'meta.k8s.io/v1', rows: [{ object: managed }, { cells: [] }, 1] };
    expect(omit(table)).toEqual({ ...table, rows: [{ object: plain }, { cells: [] }, 1] });
  });

  it('leaves alone patches, rows of other kinds, deeper ones, and lists with an item that is no object', () => {
    expect(omit(managed, 'patch')).toEqual(managed);
    expect(omit({ kind: 'Table', rows: [{ object: managed }] })).toEqual({
      kind: 'Table',
      rows: [{ object: managed }],
    });
    expect(omit({ spec: managed })).toEqual({ spec: managed });
    expect(omit({ ...managed, items: [managed, 1] })).toEqual({ ...managed, items: [managed, 1] });
    expect(omit([managed])).toEqual([managed]);
  });
});
