// Why a policy decides as it does: which rule, and why none of those before it.

import { compileMatcher } from './match.ts';
import type { GroupResources, Policy, PolicyRule } from './policy.ts';
import type { Attributes } from './request-info.ts';

export interface Explanation {
  /** Position of the rule that decides; -1 = none. */
  readonly rule: number;
  readonly level: string;
  /** All rules up to and with the one that decides. */
  readonly rules: readonly {
    readonly rule: number;
    /** unknown: only groups that nobody told could make it match. */
    readonly matches: boolean | 'unknown';
    /** Each selector that does not hold, in words. Empty where the rule matches. */
    readonly because: readonly string[];
  }[];
}

const ANY: PolicyRule = {
  level: 'Metadata',
  users: [],
  userGroups: [],
  verbs: [],
  resources: [],
  namespaces: [],
  nonResourceURLs: [],
  omitStages: [],
  omitManagedFields: undefined,
};

/** Does a rule with only this selector match? Asked of the matcher itself, so that the explanation can't tell another story. */
function holds(selector: Partial<PolicyRule>, request: Attributes): boolean {
  const policy: Policy = { omitStages: [], omitManagedFields: false, rules: [{ ...ANY, ...selector }] };
  return compileMatcher(policy).decide(request).rule === 0;
}

const quoted = (list: readonly string[]) => list.map((text) => JSON.stringify(text)).join(', ');

function target({ resource, subresource, apiGroup, name }: Attributes): string {
  const what = subresource === '' ? resource : `${resource}/${subresource}`;
  return `${what}${apiGroup === '' ? ' (core)' : ` of ${apiGroup}`}${name === '' ? '' : ` named ${JSON.stringify(name)}`}`;
}

function groupText({ group, resources, resourceNames }: GroupResources): string {
  const what = resources.length === 0 ? 'all' : resources.join(', ');
  const names = resourceNames.length === 0 ? '' : ` named ${quoted(resourceNames)}`;
  return `${what} of ${group === '' ? 'core' : group === '*' ? 'any group' : group}${names}`;
}

function reasons(rule: PolicyRule, request: Attributes): string[] {
  const { users, userGroups, verbs, resources, namespaces, nonResourceURLs } = rule;
  const found: string[] = [];
  const { user } = request;
  const nobody = 'authentication failed, so there is no user';
  if (!holds({ users }, request))
    found.push(
      user === null ? `users: ${nobody}` : `users: ${JSON.stringify(user.username)} is none of ${quoted(users)}`,
    );
  if (!holds({ userGroups }, request))
    found.push(
      user === null
        ? `userGroups: ${nobody}`
        : `userGroups: none of ${quoted(user.groups) || 'no groups'} is among ${quoted(userGroups)}`,
    );
  if (!holds({ verbs }, request)) found.push(`verbs: ${JSON.stringify(request.verb)} is none of ${quoted(verbs)}`);
  if (!request.resourceRequest && (namespaces.length > 0 || resources.length > 0))
    found.push(`resources: ${request.path} is no resource`);
  else {
    if (!holds({ namespaces }, request))
      found.push(`namespaces: ${JSON.stringify(request.namespace)} is none of ${quoted(namespaces)}`);
    if (!holds({ resources }, request))
      found.push(`resources: ${target(request)} is none of: ${resources.map(groupText).join('; ')}`);
  }
  if (namespaces.length === 0 && resources.length === 0 && !holds({ nonResourceURLs }, request))
    found.push(
      request.resourceRequest
        ? 'nonResourceURLs: the request is for a resource'
        : `nonResourceURLs: ${request.path} matches none of ${quoted(nonResourceURLs)}`,
    );
  return found;
}

/**
 * Explains the decision on one request.
 * @param groups `unknown`: those given are certain, the user may have others; rules that hang on them are marked and passed over
 */
export function explain(policy: Policy, request: Attributes, groups: 'known' | 'unknown'): Explanation {
  const matcher = compileMatcher(policy);
  const candidates = groups === 'known' ? [matcher.decide(request)] : matcher.candidates(request);
  const decision = candidates.at(-1)!;
  const open = new Set(candidates.slice(0, -1).map((candidate) => candidate.rule));
  const last = decision.rule < 0 ? policy.rules.length - 1 : decision.rule;
  const rules = policy.rules.slice(0, last + 1).map((rule, i) => ({
    rule: i,
    matches: i === decision.rule ? true : open.has(i) ? ('unknown' as const) : false,
    because: i === decision.rule ? [] : reasons(rule, request),
  }));
  return { rule: decision.rule, level: decision.level, rules };
}
