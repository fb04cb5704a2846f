// Lines with secret values in them, as policies less careful than that of EKS record them. The values are markers that a test can look for.

import { go, missing, type Target, time } from './encode.ts';
import { type Planned, planner } from './plan.ts';
import type { Population } from './population.ts';
import { type Random, seeded } from './random.ts';

interface Markers {
  readonly password: string;
  readonly apiKey: string;
  readonly rotated: string;
  readonly pending: string;
  readonly issued: string;
  readonly reviewed: string;
}

function jwt(random: Random, kid: string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signature = Buffer.from(random.hex(512), 'hex').toString('base64url');
  return `${part({ alg: 'RS256', kid })}.${part({ iss: 'https://oidc.example', sub: 'system:serviceaccount:ci:deployer', jti: random.uuid() })}.${signature}`;
}

function markersOf(seed: number): Markers {
  const random = seeded(seed, 'secrets');
  const marker = (what: string) => `STORY-SECRET-${what}-${random.hex(24)}`;
  return {
    password: marker('password'),
    apiKey: marker('api-key'),
    rotated: marker('rotated'),
    pending: marker('pending'),
    issued: jwt(random, random.hex(16)),
    reviewed: jwt(random, random.hex(16)),
  };
}

const base64 = (text: string) => Buffer.from(text).toString('base64');

/** Every text that must not occur in an archive made with `secrets: redact`: each value as it is and in base64, tokens also by their signature alone. */
export function storySecrets(seed: number): string[] {
  const { issued, reviewed, ...plain } = markersOf(seed);
  const tokens = [issued, reviewed].flatMap((token) => [token, token.slice(token.lastIndexOf('.') + 1)]);
  return [...Object.values(plain).flatMap((value) => [value, base64(value)]), ...tokens];
}

/** Plans the lines with secrets in them, spread over `seconds` from `begin` (microseconds since the epoch). */
export function leaks(seed: number, population: Population, begin: number, seconds: number): Planned[] {
  const random = seeded(seed, `leaks/${population.cluster.name}`);
  const markers = markersOf(seed);
  const { at, planned } = planner(begin, seconds / 1000, random);
  const actor = population.people[0]!.actor;
  const namespace = 'payments';
  const target = (more: Partial<Target>): Target => ({ resource: 'secrets', namespace, ...more });
  const uid = random.uuid();
  const data = { password: base64(markers.password), user: base64('ledger') };
  const applied = go({
    'kubectl.kubernetes.io/last-applied-configuration': `${JSON.stringify({ apiVersion: 'v1', data, kind: 'Secret', metadata: { name: 'ledger-db', namespace } })}\n`,
  });
  const metadata = `"name":"ledger-db","namespace":"${namespace}","uid":"${uid}","resourceVersion":"48120331","creationTimestamp":"${time(begin)}","annotations":${applied}`;
  const secret = `{"kind":"Secret","apiVersion":"v1","metadata":{${metadata}},"data":${go(data)},"type":"Opaque"}`;
  const full = { level: 'RequestResponse', actor } as const;

  at(50, 'secret-created', {
    ...full,
    verb: 'create',
    target: target({ bodyName: 'ledger-db' }),
    query: 'fieldManager=kubectl-client-side-apply&fieldValidation=Strict',
    code: 201,
    request: `{"kind":"Secret","apiVersion":"v1","metadata":{"name":"ledger-db","namespace":"${namespace}","annotations":${applied}},"data":${go(data)},"stringData":${go({ key: markers.apiKey })},"type":"Opaque"}`,
    response: secret,
  });
  at(150, 'secret-got', { ...full, verb: 'get', target: target({ name: 'ledger-db' }), code: 200, response: secret });
  const listed = `{"metadata":{${metadata}},"data":${go({ ...data, key: base64(markers.apiKey) })},"type":"Opaque"}`;
  at(250, 'secrets-listed', {
    ...full,
    verb: 'list',
    target: target({}),
    query: 'limit=500',
    code: 200,
    response: `{"kind":"SecretList","apiVersion":"v1","metadata":{"resourceVersion":"48120400"},"items":[${listed}]}`,
  });
  at(350, 'secrets-table', {
    ...full,
    verb: 'list',
    target: { resource: 'secrets' },
    query: 'limit=500&includeObject=Object',
    code: 200,
    response: `{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"48120401"},"columnDefinitions":[{"name":"Name","type":"string","format":"name","description":"Name","priority":0}],"rows":[{"cells":["ledger-db","Opaque",3,"2d"],"object":${secret}}]}`,
  });
  at(450, 'secret-patched', {
    ...full,
    verb: 'patch',
    target: target({ name: 'ledger-db' }),
    query: 'fieldManager=rotate',
    code: 200,
    request: go([{ op: 'replace', path: '/data/password', value: base64(markers.rotated) }]),
    response: secret.replace(data.password, base64(markers.rotated)),
  });
  const absent = target({ name: 'ledger-db-next' });
  const no = missing(absent);
  at(550, 'secret-patch-failed', {
    ...full,
    verb: 'patch',
    target: absent,
    query: 'fieldManager=rotate',
    request: go({ stringData: { password: markers.pending } }),
    response: no.status,
    ...no,
  });
  at(650, 'token-issued', {
    ...full,
    verb: 'create',
    target: { resource: 'serviceaccounts', namespace: 'ci', name: 'deployer', sub: 'token' },
    code: 201,
    request:
      '{"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","metadata":{},"spec":{"audiences":null,"expirationSeconds":3600,"boundObjectRef":null},"status":{"token":"","expirationTimestamp":null}}',
    response: `{"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","metadata":{"name":"deployer","namespace":"ci","uid":"${random.uuid()}","creationTimestamp":"${time(begin)}"},"spec":{"audiences":["https://kubernetes.default.svc"],"expirationSeconds":3600,"boundObjectRef":null},"status":{"token":"${markers.issued}","expirationTimestamp":"${time(begin + 3600e6)}"}}`,
  });
  const review = (status: string) =>
    `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","metadata":{},"spec":{"token":"${markers.reviewed}"},"status":${status}}`;
  at(750, 'token-reviewed', {
    ...full,
    verb: 'create',
    target: { group: 'authentication.k8s.io', resource: 'tokenreviews' },
    code: 201,
    request: review('{"user":{}}'),
    response: review('{"authenticated":true,"user":{"username":"system:serviceaccount:ci:deployer"}}'),
  });
  return planned;
}
