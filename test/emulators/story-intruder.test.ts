// The intruder's story can be found in the day as its facts tell it, and the leaked secrets are where they are said to be.

import { describe, expect, it } from 'vitest';
import { generateDay, intruderFacts, storySecrets, type StoryOptions } from '../../emulators/story/index.ts';

const FROM = Date.UTC(2026, 5, 22);
const DAY: StoryOptions = {
  seed: 42,
  cluster: { name: 'prod-eu', account: '111122223333', region: 'eu-central-1' },
  from: FROM,
  to: FROM + 86_400_000,
  eventsPerHour: 300,
};

/* eslint-disable-next-line @typescript-eslint/no-explicit-any -- bodies of all kinds are looked into */
type Loose = any;

const read = (options: StoryOptions) =>
  Array.from(generateDay(options), ({ line, time }) => ({ time, event: JSON.parse(line.toString('utf8')) as Loose }));
const day = read(DAY);
const facts = intruderFacts(DAY);
const fromThere = day.filter(({ event }) => event.sourceIPs.at(-1) === facts.ip);

describe('intruderFacts', () => {
  it('names every request of the story with its time, code and stages', () => {
    for (const fact of [...facts.requests, ...facts.leaks]) {
      const found = day.filter(({ event }) => event.auditID === fact.auditID);
      expect(found.map(({ event }) => event.stage)).toEqual(fact.stages);
      const last = found.at(-1)!;
      expect(last.time).toBe(fact.time);
      expect(last.event.responseStatus.code).toBe(fact.code);
      expect(last.event.requestURI).toBe(fact.requestURI);
      expect(last.event.user.username).toBe(fact.username);
    }
  });

  it('counts what an analyst would count', () => {
    const completed = fromThere.filter(({ event }) => event.stage === 'ResponseComplete').map(({ event }) => event);
    expect(fromThere.filter(({ event }) => event.responseStatus?.code === 401).length).toBe(
      facts.counts['unauthorized'],
    );
    expect(completed.filter((event) => event.responseStatus.code === 403).length).toBe(facts.counts['forbidden']);
    expect(facts.counts['forbidden']).toBeGreaterThanOrEqual(10);
    const reads = completed.filter((event) => event.objectRef.resource === 'secrets' && event.verb === 'get');
    expect(reads.map((event) => event.objectRef.name)).toEqual(facts.secrets);
    const execs = completed.filter((event) => event.objectRef.subresource === 'exec');
    expect(execs.map((event) => event.verb)).toEqual(['create', 'get', 'get']);
    expect(new Set(completed.map((event) => event.user.username))).toEqual(new Set(facts.usernames));
    expect(facts.counts['self-review']).toBe(4);
  });

  it('leaves the marks that detections look for, once each', () => {
    const writes = day
      .filter(({ event }) => event.stage === 'ResponseComplete' && event.responseStatus.code < 300)
      .map(({ event }) => event);
    const one = (test: (event: Loose) => boolean) => {
      const found = writes.filter(test);
      expect(found.length).toBe(1);
      return found[0];
    };
    const pod = one((event) =>
      event.requestObject?.spec?.containers?.some?.((c: Loose) => c.securityContext?.privileged === true),
    );
    expect(pod.requestObject.metadata.name).toBe(facts.pod);
    expect(pod.requestObject.spec.volumes[0].hostPath.path).toBe('/');
    expect(pod.requestObject.spec.nodeName).toBe(facts.node);
    const binding = one((event) => event.objectRef?.resource === 'clusterrolebindings' && event.verb === 'create');
    expect(binding.requestObject.roleRef.name).toBe('cluster-admin');
    expect(binding.objectRef.name).toBe(facts.binding);
    const job = one((event) => event.objectRef?.resource === 'cronjobs' && event.verb === 'create');
    expect(job.objectRef).toMatchObject(facts.cronJob);
    const auth = one((event) => event.objectRef?.name === 'aws-auth' && event.verb === 'patch');
    expect(auth.requestObject.data.mapRoles).toContain(facts.roleArn);
    one((event) => event.objectRef?.resource === 'events' && event.verb === 'deletecollection');
    one((event) => event.objectRef?.name === facts.pod && event.verb === 'delete');
  });

  it('happens within the day, also when the day is an hour', () => {
    for (const to of [FROM + 86_400_000, FROM + 3_600_000]) {
      const { first, last } = intruderFacts({ ...DAY, to });
      expect(first).toBeGreaterThan(FROM);
      expect(last).toBeLessThan(to);
      const found = read({ ...DAY, to }).filter(({ event }) => event.sourceIPs.at(-1) === facts.ip);
      expect(found[0]!.time).toBe(first);
    }
  });

  it('can be left out', () => {
    const quiet = { ...DAY, shape: { intruder: false } };
    expect(read(quiet).some(({ event }) => event.sourceIPs.at(-1) === facts.ip)).toBe(false);
    expect(intruderFacts(quiet).requests).toEqual([]);
  });
});

describe('storySecrets', () => {
  const text = (options: StoryOptions) => Array.from(generateDay(options), ({ line }) => line.toString('utf8'));

  it('are all in the leaking lines and nowhere else', () => {
    const secrets = storySecrets(DAY.seed);
    expect(new Set(secrets).size).toBe(secrets.length);
    const leaking = new Set(facts.leaks.map(({ auditID }) => auditID));
    const hits = text(DAY).filter((line) => secrets.some((secret) => line.includes(secret)));
    expect(hits.length).toBe(leaking.size);
    for (const line of hits) expect(leaking.has((JSON.parse(line) as Loose).auditID)).toBe(true);
    // each value shows in one of its two forms: as it is or in base64
    const all = hits.join('\n');
    for (let i = 0; i < secrets.length; i += 2)
      expect(all.includes(secrets[i]!) || all.includes(secrets[i + 1]!)).toBe(true);
  });

  it('stay out of a day without leaks, and differ by seed', () => {
    const clean = text({ ...DAY, shape: { leaks: false } }).join('\n');
    for (const secret of storySecrets(DAY.seed)) expect(clean.includes(secret)).toBe(false);
    expect(storySecrets(43)).not.toEqual(storySecrets(42));
  });
});
