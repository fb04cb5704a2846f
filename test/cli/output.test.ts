import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { terminalLine } from '../../src/cli/logging.ts';
import { formatBytes, formatCount, printable, printableLines, safeJson, table } from '../../src/cli/output.ts';

// what no output may hold, one class at a time: controls, line separators, bidirectional and invisible marks, tags
const UNSAFE = [
  0x00, 0x07, 0x0a, 0x0d, 0x1b, 0x7f, 0x85, 0x9b, 0xad, 0x61c, 0x200b, 0x200e, 0x2028, 0x2029, 0x202e, 0x2066, 0xfeff,
  0xe0041,
];
const nasty = fc.oneof(
  fc.constantFrom(...UNSAFE).map((code) => String.fromCodePoint(code)),
  fc.constant('\ud800'),
  fc.string(),
);
const text = fc.array(nasty, { maxLength: 8 }).map((parts) => parts.join(''));
const isSafe = (out: string) =>
  ![...out].some((char) => UNSAFE.includes(char.codePointAt(0)!) || /\p{Surrogate}/u.test(char));

describe('what comes from events and services', () => {
  it('can’t act on a terminal', () => {
    fc.assert(
      fc.property(
        text,
        (input) => isSafe(printable(input)) && isSafe(terminalLine('warn', { cluster: input, x: input }, input)),
      ),
    );
  });

  it('stays readable', () => {
    expect(printable('pods "web-1" not found: größer 日本 🙂')).toBe('pods "web-1" not found: größer 日本 🙂');
    expect(printable('\u001b[31mred\u001b[0m\r\n\t')).toBe('\\x1b[31mred\\x1b[0m\\r\\n\\t');
    expect(printable('a\u202eb\u{e0041}')).toBe('a\\u202eb\\u{e0041}');
  });

  it('is indented where it has several lines', () =>
    expect(printableLines('a\nauditkeep: b')).toBe('a\n  auditkeep: b'));

  it('is the same value in JSON, on one line', () => {
    fc.assert(
      fc.property(text, (input) => {
        const line = safeJson({ input });
        expect(isSafe(line)).toBe(true);
        expect(JSON.parse(line)).toEqual({ input });
      }),
    );
  });
});

it('tables align, numbers to the right', () => {
  expect(
    table([
      ['name', '>n', 'rest'],
      ['a', '1,000', 'x'],
      ['long\n', '2', ''],
    ]),
  ).toEqual(['name        n  rest', 'a       1,000  x', 'long\\n      2']);
});

it.each([
  [0, '0'],
  [999, '999'],
  [1000, '1,000'],
  [1234567, '1,234,567'],
])('%d is %s', (n, shown) => expect(formatCount(n)).toBe(shown));

it.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1536, '1.5 KiB'],
  [5 * 2 ** 30, '5.0 GiB'],
])('%d bytes are %s', (n, shown) => expect(formatBytes(n)).toBe(shown));
