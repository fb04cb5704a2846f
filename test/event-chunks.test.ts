import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AuditEvent, FIELDS, scanEvent, scanLines, type ScanResult, scanWithReasons } from '../src/event.ts';
import { HAVE_LOGS, lineOf, logFiles, members, microTimes, readLog, REAL_LINES } from './event-lines.ts';

/** A line of a chunk: where it stands, and what is to be known of it. */
interface Found {
  readonly from: number;
  readonly next: number;
  readonly said: unknown;
}

/** All that is to be known of a scan: spans may lie anywhere, and what an absent member's end is says nothing. */
function said(scan: ScanResult): unknown {
  if ('not' in scan) return scan;
  const { spans, at, line, ...rest } = scan;
  const places = FIELDS.map((_, i) => (spans[at + i * 2]! < 0 ? [] : [spans[at + i * 2], spans[at + i * 2 + 1]]));
  return { ...rest, line: line.toString('latin1'), places };
}

const CR = 0x0d;
const LF = 0x0a;
const withoutCr = (line: Buffer) => (line.at(-1) === CR ? line.subarray(0, -1) : line);

/** What the chunk holds, line by line. */
function byLine(chunk: Buffer): Found[] {
  const found: Found[] = [];
  let from = 0;
  for (let to = chunk.indexOf(LF); to >= 0; to = chunk.indexOf(LF, from)) {
    found.push({ from, next: to + 1, said: said(scanEvent(withoutCr(chunk.subarray(from, to)))) });
    from = to + 1;
  }
  return found;
}

/** The same by scanLines; lines that it has no event of are scanned, as its callers do. */
function byChunk(chunk: Buffer): { readonly found: Found[]; readonly events: readonly AuditEvent[] } {
  const found: { from: number; next: number; scan: ScanResult }[] = [];
  const events: AuditEvent[] = [];
  scanLines(chunk, (from, to, next, event) => {
    if (event !== undefined) {
      events.push(event);
      expect(event.line.equals(chunk.subarray(from, to))).toBe(true);
    }
    found.push({ from, next, scan: event ?? scanEvent(withoutCr(chunk.subarray(from, to))) });
  });
  // only now: later lines must not have changed what was said of earlier ones
  return { found: found.map(({ scan, ...rest }) => ({ ...rest, said: said(scan) })), events };
}

function expectSame(chunk: Buffer): readonly AuditEvent[] {
  const { found, events } = byChunk(chunk);
  expect(found).toEqual(byLine(chunk));
  for (const { line, ...event } of events) {
    const slow = scanWithReasons(line);
    expect(said({ ...event, line })).toEqual(said('not' in slow ? slow : { ...slow, clear: event.clear }));
  }
  return events;
}

const joined = (lines: readonly Buffer[], end = '\n') =>
  Buffer.concat(lines.flatMap((line) => [line, Buffer.from(end)]));

describe('scanLines', () => {
  it('finds every real line, and takes it at once', () => {
    expect(expectSame(joined(REAL_LINES))).toHaveLength(REAL_LINES.length);
    expect(expectSame(joined(REAL_LINES, '\r\n'))).toHaveLength(REAL_LINES.length);
  });

  it.skipIf(!HAVE_LOGS)('takes every recorded line as scanEvent does (logs that lie beside the repository)', () => {
    for (const path of logFiles()) {
      const { found, events } = byChunk(joined(readLog(path)));
      // what is longer than it takes at once goes another way
      expect(events).toHaveLength(found.filter(({ from, next }) => next - from <= 128 << 10).length);
      expect(found).toEqual(byLine(joined(readLog(path))));
    }
  });

  it('leaves what is cut to the next chunk, wherever the cut is', () => {
    const chunk = joined(REAL_LINES.toSorted((a, b) => a.length - b.length).slice(0, 4), '\r\n');
    for (let end = 0; end <= chunk.length; end++)
      expect(byChunk(chunk.subarray(0, end)).found).toEqual(byLine(chunk.subarray(0, end)));
  });

  it('finds lines wherever they lie in a chunk that is scanned in pieces', () => {
    for (const size of [1, 1000, 65_000, 131_071, 131_072, 131_073, 300_000]) {
      const long = lineOf({ ...members(), userAgent: `"${'x'.repeat(size)}"` });
      const lines = REAL_LINES.flatMap((line) => [line, long, Buffer.from('no event')]);
      expectSame(Buffer.concat([joined(lines), REAL_LINES[0]!.subarray(0, 200)]));
    }
  });

  it('takes more short lines than it has room for at once', () => {
    expectSame(Buffer.alloc(5000, '\n'));
    expectSame(Buffer.alloc(5000, '{}\r\n'));
    expectSame(Buffer.alloc(5000, '\r\n\n'));
  });

  const MEMBERS = members();
  const value = fc.oneof(
    fc.constantFrom(
      'null',
      '""',
      '"x"',
      '{}',
      '[]',
      '1',
      'true',
      '"\\u0053ecret"',
      '"\\u0026"',
      '"é"',
      '"Metadata"',
      '"Panic"',
    ),
    fc.constantFrom(
      '"/api/v1/secrets"',
      '"/a?/secrets"',
      '"/api%2f"',
      '"/tok"',
      '{"resource":"secrets"}',
      '{"a":"\\u0041"}',
    ),
    fc.constantFrom(
      '{"kind":"Secret"}',
      '"TokenReview"',
      '"imagePullSecrets"',
      '"Scc Tok TokenRe"',
      '"\\\\u0053"',
      '"DELETE"',
    ),
    fc.string().map((text) => JSON.stringify(text)),
  );
  const digits = fc
    .tuple(fc.nat({ max: 30 }), fc.constantFrom(...'0123456789:-.TZ+"x'))
    .map(
      ([at, c]) => `"${'2026-06-22T10:00:00.012999Z'.slice(0, at)}${c}${'2026-06-22T10:00:00.012999Z'.slice(at + 1)}"`,
    );
  const event = fc
    .dictionary(fc.constantFrom(...FIELDS, 'other'), value, { maxKeys: 2 })
    .chain((changes) =>
      fc
        .record({ stageTimestamp: digits, requestReceivedTimestamp: digits }, { requiredKeys: [] })
        .map((times) => ({ ...changes, ...times })),
    )
    .map((changes) => lineOf({ ...MEMBERS, ...(changes as Record<string, string>) }));
  const mutated = fc
    .tuple(
      fc.oneof(event, fc.constantFrom(...REAL_LINES)),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.constantFrom(...'"\\{}[]:, \n\r\t\0x0é'),
    )
    .map(([line, at, c]) => {
      const place = Math.floor(at * line.length);
      return Buffer.concat([line.subarray(0, place), Buffer.from(c, 'latin1'), line.subarray(place + 1)]);
    });
  const line = fc.oneof(
    { weight: 4, arbitrary: event },
    { weight: 4, arbitrary: mutated },
    { weight: 2, arbitrary: fc.constantFrom(...REAL_LINES) },
    {
      weight: 1,
      arbitrary: fc.constantFrom('', ' ', '{}', '[]', 'text', '{"kind":"Event"', '\0').map((text) => Buffer.from(text)),
    },
  );

  it('says of any lines what scanEvent says of each', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(line, fc.constantFrom('\n', '\r\n', ' \n', '\r\r\n')), { maxLength: 12 }),
        fc.nat(),
        (lines, cut) => {
          const chunk = Buffer.concat(lines.flatMap(([bytes, end]) => [bytes, Buffer.from(end)]));
          expectSame(chunk);
          expectSame(chunk.subarray(0, chunk.length === 0 ? 0 : cut % chunk.length));
        },
      ),
      { numRuns: 400 },
    );
  });

  it('reads every instant as Date does', () => {
    fc.assert(
      fc.property(microTimes, ({ date, text }) => {
        const [found] = expectSame(joined([lineOf({ ...MEMBERS, stageTimestamp: `"${text}"` })]));
        expect(found?.stageTime).toBe(date.getTime());
      }),
    );
  });
});
