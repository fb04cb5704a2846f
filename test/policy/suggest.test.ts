import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { advise } from '../../src/policy/advice.ts';
import { policyFor } from '../../src/policy/apply.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import { suggest } from '../../src/policy/suggest.ts';
import { measure, trafficCounter } from '../../src/policy/traffic.ts';
import { eventOf, fixture, makeEvent, readLines } from './lines.ts';

function count(events: readonly object[], times = 1) {
  const counter = trafficCounter('known');
  for (const members of events) for (let i = 0; i < times; i++) counter.add(makeEvent(members));
  return counter;
}

const get = (username: string, requestURI: string, more: object = {}) => ({
  user: { username },
  verb: 'get',
  requestURI,
  ...more,
});
const noneRules = (text: string) => loadPolicy(text).policy.rules.filter((rule) => rule.level === 'None');

describe('trafficCounter', () => {
  it('sums bytes as they would be at each level', () => {
    const event = makeEvent({ requestObject: { a: 'request' }, responseObject: { b: 'response' } });
    const counter = trafficCounter('known');
    counter.add(event);
    counter.add(event);
    const [row, ...others] = counter.rows();
    expect(others).toEqual([]);
    expect(row).toMatchObject({ events: 2, refused: 0, stage: 'ResponseComplete' });
    const size = (level: string, omit: string[]) => {
      const parsed = JSON.parse(event.line.toString());
      for (const key of omit) delete parsed[key];
      return 2 * (JSON.stringify({ ...parsed, level }).length + 1);
    };
    expect(row!.bytes).toEqual([
      0,
      size('RequestResponse', ['requestObject', 'responseObject']),
      size('RequestResponse', ['responseObject']),
      2 * (event.line.length + 1),
    ]);
  });

  it('takes all nodes for one', () => {
    const rows = count([get('system:node:a', '/api/v1/nodes/a'), get('system:node:b', '/api/v1/nodes/b')]).rows();
    expect(rows.map(({ events, request }) => [events, request.user?.username])).toEqual([[2, 'system:node:*']]);
  });
});

describe('measure', () => {
  it('tells for each rule what policyFor then does', () => {
    const events = readLines(fixture('lower/events.ndjson')).map(eventOf);
    const counter = trafficCounter('known');
    for (const event of events) counter.add(event);
    const { policy } = loadPolicy(
      '{"apiVersion":"audit.k8s.io/v1","omitStages":["RequestReceived"],"rules":[{"level":"None","verbs":["get"]},{"level":"Request","verbs":["create"]},{"level":"RequestResponse"}]}',
    );
    const run = policyFor(policy, { secrets: 'keep', groups: 'known', panics: 'policy' });
    const kept = events.map((event) => run(event)).filter((applied) => applied.kept);
    const volumes = measure(policy, counter.rows());
    expect(volumes.reduce((sum, volume) => sum + volume.events, 0)).toBe(events.length);
    expect(volumes.reduce((sum, volume) => sum + volume.keptEvents, 0)).toBe(kept.length);
    const bytes = kept.reduce((sum, applied) => sum + applied.line.length + 1, 0);
    const told = volumes.reduce((sum, volume) => sum + volume.keptBytes, 0);
    // the level's own text gets shorter too, and annotations with patches go
    expect(told).toBeGreaterThanOrEqual(bytes);
    expect(told).toBeLessThan(bytes * 1.02);
  });
});

describe('suggest', () => {
  const node = get('system:node:a', '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/a', {
    verb: 'update',
    user: { username: 'system:node:a', groups: ['system:nodes'] },
  });
  const proxy = get('system:kube-proxy', '/api/v1/services?watch=1', { verb: 'watch' });
  const manager = get('system:kube-controller-manager', '/apis/apps/v1/deployments', { verb: 'list' });
  const person = get('alice', '/api/v1/pods', { verb: 'list' });

  it('drops the measured noise of machines, each by user, verb and resource', () => {
    const { text, total } = suggest(count([node, proxy, manager, person, get('x', '/healthz')], 50).rows());
    expect(noneRules(text)).toEqual([
      expect.objectContaining({ nonResourceURLs: ['/healthz*'], verbs: ['get'] }),
      expect.objectContaining({
        userGroups: ['system:nodes'],
        verbs: ['update'],
        namespaces: ['kube-node-lease'],
        resources: [{ group: 'coordination.k8s.io', resources: ['leases'], resourceNames: [] }],
      }),
      expect.objectContaining({ users: ['system:kube-controller-manager'], verbs: ['list'] }),
      expect.objectContaining({ users: ['system:kube-proxy'], verbs: ['watch'] }),
    ]);
    expect(total.events).toBe(250);
    // the list by a person is all that is left
    expect(total.keptEvents).toBe(50);
  });

  it('proposes nothing for what is rare, refused, sensitive, a person or an application', () => {
    const harmless = Array.from({ length: 300 }, () => person);
    const sensitive = [
      get('system:kube-controller-manager', '/api/v1/secrets'),
      get('system:node:a', '/api/v1/namespaces/x/configmaps/y'),
      get('system:node:a', '/api/v1/persistentvolumes/x'),
      get('system:serviceaccount:shop:cart', '/api/v1/namespaces/shop/pods'),
      get('system:anonymous', '/api/v1/pods'),
      get('system:kube-scheduler', '/api/v1/pods', { responseStatus: { metadata: {}, code: 403 } }),
      get('system:kube-scheduler', '/api/v1/namespaces/x/pods/y/log'),
      get('system:kube-scheduler', '/apis/apps/v1/deployments/x', { verb: 'delete' }),
    ];
    expect(noneRules(suggest(count(sensitive, 100).rows()).text)).toEqual([]);
    expect(noneRules(suggest(count([...harmless, proxy]).rows()).text)).toEqual([]);
  });

  it('writes a valid policy that needs no advice, whatever the names', () => {
    const name = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('system:a\nrules: []', 'system:\u2028x', 'system:"#', 'system:-'),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(name, fc.constantFrom('get', 'watch', 'update')), { maxLength: 5 }), (users) => {
        const events = users.map(([username, verb]) => get(`system:${username}`, '/api/v1/nodes', { verb }));
        const { text, rules } = suggest(count(events).rows());
        const { policy } = loadPolicy(text);
        expect(policy.rules.length).toBe(rules.length);
        const named = new Set(policy.rules.flatMap((rule) => rule.users));
        for (const user of named) expect(events.map((event) => event.user.username)).toContain(user);
        expect(advise(policy, { groups: 'known' }).filter((advice) => !advice.includes('"*"'))).toEqual([]);
      }),
      { numRuns: 150 },
    );
  });

  it('shows what each rule saves', () => {
    const { text, rules, total } = suggest(count([proxy, person], 10).rows());
    expect(rules.reduce((sum, rule) => sum + rule.bytes - rule.keptBytes, 0)).toBe(total.bytes - total.keptBytes);
    expect(text).toMatch(/# system:kube-proxy: reads in a loop\n {2}# 10 events; saves \d+\.\d % of all bytes\n/);
  });
});
