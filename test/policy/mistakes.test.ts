// The reference decisions are only worth something if they catch mistakes: matchers with one mistake each must fail on them.

import { describe, expect, it } from 'vitest';
import { STAGES } from '../../src/event.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import { compileMatcher, type Decision } from '../../src/policy/match.ts';
import type { Policy, PolicyRule } from '../../src/policy/policy.ts';
import type { Attributes } from '../../src/policy/request-info.ts';
import { fixture, readLines } from './lines.ts';

interface Variant {
  policy?: (policy: Policy) => Policy;
  request?: (request: Attributes) => Attributes;
  decision?: (decision: Decision, policy: Policy) => Decision;
}

const rules = (change: (rule: PolicyRule) => PolicyRule) => (policy: Policy) => ({
  ...policy,
  rules: policy.rules.map(change),
});

/** A mistake is planted around the matcher: in the policy or the request that it gets, or in its answer. */
const MISTAKES: Record<string, Variant> = {
  'a resource matches its subresources': { request: (request) => ({ ...request, subresource: '' }) },
  'the last match wins': { policy: (policy) => ({ ...policy, rules: policy.rules.toReversed() }) },
  'no match means Metadata': {
    decision: (decision) => (decision.rule < 0 ? { ...decision, level: 'Metadata' } : decision),
  },
  'the stages of a rule replace those of the policy': {
    decision: (decision, policy) => {
      const own = policy.rules[decision.rule]?.omitStages ?? [];
      return own.length > 0 ? { ...decision, omitStages: new Set(own) } : decision;
    },
  },
  'the verb * matches all': {
    policy: rules((rule) => (rule.verbs.includes('*') ? { ...rule, verbs: [] } : rule)),
  },
  'verbs are compared without case': {
    policy: rules((rule) => ({ ...rule, verbs: rule.verbs.flatMap((verb) => [verb, verb.toLowerCase()]) })),
  },
  'pods/* leaves out pods': {
    policy: rules((rule) => ({
      ...rule,
      resources: rule.resources.map((group) => ({
        ...group,
        resources: group.resources.map((entry) => entry.replace(/^([^*]+)\/\*$/, '$1/status')),
      })),
    })),
  },
  'the empty namespace matches every namespace': {
    policy: rules((rule) => (rule.namespaces.includes('') ? { ...rule, namespaces: [] } : rule)),
  },
  'names of resources are ignored': {
    policy: rules((rule) => ({ ...rule, resources: rule.resources.map((group) => ({ ...group, resourceNames: [] })) })),
  },
  'omitManagedFields of a rule can only switch it on': {
    decision: (decision, policy) => ({
      ...decision,
      omitManagedFields: decision.omitManagedFields || policy.omitManagedFields,
    }),
  },
  'a request without user is anonymous': {
    request: (request) => ({
      ...request,
      user: request.user ?? { username: 'system:anonymous', groups: ['system:unauthenticated'] },
    }),
  },
  'a path prefix ends at a slash': {
    policy: rules((rule) => ({
      ...rule,
      nonResourceURLs: rule.nonResourceURLs.flatMap((url) =>
        /[^/]\*$/.test(url) ? [url.slice(0, -1), url.replace('*', '/*')] : [url],
      ),
    })),
  },
};

interface PolicyFile {
  policy: string;
  requests: Attributes[];
  decisions: object[];
}

/** How many decisions of the reference a matcher with the mistake gets wrong. */
function wrong(files: readonly PolicyFile[], { policy, request, decision }: Variant): number {
  let count = 0;
  for (const file of files) {
    const loaded = loadPolicy(file.policy, { lenient: true }).policy;
    const matcher = compileMatcher(policy?.(loaded) ?? loaded);
    for (const [i, asked] of file.requests.entries()) {
      const found = matcher.decide(request?.(asked) ?? asked);
      const { level, omitStages, omitManagedFields } = decision?.(found, loaded) ?? found;
      const told = { level, omitStages: STAGES.filter((stage) => omitStages.has(stage)), omitManagedFields };
      if (JSON.stringify(told) !== JSON.stringify(file.decisions[i])) count++;
    }
  }
  return count;
}

describe('planted mistakes', () => {
  const files = readLines(fixture('policy-decisions.ndjson.gz')).map(
    (line) => JSON.parse(line.toString('utf8')) as PolicyFile,
  );

  it('the matcher as it is makes none', () => expect(wrong(files, {})).toBe(0));

  it.each(Object.entries(MISTAKES))('%s: caught', (_name, mistake) => {
    expect(wrong(files, mistake)).toBeGreaterThan(0);
  });
});
