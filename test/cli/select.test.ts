import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { globMatches, selectClusters } from '../../src/cli/select.ts';
import { ConfigError } from '../../src/errors.ts';

const clusters = ['prod-eu', 'prod-us', 'lab'].map((name) => ({ name }));
const names = (patterns?: string[]) => selectClusters(clusters, patterns).map((c) => c.name);

describe('--cluster', () => {
  it('takes all without a pattern', () => {
    expect(names()).toEqual(['prod-eu', 'prod-us', 'lab']);
    expect(names([])).toEqual(['prod-eu', 'prod-us', 'lab']);
  });

  it('takes names, lists, globs and repeats, in the order of the config, each once', () => {
    expect(names(['lab', 'prod-eu'])).toEqual(['prod-eu', 'lab']);
    expect(names(['lab, prod-us'])).toEqual(['prod-us', 'lab']);
    expect(names(['prod-*', 'prod-eu'])).toEqual(['prod-eu', 'prod-us']);
    expect(names(['l?b'])).toEqual(['lab']);
  });

  it('refuses a name that meets none, and lists the known ones', () => {
    expect(() => names(['prod-eu', 'porst', 'x*'])).toThrowError(
      expect.objectContaining({
        constructor: ConfigError,
        message: expect.stringContaining('"porst", "x*"'),
        hint: 'the config has: prod-eu, prod-us, lab',
      }),
    );
    expect(() => names([''])).toThrowError(ConfigError);
  });
});

describe('globMatches', () => {
  const char = fc.constantFrom('a', 'b', '.', '-', '*', '?');
  it('agrees with a regular expression', () => {
    fc.assert(
      fc.property(fc.string({ unit: char, maxLength: 6 }), fc.string({ unit: char, maxLength: 6 }), (pattern, name) => {
        const source = pattern.replace(/[.*?-]/g, (c) => (c === '*' ? '[^]*' : c === '?' ? '[^]' : `\\${c}`));
        return globMatches(pattern, name) === new RegExp(`^${source}$`).test(name);
      }),
    );
  });
});
