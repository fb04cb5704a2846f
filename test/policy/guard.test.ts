import fc from 'fast-check';
import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fieldValue, scanEvent } from '../../src/event.ts';
import { guard } from '../../src/policy/guard.ts';
import { members } from '../event-lines.ts';
import { eventOf, fixture, hasShared, makeEvent, readLines, SHARED } from './lines.ts';
import { secretValues, spellings } from './secret-values.ts';

const LEAK = 'hunter2-very-secret';
const BASE64 = Buffer.from(LEAK).toString('base64');
const SECRET = { kind: 'Secret', apiVersion: 'v1', metadata: { name: 'db' }, data: { password: BASE64 } };
const TOKEN = { kind: 'TokenRequest', apiVersion: 'authentication.k8s.io/v1', status: { token: LEAK } };
const REVIEW = { kind: 'TokenReview', apiVersion: 'authentication.k8s.io/v1', spec: { token: LEAK } };

/** The member `name` of the guarded event's line, and that nothing leaked. */
function guarded(members: object | string) {
  const result = guard(typeof members === 'string' ? eventOf(members) : makeEvent(members));
  const text = result.line.toString();
  expect(text).not.toContain(LEAK);
  expect(text).not.toContain(BASE64);
  return result;
}

function expectLowered(members: object | string) {
  const { line, lowered } = guarded(members);
  expect(lowered).toBe(true);
  const event = JSON.parse(line.toString());
  expect(event.level).toBe('Metadata');
  expect(event).not.toHaveProperty('requestObject');
  expect(event).not.toHaveProperty('responseObject');
}

function expectKept(members: object) {
  const event = makeEvent(members);
  const result = guard(event);
  expect(result.lowered).toBe(false);
  expect(result.line).toBe(event.line);
}

describe('by request URI', () => {
  it.each([
    '/api/v1/namespaces/default/secrets/db',
    '/api/v1/secrets?watch=true',
    '/api/v1/namespaces/default/secrets/db/status/x',
    '/api/v1/watch/namespaces/default/secrets/db',
    '/api/v1/proxy/namespaces/default/secrets/db',
    '/api/v1/watch/secrets',
    '/api/v1/proxy/namespaces/default/serviceaccounts/builder/token',
    '/api/v1/namespaces/default%2Fsecrets/db',
    '/api/v1/namespaces/default/%73ecrets/db',
    '//api/v1/namespaces/default/secrets/',
    '/api/v1//namespaces//default//secrets//db',
    '/api/v1/namespaces/status/secrets/db',
    '/api/v1/namespaces/default/secrets/%zz',
    '/api/v1/namespaces/default/serviceaccounts/builder/token',
    '/apis/authentication.k8s.io/v1/tokenreviews',
    '/apis/authentication.k8s.io/v1beta1/tokenreviews?x=1',
    '/apis/example.com/v1/namespaces/default/secrets/db',
  ])('%s', (requestURI) => {
    // a body that looks like nothing, so that only the URI can tell
    expectLowered({ requestURI, requestObject: { x: LEAK }, responseObject: [BASE64] });
    expectLowered({ requestURI, verb: 'patch', requestObject: [{ op: 'add', path: '/data/a', value: BASE64 }] });
  });

  it('sees through JSON escapes', () => {
    const line = makeEvent({ requestURI: '/api/v1/namespaces/x/secrets/y', requestObject: LEAK }).line.toString();
    expectLowered(line.replace('secrets', '\\u0073ecrets'));
    expectLowered(line.replace('/api/v1/namespaces/x', '\\/api\\/v1\\/namespaces/x'));
  });

  it.each([
    '/api/v1/namespaces/secrets/pods/a',
    '/api/v1/namespaces/default/pods/secrets',
    '/api/v1/namespaces/default/configmaps/token',
    '/api/v1/namespaces/default/serviceaccounts/token',
    '/api/v1/namespaces/default/pods?labelSelector=a%3Dsecrets',
    '/apis/secrets/v1/pods',
    '/secrets/a/b',
    '/apis/external-secrets.io/v1/namespaces/default/externalsecrets/a',
  ])('leaves %s alone', (requestURI) => expectKept({ requestURI, requestObject: { a: 1 } }));

  it('lowers all stages of such a request, with or without a body', () => {
    const received = makeEvent({ stage: 'RequestReceived', requestURI: '/api/v1/namespaces/x/secrets/y' });
    expect(JSON.parse(guard(received).line.toString())).toEqual({
      ...JSON.parse(received.line.toString()),
      level: 'Metadata',
    });
    expectKept({ level: 'Metadata', requestURI: '/api/v1/namespaces/x/secrets/y' });
  });
});

describe('by objectRef', () => {
  it.each([
    { resource: 'secrets', name: 'db' },
    { namespace: 'x', resource: 'secrets' },
    { resource: 'serviceaccounts', name: 'a', subresource: 'token' },
    { resource: 'tokenreviews', apiGroup: 'authentication.k8s.io' },
  ])('%j', (objectRef) => {
    expectLowered({ objectRef, requestURI: '/', requestObject: { x: LEAK } });
    const line = makeEvent({ objectRef, requestURI: '/', requestObject: { x: LEAK } }).line.toString();
    expectLowered(line.replace('"secrets"', '"secret\\u0073"').replace('"token', '"\\u0074oken'));
  });

  it.each([
    { resource: 'pods', name: 'secrets', namespace: 'tokenreviews' },
    { resource: 'serviceaccounts', name: 'token' },
  ])('leaves %j alone', (objectRef) => expectKept({ objectRef, requestObject: { a: 1 } }));
});

describe('by body', () => {
  const table = { kind: 'Table', rows: [{ cells: ['db'], object: SECRET }] };
  const inText = (value: unknown) => ({ metadata: { annotations: { x: JSON.stringify(value) } } });
  const shapes: Record<string, unknown> = {
    secret: SECRET,
    stringData: { stringData: { password: LEAK }, kind: 'Secret' },
    'kind last': { metadata: {}, data: { x: BASE64 }, kind: 'Secret' },
    SecretList: { kind: 'SecretList', items: [{ data: { x: BASE64 } }] },
    'List of them': { kind: 'List', items: [{ kind: 'Pod' }, SECRET] },
    'array of them': [[[SECRET]]],
    Table: table,
    TokenRequest: TOKEN,
    TokenReview: REVIEW,
    'last applied': inText(SECRET),
    'last applied, twice': inText(inText(SECRET)),
    'last applied, with line ends': { a: `${JSON.stringify(SECRET, null, 2)}\n` },
    'several documents': `${JSON.stringify({ kind: 'Pod' })}\n${JSON.stringify(SECRET)}`,
    'a string': JSON.stringify(SECRET),
    'a string of a string': JSON.stringify(JSON.stringify(SECRET)),
    'a string, cut': JSON.stringify(SECRET).slice(0, -3),
    YAML: { data: { 'secret.yaml': `apiVersion: v1\nkind: Secret\nstringData:\n  a: ${LEAK}\n` } },
    'YAML with quotes': { a: `kind: "Secret"\nstringData: {a: ${LEAK}}` },
    '@type': { '@type': 'core.k8s.io/v1.Secret', data: { a: BASE64 } },
    'embedded in a custom resource': { kind: 'ManifestWork', spec: { manifests: [{ object: SECRET }] } },
    'value of a JSON Patch': [{ op: 'add', path: '/items/-', value: SECRET }],
    'list of tokens': { kind: 'TokenReviewList', items: [REVIEW] },
    'beyond eight texts': Array.from({ length: 9 }).reduce((text) => JSON.stringify(text), JSON.stringify(SECRET)),
  };
  it.each(Object.entries(shapes))('%s', (_name, body) => {
    expectLowered({ requestObject: body });
    expectLowered({ responseObject: body });
    expectLowered({ requestObject: { kind: 'Pod' }, responseObject: body });
  });

  it.each(Object.entries(shapes))('%s, letters spelled as escapes', (_name, body) => {
    for (const escape of [/Secret/g, /TokenRe/g, /kind/g]) {
      const line = makeEvent({ requestObject: body }).line.toString();
      const spelled = line.replace(escape, (word) => `\\u00${word.charCodeAt(0).toString(16)}${word.slice(1)}`);
      // within a text the backslash itself may be spelled as an escape
      expectLowered(spelled);
      expectLowered(spelled.replaceAll('\\u00', '\\u00').replace(/\\\\u00/g, '\\u005cu00'));
    }
  });

  it.each([
    ['imagePullSecrets', { kind: 'Pod', spec: { imagePullSecrets: [{ name: 'x' }], volumes: [{ secret: {} }] } }],
    [
      'a reference',
      { kind: 'Event', involvedObject: { kind: 'Secret', name: 'db', namespace: 'x', apiVersion: 'v1' } },
    ],
    ['an owner', { metadata: { ownerReferences: [{ kind: 'Secret', name: 'db', uid: '1', controller: true }] } }],
    ['a status list', { status: { resources: [{ kind: 'Secret', name: 'db', status: 'Synced' }] } }],
    ['a message', { kind: 'Status', message: 'Secret "db" not found', details: { kind: 'secrets' } }],
    ['kinds of a policy', { match: { any: [{ resources: { kinds: ['Secret', 'TokenReview'] } }] } }],
    ['another kind', { kind: 'SecretStore', metadata: {}, data: {} }],
    ['a reference in text', { a: JSON.stringify({ ref: { kind: 'Secret', name: 'db' } }) }],
    ['words', { a: 'SecretKeyRef and Secrets and kind Secret', Secret: 'data', kind: 'x', data: 'Secret' }],
    ['escapes of other letters', { a: '<&>\u2028\u0001' }],
  ])('leaves %s alone', (_name, requestObject) => {
    expectKept({ requestObject });
    const escaped = makeEvent({ requestObject }).line.toString().replaceAll('<', '\\u003c').replaceAll('&', '\\u0026');
    expect(guard(eventOf(escaped)).lowered).toBe(false);
  });

  it('leaves out an annotation that holds one, and keeps the others', () => {
    const annotations = {
      'authorization.k8s.io/decision': 'allow',
      'webhook.example.com/seen': JSON.stringify(SECRET),
    };
    const { line } = guarded({ annotations });
    expect(JSON.parse(line.toString()).annotations).toEqual({ 'authorization.k8s.io/decision': 'allow' });
    expect(JSON.parse(line.toString()).level).toBe('Metadata');
    guarded({
      annotations: {
        'patch.webhook.admission.k8s.io/round_0_index_0': `{"patch":[{"value":${JSON.stringify(SECRET)}}]}`,
      },
    });
  });

  it('finds a Secret wherever it is put', () => {
    const secret = fc.constantFrom<unknown>(SECRET, TOKEN, REVIEW, { kind: 'SecretList', items: [{ data: LEAK }] });
    const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 6, withCrossShrink: true },
        secret,
        fc.tuple(fc.string(), tie('tree'), fc.jsonValue()).map(([key, value, more]) => ({ more, [key]: value })),
        fc.tuple(fc.array(fc.jsonValue(), { maxLength: 2 }), tie('tree')).map(([others, value]) => [...others, value]),
        tie('tree').map((value) => JSON.stringify(value)),
        tie('tree').map((value) => ({ text: JSON.stringify(value, null, 1) })),
      ),
    }));
    fc.assert(
      fc.property(tree, fc.constantFrom('requestObject', 'responseObject'), (body, member) => {
        expectLowered({ [member]: body });
      }),
      { numRuns: 1000 },
    );
  });

  it('lowers nothing that holds no such word', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (requestObject, responseObject) =>
        expectKept({ requestObject, responseObject }),
      ),
      { numRuns: 300 },
    );
  });

  it('stands deep nesting', () => {
    const deep = `${'{"a":'.repeat(9000)}${JSON.stringify(SECRET)}${'}'.repeat(9000)}`;
    expectLowered(
      makeEvent({ requestObject: 'BODY' })
        .line.toString()
        .replace('"BODY"', () => deep),
    );
  });
});

describe.each([
  ['fixtures', [fixture('lower/events.ndjson')]],
  [
    'logs of a real API server',
    hasShared
      ? readdirSync(`${SHARED}data/apiserver`)
          .filter((file) => file.endsWith('.gz') && !file.includes('webhook'))
          .map((file) => `${SHARED}data/apiserver/${file}`)
      : [],
  ],
])('%s', (_name, files) => {
  it.skipIf(files.length === 0)('no byte of a secret value or token comes through', () => {
    const lines = files.flatMap(readLines);
    const values = new Set(lines.flatMap((line) => secretValues(JSON.parse(line.toString('utf8')))));
    // a word that other requests use too: `?continue=nonsense`
    values.delete('nonsense');
    expect(values.size).toBeGreaterThan(3);
    const searched = [...values].flatMap(spellings);
    let lowered = 0;
    const kept: string[] = [];
    for (const line of lines) {
      const event = eventOf(line);
      const result = guard(event);
      if (result.lowered) lowered++;
      const hasBodies = fieldValue(eventOf(result.line), 'level') !== 'Metadata';
      if (hasBodies || result.lowered) kept.push(result.line.toString('utf8'));
    }
    const text = kept.join('\n');
    expect(searched.filter((value) => text.includes(value))).toEqual([]);
    expect(lowered).toBeGreaterThan(3);
  });
});

// The scanner may spare the guard its look at an event: only where there is nothing to see.
it('finds the same whether or not the scanner called the event clear', () => {
  const pieces =
    'secrets secret sec tokenreviews tokenrequests token serviceaccounts Secret SecretList TokenReview TokenRe Se / // ? % %73 %zz . : x'
      .split(' ')
      .concat([
        '\\u0053',
        '\\u0073ec',
        '\\u007',
        '\\u00e9',
        '\\\\u0053ecret',
        '\\n',
        '\\"',
        '/api/v1/',
        'namespaces/a/',
        'kind',
        ' ',
        'é',
      ]);
  const text = fc.array(fc.constantFrom(...pieces), { maxLength: 6 }).map((some) => `"${some.join('')}"`);
  const string = text.filter((json) => {
    try {
      return typeof JSON.parse(json) === 'string';
    } catch {
      return false;
    }
  });
  const object = fc
    .array(fc.tuple(fc.oneof(string, fc.constantFrom('"kind"', '"resource"', '"subresource"', '"data"')), string), {
      maxLength: 4,
    })
    .map((some) => `{${some.map((pair) => pair.join(':')).join(',')}}`);
  const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
  let clear = 0;
  let lowered = 0;
  fc.assert(
    fc.property(
      fc.record({
        level: fc.constantFrom('"Metadata"', '"RequestResponse"'),
        requestURI: string,
        objectRef: maybe(object),
        requestObject: maybe(fc.oneof(object, string)),
        annotations: maybe(object),
      }),
      (given) => {
        const all = { ...members(), responseObject: undefined, ...given };
        const line = Buffer.from(
          `{${Object.entries(all)
            .filter(([, value]) => value !== undefined)
            .map(([name, value]) => `"${name}":${value}`)
            .join(',')}}`,
        );
        const event = scanEvent(line);
        if ('not' in event) throw new Error(`${event.not}: ${line.toString()}`);
        if (event.clear) clear++;
        const looked = guard({ ...event, clear: false });
        expect(guard(event)).toEqual(looked);
        if (looked.lowered) lowered++;
      },
    ),
    { numRuns: 3000 },
  );
  // both kinds came
  expect(Math.min(clear, lowered)).toBeGreaterThan(100);
});
