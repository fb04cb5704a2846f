// An answer of the query API → records: copied or parsed, the bytes are the same.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answerColumns } from '../../providers/aks/kql.ts';
import type { Table } from '../../providers/aks/options.ts';
import { readRows, toRecords } from '../../providers/aks/page.ts';
import { giveMemory, TransientError } from '../../src/provider.ts';

const ASKED = { from: Date.parse('2026-06-22T00:00:00Z'), to: Date.parse('2026-06-22T01:00:00Z') };

type Row = readonly (string | number | null)[];

/** The content that a row must have, whatever the way to it. */
function contentOf(table: Table, row: Row): string {
  return JSON.stringify({
    Type: table,
    ...Object.fromEntries(answerColumns(table).map((name, i) => [name, row[i]])),
  }).replace(/"Arrival":"[^"]*",/, '');
}

function read(table: Table, rowTexts: readonly string[], space = '', tail = ']}]}') {
  const columns = JSON.stringify(answerColumns(table).map((name) => ({ name, type: 'string' })));
  const body = Buffer.from(
    `{"tables":[{"name":"PrimaryResult","columns":${columns},"rows":[${rowTexts.join(`${space},${space}`)}${tail}`,
  );
  const rows = readRows(body, answerColumns(table));
  if ('tooMuch' in rows) throw new Error(rows.tooMuch);
  return toRecords(rows, body, table, ASKED);
}

const cell = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({
    unit: fc.constantFrom('"', '\\', '/', '<', '\u2028', '\u007f', '\u0001', '\ud800', 'é', '😀', 'a', '\n'),
  }),
  fc.constant(null),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);

/** JSON as other writers spell it: every character outside of letters escaped, or slashes alone. */
const spellings: readonly ((text: string) => string)[] = [
  (text) => text,
  (text) => text.replaceAll('/', '\\/'),
  (text) => text.replace(/[^\x20-\x7e]|[<>&]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`),
  (text) =>
    text.replace(/[^\x20-\x7e]|[<>&]/g, (c) => `\\u${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`),
];

describe('rows of an answer', () => {
  it.each(['AKSAudit', 'AzureDiagnostics'] as const)(
    'of %s give the same records however they are spelled',
    (table) => {
      const width = answerColumns(table).length;
      const row = fc
        .tuple(fc.integer({ min: 0, max: 3_599_999 }), fc.array(cell, { minLength: width - 1, maxLength: width - 1 }))
        .map(([ms, cells]): Row => [new Date(ASKED.from + ms).toISOString().replace('Z', '0000Z'), ...cells]);
      fc.assert(
        fc.property(
          fc.array(row, { maxLength: 5 }),
          fc.constantFrom(...spellings),
          fc.constantFrom('', ' ', '\n\t'),
          (rows, spell, space) => {
            const texts = rows.map(
              (one) => `[${one.map((value) => spell(JSON.stringify(value))).join(`${space},${space}`)}]`,
            );
            const { records, memory } = read(table, texts, space);
            const found = records.map(({ arrival, content }) => [arrival, content.toString()]);
            const expected = rows
              .map((one) => ({ key: String(one[0]), content: Buffer.from(contentOf(table, one)) }))
              .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : Buffer.compare(a.content, b.content)))
              .map(({ key, content }) => [Date.parse(key), content.toString()]);
            expect(found).toEqual(expected);
            giveMemory(memory);
          },
        ),
        { numRuns: 150 },
      );
    },
  );

  it('with a column too few or too many, or none at all, are no answer', () => {
    const width = answerColumns('AKSAudit').length;
    const row = (n: number) => JSON.stringify(Array.from({ length: n }, () => '2026-06-22T00:30:00.0000000Z'));
    expect(read('AKSAudit', [row(width)]).records).toHaveLength(1);
    for (const wrong of [row(width - 1), row(width + 1), '{}', '7', '[]'])
      expect(() => read('AKSAudit', [row(width), wrong])).toThrow(TransientError);
    expect(() => read('AKSAudit', [row(width)], '', ']')).toThrow(TransientError);
  });
});
