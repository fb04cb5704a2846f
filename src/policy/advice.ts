// Advice on a policy that is valid but may not do what its author means: what it would drop, and selectors that match nothing.

import { compileMatcher, type Matcher } from './match.ts';
import { type Policy, POLICY_LEVELS, type PolicyRule } from './policy.ts';
import type { Attributes } from './request-info.ts';

/** A rule without selectors matches every request. */
function matchesAll(rule: PolicyRule): boolean {
  const { users, userGroups, verbs, resources, namespaces, nonResourceURLs } = rule;
  return [users, userGroups, verbs, resources, namespaces, nonResourceURLs].every((list) => list.length === 0);
}

const UNHEARD = 'x'.repeat(12);

/** A request that nobody has written a rule for by name. */
const REQUEST: Attributes = {
  user: { username: UNHEARD, groups: ['system:authenticated'] },
  verb: 'get',
  namespace: UNHEARD,
  name: UNHEARD,
  resource: UNHEARD,
  subresource: '',
  apiGroup: UNHEARD,
  resourceRequest: true,
  path: `/${UNHEARD}`,
};
const OTHER: Attributes = { ...REQUEST, namespace: '', name: '', resource: '', apiGroup: '', resourceRequest: false };

function coverage(policy: Policy, matcher: Matcher): string[] {
  const found: string[] = [];
  const missed = [REQUEST, OTHER].filter((request) => matcher.decide({ ...request, verb: UNHEARD }).rule < 0);
  if (missed.length > 0) {
    const what =
      missed.length === 2 ? 'requests' : missed[0] === REQUEST ? 'resource requests' : 'requests for other URLs';
    found.push(
      `rules: there is no catch-all: ${what} that no rule matches are dropped; end with "- level: Metadata" to keep them`,
    );
  }
  const first = policy.rules.findIndex(matchesAll);
  if (first >= 0 && first < policy.rules.length - 1)
    found.push(
      `rules[${first}]: matches every request, so the ${policy.rules.length - 1 - first} rules behind it never decide`,
    );
  return found;
}

function stages(policy: Policy): string[] {
  const found: string[] = [];
  const lists = [
    { path: 'omitStages', stages: policy.omitStages },
    ...policy.rules.map((rule, i) => ({
      path: `rules[${i}].omitStages`,
      stages: rule.level === 'None' ? [] : rule.omitStages,
    })),
  ];
  for (const { path, stages: omitted } of lists) {
    if (omitted.includes('ResponseStarted'))
      found.push(
        `${path}: without ResponseStarted every refused login (401) is dropped: it has no other stage; so have requests with a wrong timeout (400)`,
      );
    if (omitted.includes('ResponseComplete'))
      found.push(`${path}: without ResponseComplete the outcome of nearly every request is dropped`);
    if (omitted.includes('Panic'))
      found.push(`${path}: Panic events are kept all the same, unless the config says otherwise`);
  }
  return found;
}

/** kubectl exec is a POST over SPDY (verb create) and a GET over WebSockets (verb get). */
function streams(matcher: Matcher): string[] {
  const found: string[] = [];
  for (const subresource of ['exec', 'attach', 'portforward']) {
    const request = { ...REQUEST, apiGroup: '', resource: 'pods', subresource };
    const create = matcher.decide({ ...request, verb: 'create' });
    const get = matcher.decide({ ...request, verb: 'get' });
    if (POLICY_LEVELS.indexOf(get.level) >= POLICY_LEVELS.indexOf(create.level)) continue;
    const where = get.rule < 0 ? 'no rule matches' : `rules[${get.rule}] sets ${get.level} for`;
    found.push(
      `rules[${create.rule}]: records create on pods/${subresource} at ${create.level}, but ${where} get: newer kubectl connects by GET, so half of them would be ${get.level === 'None' ? 'missed' : 'recorded with less'}; add get to its verbs`,
    );
  }
  return found;
}

function nodes(matcher: Matcher): string[] {
  const user = { username: `system:node:${UNHEARD}`, groups: ['system:nodes', 'system:authenticated'] };
  const hides = ['get', 'list', 'watch'].flatMap((verb) => {
    const decision = matcher.decide({ ...REQUEST, user, verb, apiGroup: '', resource: 'secrets' });
    return decision.level === 'None' && decision.rule >= 0 ? [decision.rule] : [];
  });
  return [...new Set(hides)].map(
    (rule) =>
      `rules[${rule}]: also drops reads of secrets by nodes, which is where a stolen kubelet credential shows; limit it to nodes, pods and leases`,
  );
}

function rule(one: PolicyRule, path: string, matcher: Matcher): string[] {
  const found: string[] = [];
  const entry = (list: keyof PolicyRule, text: string) => found.push(`${path}.${list}: ${text}`);
  if (one.users.some((user) => user.includes('kube-probe')))
    entry(
      'users',
      'system:kube-probe is a user agent, not a user, so it matches nothing; match nonResourceURLs instead',
    );
  for (const list of ['users', 'userGroups', 'verbs', 'namespaces'] as const)
    for (const text of one[list].filter((item) => item.includes('*')))
      entry(list, `"${text}": "*" has no meaning here, it matches only itself; leave the list out to match all`);
  for (const [i, { resources }] of one.resources.entries())
    for (const text of resources.filter((item) => item === '*/*' || item.endsWith('/') || item.startsWith('/')))
      found.push(
        `${path}.resources[${i}].resources: "${text}" matches nothing; "*" matches all resources and subresources`,
      );
  if (one.verbs.includes('delete') && !one.verbs.includes('deletecollection')) {
    // it matters only where deletecollection is then recorded with less
    const target = one.resources[0]?.resources[0];
    const request = { ...REQUEST, apiGroup: one.resources[0]?.group ?? UNHEARD, resource: target ?? UNHEARD };
    const level = (verb: string) => POLICY_LEVELS.indexOf(matcher.decide({ ...request, verb }).level);
    if (level('deletecollection') < level('delete'))
      entry('verbs', 'delete does not cover deletecollection (kubectl delete --all), which is recorded with less');
  }
  return found;
}

function secrets(policy: Policy): string[] {
  return policy.rules.flatMap((one, i) => {
    if (POLICY_LEVELS.indexOf(one.level) < 2) return [];
    return one.resources
      .filter(({ group }) => group === '' || group === 'authentication.k8s.io')
      .flatMap(({ resources }) =>
        resources.filter((text) => /^(secrets(\/.*)?|serviceaccounts\/token|tokenreviews)$/.test(text)),
      )
      .map(
        (text) =>
          `rules[${i}]: asks for bodies of ${text}: auditkeep leaves them out (secrets: redact), but a kube-apiserver with this policy would write them down`,
      );
  });
}

/**
 * What the author of a policy should know, each with the path that it is about; empty when there is nothing to say.
 * @param options.groups `unknown`: the source doesn't tell the groups of users
 */
export function advise(policy: Policy, options: { readonly groups: 'known' | 'unknown' }): string[] {
  const matcher = compileMatcher(policy);
  const found = [
    ...coverage(policy, matcher),
    ...stages(policy),
    ...streams(matcher),
    ...nodes(matcher),
    ...policy.rules.flatMap((one, i) => rule(one, `rules[${i}]`, matcher)),
    ...secrets(policy),
  ];
  if (options.groups === 'unknown')
    for (const [i, { userGroups }] of policy.rules.entries())
      if (userGroups.length > 0)
        found.push(
          `rules[${i}].userGroups: this source doesn't tell the groups of users; where they would decide, the higher level is kept and counted as undecided`,
        );
  return found;
}
