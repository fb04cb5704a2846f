import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { LEVELS } from '../../src/event.ts';
import { type Applied, policyFor, type PolicyOptions } from '../../src/policy/apply.ts';
import { certainGroups } from '../../src/policy/groups.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import { eventOf, fixture, hasShared, makeEvent, readLines, SHARED } from './lines.ts';
import { randomPolicy } from './random-policy.ts';
import { secretValues, spellings } from './secret-values.ts';

const load = (policy: object) =>
  loadPolicy(JSON.stringify({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', ...policy })).policy;

/** As the API server does: nothing of ours on top. */
const UPSTREAM: PolicyOptions = { secrets: 'keep', groups: 'known', panics: 'policy' };
const OURS: PolicyOptions = { secrets: 'redact', groups: 'known', panics: 'keep' };

const apply = (policy: object, members: object, options = OURS) => policyFor(load(policy), options)(makeEvent(members));
const member = (applied: Applied, name: string) =>
  applied.kept ? (JSON.parse(applied.line.toString()) as Record<string, unknown>)[name] : undefined;

describe("what Kubernetes' own code makes of a log under a policy", () => {
  const names = ['eks-like', 'everything-no-managed-fields', 'mixed', 'seed-a', 'seed-b'];
  it.skipIf(!hasShared).each(names)('%s, byte for byte', (name) => {
    const folder = `${SHARED}data/apiserver/`;
    const { policy } = loadPolicy(readFileSync(`${folder}policies/${name}.yaml`, 'utf8'));
    const run = policyFor(policy, UPSTREAM);
    const lines: string[] = [];
    for (const line of readLines(`${folder}everything.ndjson.gz`)) {
      const applied = run(eventOf(line));
      if (applied.kept) lines.push(applied.line.toString('utf8'));
    }
    const expected = readLines(`${folder}lowered/everything--${name}.ndjson.gz`).map((line) => line.toString('utf8'));
    expect(lines.length).toBe(expected.length);
    expect(lines.filter((line, i) => line !== expected[i])).toEqual([]);
  });
});

describe('policyFor', () => {
  it('names what dropped an event', () => {
    const rules = [
      { level: 'None', verbs: ['get'] },
      { level: 'Metadata', verbs: ['list'], omitStages: ['ResponseComplete'] },
    ];
    expect(apply({ rules }, { verb: 'get' })).toEqual({ kept: false, droppedBy: 'rules[0]' });
    expect(apply({ rules }, { verb: 'list' })).toEqual({ kept: false, droppedBy: 'rules[1].omitStages' });
    expect(apply({ rules }, { verb: 'watch' })).toEqual({ kept: false, droppedBy: 'no rule' });
    const all = { omitStages: ['ResponseComplete'], rules: [{ level: 'Metadata', omitStages: ['ResponseComplete'] }] };
    expect(apply(all, {})).toEqual({ kept: false, droppedBy: 'omitStages' });
  });

  it('gives the very buffer back when no rule changes the event', () => {
    const event = makeEvent({ requestObject: { a: 1 } });
    const run = policyFor(load({ rules: [{ level: 'RequestResponse' }] }), OURS);
    expect(run(event)).toEqual({ kept: true, line: event.line, level: 'RequestResponse' });
    expect((run(event) as { line: Buffer }).line).toBe(event.line);
  });

  it('names what changed an event, and what the source could not give', () => {
    const managed = { requestObject: { metadata: { managedFields: [] } } };
    const tell = (policy: object, members: object) => {
      const { loweredBy, unattained } = apply(policy, members) as { loweredBy?: string; unattained?: string };
      return { loweredBy, unattained };
    };
    const keep = { level: 'RequestResponse' };
    expect(tell({ rules: [{ level: 'Request' }] }, {})).toEqual({ loweredBy: 'rules[0]' });
    expect(tell({ rules: [keep], omitManagedFields: true }, managed)).toEqual({ loweredBy: 'omitManagedFields' });
    expect(tell({ rules: [{ ...keep, omitManagedFields: true }] }, managed)).toEqual({
      loweredBy: 'rules[0].omitManagedFields',
    });
    expect(tell({ rules: [{ ...keep, omitManagedFields: true }] }, { requestObject: {} })).toEqual({});
    expect(tell({ rules: [keep] }, { level: 'Metadata' })).toEqual({ unattained: 'rules[0]' });
    expect(tell({ rules: [keep] }, { requestURI: '/api/v1/secrets' })).toEqual({ loweredBy: 'secrets' });
  });

  it('never drops a panic, but lowers it', () => {
    const panic = { stage: 'Panic', requestObject: { a: 1 } };
    const none = { rules: [{ level: 'None' }], omitStages: ['Panic'] };
    const applied = apply(none, panic);
    expect(applied).toMatchObject({ kept: true, level: 'Metadata', loweredBy: 'rules[0]' });
    expect(member(applied, 'requestObject')).toBeUndefined();
    expect(member(apply({ rules: [{ level: 'Request', omitStages: ['Panic'] }] }, panic), 'requestObject')).toEqual({
      a: 1,
    });
    expect(apply(none, panic, UPSTREAM)).toEqual({ kept: false, droppedBy: 'rules[0]' });
  });

  it('without a policy keeps everything but secrets', () => {
    const run = policyFor(undefined, OURS);
    const event = makeEvent({ requestObject: { a: 1 } });
    expect(run(event)).toEqual({ kept: true, line: event.line, level: 'RequestResponse' });
    expect(run(makeEvent({ requestURI: '/api/v1/secrets', requestObject: { a: 1 } }))).toMatchObject({
      level: 'Metadata',
      loweredBy: 'secrets',
    });
    const secret = makeEvent({ requestURI: '/api/v1/secrets', requestObject: { a: 1 } });
    expect(policyFor(undefined, { ...OURS, secrets: 'keep' })(secret)).toMatchObject({ line: secret.line });
  });
});

describe('groups that the source does not tell', () => {
  const GKE: PolicyOptions = { ...OURS, groups: 'unknown' };
  const user = (username: string) => ({ user: { username } });
  const rules = [{ level: 'None', userGroups: ['system:masters'] }, { level: 'Request' }];

  it('derives what is certain from the name', () => {
    expect(certainGroups('system:serviceaccount:shop:cart')).toContain('system:serviceaccounts:shop');
    expect(certainGroups('system:node:node-1')).toEqual(['system:nodes', 'system:authenticated']);
    expect(certainGroups('system:anonymous')).toEqual(['system:unauthenticated']);
    expect(certainGroups('alice@example.com')).toEqual(['system:authenticated']);
  });

  it('keeps the highest level that may apply, and counts it', () => {
    expect(apply({ rules }, user('alice'), GKE)).toMatchObject({ kept: true, level: 'Request', undecided: 'rules[0]' });
    const turned = [
      { level: 'Request', userGroups: ['a'] },
      { level: 'Metadata', userGroups: ['b'] },
      { level: 'None' },
    ];
    expect(apply({ rules: turned }, user('alice'), GKE)).toMatchObject({ level: 'Request', undecided: 'rules[0]' });
    expect(apply({ rules: turned.slice(1) }, user('alice'), GKE)).toMatchObject({ level: 'Metadata' });
  });

  it('is certain where the groups make no difference, or the name proves them', () => {
    const same = [{ level: 'Metadata', userGroups: ['a'] }, { level: 'Metadata' }];
    expect(apply({ rules: same }, user('alice'), GKE)).not.toHaveProperty('undecided');
    // the source holds no more than Metadata, so Request and Metadata come to the same
    const metadata = { ...user('alice'), level: 'Metadata' };
    expect(
      apply({ rules: [{ level: 'Request', userGroups: ['a'] }, { level: 'Metadata' }] }, metadata, GKE),
    ).not.toHaveProperty('undecided');
    const nodes = [{ level: 'None', userGroups: ['system:nodes'] }, { level: 'Metadata' }];
    expect(apply({ rules: nodes }, user('system:node:a'), GKE)).toEqual({ kept: false, droppedBy: 'rules[0]' });
    expect(apply({ rules }, { user: {} }, GKE)).not.toHaveProperty('undecided');
  });

  it('never keeps less than with any groups the user might have', () => {
    const groups = ['system:masters', 'developers', 'system:nodes', 'system:authenticated', 'system:serviceaccounts'];
    const level = (applied: Applied) => (applied.kept ? LEVELS.indexOf(applied.level) : -1);
    fc.assert(
      fc.property(fc.integer(), fc.subarray(groups), fc.constantFrom('get', 'create', 'watch'), (seed, extra, verb) => {
        const policy = loadPolicy(randomPolicy(seed)).policy;
        const all = { username: 'alice', groups: [...certainGroups('alice'), ...extra] };
        const told = policyFor(policy, OURS)(makeEvent({ verb, user: all }));
        const untold = policyFor(policy, GKE)(makeEvent({ verb, user: { username: 'alice' } }));
        expect(level(untold)).toBeGreaterThanOrEqual(level(told));
      }),
      { numRuns: 500 },
    );
  });
});

describe('with the guard on', () => {
  it('no secret value comes through under any policy', () => {
    const lines = readLines(fixture('lower/events.ndjson'));
    const searched = [...new Set(lines.flatMap((line) => secretValues(JSON.parse(line.toString('utf8')))))].flatMap(
      spellings,
    );
    expect(searched.length).toBeGreaterThan(3);
    const events = lines.map(eventOf);
    let kept = 0;
    fc.assert(
      fc.property(fc.integer(), fc.constantFrom<'known' | 'unknown'>('known', 'unknown'), (seed, groups) => {
        const run = policyFor(loadPolicy(randomPolicy(seed)).policy, { ...OURS, groups });
        const text = events
          .map((event) => run(event))
          .map((applied) => (applied.kept ? applied.line.toString('utf8') : ''))
          .join('\n');
        kept += text.length;
        expect(searched.filter((value) => text.includes(value))).toEqual([]);
      }),
      { numRuns: 200 },
    );
    expect(kept).toBeGreaterThan(1_000_000);
  });

  it('gives the same bytes for the same event, in any order', () => {
    const events = readLines(fixture('lower/events.ndjson')).map(eventOf);
    const policy = loadPolicy(randomPolicy(7)).policy;
    const [there, back] = [policyFor(policy, OURS), policyFor(policy, OURS)];
    const forward = events.map((event) => there(event));
    const backward = events.toReversed().map((event) => back(event));
    expect(backward.toReversed()).toEqual(forward);
  });
});
