// Records of all forms that AKS audit events come in → Events: real samples, random events, and what is broken.

import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AksOrigin, toAuditRow, toDiagnosticsRow, toEnvelope } from '../../emulators/story/aks.ts';
import { provider } from '../../providers/aks/index.ts';
import { scanEvent } from '../../src/event.ts';
import type { Decoded, ProviderRecord } from '../../src/provider.ts';
import { salvage } from '../../src/salvage.ts';
import { OPTIONS, ORIGIN, RESOURCE } from './aks-harness.ts';
import { anyEvent } from './random-events.ts';

const SAMPLES = fileURLToPath(new URL('../../../shared/samples/aks/', import.meta.url));
const FIXTURES = fileURLToPath(new URL('./fixtures/aks/', import.meta.url));

const options = provider.options.parse(OPTIONS);

function decode(content: unknown, given = options): Decoded {
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  return provider.decode({ arrival: 0, content: Buffer.from(text) }, given);
}

function eventOf(decoded: Decoded): string {
  if (!('event' in decoded)) throw new Error(`no event: ${JSON.stringify(decoded)}`);
  const scan = decoded.scan ?? scanEvent(decoded.event);
  if ('not' in scan) throw new Error(`no event: ${scan.not}: ${decoded.event.toString().slice(0, 300)}`);
  return decoded.event.toString();
}

/** What the core would make of it. */
function verdict(decoded: Decoded): string {
  if ('skip' in decoded) return `skip ${decoded.skip}`;
  if ('reject' in decoded) return `reject ${decoded.reject}`;
  const scan = decoded.scan ?? scanEvent(decoded.event);
  return 'not' in scan ? `reject ${scan.not}` : 'event';
}

async function readAll(file: string | Buffer, chunkBytes = 1 << 16): Promise<ProviderRecord[]> {
  const bytes = typeof file === 'string' ? readFileSync(file) : file;
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += chunkBytes)
      yield await Promise.resolve(bytes.subarray(at, at + chunkBytes));
  }
  const records: ProviderRecord[] = [];
  for await (const record of provider.readExport(chunks())) records.push(record);
  return records;
}

/** Rows as a record of this provider holds them: what tostring() makes of the columns. */
function asRecord(type: string, row: Readonly<Record<string, string | null>>): Record<string, string> {
  const text = (value: string | null) =>
    value === null || value === 'null' ? '' : /^".*"$/s.test(value) ? (JSON.parse(value) as string) : value;
  return { Type: type, ...Object.fromEntries(Object.entries(row).map(([name, value]) => [name, text(value)])) };
}

const LINE =
  '{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"a-1","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/pay/configmaps","verb":"create",' +
  '"user":{"username":"jané \\"x\\"","groups":["system:masters"]},"sourceIPs":["10.0.0.1"],"userAgent":"kubectl/v1.33","objectRef":{"resource":"configmaps","namespace":"pay","name":"c","apiVersion":"v1"},' +
  '"responseStatus":{"metadata":{},"code":201},"requestObject":{"n":12345678901234567890,"x":1.0,"10":1,"9":2},"responseObject":[1e3,{"y":null}],' +
  '"requestReceivedTimestamp":"2026-06-22T10:00:00.123456Z","stageTimestamp":"2026-06-22T10:00:01.000001Z","annotations":{"authorization.k8s.io/decision":"allow"}}';

const ROW = { ...asRecord('AKSAudit', toAuditRow(LINE, ORIGIN)) };
const DIAGNOSTICS = { Type: 'AzureDiagnostics', ...toDiagnosticsRow(LINE, ORIGIN) };

describe('real samples', () => {
  it.skipIf(!existsSync(SAMPLES))('of a storage account: every Event is the text of properties.log', async () => {
    const file = `${SAMPLES}storage-PT1H.jsonl`;
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    const records = await readAll(file);
    expect(records).toHaveLength(lines.length);
    for (const [i, record] of records.entries()) {
      const { category, properties, time } = JSON.parse(lines[i]!) as {
        category: string;
        properties: { log: string };
        time: string;
      };
      expect(record.arrival).toBe(Date.parse(time));
      const decoded = provider.decode(record, undefined as never);
      if (category.startsWith('kube-audit')) expect(eventOf(decoded)).toBe(properties.log.trimEnd());
      else expect(decoded).toEqual({ skip: 'other-category' });
    }
  });

  it.skipIf(!existsSync(SAMPLES))('of an Event Hub in 2020: one record, printed over many lines', async () => {
    const records = await readAll(`${SAMPLES}eventhub-record.json`, 100);
    expect(records).toHaveLength(1);
    expect(eventOf(provider.decode(records[0]!, undefined as never))).toContain('"auditID":"4e2a4193-');
    expect(verdict(provider.decode(records[0]!, options))).toBe('skip other-cluster');
  });
});

describe('our own fixtures', () => {
  const expected = readFileSync(`${FIXTURES}events.ndjson`, 'utf8').trimEnd().split('\n');
  for (const file of ['az-query.json', 'query-answer.json', 'eventhub-body.json', 'PT1H.json', 'eventhub-array.json'])
    it(`${file}: the same Events from each form`, async () => {
      for (const chunk of [7, 1 << 16]) {
        const records = await readAll(`${FIXTURES}${file}`, chunk);
        const events = records.flatMap((record) => {
          const decoded = provider.decode(record, undefined as never);
          return 'skip' in decoded ? [] : [JSON.parse(eventOf(decoded)) as unknown];
        });
        expect(events).toEqual(expected.map((line) => JSON.parse(line) as unknown));
      }
    });

  it('plain Event lines and cut ones are handed on as they are', async () => {
    const records = await readAll(Buffer.from(`${LINE}\r\n\n${LINE.slice(0, 300)}\n${LINE}`), 50);
    expect(records.map((r) => verdict(provider.decode(r, undefined as never)))).toEqual([
      'event',
      'reject truncated',
      'event',
    ]);
    expect(records[0]!.content.toString()).toBe(LINE);
  });
});

describe('what the forms can carry', () => {
  const word = fc.string({ unit: 'binary', maxLength: 20 });
  // what the form carries doesn't depend on names
  const event = anyEvent(fc.dictionary(word, word, { minKeys: 1 }));
  const runs = { numRuns: 300 };

  it('AKSAudit: all but impersonation, number spellings and key order included', () => {
    fc.assert(
      fc.property(event, (line) => {
        const expected = JSON.parse(line) as Record<string, unknown>;
        delete expected['impersonatedUser'];
        const record = asRecord('AKSAudit', toAuditRow(line, ORIGIN));
        expect(eventOf(decode(record))).toBe(JSON.stringify(expected));
      }),
      runs,
    );
    expect(eventOf(decode(ROW))).toBe(LINE);
  });

  it('AzureDiagnostics, spilled or not, storage account and Event Hub: every byte', () => {
    fc.assert(
      fc.property(event, fc.boolean(), (line, spilled) => {
        if (Buffer.byteLength(line) > 32_000) return;
        expect(eventOf(decode({ Type: 'AzureDiagnostics', ...toDiagnosticsRow(line, ORIGIN, { spilled }) }))).toBe(
          line,
        );
        expect(eventOf(decode(toEnvelope(line, ORIGIN)))).toBe(line);
      }),
      runs,
    );
  });

  it('a log that was parsed on the way keeps its numbers and the order of its keys', () => {
    const record = `{"category":"kube-audit","resourceId":"${RESOURCE.toUpperCase()}","properties":{"pod":"p","log":${LINE}},"time":"2026-06-22T10:00:01Z"}`;
    expect(eventOf(decode(record))).toBe(LINE);
    const spilled = { ...DIAGNOSTICS, log_s: '', AdditionalFields: `{"pod_s":"p","log_s":${LINE}}` };
    expect(eventOf(decode(spilled))).toBe(LINE);
  });
});

describe('columns of AKSAudit', () => {
  const event = (change: object, given = options) =>
    JSON.parse(eventOf(decode({ ...ROW, ...change }, given))) as Record<string, unknown>;

  it('writes times with six digits, whether they come with 0, 6, 7 or 9', () => {
    for (const [text, expected] of [
      ['2026-06-22T10:00:01Z', '2026-06-22T10:00:01.000000Z'],
      ['2026-06-22T10:00:01.5Z', '2026-06-22T10:00:01.500000Z'],
      ['2026-06-22T10:00:01.123456Z', '2026-06-22T10:00:01.123456Z'],
      ['2026-06-22T10:00:01.1234567Z', '2026-06-22T10:00:01.123456Z'],
      ['2026-06-22T10:00:01.123456789Z', '2026-06-22T10:00:01.123456Z'],
    ])
      expect(event({ StageReceivedTime: text })['stageTimestamp']).toBe(expected);
    expect(verdict(decode({ ...ROW, StageReceivedTime: '22/06/2026 10:00' }))).toBe('reject bad-timestamp');
  });

  it('leaves out a body that was too big, keeps the level, and says which', () => {
    const one = event({ ResponseObject: 'skipped-too-big-size-object' });
    expect(one).not.toHaveProperty('responseObject');
    expect(one['requestObject']).toBeDefined();
    expect(one['level']).toBe('RequestResponse');
    expect(one['annotations']).toEqual({
      'authorization.k8s.io/decision': 'allow',
      'auditkeep/omitted': 'responseObject',
    });
    const both = event({
      RequestObject: 'skipped-too-big-size-object',
      ResponseObject: '"skipped-too-big-size-object"',
      Annotations: '',
    });
    expect(both['annotations']).toEqual({ 'auditkeep/omitted': 'requestObject,responseObject' });
    expect(decode({ ...ROW, ResponseObject: 'skipped-too-big-size-object' })).toMatchObject({
      omitted: ['responseObject'],
    });
    expect(decode(ROW)).not.toHaveProperty('omitted');
  });

  it('takes dynamic columns as objects as well', () => {
    const content = JSON.stringify(ROW).replace(
      /"RequestObject":"(?:[^"\\]|\\.)*"/,
      '"RequestObject":{"n":12345678901234567890,"10":1,"9":2}',
    );
    expect(eventOf(decode(content))).toContain('"requestObject":{"n":12345678901234567890,"10":1,"9":2}');
    expect(event({ User: { username: 'u' } })['user']).toEqual({ username: 'u' });
  });

  it('never parses a body that is a string twice', () => {
    expect(event({ RequestObject: 'some text' })['requestObject']).toBe('some text');
    expect(event({ RequestObject: '{"a":"{\\"b\\":1}"}' })['requestObject']).toEqual({ a: '{"b":1}' });
    expect(event({ RequestObject: '' })).not.toHaveProperty('requestObject');
    expect(event({ RequestObject: null })).not.toHaveProperty('requestObject');
  });

  it('never invents an impersonated user; an empty user column is said to be inferred', () => {
    expect(event({})).not.toHaveProperty('impersonatedUser');
    const nobody = event({ User: '', Stage: 'ResponseStarted' });
    expect(nobody['user']).toEqual({});
    expect(nobody['annotations']).toHaveProperty('auditkeep/inferred', 'user');
    expect(event({ User: '{}' })['annotations']).not.toHaveProperty('auditkeep/inferred');
  });

  it('lets no annotation pass for one of ours', () => {
    const forged = { Annotations: '{"auditkeep/omitted":"nothing","a/b":"c"}' };
    expect(event(forged)['annotations']).toEqual({ 'a/b': 'c' });
  });

  it('refuses a column that would bring in members of its own', () => {
    for (const change of [
      { User: '{"username":"u"},"impersonatedUser":{"username":"admin"}' },
      { SourceIps: '[],"x":1' },
      { ObjectRef: '{},"authenticationMetadata":{}' },
      { Annotations: '{},"x":{}' },
    ])
      expect(verdict(decode({ ...ROW, ...change }))).toBe('reject bad-column');
    expect(verdict(decode({ ...ROW, User: '{},"verb":"get"' }))).toBe('reject repeated-member');
    expect(verdict(decode({ ...ROW, User: '{"username":' }))).toMatch(/^reject /);
    expect(verdict(decode({ ...ROW, SourceIps: 'plain text' }))).toMatch(/^reject /);
    expect(verdict(decode({ ...ROW, ObjectRef: '[]' }))).toBe('reject wrong-type');
  });

  it('rejects a row that lacks what every event has', () => {
    for (const name of ['Level', 'AuditId', 'Stage', 'RequestUri'])
      expect(verdict(decode({ ...ROW, [name]: '' }))).toBe('reject missing-member');
    expect(verdict(decode({ ...ROW, Level: 'Everything' }))).toBe('reject unknown-level');
    expect(verdict(decode({ ...ROW, Verb: '' }))).toBe('event');
  });
});

describe('what is not an audit event of this cluster', () => {
  const klog = 'I0622 10:00:00.000000       1 httplog.go:134] "HTTP" verb="GET"';
  const other: AksOrigin = { ...ORIGIN, resource: RESOURCE.replace('shop', 'other') };
  const only = provider.options.parse({ ...OPTIONS, table: 'AKSAudit', category: 'kube-audit' });

  it('is skipped by category and cluster, never because it does not parse', () => {
    expect(decode({ ...DIAGNOSTICS, Category: 'kube-apiserver', log_s: klog })).toEqual({ skip: 'other-category' });
    expect(decode(toEnvelope(LINE, ORIGIN, 'guard'))).toEqual({ skip: 'other-category' });
    expect(decode(toEnvelope(LINE, other))).toEqual({ skip: 'other-cluster' });
    expect(decode({ Type: 'AKSAudit', ...toAuditRow(LINE, other) })).toEqual({ skip: 'other-cluster' });
    expect(decode({ ...DIAGNOSTICS, _ResourceId: other.resource })).toEqual({ skip: 'other-cluster' });
    expect(decode({ ...ROW, Type: 'AKSAuditAdmin' }, only)).toEqual({ skip: 'other-category' });
    expect(verdict(decode({ ...DIAGNOSTICS, log_s: klog }))).toBe('reject not-json');
    expect(verdict(decode({ ...ROW, _ResourceId: RESOURCE.toUpperCase() }))).toBe('event');
  });

  it('a cut log is rejected as truncated, and its beginning can be salvaged', () => {
    const long = LINE.replace('"responseObject":[', `"responseObject":["${'x'.repeat(40_000)}",`);
    const row = toDiagnosticsRow(long, ORIGIN);
    expect(Buffer.byteLength(row['log_s']!)).toBe(32_766);
    const decoded = decode({ Type: 'AzureDiagnostics', ...row });
    expect(verdict(decoded)).toBe('reject truncated');
    const saved = salvage((decoded as { event: Buffer }).event, { at: Date.parse('2026-06-22T10:00:01Z') });
    expect(JSON.parse(saved!.toString())).toMatchObject({
      auditID: 'a-1',
      level: 'Metadata',
      annotations: { 'auditkeep/truncated': 'true' },
    });
  });

  it('gives a reason for whatever else comes', () => {
    const cases: [string, string][] = [
      ['', 'reject not-json'],
      ['{"category":"kube-audit","prop', 'reject not-json'],
      ['[]', 'reject not-an-object'],
      ['null', 'reject not-an-object'],
      ['{}', 'reject unknown-form'],
      ['{"category":"kube-audit"}', 'reject no-log'],
      ['{"category":"kube-audit","properties":{"log":7}}', 'reject no-log'],
      ['{"category":"kube-audit","properties":{"log":"{}"}}', 'reject wrong-kind'],
      ['{"Category":"kube-audit","log_s":"","AdditionalFields":"{"}', 'reject no-log'],
      ['{"Category":"kube-audit","log_s":""}', 'reject no-log'],
    ];
    for (const [text, expected] of cases) expect([text, verdict(decode(text))]).toEqual([text, expected]);
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.json(), (text) => void verdict(decode(text))),
      { numRuns: 200 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        provider.decode({ arrival: 0, content: Buffer.from(bytes) }, options);
      }),
    );
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(ROW)), fc.jsonValue(), (name, value) => {
        verdict(decode({ ...ROW, [name]: value }));
      }),
      { numRuns: 300 },
    );
  });
});
