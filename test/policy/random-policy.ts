// Random policies and requests, near enough to each other that rules match; the same for the same seed.

import type { Attributes } from '../../src/policy/request-info.ts';

/** Numbers in [0, 1) from a seed (mulberry32). */
export function numbers(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const LEVELS = ['None', 'Metadata', 'Request', 'RequestResponse'];
const STAGES = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'];
const USERS = [
  'alice',
  'kubernetes-admin',
  'system:kube-proxy',
  'system:anonymous',
  'system:serviceaccount:shop:cart',
  'jürgen',
];
const GROUPS = ['developers', 'system:masters', 'system:authenticated', 'system:nodes', 'system:serviceaccounts', ''];
const VERBS = [
  'get',
  'list',
  'watch',
  'create',
  'update',
  'patch',
  'delete',
  'deletecollection',
  'proxy',
  '',
  '*',
  'GET',
];
const NAMESPACES = ['default', 'shop', 'kube-system', ''];
const API_GROUPS = ['', 'apps', 'rbac.authorization.k8s.io', 'authentication.k8s.io', 'coordination.k8s.io', '*'];
const RESOURCES = ['pods', 'secrets', 'configmaps', 'deployments', 'leases', 'nodes', 'namespaces', 'clusterroles'];
const SUBRESOURCES = ['log', 'status', 'exec', 'scale', 'token'];
const NAMES = ['web', 'db', '', 'leader'];
const PATHS = ['/healthz', '/healthz/etcd', '/livez', '/version', '/openapi/v2', '/', '/apis', '/api/v1', '/metrics'];
const URLS = ['/healthz', '/healthz*', '/healthz/*', '/*', '*', '/livez', '/openapi/*', '/api*', '/version/', '/'];

function picker(random: () => number) {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const some = <T>(list: readonly T[], most: number): T[] =>
    Array.from({ length: 1 + Math.floor(random() * most) }, () => pick(list));
  return { pick, some, chance: (p: number) => random() < p };
}

/** The text of a valid policy file. */
export function randomPolicy(seed: number): string {
  const { pick, some, chance } = picker(numbers(seed));
  const resource = () => {
    if (chance(0.1)) return pick(['*', '*/*', 'pods/', '/log']);
    if (chance(0.15)) return `*/${pick(SUBRESOURCES)}`;
    if (chance(0.15)) return `${pick(RESOURCES)}/*`;
    return chance(0.3) ? `${pick(RESOURCES)}/${pick(SUBRESOURCES)}` : pick(RESOURCES);
  };
  const group = () => {
    const resources = chance(0.8) ? Array.from({ length: 1 + (chance(0.5) ? 2 : 0) }, resource) : [];
    return {
      ...(chance(0.8) && { group: pick(API_GROUPS) }),
      ...(resources.length > 0 && { resources }),
      ...(resources.length > 0 && chance(0.2) && { resourceNames: some(NAMES, 2) }),
    };
  };
  const rule = (last: boolean) => {
    const forUrls = chance(0.2);
    const narrow = last ? 0.3 : 1;
    return {
      level: pick(LEVELS),
      ...(chance(0.25 * narrow) && { users: some(USERS, 3) }),
      ...(chance(0.25 * narrow) && { userGroups: some(GROUPS, 3) }),
      ...(chance(0.5 * narrow) && { verbs: some(VERBS, 5) }),
      ...(forUrls && chance(narrow) && { nonResourceURLs: some(URLS, 3) }),
      ...(!forUrls && chance(0.7 * narrow) && { resources: Array.from({ length: chance(0.4) ? 2 : 1 }, group) }),
      ...(!forUrls && chance(0.25 * narrow) && { namespaces: some(NAMESPACES, 2) }),
      ...(chance(0.15) && { omitStages: some(STAGES, 2) }),
      ...(chance(0.15) && { omitManagedFields: chance(0.5) }),
    };
  };
  const count = 1 + Math.floor(numbers(seed ^ 0x5bd1)() * 10);
  return JSON.stringify({
    apiVersion: 'audit.k8s.io/v1',
    kind: 'Policy',
    ...(chance(0.3) && { omitStages: some(STAGES, 2) }),
    ...(chance(0.3) && { omitManagedFields: chance(0.7) }),
    rules: Array.from({ length: count }, (_, i) => rule(i === count - 1)),
  });
}

/** Attributes of random requests, as `auditoracle decide` takes them. */
export function randomRequests(seed: number, count: number): (Attributes & { apiVersion: string })[] {
  const { pick, some, chance } = picker(numbers(seed ^ 0x9e37));
  return Array.from({ length: count }, () => {
    const user = chance(0.05) ? null : { username: pick(USERS), groups: chance(0.2) ? [] : some(GROUPS, 3) };
    const none = { namespace: '', name: '', resource: '', subresource: '', apiGroup: '', apiVersion: '' };
    if (chance(0.15))
      return { user, ...none, verb: pick(['get', 'post', 'head']), resourceRequest: false, path: pick(PATHS) };
    const [namespace, name, resource] = [pick(NAMESPACES), pick(NAMES), pick(RESOURCES)];
    const subresource = chance(0.25) ? pick(SUBRESOURCES) : '';
    const apiGroup = pick(API_GROUPS.slice(0, -1));
    const verb = pick(VERBS);
    return {
      user,
      verb,
      namespace,
      name,
      resource,
      subresource,
      apiGroup,
      apiVersion: 'v1',
      resourceRequest: true,
      path: '/api/v1/x',
    };
  });
}
