import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AuditEvent,
  beginOf,
  endOf,
  type Field,
  FIELDS,
  fieldBytes,
  fieldValue,
  scanEvent,
} from '../src/event.ts';
import { cutPrefix } from '../src/collect/reject-prefix.ts';
import { INFERRED, salvage, TRUNCATED } from '../src/salvage.ts';
import { lineOf, members, REAL_LINES } from './event-lines.ts';

const AT = Date.UTC(2026, 5, 22, 10, 0, 1, 234);
const SECRET = 'hunter2';
const PATCH = 'patch.webhook.admission.k8s.io/round_0_index_0';

function scanned(line: Buffer): AuditEvent {
  const result = scanEvent(line);
  if ('not' in result) throw new Error(`refused: ${result.not}`);
  return result;
}

function salvaged(content: Buffer | string): AuditEvent | undefined {
  const line = salvage(Buffer.from(content as string), { at: AT });
  return line && scanned(line);
}

function annotations(event: AuditEvent): Record<string, string> {
  return fieldValue(event, 'annotations') as Record<string, string>;
}

/** A line with bodies, and a patch among its annotations, that hold SECRET in many shapes. */
function withSecrets(extra: Record<string, string> = {}): Buffer {
  const body = `{"kind":"Secret","data":{"${SECRET}":"${SECRET}\\"","list":["${SECRET}",{"a\\\\":"}],${SECRET}"}]},"type":"x"}`;
  return lineOf({
    ...members(),
    requestObject: body,
    responseObject: body,
    annotations: `{"authorization.k8s.io/decision":"allow","${PATCH}":"{\\"patch\\":[\\"${SECRET}\\"]}","pod-security.kubernetes.io/exempt":"no"}`,
    ...extra,
  });
}

/** The line with a marker put into each string of its bodies and patches. */
function marked(line: Buffer): Buffer {
  const event = scanned(line);
  const insert = (raw: string) => raw.replaceAll(/(?<!\\)(?:\\\\)*"(?=[^,:}\]])/g, (quotes) => `${quotes}${SECRET}`);
  let text = line.toString();
  for (const field of ['requestObject', 'responseObject'] as const) {
    const raw = fieldBytes(event, field)?.toString();
    if (raw !== undefined && raw.startsWith('{"')) {
      const changed = insert(raw);
      JSON.parse(changed);
      text = text.replace(`"${field}":${raw}`, () => `"${field}":${changed}`);
    }
  }
  return Buffer.from(text);
}

const LINES = [...REAL_LINES.map(marked), withSecrets(), lineOf(members())];

describe('salvage', () => {
  it('gives an Event of members that the record has, or nothing, wherever a record is cut', () => {
    let count = 0;
    for (const line of LINES) {
      const original = scanned(line);
      const userEnd = endOf(original, 'user');
      for (let size = 0; size < line.length; size++) {
        // both forms of a cut, in turn
        const head = line.subarray(0, size);
        const event = salvaged(size % 2 === 0 ? head : Buffer.concat([head, Buffer.from('[Truncated...]')]));
        if ((event !== undefined) !== size >= userEnd) expect.fail(`${size} of ${line.toString()}`);
        if (event === undefined) continue;
        count++;
        const notes = annotations(event);
        const inferred = notes[INFERRED]?.split(',') ?? [];
        if (event.level !== 'Metadata' || notes[TRUNCATED] !== 'true') expect.fail(event.line.toString());
        if (inferred.includes('level') !== (original.level !== 'Metadata')) expect.fail(event.line.toString());
        for (const field of FIELDS) {
          if (field === 'annotations' || inferred.includes(field)) continue;
          const bytes = fieldBytes(event, field);
          if (bytes !== undefined && !fieldBytes(original, field)?.equals(bytes)) expect.fail(`${field} at ${size}`);
        }
        if (event.line.includes(SECRET) || event.line.includes('Object"') || event.line.includes('patch.webhook'))
          expect.fail(`at ${size}: ${event.line.toString()}`);
      }
    }
    expect(count).toBeGreaterThan(5000);
  });

  it('keeps every member that is complete, in the order of the API server, byte for byte', () => {
    const raw = members();
    const text = lineOf(raw).toString();
    const cut = text.slice(0, text.indexOf('"stageTimestamp"') + 30);
    expect(salvage(Buffer.from(cut), { at: AT })?.toString()).toBe(
      lineOf({
        ...Object.fromEntries(Object.entries(raw).filter(([name]) => !/Object$|^stageT|^annot/.test(name))),
        level: '"Metadata"',
        stageTimestamp: '"2026-06-22T10:00:01.234000Z"',
        annotations: `{"${TRUNCATED}":"true","${INFERRED}":"level,stageTimestamp"}`,
      })
        .toString()
        .replace(/"level":"[^"]*"/, '"level":"Metadata"'),
    );
    const shuffled = Object.fromEntries(Object.entries(raw).reverse());
    const event = salvaged(lineOf(shuffled).subarray(0, -1))!;
    const names = [...event.line.toString().matchAll(/(?<=[{,])"(\w+)":/g)].map(([, name]) => name as Field);
    const own = names.filter((name) => FIELDS.includes(name));
    expect(own.filter((name, i) => own.indexOf(name) === i)).toEqual(
      FIELDS.filter((name) => name in raw && !name.endsWith('Object')),
    );
    expect(annotations(event)).toEqual({
      'authorization.k8s.io/decision': 'allow',
      [TRUNCATED]: 'true',
      [INFERRED]: 'level',
    });
  });

  it('derives lost timestamps from the time of the record, and says which', () => {
    const event = salvaged(withSecrets().subarray(0, withSecrets().indexOf('"requestReceived')))!;
    expect(fieldValue(event, 'stageTimestamp')).toBe('2026-06-22T10:00:01.234000Z');
    expect(fieldValue(event, 'requestReceivedTimestamp')).toBe('2026-06-22T10:00:01.234000Z');
    expect(event.stageTime).toBe(AT);
    expect(annotations(event)).toEqual({
      [TRUNCATED]: 'true',
      [INFERRED]: 'level,requestReceivedTimestamp,stageTimestamp',
    });
    const cut = lineOf(members()).subarray(0, -300);
    for (const at of [Number.NaN, Infinity, -1, Date.UTC(1999, 0), Date.UTC(2100, 0), 9e15])
      expect(salvage(cut, { at })).toBeUndefined();
  });

  it('lists nothing as inferred where nothing was', () => {
    const event = salvaged(lineOf({ ...members(), level: '"Metadata"' }).subarray(0, -1))!;
    expect(annotations(event)).toEqual({ 'authorization.k8s.io/decision': 'allow', [TRUNCATED]: 'true' });
  });

  it("drops the record's own auditkeep annotations, however they are spelled, and patches", () => {
    const forged = {
      annotations: `{"${INFERRED}":"","a":"1","audit\\u006beep/truncated":"false","auditkeep/x":"","${PATCH}":"${SECRET}","p\\u0061tch.webhook.admission.k8s.io/x":"${SECRET}","__proto__":"2"}`,
    };
    const event = salvaged(lineOf({ ...members(), ...forged }).subarray(0, -1))!;
    expect(fieldBytes(event, 'annotations')?.toString()).toBe(
      `{"a":"1","__proto__":"2","${TRUNCATED}":"true","${INFERRED}":"level"}`,
    );
  });

  it.each<[string, Record<string, string>]>([
    ['another kind', { kind: '"EventList"' }],
    ['another version', { apiVersion: '"audit.k8s.io/v1beta1"' }],
    ['an unknown level', { level: '"None"' }],
    ['an unknown stage', { stage: '"Begun"' }],
    ['an empty audit ID', { auditID: '""' }],
    ['a user that is no object', { user: '"alice"' }],
    ['a user that is null', { user: 'null' }],
    ['a timestamp that is none', { stageTimestamp: '"yesterday"' }],
    ['a timestamp that is null', { stageTimestamp: 'null' }],
    ['a member twice', { 'l\\u0065vel': '"Metadata"' }],
    ['an annotation twice', { annotations: '{"a":"1","\\u0061":"2"}' }],
    ['annotations that are no text', { annotations: '{"a":{"b":"c"}}' }],
    ['annotations that are no map', { annotations: '["a"]' }],
    ['a line feed inside', { user: '{\n}' }],
  ])('gives nothing of a record with %s', (_about, changes) => {
    expect(salvaged(lineOf({ ...members(), ...changes }).subarray(0, -1))).toBeUndefined();
  });

  it('gives nothing of records that are not cut, or are no JSON', () => {
    const line = lineOf(members());
    expect(salvaged(line)).toBeUndefined();
    expect(salvaged(Buffer.concat([line, Buffer.from(' x')]))).toBeUndefined();
    expect(salvaged(line.toString().replace('"objectRef":{', '"objectRef":{{'))).toBeUndefined();
    for (const text of ['', '[Truncated...]', '{', '[', 'I0622', '{}[Truncated...]', '\u0000', '"', '{"kind":"Event"'])
      expect(salvaged(text)).toBeUndefined();
    const bad = Buffer.concat([line.subarray(0, 300), Buffer.from([0xff]), line.subarray(300, -1)]);
    expect(salvaged(bad)).toBeUndefined();
  });

  it('takes a mark behind a complete event for a cut too, and white space behind the mark', () => {
    const line = lineOf(members()).toString();
    for (const text of [`${line}[Truncated...]`, `${line} [Truncated...]\r`]) {
      const event = salvaged(text)!;
      expect(annotations(event)).toMatchObject({ [TRUNCATED]: 'true', [INFERRED]: 'level' });
    }
  });

  it('survives any input', () => {
    const arbitrary = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
      fc.tuple(fc.constantFrom(...LINES), fc.nat(), fc.uint8Array({ maxLength: 4 })).map(([line, at, bytes]) => {
        const i = at % line.length;
        return Buffer.concat([line.subarray(0, i), Buffer.from(bytes), line.subarray(i + bytes.length, -1)]);
      }),
    );
    fc.assert(
      fc.property(arbitrary, (content) => {
        const line = salvage(content, { at: AT });
        if (line !== undefined) expect(scanned(line).level).toBe('Metadata');
        expect(content.subarray(0, cutPrefix(content).length).equals(cutPrefix(content))).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });
});

describe('cutPrefix', () => {
  it('never holds body text, wherever a record is cut and whatever byte is broken', () => {
    for (const line of LINES) {
      const event = scanned(line);
      for (let size = 0; size <= line.length; size++) {
        const kept = cutPrefix(line.subarray(0, size));
        if (kept.includes(SECRET) || kept.length > 4096) expect.fail(`at ${size}: ${kept.toString()}`);
      }
      const bodyAt = Math.min(
        ...(['requestObject', 'responseObject'] as const).map((field) => {
          const at = beginOf(event, field);
          return at < 0 ? Infinity : at;
        }),
      );
      for (let at = 0; at < line.length; at++) {
        const broken = Buffer.from(line);
        broken[at] = broken[at]! ^ (1 + (at % 127));
        const kept = cutPrefix(broken);
        if (kept.length >= bodyAt || kept.includes(SECRET)) expect.fail(`at ${at}: ${kept.toString()}`);
      }
    }
  });

  it('keeps what comes before the first body, or before the first patch', () => {
    const line = withSecrets().toString();
    expect(cutPrefix(Buffer.from(line)).toString()).toBe(line.slice(0, line.indexOf(',"requestObject"')));
    const raw: Record<string, string> = { ...members() };
    delete raw['requestObject'];
    delete raw['responseObject'];
    const plain = lineOf(raw).toString();
    expect(cutPrefix(Buffer.from(`${plain} x`)).toString()).toBe(plain.slice(0, -1));
    const map = `{"a":"1","${PATCH}":"${SECRET}"}`;
    const patched = lineOf({ ...raw, annotations: map }).toString();
    expect(cutPrefix(Buffer.from(patched)).toString()).toBe(patched.slice(0, patched.indexOf(`,"${PATCH}`)));
    const escaped = lineOf({ ...raw, annotations: map.replace('patch', 'p\\u0061tch') }).toString();
    expect(cutPrefix(Buffer.from(escaped)).toString()).toBe(escaped.slice(0, escaped.indexOf(',"p\\u0061tch')));
  });

  it('stops at the first member that an Event does not have, and at a body whose name is spelled with escapes', () => {
    const kept = (text: string) => cutPrefix(Buffer.from(text)).toString();
    expect(kept(`{"kind":"Secret","apiVersion":"v1","data":{"p":"${SECRET}"}}`)).toBe(
      '{"kind":"Secret","apiVersion":"v1"',
    );
    expect(kept(`{"level":"Request","request\\u004fbject":"${SECRET}"`)).toBe('{"level":"Request"');
    expect(kept(`{"level":"Request","Requestobject":"${SECRET}"`)).toBe('{"level":"Request"');
    expect(kept(`{"properties":{"log":"{\\"requestObject\\":\\"${SECRET}\\"}"}}`)).toBe('{');
    expect(kept(`{"annotations":"${SECRET}"}`)).not.toContain(SECRET);
  });

  it('keeps at most 4 KiB, and no half character', () => {
    const line = lineOf({ ...members(), requestURI: `"/${'é€😀'.repeat(2000)}"` });
    const kept = cutPrefix(line);
    expect(kept.length).toBeGreaterThan(4092);
    expect(kept.length).toBeLessThanOrEqual(4096);
    expect(line.toString().startsWith(kept.toString())).toBe(true);
  });

  it('keeps the header of a klog line, 256 bytes of a legacy line, and nothing of any other text', () => {
    const kept = (text: string) => cutPrefix(Buffer.from(text)).toString();
    expect(kept(`I0622 10:00:00.000000       1 controller.go:616] token=${SECRET}`)).toBe(
      'I0622 10:00:00.000000       1 controller.go:616]',
    );
    const legacy = `2026-06-22T10:00:00.000000000Z AUDIT: id="1" stage="ResponseComplete" user="alice" uri="/${'a'.repeat(500)}"`;
    expect(kept(legacy)).toBe(legacy.slice(0, 256));
    for (const text of [
      `"data":{"password":"${SECRET}"}}`,
      `[{"a":"${SECRET}"}]`,
      SECRET,
      '',
      `\u0000${SECRET}`,
      `"${SECRET}`,
    ])
      expect(kept(text)).toBe('');
  });
});
