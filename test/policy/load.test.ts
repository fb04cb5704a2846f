import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../src/errors.ts';
import { BUILT_IN_POLICIES } from '../../src/policy/built-in/index.ts';
import { loadPolicy } from '../../src/policy/load.ts';

function mistakes(text: string, lenient = false): string[] {
  try {
    loadPolicy(text, { lenient });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message
      .split('\n')
      .slice(1)
      .map((line) => line.trim());
  }
  return [];
}

const HEAD = 'apiVersion: audit.k8s.io/v1\nkind: Policy\n';

describe('loadPolicy', () => {
  it('shows all mistakes at once, each with its path', () => {
    const found = mistakes(`
apiVersion: audit.k8s.io/v1beta1
kind: Polizy
omitStages: [Never]
rules:
- level: Everything
- users: [1, yes]
  nonResourceURLs: [x, /a*/b, ""]
  namespaces: [a]
- level: Metadata
  resources: [{group: apps/v1, resourceNames: [a]}, {group: "*.k8s.io", resources: pods}]
  verb: [get]
- level: None
  level: Request
  verbs: get
`);
    const paths = found.map((line) => line.slice(0, line.indexOf(': ')));
    expect(paths.toSorted()).toEqual(
      [
        'apiVersion',
        'kind',
        'omitStages[0]',
        'rules[0].level',
        'rules[1].level',
        'rules[1].users[0]',
        'rules[1].users[1]',
        'rules[1].nonResourceURLs[0]',
        'rules[1].nonResourceURLs[1]',
        'rules[1].nonResourceURLs[2]',
        'rules[1].nonResourceURLs',
        'rules[2].resources[0].group',
        'rules[2].resources[0].resourceNames',
        'rules[2].resources[1].group',
        'rules[2].resources[1].resources',
        'rules[2].verb',
        'rules[3].level',
        'rules[3].verbs',
      ].toSorted(),
    );
    expect(found).toContain('rules[2].verb: unknown member; did you mean verbs?');
    expect(found.find((line) => line.startsWith('rules[1].users[1]'))).toContain('quote it');
    expect(found.find((line) => line.startsWith('apiVersion'))).toContain('audit.k8s.io/v1');
  });

  it('refuses what kube-apiserver ignores, unless asked to be lenient', () => {
    const text = `${HEAD}rules:\n- level: Metadata\n  resources:\n  - group: apps\n    verbs: [get]\n  level: Request\n`;
    expect(mistakes(text)).toEqual([
      expect.stringMatching(
        /^rules\[0\].resources\[0\].verbs: unknown member; known are group, resources, resourceNames$/,
      ),
      'rules[0].level: given more than once',
    ]);
    const { policy, ignored } = loadPolicy(text, { lenient: true });
    expect(policy.rules[0]).toMatchObject({ level: 'Request', verbs: [] });
    expect(ignored).toHaveLength(2);
    try {
      loadPolicy(text, { name: 'p.yaml' });
    } catch (error) {
      expect((error as ConfigError).message).toMatch(/^p.yaml has 2 mistakes:/);
      expect((error as ConfigError).hint).toContain('widen a rule');
    }
  });

  it.each([
    '',
    '\n',
    '---\n',
    'null',
    '[]',
    '{}',
    '"x"',
    '{',
    'a: b: c',
    '\u0000',
    '- x',
    '&a [*a]',
    '? [a]\n: b',
    '*x',
  ])('refuses %j', (text) => expect(() => loadPolicy(text)).toThrow(ConfigError));

  it.each([
    ['lines between brackets may stand anywhere', `${HEAD}rules:\n- {level: Metadata,\nusers: [alice,\nbob\n]\n}\n`],
    ['a carriage return ends a line', `${HEAD}rules:\r- level: Metadata\r  users: [alice, bob]\r`],
  ])('reads YAML as 1.1 readers do: %s', (_name, text) => {
    expect(loadPolicy(text).policy.rules[0]!.users).toEqual(['alice', 'bob']);
  });

  it('refuses line ends that readers disagree about', () => {
    // a comment to one reader, a rule to the other
    const text = `${HEAD}rules:\n# \u2028- level: None\n- level: Metadata\n`;
    expect(() => loadPolicy(text)).toThrow(/U\+2028 ends a line/);
  });

  it('is not blown up by aliases', () => {
    const bomb = `${HEAD}x: &a [1,1,1,1,1,1,1,1]\n${'abcdefgh'
      .split('')
      .map(
        (_, i, all) =>
          `x${i}: &${all[i]}${all[i]} [${`*${i === 0 ? 'a' : `${all[i - 1]}${all[i - 1]}`},`.repeat(8)}1]\n`,
      )
      .join('')}rules: [{level: None}]\n`;
    expect(() => loadPolicy(bomb, { lenient: true })).toThrow(/too deep or too large/);
  });

  it('ends in a policy or in a ConfigError, whatever the text', () => {
    const texts = [...BUILT_IN_POLICIES.values()];
    const damaged = fc
      .tuple(
        fc.constantFrom(...texts),
        fc.nat(),
        fc.nat(40),
        fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('\t', '*', '&', '- ', ': ', '|', '>', '{', '"')),
      )
      .map(([text, at, cut, put]) => text.slice(0, at % text.length) + put + text.slice((at % text.length) + cut));
    fc.assert(
      fc.property(fc.oneof(damaged, fc.string({ unit: 'binary' }), fc.json()), fc.boolean(), (text, lenient) => {
        try {
          expect(loadPolicy(text, { lenient }).policy.rules.length).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError);
        }
      }),
      { numRuns: 300 },
    );
  });
});
