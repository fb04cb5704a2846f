// The matcher: which rule of a policy decides on a request. First match wins; where none matches, nothing is recorded.

import type { Stage } from '../event.ts';
import type { GroupResources, Policy, PolicyLevel, PolicyRule } from './policy.ts';
import type { Attributes } from './request-info.ts';

/** What a policy says of a request. One object a rule: decisions of the same rule are identical. */
export interface Decision {
  /** Position in the policy; -1 = no rule matched. */
  readonly rule: number;
  readonly level: PolicyLevel;
  /** Stages of the policy and of the rule together. */
  readonly omitStages: ReadonlySet<Stage>;
  readonly omitManagedFields: boolean;
}

export interface Matcher {
  /** One for each rule, in order. */
  readonly decisions: readonly Decision[];
  /** Of requests that no rule matches: level None. */
  readonly fallback: Decision;
  decide(request: Attributes): Decision;
  /**
   * The same where the user's groups are not all known: those given are certain, others may be missing. What may decide, in order:
   * rules that match unless a group is missing, then the first rule that matches for certain. The last one is always certain.
   */
  candidates(request: Attributes): readonly Decision[];
}

type Test = (request: Attributes) => boolean;

const always: Test = () => true;

/** Membership in a list: short ones are compared one by one, which is quicker than hashing. */
function among(list: readonly string[]): (text: string) => boolean {
  if (list.length > 6) {
    const set = new Set(list);
    return (text) => set.has(text);
  }
  const [a, b, c] = list;
  if (list.length === 1) return (text) => text === a;
  if (list.length === 2) return (text) => text === a || text === b;
  if (list.length === 3) return (text) => text === a || text === b || text === c;
  return (text) => list.includes(text);
}

function resourceTest(entry: string): Test {
  if (entry === '*') return always;
  // `*/scale` is any resource's scale, and at the same time the literal name of a resource `*`
  const anySubresource = entry.startsWith('*/') ? entry.slice(2) : undefined;
  const anyOf = entry.endsWith('/*') ? entry.slice(0, -2) : undefined;
  return ({ resource, subresource }) => {
    if (anyOf !== undefined && resource === anyOf) return true;
    if (subresource === '') return resource === entry;
    if (anySubresource === subresource) return true;
    return (
      resource.length + 1 + subresource.length === entry.length &&
      entry.startsWith(resource) &&
      entry.charCodeAt(resource.length) === 0x2f &&
      entry.endsWith(subresource)
    );
  };
}

function groupTest({ group, resources, resourceNames }: GroupResources): Test {
  const entries = resources.map(resourceTest);
  const named = among(resourceNames);
  return (request) => {
    if (group !== '*' && request.apiGroup !== group) return false;
    if (entries.length === 0) return true;
    if (resourceNames.length > 0 && !named(request.name)) return false;
    for (const entry of entries) if (entry(request)) return true;
    return false;
  };
}

function urlTest(urls: readonly string[]): Test {
  const exact = among(urls);
  const prefixes = urls.filter((url) => url.endsWith('*')).map((url) => url.replace(/\*+$/, ''));
  return ({ path }) => exact(path) || prefixes.some((prefix) => path.startsWith(prefix));
}

function objectTest(rule: PolicyRule): Test {
  const { namespaces, resources, nonResourceURLs } = rule;
  if (namespaces.length > 0 || resources.length > 0) {
    const inNamespace = namespaces.length > 0 ? among(namespaces) : undefined;
    const groups = resources.map(groupTest);
    return (request) => {
      if (!request.resourceRequest) return false;
      if (inNamespace !== undefined && !inNamespace(request.namespace)) return false;
      if (groups.length === 0) return true;
      for (const group of groups) if (group(request)) return true;
      return false;
    };
  }
  if (nonResourceURLs.length === 0) return always;
  const url = urlTest(nonResourceURLs);
  return (request) => !request.resourceRequest && url(request);
}

interface CompiledRule {
  readonly decision: Decision;
  /** All selectors but verbs, which choose the list, and groups. */
  readonly test: Test;
  /** undefined: any groups, also those of a request without user. */
  readonly inGroup: ((group: string) => boolean) | undefined;
}

function compileRule(rule: PolicyRule, decision: Decision): CompiledRule {
  const object = objectTest(rule);
  const isUser = rule.users.length > 0 ? among(rule.users) : undefined;
  const test: Test = isUser
    ? (request) => request.user !== null && isUser(request.user.username) && object(request)
    : object;
  return { decision, test, inGroup: rule.userGroups.length > 0 ? among(rule.userGroups) : undefined };
}

function hasGroup(rule: CompiledRule, request: Attributes): boolean {
  if (rule.inGroup === undefined) return true;
  if (request.user === null) return false;
  for (const group of request.user.groups) if (rule.inGroup(group)) return true;
  return false;
}

/** Prepares a policy for many decisions. */
export function compileMatcher(policy: Policy): Matcher {
  const decision = (rule: number): Decision => {
    const { level, omitStages, omitManagedFields }: Partial<PolicyRule> = policy.rules[rule] ?? {};
    return {
      rule,
      level: level ?? 'None',
      omitStages: new Set([...policy.omitStages, ...(omitStages ?? [])]),
      omitManagedFields: omitManagedFields ?? policy.omitManagedFields,
    };
  };
  const decisions = policy.rules.map((_, i) => decision(i));
  const fallback = decision(-1);
  const compiled = policy.rules.map((rule, i) => compileRule(rule, decisions[i]!));

  // rules that can match by verb, in order: most rules name the verbs they are for
  const anyVerb = compiled.filter((_, i) => policy.rules[i]!.verbs.length === 0);
  const byVerb = new Map<string, readonly CompiledRule[]>();
  for (const verb of new Set(policy.rules.flatMap((rule) => rule.verbs)))
    byVerb.set(
      verb,
      compiled.filter((_, i) => policy.rules[i]!.verbs.length === 0 || policy.rules[i]!.verbs.includes(verb)),
    );

  return {
    decisions,
    fallback,
    decide(request) {
      for (const rule of byVerb.get(request.verb) ?? anyVerb)
        if (rule.test(request) && hasGroup(rule, request)) return rule.decision;
      return fallback;
    },
    candidates(request) {
      const found: Decision[] = [];
      for (const rule of byVerb.get(request.verb) ?? anyVerb) {
        if (!rule.test(request)) continue;
        if (hasGroup(rule, request)) return [...found, rule.decision];
        // who is not authenticated has no groups, known or not
        if (request.user !== null) found.push(rule.decision);
      }
      return [...found, fallback];
    },
  };
}
