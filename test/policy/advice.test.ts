import { describe, expect, it } from 'vitest';
import { advise } from '../../src/policy/advice.ts';
import { BUILT_IN_POLICIES } from '../../src/policy/built-in/index.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import { compileMatcher } from '../../src/policy/match.ts';
import { attributesFromUri } from '../../src/policy/request-info.ts';

const load = (policy: object) =>
  loadPolicy(JSON.stringify({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', ...policy })).policy;
const about = (policy: object, groups: 'known' | 'unknown' = 'known') => advise(load(policy), { groups });
const ALL = { level: 'Metadata' };

describe('advise', () => {
  it('says nothing about a policy that is fine', () => expect(about({ rules: [ALL] })).toEqual([]));

  it.each([
    ['no catch-all', { rules: [{ level: 'Metadata', verbs: ['get'] }] }, /^rules: there is no catch-all: requests /],
    [
      'a catch-all for resources only',
      { rules: [{ level: 'Metadata', resources: [{ group: '*' }] }] },
      /^rules: there is no catch-all: requests for other URLs/,
    ],
    ['rules behind a catch-all', { rules: [ALL, ALL, ALL] }, /^rules\[0\]: matches every request, so the 2 rules/],
    ['refused logins dropped', { omitStages: ['ResponseStarted'], rules: [ALL] }, /^omitStages: .*401/],
    ['by a rule', { rules: [{ ...ALL, omitStages: ['ResponseStarted'] }] }, /^rules\[0\].omitStages: .*401/],
    ['outcomes dropped', { omitStages: ['ResponseComplete'], rules: [ALL] }, /^omitStages: without ResponseComplete/],
    ['panics', { omitStages: ['Panic'], rules: [ALL] }, /^omitStages: Panic events are kept/],
    [
      'exec by create only',
      { rules: [{ level: 'Request', verbs: ['create'], resources: [{ resources: ['pods/exec'] }] }, ALL] },
      /^rules\[0\]: records create on pods\/exec at Request, but rules\[1\] sets Metadata for get/,
    ],
    [
      'exec by get dropped before',
      { rules: [{ level: 'None', verbs: ['get', 'list', 'watch'] }, ALL] },
      /^rules\[1\]: records create on pods\/exec at Metadata, but rules\[0\] sets None for get.*missed/,
    ],
    [
      'reads by nodes dropped',
      { rules: [{ level: 'None', userGroups: ['system:nodes'], verbs: ['get', 'list', 'watch'] }, ALL] },
      /^rules\[0\]: also drops reads of secrets by nodes/,
    ],
    [
      'a user that is none',
      { rules: [{ ...ALL, users: ['system:kube-probe'] }, ALL] },
      /^rules\[0\].users: .*user agent/,
    ],
    ['a glob on verbs', { rules: [{ ...ALL, verbs: ['*'] }, ALL] }, /^rules\[0\].verbs: "\*"/],
    ['a glob on users', { rules: [{ ...ALL, users: ['system:*'] }, ALL] }, /^rules\[0\].users: "system:\*"/],
    [
      'a resource that is none',
      { rules: [{ ...ALL, resources: [{ resources: ['*/*'] }] }, ALL] },
      /^rules\[0\].resources\[0\].resources: "\*\/\*" matches nothing/,
    ],
    [
      'delete without deletecollection',
      { rules: [{ level: 'Request', verbs: ['delete'] }, ALL] },
      /^rules\[0\].verbs: delete does not cover deletecollection/,
    ],
    [
      'bodies of tokens',
      { rules: [{ level: 'RequestResponse', resources: [{ resources: ['serviceaccounts/token'] }] }, ALL] },
      /^rules\[0\]: asks for bodies of serviceaccounts\/token/,
    ],
  ])('warns of %s', (_name, policy, message) => {
    expect(about(policy).filter((text) => message.test(text))).toHaveLength(1);
  });

  it('warns of groups where the source tells none', () => {
    const policy = { rules: [{ level: 'None', userGroups: ['developers'] }, ALL] };
    expect(about(policy)).toEqual([]);
    expect(about(policy, 'unknown')).toEqual([expect.stringMatching(/^rules\[0\].userGroups: .*undecided/)]);
  });
});

describe.each([...BUILT_IN_POLICIES])('built-in policy %s', (name, text) => {
  const { policy } = loadPolicy(text);
  const matcher = compileMatcher(policy);
  const level = (verb: string, uri: string, username = 'alice', groups = ['system:authenticated']) =>
    matcher.decide(attributesFromUri(uri, verb, { username, groups })!).level;

  it('loads strictly and needs no advice', () => {
    expect(advise(policy, { groups: 'known' })).toEqual([]);
    expect(text).toContain(`"${name}"`);
  });

  it('drops noise of machines, and the same requests of nobody else', () => {
    expect(level('get', '/healthz?verbose')).toBe('None');
    expect(level('get', '/readyz/etcd')).toBe('None');
    const lease = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node-1';
    expect(level('update', lease, 'system:node:node-1', ['system:nodes'])).toBe('None');
    expect(level('update', lease)).not.toBe('None');
    const scheduler = '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler';
    expect(level('update', scheduler, 'system:kube-scheduler')).toBe('None');
    expect(level('update', scheduler, 'kubernetes-admin', ['system:masters'])).not.toBe('None');
    expect(level('watch', '/api/v1/services?watch=1', 'system:kube-proxy')).toBe('None');
    expect(level('watch', '/api/v1/secrets?watch=1', 'system:kube-proxy')).toBe('Metadata');
  });

  it('keeps secrets at Metadata, whoever asks', () => {
    for (const verb of ['get', 'list', 'watch', 'create', 'patch', 'delete', 'deletecollection'])
      for (const uri of [
        '/api/v1/secrets',
        '/api/v1/namespaces/x/serviceaccounts/y/token',
        '/apis/authentication.k8s.io/v1/tokenreviews',
      ])
        expect(level(verb, uri, 'system:node:a', ['system:nodes'])).toBe('Metadata');
  });

  it('keeps every exec, and changes of rights with what was asked for', () => {
    for (const verb of ['create', 'get'])
      expect(level(verb, '/api/v1/namespaces/x/pods/y/exec?command=sh')).toBe(
        name === 'staging' ? 'Metadata' : 'RequestResponse',
      );
    for (const verb of ['create', 'deletecollection'])
      expect(level(verb, '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings')).toBe(
        name === 'staging' ? 'Request' : 'RequestResponse',
      );
    expect(level('list', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings')).toBe('Metadata');
  });

  it('keeps refused logins', () => {
    expect(policy.omitStages).toEqual(['RequestReceived']);
    expect(matcher.decide(attributesFromUri('/api/v1/pods', 'list', null)!).level).toBe('Metadata');
  });
});
