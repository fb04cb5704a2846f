import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadPolicy } from '../../src/policy/load.ts';
import { compileMatcher } from '../../src/policy/match.ts';
import { covers, shadowsOf } from '../../src/policy/shadow.ts';
import { randomPolicy, randomRequests } from './random-policy.ts';

const load = (...rules: object[]) =>
  loadPolicy(
    JSON.stringify({ apiVersion: 'audit.k8s.io/v1', rules: rules.map((rule) => ({ level: 'None', ...rule })) }),
  ).policy;
const group = (resources: string[], more: object = {}) => ({ resources: [{ resources, ...more }] });
const NAMES = ['*', 'pods', 'nodes', 'secrets'];
const PARTS = ['*', 'log', 'token'];
const ENTRIES = [...NAMES, ...NAMES.flatMap((name) => PARTS.map((part) => `${name}/${part}`))];

describe('shadowsOf', () => {
  it.each([
    [{}, { verbs: ['get'] }, true],
    [{ verbs: ['get'] }, {}, false],
    [{ verbs: ['get', 'list'] }, { verbs: ['get'] }, true],
    [{ verbs: ['get'] }, { verbs: ['get', 'list'] }, false],
    [{ users: ['a'] }, { userGroups: ['a'] }, false],
    [group(['pods/*']), group(['pods']), true],
    [group(['pods/*']), group(['pods/log']), true],
    [group(['pods']), group(['pods/log']), false],
    [group(['*/scale']), group(['deployments/scale']), true],
    [group(['*']), group(['pods', 'pods/log']), true],
    [group(['*/*']), group(['*']), false],
    [group(['*/*']), group(['*/scale']), false],
    [group(['*/*']), group(['pods/*']), false],
    [group(['*/*']), group(['*/*']), true],
    [group(['pods/*']), group(['*/log']), false],
    [group(['*/log']), group(['pods/*']), false],
    [group(['*']), group(['pods'], { group: 'apps' }), false],
    [group(['*'], { group: '*' }), group(['pods'], { group: 'apps' }), true],
    [group(['pods'], { resourceNames: ['a'] }), group(['pods']), false],
    [group(['pods']), group(['pods'], { resourceNames: ['a'] }), true],
    [{ namespaces: ['x'] }, { namespaces: ['x'], ...group(['pods']) }, true],
    [{ namespaces: ['x'] }, group(['pods']), false],
    [{ nonResourceURLs: ['/a*'] }, { nonResourceURLs: ['/abc', '/ab*'] }, true],
    [{ nonResourceURLs: ['/a'] }, { nonResourceURLs: ['/a*'] }, false],
    [{ nonResourceURLs: ['*'] }, group(['pods']), false],
    [{ nonResourceURLs: ['*'] }, { verbs: ['get'] }, false],
  ])('%j before %j: %s', (outer, inner, expected) => {
    expect(shadowsOf(load(outer, inner))).toEqual([undefined, expected ? 0 : undefined]);
  });

  // all pairs: random policies may leave the odd ones out
  it.each(ENTRIES)('is never wrong of a rule for %s before one for any other entry', (outer) => {
    const [base] = randomRequests(1, 1);
    const requests = NAMES.flatMap((resource) =>
      ['', ...PARTS].map((subresource) => ({ ...base!, resourceRequest: true, apiGroup: '', resource, subresource })),
    );
    const before = compileMatcher(load(group([outer])));
    for (const inner of ENTRIES) {
      if (shadowsOf(load(group([outer]), group([inner])))[1] === undefined) continue;
      const after = compileMatcher(load(group([inner])));
      const missed = requests.filter((request) => after.decide(request).rule === 0 && before.decide(request).rule < 0);
      expect(missed, inner).toEqual([]);
    }
  });

  it('is never wrong: what a covered rule matches, the covering one matches', () => {
    let covered = 0;
    let matched = 0;
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const { rules } = loadPolicy(randomPolicy(seed)).policy;
        const requests = randomRequests(seed, 40);
        const matchers = rules.map((rule) =>
          compileMatcher({ omitStages: [], omitManagedFields: false, rules: [rule] }),
        );
        for (const [i, outer] of rules.entries())
          for (const [j, inner] of rules.entries()) {
            if (i === j || !covers(outer, inner)) continue;
            covered++;
            for (const request of requests) {
              if (matchers[j]!.decide(request).rule < 0) continue;
              matched++;
              expect(matchers[i]!.decide(request).rule, JSON.stringify({ outer, inner, request })).toBe(0);
            }
          }
      }),
      { numRuns: 600 },
    );
    expect(covered).toBeGreaterThan(100);
    expect(matched).toBeGreaterThan(500);
  });
});
