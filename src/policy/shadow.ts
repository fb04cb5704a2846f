// Rules that can never decide, whatever the traffic: an earlier one matches all that they match.

import type { GroupResources, Policy, PolicyRule } from './policy.ts';

/** Does a list of which each entry is allowed, and an empty one allows all, allow everything that the other does? */
function listCovers(outer: readonly string[], inner: readonly string[]): boolean {
  return outer.length === 0 || (inner.length > 0 && inner.every((text) => outer.includes(text)));
}

function resourceCovers(outer: string, inner: string): boolean {
  if (outer === '*' || outer === inner) return true;
  // `*/*` is of no more resources than one named `*`: a star in the inner entry is no name that a star in the outer one takes in
  const [resource, subresource, ...more] = inner.split('/');
  if (resource === '*' || subresource === '*' || more.length > 0) return false;
  if (outer === `${resource}/*`) return true;
  return subresource !== undefined && outer === `*/${subresource}`;
}

function groupCovers(outer: GroupResources, inner: GroupResources): boolean {
  if (outer.group !== '*' && outer.group !== inner.group) return false;
  if (outer.resources.length === 0) return true;
  if (!listCovers(outer.resourceNames, inner.resourceNames)) return false;
  return (
    inner.resources.length > 0 &&
    inner.resources.every((resource) => outer.resources.some((entry) => resourceCovers(entry, resource)))
  );
}

function urlCovers(outer: string, inner: string): boolean {
  return outer === inner || (outer.endsWith('*') && inner.startsWith(outer.replace(/\*+$/, '')));
}

function objectsCover(outer: PolicyRule, inner: PolicyRule): boolean {
  const ofResources = (rule: PolicyRule) => rule.namespaces.length > 0 || rule.resources.length > 0;
  if (ofResources(outer))
    return (
      ofResources(inner) &&
      listCovers(outer.namespaces, inner.namespaces) &&
      (outer.resources.length === 0 ||
        (inner.resources.length > 0 &&
          inner.resources.every((group) => outer.resources.some((entry) => groupCovers(entry, group)))))
    );
  if (outer.nonResourceURLs.length === 0) return true;
  return (
    !ofResources(inner) &&
    inner.nonResourceURLs.length > 0 &&
    inner.nonResourceURLs.every((url) => outer.nonResourceURLs.some((entry) => urlCovers(entry, url)))
  );
}

/** Whether `outer` certainly matches every request that `inner` matches. */
export function covers(outer: PolicyRule, inner: PolicyRule): boolean {
  return (
    listCovers(outer.users, inner.users) &&
    listCovers(outer.userGroups, inner.userGroups) &&
    listCovers(outer.verbs, inner.verbs) &&
    objectsCover(outer, inner)
  );
}

/** For each rule the earlier one that leaves it nothing to decide; undefined where there is no single such rule. */
export function shadowsOf(policy: Policy): readonly (number | undefined)[] {
  return policy.rules.map((rule, i) => {
    const found = policy.rules.slice(0, i).findIndex((earlier) => covers(earlier, rule));
    return found < 0 ? undefined : found;
  });
}
