// Random Events as an API server could write them, for property tests of converters.

import fc from 'fast-check';

const word = fc.string({ unit: 'binary', maxLength: 20 });
const json = fc.jsonValue({ maxDepth: 3 });
const object = fc.dictionary(
  word.filter((w) => w !== '__proto__'),
  json,
  { maxKeys: 5 },
);
const user = fc.record(
  { username: word, uid: word, groups: fc.array(word, { maxLength: 3 }), extra: fc.dictionary(word, fc.array(word)) },
  { requiredKeys: [] },
);
const time = fc
  .tuple(fc.date({ min: new Date('2020-01-01'), max: new Date('2039-12-31'), noInvalidDate: true }), fc.nat(999))
  .map(([date, us]) => `${date.toISOString().slice(0, -1)}${String(us).padStart(3, '0')}Z`);
const body = fc.oneof(
  object,
  fc.array(json, { maxLength: 4 }),
  fc.string({ minLength: 1 }).filter((s) => isNoJson(s)),
);
function isNoJson(s: string) {
  try {
    JSON.parse(s);
    return false;
  } catch {
    return !/^[[{"]/.test(s) && s !== 'skipped-too-big-size-object';
  }
}

const knownRef = fc.record(
  {
    resource: word,
    namespace: word,
    name: word,
    uid: word,
    apiGroup: word,
    apiVersion: word,
    resourceVersion: word,
    subresource: word,
  },
  { requiredKeys: ['resource'] },
);

/** The line of an Event in which anything that may be there is there or not. */
export function anyEvent(objectRef: fc.Arbitrary<object> = knownRef): fc.Arbitrary<string> {
  return fc
    .record(
      {
        kind: fc.constant('Event'),
        apiVersion: fc.constant('audit.k8s.io/v1'),
        level: fc.constantFrom('Metadata', 'Request', 'RequestResponse'),
        auditID: fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }),
        stage: fc.constantFrom('RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'),
        requestURI: fc.string({ unit: 'binary', minLength: 1 }),
        verb: word,
        user,
        impersonatedUser: user,
        sourceIPs: fc.array(fc.ipV6(), { minLength: 1, maxLength: 3 }),
        userAgent: fc.string({ unit: 'binary', minLength: 1 }),
        objectRef,
        responseStatus: fc.record({ metadata: fc.constant({}), code: fc.integer(), message: word }),
        requestObject: body,
        responseObject: body,
        requestReceivedTimestamp: time,
        stageTimestamp: time,
        annotations: fc.dictionary(
          word.filter((w) => w !== '__proto__' && !w.startsWith('auditkeep/')),
          word,
          { minKeys: 1 },
        ),
      },
      {
        requiredKeys: [
          ...(['kind', 'apiVersion', 'level', 'auditID', 'stage', 'requestURI', 'verb', 'user'] as const),
          ...(['requestReceivedTimestamp', 'stageTimestamp'] as const),
        ],
      },
    )
    .map((e) => JSON.stringify(e));
}

const name = fc.stringMatching(/^[a-z]([a-z0-9-]{0,12}[a-z0-9])?$/);
const oddName = fc.oneof(
  name,
  fc.constantFrom('system:node:a', 'a.b', 'Ü', 'a%b', 'x y', '"q"', 'back\\slash', 'a+b&c=d'),
);
const group = fc.constantFrom(
  undefined,
  'apps',
  'batch',
  'rbac.authorization.k8s.io',
  'networking.gke.io',
  'etcd.database.coreos.com',
);
const shortText = fc.string({ unit: 'binary', maxLength: 20 });
const gkeBody = fc.option(
  fc.dictionary(
    fc.string({ maxLength: 6 }).filter((key) => !['@type', 'kind', 'metadata', 'apiVersion'].includes(key)),
    fc.jsonValue({ maxDepth: 3 }),
    { maxKeys: 5 },
  ),
  { nil: undefined },
);
const micros = fc.integer({ min: 1_700_000_000_000_000, max: 1_900_000_000_000_000 });
const OUTCOMES = [
  [200, 200],
  [403, 403],
  [404, 404],
  [409, 409],
  [422, 400],
  [429, 429],
  [500, 500],
  [503, 503],
  [401, 401],
] as const;

/** What a request was, and how it ended. */
export const anyRequest = fc.record({
  auditID: fc.uuid(),
  group,
  version: fc.constantFrom('v1', 'v1beta1', 'v1alpha2'),
  namespace: fc.option(name, { nil: undefined }),
  resource: name.filter((n) => n !== 'namespaces'),
  name: fc.option(oddName, { nil: undefined }),
  subresource: fc.option(fc.constantFrom('status', 'scale', 'exec', 'log'), { nil: undefined }),
  verb: fc.constantFrom('get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'),
  username: fc.option(
    shortText.filter((t) => t !== ''),
    { nil: undefined },
  ),
  impersonated: fc.option(name, { nil: undefined }),
  groups: fc.array(name),
  credential: fc.option(shortText, { nil: undefined }),
  ip: fc.option(fc.oneof(fc.ipV4(), fc.ipV6()), { nil: undefined }),
  agent: fc.option(
    shortText.filter((t) => t !== ''),
    { nil: undefined },
  ),
  outcome: fc.constantFrom(...OUTCOMES),
  message: fc.option(
    shortText.filter((t) => t !== ''),
    { nil: undefined },
  ),
  request: gkeBody,
  response: gkeBody,
  micros,
  annotations: fc.dictionary(fc.stringMatching(/^[a-z.]{1,12}\/[a-z-]{1,8}$/), shortText, { maxKeys: 4 }),
});

export type Request = typeof anyRequest extends fc.Arbitrary<infer T> ? T : never;

/** The line of its Event, and what that was made of. */
export function renderRequest(p: Request) {
  const collection = ['list', 'watch', 'deletecollection'].includes(p.verb);
  const subresource = p.name === undefined || collection ? undefined : p.subresource;
  const isLong = p.verb === 'watch' || subresource === 'exec' || subresource === 'log';
  const [code] = p.outcome;
  const plain = p.verb === 'create' && subresource === undefined;
  const stage = isLong && code !== 401 && p.micros % 2 === 0 ? 'ResponseStarted' : 'ResponseComplete';
  const six = `${new Date(Math.floor(p.micros / 1000)).toISOString().slice(0, -1)}${String(p.micros % 1000).padStart(3, '0')}Z`;
  const objectRef = {
    resource: p.resource,
    ...(p.namespace !== undefined && { namespace: p.namespace }),
    ...(p.name !== undefined && { name: p.name }),
    ...(p.group !== undefined && { apiGroup: p.group }),
    apiVersion: p.version,
    ...(subresource !== undefined && { subresource }),
  };
  // the path by another way than the converter's: Go's escaping of a segment, asked of WHATWG and mended
  const segment = (s: string) => encodeURIComponent(s).replace(/%(24|26|2B|2C|3A|3B|3D|40)/g, decodeURIComponent);
  const path =
    (p.group === undefined ? '/api' : `/apis/${p.group}`) +
    `/${p.version}${p.namespace === undefined ? '' : `/namespaces/${p.namespace}`}/${p.resource}` +
    (p.name === undefined || plain || collection ? '' : `/${segment(p.name)}`) +
    (subresource === undefined ? '' : `/${subresource}`);
  const line = JSON.stringify({
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'RequestResponse',
    auditID: p.auditID,
    stage,
    requestURI: `${path}?lost=1`,
    verb: p.verb,
    user: {
      username: p.username,
      groups: p.groups,
      ...(p.credential !== undefined && {
        extra: { 'authentication.kubernetes.io/credential-id': [p.credential] },
      }),
    },
    ...(p.impersonated !== undefined && { impersonatedUser: { username: p.impersonated, groups: p.groups } }),
    ...(p.ip !== undefined && { sourceIPs: [p.ip, '10.0.0.1'] }),
    userAgent: p.agent,
    objectRef,
    responseStatus: { metadata: {}, code, ...(code !== 200 && { message: p.message }) },
    requestObject: p.request,
    responseObject: p.response,
    requestReceivedTimestamp: six,
    stageTimestamp: six,
    annotations: p.annotations,
  });
  return { line, path, objectRef, subresource, stage, six };
}
