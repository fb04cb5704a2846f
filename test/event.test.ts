import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AuditEvent,
  beginOf,
  type Field,
  FIELDS,
  fieldBytes,
  fieldValue,
  LEVELS,
  parseMicroTime,
  type ScanResult,
  scanEvent,
  scanWithReasons,
  STAGES,
  utcDate,
} from '../src/event.ts';
import { HAVE_LOGS, lineOf, logFiles, members, microTimes, readLog, REAL_LINES } from './event-lines.ts';

function accepted(result: ScanResult): AuditEvent {
  if ('not' in result) throw new Error(`refused: ${result.not}`);
  return result;
}

function reason(line: Buffer | string): string | undefined {
  const result = scanEvent(typeof line === 'string' ? Buffer.from(line) : line);
  return 'not' in result ? result.not : undefined;
}

/** The line with some members replaced, or taken away where undefined. */
function varied(changes: Record<string, string | undefined>): Buffer {
  const raw: Record<string, string> = {};
  for (const [name, text] of Object.entries({ ...members(), ...changes })) if (text !== undefined) raw[name] = text;
  return lineOf(raw);
}

/** Holds what was found against JSON.parse. */
function expectSame(event: AuditEvent): void {
  const parsed = JSON.parse(event.line.toString('utf8')) as Record<string, unknown>;
  for (const field of FIELDS) {
    const value = Object.hasOwn(parsed, field) ? parsed[field] : undefined;
    if (value === null && field.endsWith('Object')) expect(fieldBytes(event, field)?.toString()).toBe('null');
    else expect(fieldValue(event, field)).toEqual(value ?? undefined);
  }
  expect(event.level).toBe(parsed['level']);
  expect(event.stage).toBe(parsed['stage']);
  expect(event.verb).toBe(parsed['verb']);
  const time = parsed['stageTimestamp'] as string;
  expect(event.stageTime).toBe(Date.parse(time.slice(0, 23) + time.slice(26)));
  expect(event.date).toBe(new Date(event.stageTime).toISOString().slice(0, 10));
}

/** Fast path and scanner with reasons must agree on everything, but that only the fast one finds out what is clear. */
function expectAgreement(line: Buffer): ScanResult {
  const fast = scanEvent(line);
  const slow = scanWithReasons(line);
  expect(fast).toEqual('not' in slow || 'not' in fast ? slow : { ...slow, clear: fast.clear });
  if (!('not' in fast) && fast.clear) expect(openText(fast)).not.toMatch(/Secret|TokenRe|\\u00[4-7]/);
  return fast;
}

function openText(event: AuditEvent): string {
  const begins = (['requestObject', 'responseObject', 'annotations'] as const)
    .map((field) => beginOf(event, field))
    .filter((begin) => begin >= 0);
  return begins.length === 0 ? '' : event.line.toString('latin1', Math.min(...begins));
}

describe('scanEvent on real lines', () => {
  it('finds every member where JSON.parse finds it', () => {
    expect(REAL_LINES.length).toBeGreaterThan(20);
    for (const line of REAL_LINES) expectSame(accepted(expectAgreement(line)));
  });

  it.skipIf(!HAVE_LOGS)('accepts every line of the recorded API servers (logs that lie beside the repository)', () => {
    for (const path of logFiles())
      for (const line of readLog(path)) {
        const event = accepted(scanEvent(line));
        const parsed = JSON.parse(line.toString('utf8')) as Record<Field, string>;
        const time = parsed.stageTimestamp;
        if (
          event.level !== parsed.level ||
          event.stage !== parsed.stage ||
          event.verb !== parsed.verb ||
          event.date !== time.slice(0, 10) ||
          event.stageTime !== Date.parse(time.slice(0, 23) + 'Z') ||
          fieldValue(event, 'auditID') !== parsed.auditID ||
          fieldValue(event, 'requestURI') !== parsed.requestURI
        )
          throw new Error(`misread: ${line.toString('utf8', 0, 500)}`);
      }
  });

  it('calls every proper beginning of a line truncated', () => {
    for (const line of REAL_LINES)
      for (let size = 1; size < line.length; size++) {
        const head = line.subarray(0, size);
        expect(reason(head)).toBe(isUtf8(head) ? 'truncated' : 'invalid-utf8');
      }
  });

  it('agrees with JSON.parse on lines with bytes changed, taken out or put in', () => {
    let refused = 0;
    const edit = fc.record({
      line: fc.constantFrom(...REAL_LINES),
      at: fc.nat(),
      gone: fc.nat({ max: 2 }),
      bytes: fc.oneof(
        fc.uint8Array({ maxLength: 3 }),
        fc.constantFrom('"', '\\', ',', '}', '{', ':', '\n', '\u0000', '\\"', '\\u00', 'é').map((s) => Buffer.from(s)),
      ),
    });
    fc.assert(
      fc.property(edit, ({ line, at, gone, bytes }) => {
        const i = at % line.length;
        const changed = Buffer.concat([line.subarray(0, i), bytes, line.subarray(i + gone)]);
        const result = expectAgreement(changed);
        if (!('not' in result)) {
          expect(isUtf8(changed)).toBe(true);
          expectSame(result);
          return;
        }
        refused++;
        let parses = isUtf8(changed);
        if (parses)
          try {
            JSON.parse(changed.toString('utf8'));
          } catch {
            parses = false;
          }
        const broken = ['invalid-utf8', 'not-json', 'truncated'];
        // what comes first in the line: a brace put in can make a member of the body one of the event
        if (result.not === 'repeated-member') return;
        if (parses) expect(broken).not.toContain(result.not);
        else expect(broken).toContain(result.not);
      }),
      { numRuns: 5000 },
    );
    expect(refused).toBeGreaterThan(500);
  });
});

describe('scanEvent on made lines', () => {
  const text = fc.string({ unit: 'binary', maxLength: 40 }).map((s) => JSON.stringify(s));
  const value = fc.oneof(
    text,
    fc.json({ maxDepth: 3 }),
    fc.constantFrom('null', '{}', '[]', '""', '0', 'true', '{"a":[{"b":"\\u00e9\\\\"}]}', '[-1.5E+7,false]'),
  );
  const time = fc.oneof(
    fc.date({ min: new Date('1999-01-01'), max: new Date('2101-01-01'), noInvalidDate: true }).map((date) => {
      return JSON.stringify(date.toISOString().replace('Z', '000Z'));
    }),
    fc.constantFrom('"2026-06-22T12:00:00.123456+02:00"', '"2026-02-30T00:00:00.000000Z"', 'null', '""'),
  );
  const choice = (...texts: string[]) => fc.constantFrom(...texts.map((s) => JSON.stringify(s)), 'null');
  const valueOf: Partial<Record<string, fc.Arbitrary<string>>> = {
    kind: choice('Event', 'Event', 'Event', 'EventList'),
    apiVersion: choice('audit.k8s.io/v1', 'audit.k8s.io/v1', 'audit.k8s.io/v1beta1'),
    level: choice(...LEVELS, 'None', 'metadata'),
    stage: choice(...STAGES, 'ResponseBegun'),
    verb: fc.oneof(choice('get', 'deletecollection', 'propfind', ''), text),
    user: fc.constantFrom('{}', '{"username":"a\\"b"}', '{"username":"ü","extra":{"__proto__":["x"]}}'),
    requestReceivedTimestamp: time,
    stageTimestamp: time,
  };
  const name = fc.oneof(
    { weight: 30, arbitrary: fc.constantFrom<string>(...FIELDS) },
    { weight: 1, arbitrary: fc.constantFrom('__proto__', 'constructor', 'Kind', 'level ', 'requestObjects', '') },
    { weight: 1, arbitrary: fc.string({ maxLength: 12 }) },
  );
  const spell = (plain: string, escaped: boolean) =>
    escaped && plain !== ''
      ? `"\\u${plain.charCodeAt(0).toString(16).padStart(4, '0')}${JSON.stringify(plain.slice(1)).slice(1)}`
      : JSON.stringify(plain);
  const space = fc.oneof({ weight: 20, arbitrary: fc.constant('') }, fc.constantFrom(' ', '\t', '\r', '  ', '\n'));
  const member = name.chain((plain) =>
    fc
      .tuple(
        fc.oneof(
          { weight: 9, arbitrary: Object.hasOwn(valueOf, plain) ? valueOf[plain]! : value },
          { weight: 1, arbitrary: value },
        ),
        fc.integer({ min: 0, max: 20 }).map((n) => n === 0),
        space,
        space,
      )
      .map(([raw, escaped, a, b]) => ({ name: plain, text: `${spell(plain, escaped)}${a}:${b}${raw}` })),
  );
  /** Mostly whole events: a real set of members with some replaced, added, moved. */
  const madeLine = fc
    .tuple(
      fc.array(member, { maxLength: 4 }),
      fc.array(fc.nat({ max: 40 }), { minLength: 8, maxLength: 8 }),
      fc.boolean(),
      space,
      space,
    )
    .map(([extra, places, replace, before, after]) => {
      const all = Object.entries(members())
        .filter(([field]) => !replace || !extra.some((other) => other.name === field))
        .map(([field, raw]) => `"${field}":${raw}`);
      extra.forEach((other, i) => all.splice(places[i]! % (all.length + 1), 0, other.text));
      return Buffer.from(`${before}{${after}${all.join(`,${before}`)}${after}}${before}`);
    });

  it('gives the same answer on both paths, and the members that JSON.parse gives', () => {
    let taken = 0;
    fc.assert(
      fc.property(madeLine, (line) => {
        const result = expectAgreement(line);
        if ('not' in result) return;
        taken++;
        expectSame(result);
      }),
      { numRuns: 4000 },
    );
    expect(taken).toBeGreaterThan(500);
  });

  it('takes all members absent that need not be there, and null for absent', () => {
    const optional = ['sourceIPs', 'userAgent', 'objectRef', 'responseStatus', 'annotations', 'impersonatedUser'];
    for (const field of optional)
      for (const text of [undefined, 'null']) {
        const event = accepted(expectAgreement(varied({ [field]: text })));
        expect(fieldBytes(event, field as Field)).toBeUndefined();
      }
  });

  it('keeps a body that is null', () => {
    const event = accepted(expectAgreement(varied({ requestObject: 'null' })));
    expect(fieldBytes(event, 'requestObject')?.toString()).toBe('null');
  });

  it.each<[string, Record<string, string | undefined>]>([
    ['wrong-kind', { kind: '"EventList"' }],
    ['wrong-kind', { kind: undefined }],
    ['wrong-kind', { kind: 'null' }],
    ['wrong-api-version', { apiVersion: '"audit.k8s.io/v1beta1"' }],
    ['wrong-api-version', { apiVersion: undefined }],
    ['missing-member', { level: undefined }],
    ['missing-member', { auditID: undefined }],
    ['missing-member', { auditID: '""' }],
    ['missing-member', { auditID: 'null' }],
    ['missing-member', { stage: undefined }],
    ['missing-member', { requestURI: 'null' }],
    ['missing-member', { verb: undefined }],
    ['missing-member', { user: 'null' }],
    ['missing-member', { requestReceivedTimestamp: 'null' }],
    ['missing-member', { stageTimestamp: undefined }],
    ['wrong-type', { level: '3' }],
    ['wrong-type', { auditID: '{}' }],
    ['wrong-type', { user: '"alice"' }],
    ['wrong-type', { user: '[]' }],
    ['wrong-type', { sourceIPs: '"10.0.0.7"' }],
    ['wrong-type', { annotations: '[]' }],
    ['wrong-type', { stageTimestamp: '1782122400' }],
    ['wrong-type', { objectRef: 'false' }],
    ['unknown-level', { level: '"None"' }],
    ['unknown-level', { level: '"metadata"' }],
    ['unknown-level', { level: '""' }],
    ['unknown-stage', { stage: '"ResponseCompleted"' }],
    ['bad-timestamp', { stageTimestamp: '""' }],
    ['bad-timestamp', { requestReceivedTimestamp: '"2026-06-22"' }],
  ])('refuses as %s: %j', (expected, changes) => {
    expect(expectAgreement(varied(changes))).toEqual({ not: expected });
  });

  it.each([
    ['not-json', ''],
    ['not-json', '   '],
    ['not-json', '\ufeff{}'],
    ['not-json', 'I0622 10:00:00.000000 1 controller.go:1] started'],
    ['not-json', '{"a":1}x'],
    ['not-json', '{"a":1}{"a":1}'],
    ['not-json', '{"a":1},'],
    ['not-json', '{a:1}'],
    ['not-json', '[1'],
    ['not-json', '{"a":"\u0000"}'],
    ['not-json', '\u0000'],
    ['not-an-object', '[]'],
    ['not-an-object', ' 12 '],
    ['not-an-object', 'null'],
    ['not-an-object', '"text"'],
    ['not-an-object', '[{"kind":"Event"}]'],
    ['wrong-kind', '{}'],
    ['wrong-kind', '{"__proto__":{"kind":"Event"}}'],
    ['truncated', '{'],
    ['truncated', '{"kind":"Ev'],
    ['truncated', '{"n":1'],
    ['truncated', '{"n":tr'],
    ['not-one-line', '{\n}'],
    ['not-one-line', '{}\n'],
  ])('refuses as %s: %j', (expected, line) => {
    expect(expectAgreement(Buffer.from(line))).toEqual({ not: expected });
  });

  it('takes and refuses values as JSON.parse does, in every spelling', () => {
    const good = [
      '0',
      '-0',
      '10',
      '1.50',
      '-0.1',
      '1e5',
      '1E+05',
      '0e-0',
      '12345678901234567890',
      'true',
      'false',
      'null',
    ];
    good.push(
      '""',
      '"\\u00eF"',
      '"\\\\"',
      '"\\/\\b\\f\\n\\r\\t\\""',
      '[]',
      '{}',
      '[ ]',
      '{ }',
      '[0,[{}]]',
      '{"":{"":[]}}',
    );
    const bad = [
      '',
      '01',
      '-01',
      '00',
      '-',
      '+1',
      '1.',
      '.5',
      '1.e1',
      '1e',
      '1e+',
      '1x',
      '0x1',
      'NaN',
      'tru',
      'truE',
      'True',
    ];
    bad.push(
      'fals',
      'xalse',
      'falsy',
      'nul',
      'nulL',
      '"',
      '"\\"',
      '"\\x"',
      '"\\U0041"',
      '"\\u00g0"',
      '"\\u004"',
      '"\t"',
      '"\u0000"',
    );
    bad.push(
      '[',
      ']',
      '{',
      '}',
      '[1,]',
      '[,1]',
      '[1 1]',
      '[1}',
      '{]',
      '{"a"}',
      '{"a":}',
      '{"a":1,}',
      '{,}',
      '{1:1}',
      '{a:1}',
    );
    bad.push('{"a" 1}', '{"a"::1}', '[1]]', '1,2', '1 2', '"a""b"', "'a'", '/**/1', '\u00a01', '\ufeff1', '\f1');
    const parses = (text: string) => {
      try {
        return JSON.parse(text) !== undefined;
      } catch {
        return false;
      }
    };
    for (const text of [...good, ...bad]) {
      expect(parses(text), text).toBe(good.includes(text));
      const result = expectAgreement(varied({ requestObject: text }));
      if (parses(text)) expect(fieldBytes(accepted(result), 'requestObject')?.toString()).toBe(text);
      else expect('not' in result, text).toBe(true);
      // the same inside of a body, and behind more than 16 bytes
      for (const body of [`[${text}]`, `{"a":${text}}`, `["${'x'.repeat(20)}",${text},{"b":${text}}]`])
        expect('not' in expectAgreement(varied({ requestObject: body })), body).toBe(!parses(body));
    }
  });

  it('refuses a line that is not UTF-8, wherever the bytes stand', () => {
    const bad = [[0xff], [0xc3], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]];
    const line = varied({ auditID: '"@"' });
    const at = line.indexOf('@');
    for (const bytes of bad) {
      const broken = Buffer.concat([line.subarray(0, at), Buffer.from(bytes), line.subarray(at + 1)]);
      expect(expectAgreement(broken)).toEqual({ not: 'invalid-utf8' });
      expect(expectAgreement(Buffer.concat([line, Buffer.from(bytes)]))).toEqual({ not: 'invalid-utf8' });
    }
    const legal = varied({ auditID: '"é€😀\\ud800"' });
    expect(fieldValue(accepted(expectAgreement(legal)), 'auditID')).toBe('é€😀\ud800');
  });

  it('sees repeated members, however they are spelled, but leaves unknown ones alone', () => {
    const text = varied({}).toString();
    for (const again of ['"level":"Metadata"', '"l\\u0065vel":"Metadata"', '"level" : null', '"user":{}'])
      for (const line of [`{${again},${text.slice(1)}`, `${text.slice(0, -1)},${again}}`])
        expect(expectAgreement(Buffer.from(line))).toEqual({ not: 'repeated-member' });
    accepted(expectAgreement(Buffer.from(`{"new":1,"new":2,"__proto__":3,${text.slice(1)}`)));
  });

  it('takes a member name spelled with escapes, or with space around, for what it is', () => {
    const text = varied({}).toString();
    for (const spelled of [text.replace('"level":', '"\\u006cevel":'), text.replace('"level":', ' "level" : ')])
      expectSame(accepted(expectAgreement(Buffer.from(spelled))));
  });

  it('nests as deep as Go does, the event itself counted', () => {
    const nested = (depth: number) => varied({ requestObject: '['.repeat(depth) + ']'.repeat(depth) });
    accepted(expectAgreement(nested(9_999)));
    expect(expectAgreement(nested(10_000))).toEqual({ not: 'too-deep' });
    expect(expectAgreement(Buffer.from('['.repeat(10_001)))).toEqual({ not: 'too-deep' });
    expect(reason('{"a":'.repeat(200_000))).toBe('too-deep');
  });

  it('reads lines of any length, longer than the memory of the fast path too', () => {
    for (const size of [16, 4 << 20, (4 << 20) - 20_000, 9 << 20]) {
      const line = varied({ requestObject: `{"data":"${'x'.repeat(size)}"}` });
      const event = accepted(scanEvent(line));
      expect(fieldBytes(event, 'requestObject')?.length).toBe(size + 11);
      expect(fieldValue(event, 'annotations')).toEqual({ 'authorization.k8s.io/decision': 'allow' });
    }
  });

  it('is not misled by what an earlier line left behind', () => {
    const long = varied({ requestObject: `{"data":"${'"}]'.replaceAll('"', '\\"').repeat(2000)}"}` });
    accepted(scanEvent(long));
    expect(reason(long.subarray(0, 500))).toBe('truncated');
    expect(reason('{"kind":"Event')).toBe('truncated');
    const event = accepted(scanEvent(varied({ annotations: undefined, requestObject: undefined })));
    accepted(scanEvent(long));
    expect(fieldBytes(event, 'annotations')).toBeUndefined();
    expect(fieldValue(event, 'verb')).toBe('update');
  });
});

describe('parseMicroTime', () => {
  it('gives what Date gives, for every instant of its years', () => {
    fc.assert(
      fc.property(microTimes, ({ date, text }) => {
        expect(parseMicroTime(text)).toBe(date.getTime());
      }),
    );
  });

  it('counts an offset', () => {
    expect(parseMicroTime('2026-06-22T12:30:00.000000+02:30')).toBe(Date.UTC(2026, 5, 22, 10));
    expect(parseMicroTime('2026-06-22T22:00:00.999999-05:00')).toBe(Date.UTC(2026, 5, 23, 3, 0, 0, 999));
    expect(parseMicroTime('2024-02-29T00:00:00.000000Z')).toBe(Date.UTC(2024, 1, 29));
  });

  it.each([
    '',
    '2026-06-22T10:00:00Z',
    '2026-06-22T10:00:00.Z',
    '2026-06-22T10:00:00.123Z',
    '2026-06-22T10:00:00.1234567Z',
    '2026-06-22T10:00:00.123456789Z',
    '2026-06-22T10:00:00.123456',
    '2026-06-22T10:00:00.123456z',
    '2026-06-22t10:00:00.123456Z',
    '2026-06-22 10:00:00.123456Z',
    '2026-06-22T10:00:00,123456Z',
    '2026-06-22T10:00:00.12345aZ',
    '2026-06-22T24:00:00.000000Z',
    '2026-06-22T23:60:00.000000Z',
    '2026-06-22T23:59:60.000000Z',
    '2026-02-29T00:00:00.000000Z',
    '2026-02-30T00:00:00.000000Z',
    '2026-04-31T00:00:00.000000Z',
    '2026-00-10T00:00:00.000000Z',
    '2026-13-10T00:00:00.000000Z',
    '2026-06-00T00:00:00.000000Z',
    '0001-01-01T00:00:00.000000Z',
    '1999-12-31T23:59:59.000000Z',
    '9999-12-31T23:59:59.999999Z',
    '+020260-06-22T10:00:00.00000Z',
    '2026-06-22T10:00:00.123456+0200',
    '2026-06-22T10:00:00.123456+2:00',
    '2026-06-22T10:00:00.123456+24:00',
    '2026-06-22T10:00:00.123456+02:60',
    '2026-06-22T10:00:00.123456Z ',
    '２026-06-22T10:00:00.123456Z',
  ])('refuses %j', (text) => {
    expect(parseMicroTime(text)).toBeNaN();
    expect(reason(varied({ stageTimestamp: JSON.stringify(text) }))).toBe('bad-timestamp');
    expect(reason(varied({ requestReceivedTimestamp: JSON.stringify(text) }))).toBe('bad-timestamp');
  });
});

describe('utcDate', () => {
  it('gives the day in UTC', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('1990-01-01'), max: new Date('2110-01-01'), noInvalidDate: true }),
        (date) => {
          expect(utcDate(date.getTime())).toBe(date.toISOString().slice(0, 10));
        },
      ),
    );
  });
});
