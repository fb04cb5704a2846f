// A rule of a policy in a few words, for tables.

import type { GroupResources, PolicyRule } from '../policy/policy.ts';

/** Longest text of a rule, characters. */
const LONGEST = 72;

function objects({ group, resources, resourceNames }: GroupResources): string {
  const what = resources.length === 0 ? '*' : resources.join(',');
  const of = group === '' ? '' : ` (${group})`;
  return `${what}${of}${resourceNames.length === 0 ? '' : ` named ${resourceNames.join(',')}`}`;
}

/** `watch endpoints,services; by system:kube-proxy`, cut where it gets long. */
export function ruleInWords(rule: PolicyRule): string {
  const { users, userGroups, verbs, resources, namespaces, nonResourceURLs } = rule;
  const parts = [
    ...(verbs.length > 0 ? [verbs.join(',')] : []),
    ...(resources.length > 0 ? [resources.map(objects).join(' + ')] : []),
    ...(nonResourceURLs.length > 0 ? [nonResourceURLs.join(',')] : []),
    ...(namespaces.length > 0 ? [`in ${namespaces.map((name) => name || '""').join(',')}`] : []),
    ...(users.length > 0 ? [`by ${users.join(',')}`] : []),
    ...(userGroups.length > 0 ? [`by group ${userGroups.join(',')}`] : []),
  ];
  const text = parts.length === 0 ? 'everything' : parts.join(' ');
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST - 1)}…`;
}
