import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDuration, formatTime, parseDuration, parseTime } from '../src/time.ts';

describe('parseDuration', () => {
  it.each([
    ['90s', 90_000],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['7d', 604_800_000],
    ['2w', 1_209_600_000],
    ['0s', 0],
  ])('%s', (text, ms) => expect(parseDuration(text)).toBe(ms));

  it.each(['', '5', 'm', '5 m', '-5m', '1.5h', '5M', '1y', '5m ', '99999d', '9'.repeat(400) + 's'])(
    '%j is none',
    (text) => expect(parseDuration(text)).toBeNaN(),
  );

  it('reads what formatDuration writes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3_000_000_000 }), (seconds) => {
        expect(parseDuration(formatDuration(seconds * 1000))).toBe(seconds * 1000);
      }),
    );
  });
});

describe('formatDuration', () => {
  it('uses the largest units, whole seconds, and a sign', () => {
    expect(formatDuration(129_600_000)).toBe('1d12h');
    expect(formatDuration(300_000)).toBe('5m');
    expect(formatDuration(499)).toBe('0s');
    expect(formatDuration(-90_000)).toBe('-1m30s');
  });
});

describe('parseTime', () => {
  const now = Date.parse('2026-06-22T10:20:30.456Z');
  it.each([
    ['2026-06-22T10:00:00Z', '2026-06-22T10:00:00Z'],
    ['2026-06-22T12:00:00+02:00', '2026-06-22T10:00:00Z'],
    ['2026-06-22T10:00Z', '2026-06-22T10:00:00Z'],
    ['2026-06-22', '2026-06-22T00:00:00Z'],
    ['2024-02-29', '2024-02-29T00:00:00Z'],
    ['-7d', '2026-06-15T10:20:30Z'],
    ['36h', '2026-06-20T22:20:30Z'],
    ['now', '2026-06-22T10:20:30Z'],
  ])('%s is %s', (text, time) => expect(formatTime(parseTime(text, now))).toBe(time));

  it.each([
    '',
    'yesterday',
    '2026',
    '2026-6-22',
    '2026-02-30',
    '2025-02-29',
    '2026-13-01',
    '2026-00-01',
    '2026-01-00',
    '2026-06-22 10:00:00Z',
    '2026-06-22T10:00:00',
    '2026-06-22T24:00:01Z',
    '2026-06-22T10:60:00Z',
    '2026-06-22T10:00:00+25:00',
    '--7d',
    '1750586400',
    '-99999w',
  ])('%j is none', (text) => expect(parseTime(text, now)).toBeNaN());

  it('a relative time needs a clock', () => {
    expect(parseTime('-7d', Number.NaN)).toBeNaN();
    expect(parseTime('now', Number.NaN)).toBeNaN();
  });

  it('reads what formatTime writes, to the second', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_102_444_799 }), (seconds) => {
        expect(parseTime(formatTime(seconds * 1000), now)).toBe(seconds * 1000);
      }),
    );
  });
});
