// Proposes a policy from measured traffic, in the tuning order: noise first, each rule narrowed by user, verb and resource.

import { loadPolicy } from './load.ts';
import { measure, type RuleVolume, type TrafficRow } from './traffic.ts';

export interface Suggestion {
  /** A Policy file that kube-apiserver takes as well; each rule with what it saves in a comment. */
  readonly text: string;
  /** One entry a rule, in order. */
  readonly rules: readonly (RuleVolume & { readonly about: string })[];
  readonly total: {
    readonly events: number;
    readonly bytes: number;
    readonly keptEvents: number;
    readonly keptBytes: number;
  };
}

interface Rule {
  readonly about: string;
  readonly level: string;
  readonly users?: readonly string[];
  readonly userGroups?: readonly string[];
  readonly verbs?: readonly string[];
  readonly namespaces?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  readonly resources?: readonly { readonly group?: string; readonly resources?: readonly string[] }[];
}

const CHECKS = ['/healthz*', '/livez*', '/readyz*', '/metrics', '/version', '/openapi/*'];
const READS = new Set(['get', 'list', 'watch']);
const WRITES = ['create', 'update', 'patch', 'delete', 'deletecollection'];

/** Machines write these all day: heartbeats, leader election, events about others. */
const ROUTINE_WRITES = new Set(['leases', 'events', 'nodes/status', 'endpointslices', 'endpoints']);

/** What a node may ask for all day without its being worth an event; a stolen kubelet credential shows in the rest. */
const NODE_OBJECTS = new Set(['nodes', 'nodes/status', 'pods', 'leases', 'events']);

/** Never noise, whoever asks. */
function isSensitive({ apiGroup, resource, subresource }: TrafficRow['request']): boolean {
  if (/^(rbac\.authorization|admissionregistration|certificates|authentication|authorization)\.k8s\.io$/.test(apiGroup))
    return true;
  if (['secrets', 'configmaps', 'serviceaccounts', 'networkpolicies'].includes(resource)) return true;
  return ['exec', 'attach', 'portforward', 'proxy', 'ephemeralcontainers', 'token', 'log'].includes(subresource);
}

/** Parts of the cluster itself. Not the service accounts of applications' namespaces: their credentials are the ones that are stolen. */
function isMachine(username: string): boolean {
  if (username.startsWith('system:serviceaccount:')) return username.startsWith('system:serviceaccount:kube-system:');
  if (username === 'system:anonymous' || username === 'system:admin') return false;
  return /^(system:|eks:|gke-)/.test(username) || username === 'aksService' || username === 'readinessChecker';
}

const fullName = ({ resource, subresource }: TrafficRow['request']) =>
  subresource === '' ? resource : `${resource}/${subresource}`;

function isNoise(row: TrafficRow): boolean {
  const { user, verb, resourceRequest } = row.request;
  if (user === null || !resourceRequest || row.refused > 0 || isSensitive(row.request) || !isMachine(user.username))
    return false;
  const what = fullName(row.request);
  if (user.username === 'system:node:*' && !NODE_OBJECTS.has(what)) return false;
  return READS.has(verb) || (ROUTINE_WRITES.has(what) && WRITES.slice(0, 3).includes(verb));
}

/** Groups values by a key, in the order of first sight. */
function groupBy<T>(list: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of list) {
    const group = groups.get(key(item));
    if (group === undefined) groups.set(key(item), [item]);
    else group.push(item);
  }
  return groups;
}

const unique = (list: readonly string[]) => [...new Set(list)].sort();

function noiseRules(rows: readonly TrafficRow[], minShare: number): Rule[] {
  const all = rows.reduce((sum, row) => sum + row.bytes[3], 0);
  // leases are kept apart by namespace, where other people's leases may live; all else counts over all namespaces
  const place = ({ request }: TrafficRow) => (request.resource === 'leases' ? request.namespace : undefined);
  const loud = [
    ...groupBy(rows.filter(isNoise), (row) =>
      JSON.stringify([
        row.request.user!.username,
        row.request.verb,
        row.request.apiGroup,
        fullName(row.request),
        place(row),
      ]),
    ).values(),
  ]
    .map((alike) => ({ row: alike[0]!, bytes: alike.reduce((sum, row) => sum + row.bytes[3], 0) }))
    .filter(({ bytes }) => bytes >= all * minShare)
    .sort((a, b) => b.bytes - a.bytes);
  // one rule for a user's verbs on the same resource, then for its resources with the same verbs, then for users alike
  const byObject = groupBy(loud, ({ row }) =>
    JSON.stringify([row.request.user!.username, row.request.apiGroup, fullName(row.request), place(row)]),
  );
  const objects = [...byObject.values()].map((alike) => ({
    row: alike[0]!.row,
    verbs: unique(alike.map(({ row }) => row.request.verb)),
  }));
  const byVerbs = groupBy(objects, ({ row, verbs }) => JSON.stringify([row.request.user!.username, verbs, place(row)]));
  const perUser = [...byVerbs.values()].map((alike) => {
    const byGroup = groupBy(alike, ({ row }) => row.request.apiGroup);
    const resources = [...byGroup].map(([group, items]) => ({
      ...(group !== '' && { group }),
      resources: unique(items.map(({ row }) => fullName(row.request))),
    }));
    const { row, verbs } = alike[0]!;
    return { user: row.request.user!.username, verbs, resources, namespace: place(row) };
  });
  const byRule = groupBy(perUser, ({ user, verbs, resources, namespace }) =>
    JSON.stringify([user === 'system:node:*', verbs, resources, namespace]),
  );
  return [...byRule.values()].map((alike) => {
    const { verbs, resources, namespace, user } = alike[0]!;
    const isNode = user === 'system:node:*';
    const users = unique(alike.map((one) => one.user));
    const reads = verbs.every((verb) => READS.has(verb));
    return {
      // it becomes a comment and goes to terminals: nothing of a user's name may end the one or steer the other
      about: `${isNode ? 'nodes' : users.join(', ')}: ${reads ? 'reads in a loop' : 'routine'}`.replace(
        /[^\x20-\x7e]/g,
        '?',
      ),
      level: 'None',
      ...(isNode ? { userGroups: ['system:nodes'] } : { users }),
      verbs,
      ...(namespace !== undefined && namespace !== '' && { namespaces: [namespace] }),
      resources,
    };
  });
}

function checkRules(rows: readonly TrafficRow[]): Rule[] {
  const seen = CHECKS.filter((url) =>
    rows.some(
      ({ request }) =>
        !request.resourceRequest && request.verb === 'get' && request.path.startsWith(url.replace('*', '')),
    ),
  );
  if (seen.length === 0) return [];
  return [
    { about: 'health checks and what every client asks first', level: 'None', verbs: ['get'], nonResourceURLs: seen },
  ];
}

/** What follows the noise in every policy of the tuning order. */
const REST: readonly Rule[] = [
  {
    about: 'never with bodies; before anything broader',
    level: 'Metadata',
    resources: [
      { resources: ['secrets', 'configmaps', 'serviceaccounts/token'] },
      { group: 'authentication.k8s.io', resources: ['tokenreviews'] },
    ],
  },
  {
    about: 'who may do what, with the resulting state',
    level: 'RequestResponse',
    verbs: WRITES,
    resources: [
      { group: 'rbac.authorization.k8s.io' },
      { group: 'networking.k8s.io', resources: ['networkpolicies'] },
      { group: 'admissionregistration.k8s.io' },
      { resources: ['pods/ephemeralcontainers'] },
    ],
  },
  {
    about: 'commands in containers; get as well, for kubectl over WebSockets',
    level: 'RequestResponse',
    verbs: ['create', 'get'],
    resources: [{ resources: ['pods/exec', 'pods/attach', 'pods/portforward'] }],
  },
  { about: 'all other changes, with what was asked for', level: 'Request', verbs: WRITES },
  { about: 'everything else; without this rule it would be dropped', level: 'Metadata' },
];

/** In quotes that YAML and JSON share; anything beyond ASCII as an escape, since YAML 1.1 takes some of it for line ends. */
const quote = (text: string) =>
  JSON.stringify(text).replace(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
const list = (items: readonly string[]) => `[${items.map(quote).join(', ')}]`;

function ruleText(rule: Rule): string {
  const lines = [`level: ${rule.level}`];
  for (const name of ['users', 'userGroups', 'verbs', 'namespaces', 'nonResourceURLs'] as const)
    if (rule[name] !== undefined) lines.push(`${name}: ${list(rule[name])}`);
  if (rule.resources !== undefined) {
    lines.push('resources:');
    for (const { group, resources } of rule.resources) {
      const members = [
        ...(group === undefined ? [] : [`group: ${quote(group)}`]),
        ...(resources === undefined ? [] : [`resources: ${list(resources)}`]),
      ];
      lines.push(...members.map((member, i) => `${i === 0 ? '  - ' : '    '}${member}`));
    }
  }
  return lines.map((line, i) => `${i === 0 ? '  - ' : '    '}${line}\n`).join('');
}

function policyText(rules: readonly Rule[], notes: readonly string[]): string {
  const head =
    'apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nomitManagedFields: true\nrules:\n';
  return head + rules.map((rule, i) => `  # ${notes[i] ?? rule.about}\n${ruleText(rule)}`).join('');
}

function percent(part: number, whole: number): string {
  return `${whole === 0 ? 0 : ((100 * part) / whole).toFixed(1)} %`;
}

/**
 * A policy for the traffic that was counted.
 * @param options.minShare share of all bytes from which on a machine's routine is worth a rule, 0 to 1
 */
export function suggest(rows: readonly TrafficRow[], options: { readonly minShare?: number } = {}): Suggestion {
  const rules = [...checkRules(rows), ...noiseRules(rows, options.minShare ?? 0.005), ...REST];
  const volumes = measure(loadPolicy(policyText(rules, [])).policy, rows).slice(0, -1);
  const add = (key: keyof RuleVolume) => volumes.reduce((sum, volume) => sum + volume[key], 0);
  const total = {
    events: add('events'),
    bytes: add('bytes'),
    keptEvents: add('keptEvents'),
    keptBytes: add('keptBytes'),
  };
  const notes = rules.map(({ about }, i) => {
    const { events, bytes, keptBytes } = volumes[i]!;
    return `${about}\n  # ${events} events; saves ${percent(bytes - keptBytes, total.bytes)} of all bytes`;
  });
  return { text: policyText(rules, notes), rules: rules.map(({ about }, i) => ({ about, ...volumes[i]! })), total };
}
