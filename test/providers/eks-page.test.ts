// Reading FilterLogEvents answers from their bytes, against JSON.parse: both paths, on whatever the service could write.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFastPage } from '../../providers/eks/fast-page.ts';
import { parsePage, type ParsedPage, tokenAhead } from '../../providers/eks/page.ts';
import { unescapeInPlace } from '../../providers/eks/unescape.ts';
import { TransientError } from '../../src/errors.ts';
import { REAL_LINES } from '../event-lines.ts';

interface WireEvent {
  eventId?: unknown;
  ingestionTime?: unknown;
  logStreamName?: unknown;
  message?: unknown;
  timestamp?: unknown;
}

type Meaning = Omit<ParsedPage, 'memory'>;

/** What the answer means, by the standard parser; undefined if it lacks what records need. */
function reference(body: Buffer): Meaning | undefined {
  let page: { events?: WireEvent[] | null; nextToken?: unknown };
  try {
    page = JSON.parse(body.toString('utf8')) as typeof page;
  } catch {
    return undefined;
  }
  const isObject = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);
  const events = page?.events;
  if (!isObject(page) || !Array.isArray(events) || !events.every(isObject)) return undefined;
  const token = page.nextToken ?? '';
  const whole =
    typeof token === 'string' &&
    events.every(
      (e) =>
        typeof e.eventId === 'string' &&
        e.eventId !== '' &&
        Number.isSafeInteger(e.ingestionTime) &&
        typeof e.logStreamName === 'string' &&
        typeof e.message === 'string',
    );
  if (!whole) return undefined;
  const records = events.map((e) => ({
    id: e.eventId as string,
    arrival: e.ingestionTime as number,
    ...(Number.isSafeInteger(e.timestamp) && { time: e.timestamp as number }),
    content: Buffer.from(e.message as string),
    origin: e.logStreamName as string,
  }));
  return { records, ...(typeof page.nextToken === 'string' && { next: page.nextToken }) };
}

/** With contents as text of their bytes, which compares quickly. */
const comparable = ({ records, next }: Meaning) => ({
  records: records.map((r) => ({ ...r, content: r.content.toString('latin1') })),
  next,
});

const fast = createFastPage();

/** Both paths must agree with the reference; the body is copied, since reading changes it. */
function check(body: Buffer): void {
  const expected = reference(body);
  for (const path of [fast, null]) {
    if (expected === undefined) expect(() => parsePage(Buffer.from(body), path)).toThrow(TransientError);
    else expect(comparable(parsePage(Buffer.from(body), path))).toEqual(comparable(expected));
  }
}

const escapes = fc.constantFrom(
  ...['\\"', '\\\\', '\\/', '\\b', '\\f', '\\n', '\\r', '\\t', '\\u0000', '\\u0041', '\\u00e9', '\\u20AC', '\\uFFFF'],
  ...[
    '\\ud83d\\ude00',
    '\\uD83D',
    '\\uDE00',
    '\\ud83d\\u0041',
    '\\ud83d\\ud83d\\ude00',
    '\\udbff\\udfff',
    '\\ud800\\u'.slice(0, 6),
  ],
  ...[
    '{\\"kind\\":\\"Event\\"}',
    'é',
    '€',
    '😀',
    ' ',
    ' '.repeat(15),
    'a'.repeat(16),
    'b'.repeat(33),
    '\u007f',
    '\u2028',
  ],
);
/** JSON text of a string, spelled in all the ways there are. */
const stringText = fc.oneof(
  fc.string({ unit: 'binary' }).map((s) => JSON.stringify(s)),
  fc.array(escapes, { maxLength: 12 }).map((pieces) => `"${pieces.join('')}"`),
  fc.constantFrom(...REAL_LINES.map((line) => JSON.stringify(line.toString()))),
);
const idText = fc.oneof(
  fc.stringMatching(/^\d{1,56}$/).map((s) => `"${s}"`),
  fc.constantFrom('"\\u0033\\u0034"', '"é"', '"a\\"b"'),
);
const numberText = fc.oneof(
  fc.nat(2 ** 31).map((n) => String(n * 4096 + (n % 4096))),
  fc.constantFrom('0', '1', '-1', '1782122400000', '1.782122400000e12', '1782122400000.0', '9007199254740991'),
);
const space = fc.constantFrom('', '', '', ' ', '\n  ', '\t\r\n');
const spelled = (name: string) =>
  fc.constantFrom(`"${name}"`, `"${name}"`, `"${name}"`, `"\\u00${name.charCodeAt(0).toString(16)}${name.slice(1)}"`);

const eventText = fc
  .tuple(
    fc.tuple(spelled('eventId'), space, idText),
    fc.tuple(spelled('ingestionTime'), space, numberText),
    fc.tuple(
      spelled('logStreamName'),
      space,
      fc.constantFrom('"kube-apiserver-audit-0a"', '"kube-apiserver-audit-1b"', '"k\\u0075"', '"ü"', '""'),
    ),
    fc.tuple(spelled('message'), space, stringText),
    fc.option(fc.tuple(spelled('timestamp'), space, numberText), { freq: 5 }),
    fc.option(
      fc.constantFrom('"other":{"a":[1,"}"]}', '"message2":null', '"__proto__":{"message":1}', '"events":[{}]'),
      { freq: 1 },
    ),
    fc.boolean(),
  )
  .map(([id, arrival, stream, message, time, extra, reversed]) => {
    const members = [id, arrival, stream, message, ...(time === null ? [] : [time])].map(
      ([n, s, v]) => `${n}${s}:${s}${v}${s}`,
    );
    if (extra !== null) members.push(extra);
    if (reversed) members.reverse();
    return `{${members.join(',')}}`;
  });
const pageText = fc
  .tuple(fc.array(eventText, { maxLength: 6 }), fc.option(stringText), space, fc.boolean())
  .map(([events, token, s, first]) => {
    const members = [`"events"${s}:${s}[${s}${events.join(`${s},${s}`)}${s}]`, '"searchedLogStreams":[]'];
    if (token !== null) members.splice(first ? 0 : 1, 0, `"nextToken":${token}`);
    return `${s}{${s}${members.join(`${s},${s}`)}${s}}${s}`;
  });

const ordinary = (message: string, i: number) =>
  `{"eventId":"${String(i).padStart(56, '3')}","ingestionTime":${1782122400000 + i},"logStreamName":"kube-apiserver-audit-0a","message":${message},"timestamp":${1782122399000 + i}}`;

describe('pages', () => {
  it('read as JSON.parse reads them', () => {
    fc.assert(
      fc.property(pageText, (text) => check(Buffer.from(text))),
      { numRuns: 500 },
    );
  });

  it('show their token at a glance, where it is an ordinary one, and never another', () => {
    fc.assert(
      fc.property(pageText, (text) => {
        const body = Buffer.from(text);
        const ahead = tokenAhead(body);
        if (ahead !== undefined) expect(ahead).toBe(reference(body)?.next);
      }),
      { numRuns: 500 },
    );
    const message = JSON.stringify('{"nextToken":"wrong"}');
    const events = `"events":[${[0, 1, 2].map((i) => ordinary(message, i)).join(',')}]`;
    for (const text of [
      `{${events},"nextToken":"a/b+c=_-.9","searchedLogStreams":[]}`,
      `{"nextToken":"a/b+c=_-.9",${events}}`,
    ])
      expect(tokenAhead(Buffer.from(text))).toBe('a/b+c=_-.9');
    expect(tokenAhead(Buffer.from(`{${events}}`))).toBeUndefined();
  });

  it('that are cut anywhere are broken, not short', () => {
    const text = `{"events":[${[0, 1].map((i) => ordinary('"{\\"a\\":\\"\\u00e9\\ud83d\\ude00\\"}"', i)).join(',')}],"nextToken":"abc","searchedLogStreams":[]}`;
    for (let n = 0; n < text.length; n++) check(Buffer.from(text.slice(0, n)));
    check(Buffer.from(text));
  });

  it('with a changed byte read as JSON.parse reads them, or are refused', () => {
    const text = Buffer.from(
      `{"events":[${ordinary('"{\\"a\\":\\"\\u00e9\\"}"', 0)},${ordinary('"x"', 1)}],"nextToken":"t"}`,
    );
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.nat(255), (at, byte) => {
        const body = Buffer.from(text);
        body[at] = byte;
        check(body);
      }),
      { numRuns: 1000 },
    );
  });

  it('take the fast path where the service writes as it does, with every message of a real log', () => {
    if (fast === undefined) throw new Error('this machine should run WebAssembly with SIMD');
    const text = `{"events":[${REAL_LINES.map((line, i) => ordinary(JSON.stringify(line.toString()), i)).join(',')}],"searchedLogStreams":[]}`;
    const found = fast(Buffer.from(text), text.indexOf('['));
    expect(found?.records.map((r) => r.content.toString())).toEqual(REAL_LINES.map((line) => line.toString()));
    expect(found?.end).toBe(Buffer.from(text).lastIndexOf('],') + 1);
  });

  it('of more than the fast path takes are read all the same', () => {
    const huge = JSON.stringify('"'.repeat(1_048_576));
    check(Buffer.from(`{"events":[${ordinary(huge, 0)},${ordinary(huge, 1)}]}`));
  });

  it('of nothing but invalid UTF-8 in a message keep what JSON.parse keeps', () => {
    const [head, tail] = `{"events":[${ordinary('"#"', 0)}]}`.split('#') as [string, string];
    for (const bytes of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xf0, 0x9f, 0x98]])
      check(Buffer.concat([Buffer.from(head), Buffer.from(bytes), Buffer.from(tail)]));
  });

  it('without events, or with a token that is none, are no empty last pages', () => {
    for (const text of [
      '{}',
      '{"events":null}',
      '{"events":[],"nextToken":1}',
      '{"message":"ok"}',
      '[]',
      'null',
      '""',
      '',
    ])
      check(Buffer.from(text));
    check(Buffer.from('{"events":[],"nextToken":null}'));
  });

  it('never put the text of a record into an error', () => {
    const body = `{"events":[{"eventId":"1","ingestionTime":1,"message":"geheim","timestamp":1}]}`;
    for (const text of [body, body.slice(0, 60), `geheim${body}`])
      expect(() => parsePage(Buffer.from(text))).toThrow(
        expect.objectContaining({ message: expect.not.stringContaining('geheim') }),
      );
  });
});

it('unescaping in place gives what JSON.parse and Buffer.from give', () => {
  fc.assert(
    fc.property(stringText, (text) => {
      const u = Buffer.from(`${text}rest`);
      const { to, next } = unescapeInPlace(u, 1, u.length);
      expect(u.subarray(1, to)).toEqual(Buffer.from(JSON.parse(text) as string));
      expect(next).toBe(Buffer.byteLength(text));
    }),
    { numRuns: 500 },
  );
});
