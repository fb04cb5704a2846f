import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { explain } from '../../src/policy/explain.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import { compileMatcher } from '../../src/policy/match.ts';
import { attributesFromUri } from '../../src/policy/request-info.ts';
import { randomPolicy, randomRequests } from './random-policy.ts';

describe('explain', () => {
  const { policy } = loadPolicy(`
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- {level: None, users: [bob], verbs: [create]}
- {level: None, userGroups: [a, b], namespaces: [kube-system]}
- {level: None, nonResourceURLs: [/healthz*]}
- {level: Request, resources: [{group: apps, resources: [deployments], resourceNames: [web]}, {}]}
- {level: Metadata}
`);
  const user = { username: 'alice', groups: ['developers'] };

  it('says which rule decided and why each earlier one did not', () => {
    const request = attributesFromUri('/apis/apps/v1/namespaces/shop/deployments/cart', 'get', user)!;
    expect(explain(policy, request, 'known')).toEqual({
      rule: 4,
      level: 'Metadata',
      rules: [
        {
          rule: 0,
          matches: false,
          because: ['users: "alice" is none of "bob"', 'verbs: "get" is none of "create"'],
        },
        {
          rule: 1,
          matches: false,
          because: [
            'userGroups: none of "developers" is among "a", "b"',
            'namespaces: "shop" is none of "kube-system"',
          ],
        },
        { rule: 2, matches: false, because: ['nonResourceURLs: the request is for a resource'] },
        {
          rule: 3,
          matches: false,
          because: [
            'resources: deployments of apps named "cart" is none of: deployments of apps named "web"; all of core',
          ],
        },
        { rule: 4, matches: true, because: [] },
      ],
    });
  });

  it('says so when nobody is authenticated, when it is no resource, and when groups are unknown', () => {
    const version = explain(policy, attributesFromUri('/version', 'get', null)!, 'known');
    expect(version.rules[0]!.because[0]).toBe('users: authentication failed, so there is no user');
    expect(version.rules[1]!.because).toContain('resources: /version is no resource');
    expect(version.rules[2]!.because).toEqual(['nonResourceURLs: /version matches none of "/healthz*"']);
    const lease = attributesFromUri('/apis/x/v1/namespaces/kube-system/y', 'get', user)!;
    expect(explain(policy, lease, 'unknown').rules[1]!.matches).toBe('unknown');
  });

  it('never tells another story than the matcher', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const { policy: random } = loadPolicy(randomPolicy(seed));
        const matcher = compileMatcher(random);
        for (const request of randomRequests(seed, 5)) {
          const told = explain(random, request, 'known');
          expect(told.rule).toBe(matcher.decide(request).rule);
          for (const { matches, because } of told.rules) expect(because.length > 0).toBe(matches !== true);
          expect(told.rules.filter(({ matches }) => matches === true)).toHaveLength(told.rule < 0 ? 0 : 1);
        }
      }),
      { numRuns: 200 },
    );
  });
});
