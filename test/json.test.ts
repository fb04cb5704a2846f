import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CUT, elements, MALFORMED, MAX_DEPTH, skipSpace, skipValue, TOO_DEEP, walkObject } from '../src/json.ts';

/** Does the scanner take the whole text as one value, white space around it allowed? */
function accepts(text: string): boolean {
  const bytes = Buffer.from(text);
  const end = skipValue(bytes, skipSpace(bytes, 0, bytes.length), bytes.length);
  return end >= 0 && skipSpace(bytes, end, bytes.length) === bytes.length;
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** JSON text with white space, escapes and number spellings that JSON.stringify never writes. */
const jsonText: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => {
  const space = fc.constantFrom('', '', '', ' ', '\n', '\t\r ');
  const string = fc
    .array(
      fc.oneof(
        fc.string({ unit: 'binary', maxLength: 20 }).map((s) => JSON.stringify(s).slice(1, -1)),
        fc.constantFrom('\\/', '\\b', '\\u00e9', '\\uD800', '\\u0000', '\\uDc00\\ud800', '\u2028', '\u007f'),
      ),
      { maxLength: 4 },
    )
    .map((parts) => `"${parts.join('')}"`);
  const number = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
    fc.constantFrom('-0', '0.0', '1E+2', '1e-07', '12345678901234567890', '-0.10e1'),
  );
  const list = (open: string, items: fc.Arbitrary<string>, close: string) =>
    fc.tuple(space, fc.array(items, { maxLength: 4 })).map(([s, all]) => `${open}${s}${all.join(',')}${close}`);
  return {
    value: fc
      .tuple(
        space,
        fc.oneof(
          { maxDepth: 5, withCrossShrink: true },
          fc.constantFrom('true', 'false', 'null'),
          number,
          string,
          list('[', tie('value'), ']'),
          list(
            '{',
            fc.tuple(space, string, space, tie('value')).map(([a, k, b, v]) => `${a}${k}${b}:${v}`),
            '}',
          ),
        ),
        space,
      )
      .map((parts) => parts.join('')),
  };
}).value;

/** Fragments that break or bend a JSON text when put into it. */
const fragment = fc.oneof(
  fc.constantFrom(
    '"',
    '\\',
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '-',
    '0',
    '01',
    '.',
    'e',
    '+',
    'nul',
    'true',
    '\\u12',
    '\\x',
  ),
  fc.constantFrom('\u0000', '\u001f', '\n', ' ', '\u00a0', '\ufeff', '/', "'", '\u2028'),
  fc.string({ unit: 'binary', maxLength: 2 }),
);

const mutated = fc
  .tuple(jsonText, fragment, fc.nat(), fc.nat({ max: 3 }))
  .map(([text, part, at, gone]) => {
    const chars = [...text];
    chars.splice(at % (chars.length + 1), gone, part);
    return chars.join('');
  })
  // half a surrogate pair would become another character in bytes
  .filter((text) => text.isWellFormed());

describe('skipValue', () => {
  it('accepts what JSON.parse accepts', () => {
    fc.assert(
      fc.property(jsonText, (text) => {
        expect(parses(text)).toBe(true);
        expect(accepts(text)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('refuses what JSON.parse refuses', () => {
    let refused = 0;
    fc.assert(
      fc.property(mutated, (text) => {
        const expected = parses(text);
        if (!expected) refused++;
        expect(accepts(text)).toBe(expected);
      }),
      { numRuns: 6000 },
    );
    expect(refused).toBeGreaterThan(1000);
  });

  it.each([
    '',
    ' ',
    '-',
    '+1',
    '01',
    '-01',
    '1.',
    '.5',
    '1e',
    '1e+',
    '0x10',
    'NaN',
    'Infinity',
    'nulL',
    'tru',
    'truee',
  ])('refuses %j', (text) => {
    expect(parses(text)).toBe(false);
    expect(accepts(text)).toBe(false);
  });

  it('tells a cut text from a malformed one: every proper beginning of an object is cut', () => {
    const text = Buffer.from('{"a":[1,-2.5e+3,true,null,{"\\u00e9\\n":"x"}],"b":{},"c":[]}');
    for (let size = 0; size < text.length; size++) expect(skipValue(text, 0, size)).toBe(CUT);
    expect(skipValue(text, 0, text.length)).toBe(text.length);
    for (const bad of ['{a', '{"a",', '[1 2', '["\n', '["\\x', '{"a":1,}', '[1,]', '[tx', '[1e,', '[}'])
      expect(skipValue(Buffer.from(bad), 0, bad.length), bad).toBe(MALFORMED);
  });

  it.each([
    ['[', ']', ''],
    ['{"a":', '}', '1'],
    ['[{"a":', '}]', '[]'],
  ])('nests as deep as Go does: %s', (open, close, inner) => {
    const nested = (depth: number) => {
      const own = inner === '[]' ? depth - 1 : depth;
      const step = open.replace(/"a":/g, '').length;
      const full = Math.floor(own / step);
      // an odd depth ends in one more bracket
      return Buffer.from(
        open.repeat(full) + (own % step === 1 ? '[' : '') + inner + (own % step === 1 ? ']' : '') + close.repeat(full),
      );
    };
    const most = nested(MAX_DEPTH);
    expect(skipValue(most, 0, most.length)).toBe(most.length);
    const more = nested(MAX_DEPTH + 1);
    expect(skipValue(more, 0, more.length)).toBe(TOO_DEEP);
    expect(skipValue(most, 0, most.length, 1)).toBe(TOO_DEEP);
  });
});

describe('walkObject', () => {
  it('gives each member with its text as it stands', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string(), jsonText)), (members) => {
        const text = Buffer.from(`{${members.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`);
        const seen: [string, string][] = [];
        const end = walkObject(text, 0, text.length, (nameFrom, nameTo, from, to) => {
          seen.push([JSON.parse(`"${text.toString('utf8', nameFrom, nameTo)}"`), text.toString('utf8', from, to)]);
          return 0;
        });
        expect(end).toBe(text.length);
        expect(seen).toEqual(members.map(([name, value]) => [name, value.trim()]));
      }),
    );
  });

  it('ends with what the visitor returns, and with MALFORMED or CUT', () => {
    const walk = (text: string, verdict = 0) => walkObject(Buffer.from(text), 0, text.length, () => verdict);
    expect(walk('{"a":1}', -7)).toBe(-7);
    expect(walk('{ }')).toBe(3);
    for (const cut of ['', '{', '{"a', '{"a"', '{"a":', '{"a":1', '{"a":1,']) expect(walk(cut), cut).toBe(CUT);
    for (const bad of ['[]', '{,', '{"a";', '{"a":1;', '{"a":1,}', '{1:1}']) expect(walk(bad), bad).toBe(MALFORMED);
  });
});

describe('elements', () => {
  it('gives the span of each element', () => {
    fc.assert(
      fc.property(fc.array(jsonText), (items) => {
        const text = Buffer.from(` [${items.join(',')}]`);
        expect(elements(text, 1, text.length).map(([from, to]) => text.toString('utf8', from, to))).toEqual(
          items.map((item) => item.trim()),
        );
      }),
    );
  });
});
