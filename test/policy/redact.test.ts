import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { policyFor } from '../../src/policy/apply.ts';
import { redactorFor } from '../../src/policy/redact.ts';
import { parsePath, redactSchema } from '../../src/policy/redact-config.ts';
import { eventOf, fixture, makeEvent, readLines } from './lines.ts';

const KEY = '0123456789abcdef0123456789abcdef';
const LEAK = 'do-not-keep';
const GONE = 'auditkeep/redacted';

function redacted(config: object, members: object) {
  const line = redactorFor(redactSchema.parse(config))!(makeEvent(members));
  // what comes out is still an event
  return JSON.parse(eventOf(line).line.toString());
}

describe('paths', () => {
  it.each([
    ['data.*', [{ name: 'data' }, 'any-member']],
    ['a[*].b', [{ name: 'a' }, 'any-element', { name: 'b' }]],
    ['a["b.c/d"].e', [{ name: 'a' }, { name: 'b.c/d' }, { name: 'e' }]],
    ['*', ['any-member']],
    ['[*].x', ['any-element', { name: 'x' }]],
  ])('%s', (text, steps) => expect(parsePath(text)).toEqual(steps));

  it.each(['', '.', 'a.', '.a', 'a..b', 'a b', 'a[', 'a[0]x', 'a["x]', 'a.[*]', '[*]a', 'a*'])(
    'refuses "%s"',
    (text) => {
      expect(parsePath(text)).toBeUndefined();
      expect(redactSchema.safeParse({ paths: [{ path: text }] }).success).toBe(false);
    },
  );

  const config = {
    paths: [{ group: '', resource: 'configmaps', path: 'data.*' }, { path: 'spec.containers[*].env[*].value' }],
  };
  const configMaps = { requestURI: '/api/v1/namespaces/x/configmaps' };
  const map = { kind: 'ConfigMap', metadata: { name: 'a' }, data: { k: LEAK, n: { deep: [LEAK] } } };
  const clean = { kind: 'ConfigMap', metadata: { name: 'a' }, data: { k: GONE, n: GONE } };

  it('takes values out of objects, lists and Tables, in both bodies', () => {
    expect(redacted(config, { ...configMaps, requestObject: map, responseObject: map })).toMatchObject({
      requestObject: clean,
      responseObject: clean,
    });
    const list = { kind: 'ConfigMapList', items: [map, 1, map] };
    expect(redacted(config, { ...configMaps, responseObject: list }).responseObject.items).toEqual([clean, 1, clean]);
    const table = { kind: 'Table', rows: [{ cells: ['a'], object: map }, { cells: [] }] };
    expect(redacted(config, { ...configMaps, responseObject: table }).responseObject.rows).toEqual([
      { cells: ['a'], object: clean },
      { cells: [] },
    ]);
    const pod = { spec: { containers: [{ env: [{ name: 'A', value: LEAK }, { name: 'B' }] }, {}] } };
    expect(redacted(config, { requestObject: pod }).requestObject).toEqual({
      spec: { containers: [{ env: [{ name: 'A', value: GONE }, { name: 'B' }] }, {}] },
    });
  });

  it('takes them out of patches of every kind', () => {
    const patch = (requestObject: unknown) =>
      redacted(config, { ...configMaps, verb: 'patch', requestObject }).requestObject;
    expect(patch({ data: { k: LEAK } })).toEqual({ data: { k: GONE } });
    const operations = [
      { op: 'replace', path: '/data/k', value: LEAK },
      { op: 'add', path: '/data/a~1b/deeper', value: LEAK },
      { value: { k: LEAK }, path: '/data', op: 'add' },
      { op: 'replace', path: '', value: map },
      { op: 'add', path: '/metadata/labels/x', value: 'y' },
      { op: 'remove', path: '/data/k' },
    ];
    expect(patch(operations)).toEqual([
      { op: 'replace', path: '/data/k', value: GONE },
      { op: 'add', path: '/data/a~1b/deeper', value: GONE },
      { value: { k: GONE }, path: '/data', op: 'add' },
      { op: 'replace', path: '', value: clean },
      { op: 'add', path: '/metadata/labels/x', value: 'y' },
      { op: 'remove', path: '/data/k' },
    ]);
    expect(patch(JSON.stringify(map))).toBe(GONE);
  });

  it('takes out copies: last-applied annotations and webhooks’ patches', () => {
    const applied = {
      metadata: { annotations: { 'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify(map), a: 'b' } },
    };
    expect(redacted(config, { ...configMaps, requestObject: applied }).requestObject).toEqual({
      metadata: { annotations: { 'kubectl.kubernetes.io/last-applied-configuration': GONE, a: 'b' } },
    });
    const annotations = { 'patch.webhook.admission.k8s.io/round_0_index_0': LEAK, x: 'y' };
    expect(redacted(config, { ...configMaps, annotations }).annotations).toEqual({
      'patch.webhook.admission.k8s.io/round_0_index_0': GONE,
      x: 'y',
    });
  });

  it('leaves other resources alone, byte for byte', () => {
    const event = makeEvent({ requestURI: '/api/v1/namespaces/x/services', requestObject: map });
    expect(redactorFor(redactSchema.parse(config))!(event)).toBe(event.line);
    expect(redactorFor(redactSchema.parse({}))).toBeUndefined();
  });

  it('leaves no trace of a value, however the bodies are spelled', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(2), (data, indent) => {
        const marked = Object.fromEntries(Object.entries(data).map(([key, value]) => [key, { value, LEAK }]));
        const line = makeEvent({ ...configMaps, requestObject: 'BODY' }).line.toString();
        const body = JSON.stringify({ data: marked, kind: 'ConfigMap' }, null, indent).replaceAll('\n', ' ');
        const escaped = body.replace('"data"', '"d\\u0061ta"');
        const out = redactorFor(redactSchema.parse(config))!(eventOf(line.replace('"BODY"', () => escaped)));
        expect(out.toString()).not.toContain(LEAK);
        expect(Object.keys(JSON.parse(out.toString()).requestObject.data)).toEqual(Object.keys(marked));
      }),
    );
  });
});

describe('users', () => {
  const config = { users: { key: KEY } };
  const alice = {
    user: { username: 'alice', uid: 'u-1', groups: ['developers'], extra: { arn: ['arn:aws:iam::1:user/alice'] } },
    impersonatedUser: { username: 'bob', groups: ['ops'] },
    responseStatus: {
      metadata: {},
      status: 'Failure',
      message: 'pods is forbidden: User "alice" cannot list',
      code: 403,
    },
    annotations: { 'authorization.k8s.io/reason': 'RBAC: allowed by RoleBinding "x" of Role "y" to User "bob"' },
  };

  it('become pseudonyms wherever the server names them, the same ones every time', () => {
    const line = redacted(config, alice);
    expect(line.user.username).toMatch(/^hmac:[0-9a-f]{32}$/);
    expect(line.user.uid).not.toBe('u-1');
    expect(line.user.groups).toEqual(['developers']);
    expect(line.user.extra.arn[0]).toMatch(/^hmac:/);
    expect(line.responseStatus.message).toBe(`pods is forbidden: User "${line.user.username}" cannot list`);
    expect(line.annotations['authorization.k8s.io/reason']).toContain(`to User "${line.impersonatedUser.username}"`);
    expect(JSON.stringify(line)).not.toMatch(/alice|bob|u-1/);
    expect(redacted(config, alice)).toEqual(line);
    expect(redacted({ users: { key: `${KEY}x` } }, alice).user.username).not.toBe(line.user.username);
  });

  it('of the cluster itself keep their names unless asked', () => {
    const system = { user: { username: 'system:kube-scheduler', uid: 'x' } };
    expect(redacted(config, system).user).toEqual(system.user);
    expect(redacted({ users: { key: KEY, system: true } }, system).user.username).toMatch(/^hmac:/);
    expect(redacted(config, { user: {} }).user).toEqual({});
  });

  it('asks for a key that is long enough', () => {
    expect(redactSchema.safeParse({ users: { key: 'short' } }).success).toBe(false);
    expect(redactSchema.safeParse({ users: { key: KEY, sytem: true } }).success).toBe(false);
  });
});

describe('after a policy', () => {
  it('is applied to what is left of the event, and leaves an event', () => {
    const redact = redactorFor(redactSchema.parse({ paths: [{ path: 'a' }], users: { key: KEY } }))!;
    const run = policyFor(undefined, { secrets: 'redact', groups: 'known', panics: 'keep' });
    const secret = run(makeEvent({ requestURI: '/api/v1/secrets', requestObject: { a: LEAK } }));
    expect(secret).toMatchObject({ kept: true, level: 'Metadata', loweredBy: 'secrets' });
    for (const event of readLines(fixture('lower/events.ndjson')).map(eventOf)) {
      const applied = run(event);
      if (applied.kept) expect(eventOf(redact(eventOf(applied.line))).stage).toBe(event.stage);
    }
  });
});
