import { describe, expect, it } from 'vitest';
import { nowOption, rangeOption, shardOption, timeOption } from '../../src/cli/when.ts';
import { ConfigError } from '../../src/errors.ts';

const now = Date.parse('2026-06-22T10:20:30Z');
const at = (text: string) => Date.parse(text);

describe('--as-of', () => {
  it('is the clock by default, and may lie in the past', () => {
    expect(nowOption(undefined, now)).toBe(now);
    expect(nowOption('2026-06-01', now)).toBe(at('2026-06-01T00:00:00Z'));
    expect(nowOption('-1h', now)).toBe(now - 3_600_000);
  });

  it.each(['2026-06-22T10:20:31Z', '2027-01-01', 'tomorrow'])('refuses %s', (text) =>
    expect(() => nowOption(text, now)).toThrow(ConfigError),
  );
});

describe('--from and --to', () => {
  it('is a half-open range, up to now by default', () => {
    expect(rangeOption('-1d', undefined, now)).toEqual({ from: now - 86_400_000, to: now });
    expect(rangeOption('2026-06-01', '2026-06-02', now)).toEqual({
      from: at('2026-06-01T00:00:00Z'),
      to: at('2026-06-02T00:00:00Z'),
    });
  });

  it.each([
    ['2026-06-02', '2026-06-02'],
    ['2026-06-02', '2026-06-01'],
    ['2027-01-01', '2027-01-02'],
    ['2026-06-31', '2026-07-02'],
    ['-1d', 'soon'],
  ])('refuses %s to %s', (from, to) => expect(() => rangeOption(from, to, now)).toThrow(ConfigError));
});

describe('--shard', () => {
  it('counts from 1', () => {
    expect(shardOption('1/4')).toEqual({ index: 1, of: 4 });
    expect(shardOption('4/4')).toEqual({ index: 4, of: 4 });
  });

  it.each(['0/4', '5/4', '1', '1/0', 'a/b', '-1/2', '1.5/2', '1/2/3'])('refuses %s', (text) =>
    expect(() => shardOption(text)).toThrow(/expected i\/n/),
  );
});

it('a wrong time shows what is right', () => {
  expect(() => timeOption('--from', 'yesterday', now)).toThrow(
    expect.objectContaining({ message: '--from yesterday: not a time', hint: expect.stringContaining('-7d') }),
  );
});
