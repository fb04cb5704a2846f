// LogEntry → Event: every row of the mapping, what is odd about real entries, and what is broken about others.

import { describe, expect, it } from 'vitest';
import { FIELDS, scanEvent } from '../../src/event.ts';
import { decodeEntry, entryWith, eventOf, ID, inferredOf, type Json, textOf, without } from './gke-entries.ts';
import { CLUSTER } from './gke-harness.ts';

const ALWAYS = 'level,requestReceivedTimestamp,requestURI,responseStatus.code,stage';

describe('a whole event', () => {
  it('has the members of audit.k8s.io/v1 in their order, and no other', () => {
    const entry = entryWith(
      {
        methodName: 'io.k8s.apps.v1.deployments.create',
        resourceName: 'apps/v1/namespaces/shop/deployments/web',
        authenticationInfo: { principalEmail: 'dana@acme.example', authoritySelector: 'deployer' },
        request: { '@type': 'apps.k8s.io/v1.Deployment', kind: 'Deployment', spec: { replicas: 2 } },
        response: { '@type': 'apps.k8s.io/v1.Deployment', kind: 'Deployment', metadata: { name: 'web', uid: 'u-1' } },
      },
      { labels: { 'authorization.k8s.io/reason': 'RBAC: "x"', 'authorization.k8s.io/decision': 'allow' } },
    );
    const text = textOf(decodeEntry(entry));
    expect(text).toBe(
      `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"${ID}","stage":"ResponseComplete",` +
        '"requestURI":"/apis/apps/v1/namespaces/shop/deployments","verb":"create","user":{"username":"dana@acme.example"},' +
        '"impersonatedUser":{"username":"deployer"},"sourceIPs":["203.0.113.7"],"userAgent":"kubectl/v1.35.1 (linux/amd64)",' +
        '"objectRef":{"resource":"deployments","namespace":"shop","name":"web","apiGroup":"apps","apiVersion":"v1"},' +
        '"responseStatus":{"metadata":{},"code":201},"requestObject":{"kind":"Deployment","spec":{"replicas":2}},' +
        '"responseObject":{"kind":"Deployment","metadata":{"name":"web","uid":"u-1"}},' +
        '"requestReceivedTimestamp":"2026-06-22T10:00:00.500000Z","stageTimestamp":"2026-06-22T10:00:00.500000Z",' +
        '"annotations":{"auditkeep/inferred":"impersonatedUser,level,requestReceivedTimestamp,requestURI,responseStatus.code,stage",' +
        '"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":"RBAC: \\"x\\""}}',
    );
    expect(Object.keys(JSON.parse(text) as Json)).toEqual(FIELDS.filter((f) => f !== 'authenticationMetadata'));
  });
});

describe('methodName and resourceName', () => {
  // method, resourceName, verb, objectRef as resource|namespace|name|apiGroup|apiVersion|subresource, path
  const ROWS = `
    io.k8s.core.v1.pods.delete core/v1/namespaces/gmp/pods/collector-9g delete pods|gmp|collector-9g||v1| /api/v1/namespaces/gmp/pods/collector-9g
    io.k8s.core.v1.pods.create core/v1/namespaces/default/pods create pods|default|||v1| /api/v1/namespaces/default/pods
    io.k8s.core.v1.pods.create core/v1/namespaces/default/pods/web create pods|default|web||v1| /api/v1/namespaces/default/pods
    io.k8s.core.v1.pods.exec.create core/v1/namespaces/default/pods/P/exec/P create pods|default|P||v1|exec /api/v1/namespaces/default/pods/P/exec
    io.k8s.core.v1.pods.eviction.create core/v1/namespaces/default/pods/P/eviction create pods|default|P||v1|eviction /api/v1/namespaces/default/pods/P/eviction
    io.k8s.core.v1.namespaces.delete core/v1/namespaces/test-ns delete namespaces|test-ns|test-ns||v1| /api/v1/namespaces/test-ns
    io.k8s.core.v1.namespaces.create core/v1/namespaces/test-ns create namespaces||test-ns||v1| /api/v1/namespaces
    io.k8s.core.v1.namespaces.list core/v1/namespaces list namespaces||||v1| /api/v1/namespaces
    io.k8s.core.v1.namespaces.finalize.update core/v1/namespaces/N/finalize update namespaces|N|N||v1|finalize /api/v1/namespaces/N/finalize
    io.k8s.apps.v1.deployments.scale.update apps/v1/namespaces/n/deployments/d/scale update deployments|n|d|apps|v1|scale /apis/apps/v1/namespaces/n/deployments/d/scale
    io.k8s.authorization.rbac.v1.clusterroles.patch rbac.authorization.k8s.io/v1/clusterroles/system:node-problem-detector patch clusterroles||system:node-problem-detector|rbac.authorization.k8s.io|v1| /apis/rbac.authorization.k8s.io/v1/clusterroles/system:node-problem-detector
    io.k8s.certificates.v1.certificatesigningrequests.approval.update certificates.k8s.io/v1/certificatesigningrequests/X/approval update certificatesigningrequests||X|certificates.k8s.io|v1|approval /apis/certificates.k8s.io/v1/certificatesigningrequests/X/approval
    io.k8s.core.v1.nodes.proxy.get core/v1/nodes/N/proxy/stats/summary get nodes||N||v1|proxy /api/v1/nodes/N/proxy
    io.k8s.core.v1.nodes.list core/v1/nodes list nodes||||v1| /api/v1/nodes
    io.k8s.core.v1.pods.watch core/v1/pods watch pods||||v1| /api/v1/pods?watch=true
    io.k8s.core.v1.pods.watch core/v1/namespaces/a/pods/one watch pods|a|one||v1| /api/v1/namespaces/a/pods?watch=true
    io.k8s.events.v1.events.deletecollection events.k8s.io/v1/namespaces/a/events deletecollection events|a||events.k8s.io|v1| /apis/events.k8s.io/v1/namespaces/a/events
    io.k8s.extensions.v1beta1.deployments.create extensions/v1beta1/namespaces/default/deployments/nginx create deployments|default|nginx|extensions|v1beta1| /apis/extensions/v1beta1/namespaces/default/deployments
    com.coreos.database.etcd.v1beta2.etcdbackups.create etcd.database.coreos.com/v1beta2/namespaces/test-ns/etcdbackups create etcdbackups|test-ns||etcd.database.coreos.com|v1beta2| /apis/etcd.database.coreos.com/v1beta2/namespaces/test-ns/etcdbackups
    io.gke.networking.v1.managedcertificates.status.update networking.gke.io/v1/namespaces/a/managedcertificates/m/status update managedcertificates|a|m|networking.gke.io|v1|status /apis/networking.gke.io/v1/namespaces/a/managedcertificates/m/status
    io.k8s.core.v1.pods. core/v1/namespaces/a/pods/p - pods|a|p||v1| /api/v1/namespaces/a/pods/p
    io.k8s.core.templates.preview.create core/templates/preview create preview||||templates| /api/templates/preview
    io.k8s.get readyz get - /readyz
    io.k8s.get openapi/v3/apis/apps/v1 get - /openapi/v3/apis/apps/v1
    com.example.tenants.v1.namespaces.get tenants.example.com/v1/namespaces/a/namespaces/b get namespaces|a|b|tenants.example.com|v1| /apis/tenants.example.com/v1/namespaces/a/namespaces/b
  `;
  const rows = ROWS.trim()
    .split('\n')
    .map((row) => row.trim().split(' ') as [string, string, string, string, string]);
  rows.push(['io.k8s.post', 'a b/"c"', 'post', '-', '/a%20b/%22c%22'], ['io.k8s.get', '', 'get', '-', '/']);
  for (const [methodName, resourceName, verb, ref, uri] of rows)
    it(`${methodName} ${resourceName}`, () => {
      const event = eventOf(entryWith({ methodName, resourceName }));
      const [resource, namespace, name, apiGroup, apiVersion, subresource] = ref.split('|');
      const members = Object.entries({ resource, namespace, name, apiGroup, apiVersion, subresource });
      expect(event['verb']).toBe(verb === '-' ? '' : verb);
      expect(event['requestURI']).toBe(uri);
      if (ref === '-') expect(event).not.toHaveProperty('objectRef');
      else expect(event['objectRef']).toEqual(Object.fromEntries(members.filter(([, value]) => value)));
      expect(inferredOf(event)).toBe(ALWAYS);
    });

  for (const [why, methodName, resourceName] of [
    ['another group', 'io.k8s.apps.v1.pods.delete', 'core/v1/namespaces/a/pods/p'],
    ['another version', 'io.k8s.core.v2.pods.delete', 'core/v1/namespaces/a/pods/p'],
    ['another resource', 'io.k8s.core.v1.secrets.get', 'core/v1/namespaces/a/pods/p'],
    ['a subresource in the path alone', 'io.k8s.core.v1.pods.create', 'core/v1/namespaces/a/pods/p/exec'],
    ['a subresource in the method alone', 'io.k8s.core.v1.pods.exec.create', 'core/v1/namespaces/a/pods/p'],
    ['no verb', 'io.k8s.core.v1.pods', 'core/v1/namespaces/a/pods/p'],
    ['too many words', 'io.k8s.core.v1.pods.a.b.create', 'core/v1/namespaces/a/pods/p/a'],
    ['no version', 'io.k8s.core.v1.pods.list', 'core'],
    ['an empty segment', 'io.k8s.core.v1.pods.list', 'core/v1/namespaces//pods'],
    ['a path of another form', 'io.k8s.core.v1.pods.list', '/api/v1/pods'],
    ['a group that is reversed in the wrong way', 'io.k8s.io.events.v1.events.list', 'events.k8s.io/v1/events'],
  ] as const)
    it(`don't fit: ${why} → shape`, () => {
      expect(decodeEntry(entryWith({ methodName, resourceName }))).toEqual({ reject: 'shape' });
    });
});

describe('name of what is created', () => {
  const payload = {
    methodName: 'io.k8s.core.v1.pods.create',
    resourceName: 'core/v1/namespaces/shop/pods',
    request: { '@type': 'core.k8s.io/v1.Pod', metadata: { generateName: 'web-' } },
    response: { '@type': 'core.k8s.io/v1.Pod', metadata: { generateName: 'web-', name: 'web-x7k2p' } },
  };
  it('comes from the response with generateName, and is marked', () => {
    const event = eventOf(entryWith(payload));
    expect(event['objectRef']).toMatchObject({ name: 'web-x7k2p' });
    expect(event['requestURI']).toBe('/api/v1/namespaces/shop/pods');
    expect(inferredOf(event)).toContain('objectRef.name');
  });
  it('stays absent where nothing tells it', () => {
    const asked = without(payload, 'response');
    for (const more of [asked, { ...payload, request: {} }, { ...payload, response: { kind: 'Status' } }]) {
      const event = eventOf(entryWith(more));
      expect(event['objectRef']).not.toHaveProperty('name');
      expect(inferredOf(event)).not.toContain('objectRef.name');
    }
  });
});

describe('outcome', () => {
  const GRPC: readonly (readonly [unknown, number])[] = [
    [0, 200],
    [undefined, 200],
    [1, 499],
    [2, 500],
    [3, 400],
    [4, 504],
    [5, 404],
    [6, 409],
    [7, 403],
    [8, 429],
    [9, 400],
    [10, 409],
    [11, 400],
    [12, 501],
    [13, 500],
    [14, 503],
    [15, 500],
    [16, 401],
    ['7', 403],
    [7.0, 403],
  ];
  for (const [code, http] of GRPC)
    it(`gRPC ${JSON.stringify(code)} → ${http}, marked`, () => {
      const event = eventOf(entryWith({ status: { code, message: 'quota' } }));
      expect(event['responseStatus']).toEqual({ metadata: {}, message: 'quota', code: http });
      expect(inferredOf(event)).toContain('responseStatus.code');
      const grpc = (event['annotations'] as Json)['auditkeep/grpc-code'];
      expect(grpc).toBe(code === undefined || code === 0 ? undefined : JSON.stringify(code));
    });

  const create = { methodName: 'io.k8s.core.v1.pods.create', resourceName: 'core/v1/namespaces/shop/pods/web' };
  const exec = { methodName: 'io.k8s.core.v1.pods.exec.create', resourceName: 'core/v1/namespaces/shop/pods/web/exec' };
  it('a create that went well is 201, also without a status', () => {
    expect(eventOf(entryWith(create))['responseStatus']).toEqual({ metadata: {}, code: 201 });
    expect(eventOf(entryWith({ ...create, status: undefined }))['responseStatus']).toEqual({ metadata: {}, code: 201 });
  });
  it('an upgraded connection is 101, whatever gRPC calls it; the name of a code is no message', () => {
    for (const status of [{ code: 2, message: 'UNKNOWN' }, {}])
      expect(eventOf(entryWith({ ...exec, status }))['responseStatus']).toEqual({ metadata: {}, code: 101 });
    expect(eventOf(entryWith({ ...exec, status: { code: 7 } }))['responseStatus']).toEqual({ metadata: {}, code: 403 });
  });
  it('a code that gRPC does not know is not guessed at, and that is said', () => {
    for (const code of [17, -1, 'x', 1.5, { a: 1 }]) {
      const event = eventOf(entryWith({ status: { code } }));
      expect(event['responseStatus']).toEqual({ metadata: {} });
      expect(event['annotations']).toMatchObject({ 'auditkeep/missing': 'responseStatus.code' });
      expect(inferredOf(event)).not.toContain('responseStatus.code');
    }
  });
  it('a Status in the response goes before the table, and only its own members are taken', () => {
    const details = { kind: 'pods', name: 'web', retryAfterSeconds: 1 };
    const response = {
      '@type': 'core.k8s.io/v1.Status',
      apiVersion: 'v1',
      code: 422,
      details,
      kind: 'Status',
      message: 'no "such" thing',
      metadata: { x: 1 },
      reason: 'Invalid',
      status: 'Failure',
    };
    const event = eventOf(entryWith({ status: { code: 3, message: 'other words' }, response }));
    expect(JSON.stringify(event['responseStatus'])).toBe(
      '{"metadata":{},"status":"Failure","message":"no \\"such\\" thing","reason":"Invalid","details":{"name":"web","kind":"pods","retryAfterSeconds":1},"code":422}',
    );
    expect(inferredOf(event)).not.toContain('responseStatus');
    expect(event['annotations']).not.toHaveProperty('auditkeep/grpc-code');
  });
  it('doubles of a Struct become the integers that a Status has', () => {
    const text = JSON.stringify(
      entryWith({
        response: { kind: 'Status', apiVersion: 'v1', code: 'CODE', details: { retryAfterSeconds: 'RETRY' } },
      }),
    )
      .replace('"CODE"', '4.29e2')
      .replace('"RETRY"', '30.0');
    expect(textOf(decodeEntry(text))).toContain(
      '"responseStatus":{"metadata":{},"details":{"retryAfterSeconds":30},"code":429}',
    );
  });
  it('details come in the order of the API server, without what is none of a Status', () => {
    const details = {
      causes: [{ field: 'spec.x', message: 'no', reason: 'FieldValueInvalid' }, 'x', { message: 7 }],
      group: 'apps',
      kind: 'deployments',
      name: 'web',
      newer: { b: 1 },
      retryAfterSeconds: 1.5,
      uid: 7,
    };
    const event = eventOf(entryWith({ response: { kind: 'Status', apiVersion: 'v1', code: 422, details } }));
    expect(JSON.stringify((event['responseStatus'] as Json)['details'])).toBe(
      '{"name":"web","group":"apps","kind":"deployments","causes":[{"reason":"FieldValueInvalid","message":"no","field":"spec.x"},{}],"newer":{"b":1}}',
    );
    expect((event['responseObject'] as Json)['details']).toEqual(details);
  });
  it('a successful Status (delete) carries no code', () => {
    const event = eventOf(
      entryWith({ response: { kind: 'Status', apiVersion: 'v1', status: 'Success', details: { name: 'web-0' } } }),
    );
    expect(event['responseStatus']).toEqual({ metadata: {}, status: 'Success', details: { name: 'web-0' }, code: 200 });
    expect(inferredOf(event)).toContain('responseStatus.code');
  });
  it('a Status of another kind of API is a body like any other', () => {
    const event = eventOf(entryWith({ response: { kind: 'Status', apiVersion: 'example.com/v1', code: 7 } }));
    expect(event['responseStatus']).toEqual({ metadata: {}, code: 200 });
  });
});

describe('stage', () => {
  for (const [operation, stage] of [
    [{ id: ID, first: true, last: true }, 'ResponseComplete'],
    [{ id: ID, first: true }, 'ResponseStarted'],
    [{ id: ID, last: true }, 'ResponseComplete'],
    [{ id: ID, first: true, last: false }, 'ResponseStarted'],
    [{ id: ID }, 'ResponseComplete'],
    [undefined, 'ResponseComplete'],
  ] as const)
    it(`${JSON.stringify(operation)} → ${stage}`, () => {
      const event = eventOf(entryWith({}, { operation }));
      expect(event['stage']).toBe(stage);
      expect(event['auditID']).toBe(ID);
      expect(inferredOf(event)).toBe(operation === undefined ? `auditID,${ALWAYS}` : ALWAYS);
    });
  it('a 401 stays ResponseComplete: as ResponseStarted a policy would drop it', () => {
    const event = eventOf(entryWith({ status: { code: 16, message: 'Unauthorized' }, authenticationInfo: {} }));
    expect(event).toMatchObject({
      stage: 'ResponseComplete',
      user: {},
      responseStatus: { code: 401, message: 'Unauthorized' },
    });
  });
  it('both halves of a long request have one audit ID and are two events', () => {
    const halves = [{ first: true }, { last: true }].map((half) =>
      eventOf(entryWith({}, { operation: { id: ID, ...half } })),
    );
    expect(halves.map((e) => [e['auditID'], e['stage']])).toEqual([
      [ID, 'ResponseStarted'],
      [ID, 'ResponseComplete'],
    ]);
  });
});

describe('bodies', () => {
  it('give the level, a lower bound', () => {
    expect(eventOf(entryWith())['level']).toBe('Metadata');
    expect(eventOf(entryWith({ request: {} }))['level']).toBe('Request');
    expect(eventOf(entryWith({ response: {} }))['level']).toBe('RequestResponse');
    expect(eventOf(entryWith({ request: null, response: null }))['level']).toBe('Metadata');
  });
  it('come out as they came in, but for @type at the root', () => {
    const body =
      '{"z":1e3,"a":12345678901234567890,"n":[[1,[2.50]],[]],"@type":"x","10":"\\u003ca\\u00e9é","__proto__":{"@type":"stays"}}';
    const text = JSON.stringify(entryWith({ request: 'BODY' })).replace('"BODY"', body);
    expect(textOf(decodeEntry(text))).toContain(`"requestObject":${body.replace('"@type":"x",', '')},"request`);
  });
  for (const [given, left] of [
    ['{"@type":"t"}', '{}'],
    ['{"a":1,"@type":"t"}', '{"a":1}'],
    ['{"@type":"t","a":1}', '{"a":1}'],
    ['{ "a" : 1 , "@type" : "t" }', '{ "a" : 1 }'],
    ['{"\\u0040type":"t","a":1}', '{"a":1}'],
    ['[{"op":"add"}]', '[{"op":"add"}]'],
    ['"skipped"', '"skipped"'],
  ] as const)
    it(`${given} → ${left}`, () => {
      const text = JSON.stringify(entryWith({ response: 'BODY' })).replace('"BODY"', given);
      const out = textOf(decodeEntry(text));
      expect(out).toContain(`"responseObject":${left},"request`);
      expect(scanEvent(Buffer.from(out))).not.toHaveProperty('not');
    });
  it('an entry printed over many lines gives the same event as on one line', () => {
    const entry = entryWith(
      { request: { '@type': 't', text: 'a\n  b "c"', list: [[], [[1, 2]], {}] } },
      { labels: { a: ' x ' } },
    );
    expect(textOf(decodeEntry(JSON.stringify(entry, null, '\t')))).toBe(textOf(decodeEntry(entry)));
  });
  it('512 KiB are an entry like any other', () => {
    const request = { '@type': 't', text: 'é'.repeat(250_000) };
    expect(eventOf(entryWith({ request }))['requestObject']).toEqual({ text: request.text });
  });
});

describe('who and from where', () => {
  it('nothing is known of an unauthenticated caller', () => {
    for (const authenticationInfo of [
      {},
      undefined,
      null,
      { principalEmail: '' },
      { authoritySelector: 'system:anonymous' },
    ]) {
      const event = eventOf(entryWith({ authenticationInfo }));
      expect(event['user']).toEqual({});
      expect(event).not.toHaveProperty('impersonatedUser');
    }
  });
  it('a pool identity has no address but a subject', () => {
    const principalSubject =
      'principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/subject/s';
    const event = eventOf(entryWith({ authenticationInfo: { principalSubject } }));
    expect(event['user']).toEqual({ username: principalSubject });
    expect(inferredOf(event)).toContain('user.username');
  });
  it('the id of the credential goes back to user.extra', () => {
    const labels = { 'authentication.kubernetes.io/credential-id': 'JTI=1', 'authorization.k8s.io/decision': 'allow' };
    const event = eventOf(entryWith({}, { labels }));
    expect(event['user']).toEqual({
      username: 'dana@acme.example',
      extra: { 'authentication.kubernetes.io/credential-id': ['JTI=1'] },
    });
    expect(event['annotations']).toEqual({ 'auditkeep/inferred': ALWAYS, 'authorization.k8s.io/decision': 'allow' });
  });
  for (const [callerIp, sourceIPs, note] of [
    ['::1', ['::1'], undefined],
    ['2001:db8::7', ['2001:db8::7'], undefined],
    ['private', undefined, 'private'],
    ['gce-internal-ip', undefined, 'gce-internal-ip'],
    ['', undefined, undefined],
    [undefined, undefined, undefined],
  ] as const)
    it(`callerIp ${JSON.stringify(callerIp)}`, () => {
      const event = eventOf(entryWith({ requestMetadata: { callerIp } }));
      expect(event['sourceIPs']).toEqual(sourceIPs);
      expect((event['annotations'] as Json)['auditkeep/caller-ip']).toBe(note);
      expect(event).not.toHaveProperty('userAgent');
    });
});

describe('labels', () => {
  it('are all kept, the command of an exec as well', () => {
    const labels = {
      'command.gke.io/command': 'sh -c "cat /etc/shadow"',
      'audit.k8s.io/truncated': 'true',
      'ü/é': 'ñ',
      __proto__x: '',
    };
    expect(eventOf(entryWith({}, { labels }))['annotations']).toEqual({ ...labels, 'auditkeep/inferred': ALWAYS });
  });
  it('are not pushed aside by ours', () => {
    const labels = { 'auditkeep/inferred': 'mine', 'auditkeep/inferred-gke': 'too' };
    expect(eventOf(entryWith({}, { labels }))['annotations']).toEqual({
      ...labels,
      'auditkeep/inferred-gke-gke': ALWAYS,
    });
    const escaped = JSON.stringify(entryWith({}, { labels })).replace('auditkeep/inferred"', 'auditkeep\\/inferred"');
    expect(textOf(decodeEntry(escaped))).toBe(textOf(decodeEntry(entryWith({}, { labels }))));
  });
  it('of another type make the entry a reject', () => {
    for (const labels of [{ a: 1 }, { a: null }, ['x'], 'x'])
      expect(decodeEntry(entryWith({}, { labels }))).toEqual({ reject: 'shape' });
  });
});

describe('timestamp', () => {
  for (const [given, six] of [
    ['2026-06-22T10:00:00Z', '2026-06-22T10:00:00.000000Z'],
    ['2026-06-22T10:00:00.4Z', '2026-06-22T10:00:00.400000Z'],
    ['2026-06-22T10:00:00.4108Z', '2026-06-22T10:00:00.410800Z'],
    ['2026-06-22T10:00:00.1234567Z', '2026-06-22T10:00:00.123456Z'],
    ['2026-06-22T10:00:00.999999999Z', '2026-06-22T10:00:00.999999Z'],
    ['2026-06-22T12:00:00.123456+02:00', '2026-06-22T10:00:00.123456Z'],
    ['2024-02-29T23:59:59.5Z', '2024-02-29T23:59:59.500000Z'],
  ] as const)
    it(`${given} → ${six}`, () => {
      const event = eventOf(entryWith({}, { timestamp: given }));
      expect([event['requestReceivedTimestamp'], event['stageTimestamp']]).toEqual([six, six]);
    });
  for (const timestamp of [
    undefined,
    null,
    1782122400000,
    '',
    'yesterday',
    '2026-06-22',
    '2026-02-30T10:00:00Z',
    '2026-06-31T10:00:00Z',
    '2026-06-22T24:00:00Z',
    '2026-06-22T10:00:00,5Z',
  ])
    it(`${JSON.stringify(timestamp)} → bad-timestamp`, () => {
      expect(decodeEntry(entryWith({}, { timestamp }))).toEqual({ reject: 'bad-timestamp' });
    });
});

describe('what is no audit event of this cluster', () => {
  const labels = { cluster_name: CLUSTER.cluster, location: CLUSTER.location, project_id: CLUSTER.project };
  const resource = (more: Json) => ({ resource: { type: 'k8s_cluster', labels: { ...labels, ...more } } });
  const log = (name: string) => ({ logName: `projects/${CLUSTER.project}/logs/${name}` });
  for (const [why, entry, outcome] of [
    ['another service', entryWith({ serviceName: 'container.googleapis.com' }), { skip: 'other-service' }],
    ['another cluster', entryWith({}, resource({ cluster_name: 'other' })), { skip: 'other-cluster' }],
    ['another location', entryWith({}, resource({ location: 'us-east1' })), { skip: 'other-cluster' }],
    ['another project', entryWith({}, resource({ project_id: 'acme-other' })), { skip: 'other-cluster' }],
    ['the log of policy denials', entryWith({}, log('cloudaudit.googleapis.com%2Fpolicy')), { skip: 'other-log' }],
    ['a container’s own output', entryWith({}, log('stdout')), { skip: 'other-log' }],
    ['no methodName', entryWith({ methodName: undefined }), { reject: 'no-method-name' }],
    ['an empty methodName', entryWith({ methodName: '' }), { reject: 'no-method-name' }],
    ['a methodName of another type', entryWith({ methodName: 7 }), { reject: 'no-method-name' }],
    ['no resourceName', entryWith({ resourceName: undefined }), { reject: 'no-resource-name' }],
    ['no resource', entryWith({}, { resource: undefined }), { reject: 'no-resource' }],
    ['no serviceName', entryWith({ serviceName: undefined }), { reject: 'no-service-name' }],
    ['no payload', entryWith({}, { protoPayload: undefined }), { reject: 'no-proto-payload' }],
    ['a payload of text', entryWith({}, { protoPayload: 'x' }), { reject: 'shape' }],
    ['no ids', entryWith({}, { operation: {}, insertId: undefined }), { reject: 'no-audit-id' }],
    [
      'a part of a split entry',
      entryWith({}, { split: { uid: 'u', index: 1, totalSplits: 3 } }),
      { reject: 'split-entry' },
    ],
    ['nothing at all', {}, { reject: 'no-proto-payload' }],
  ] as const)
    it(`${why} → ${JSON.stringify(outcome)}`, () => {
      expect(decodeEntry(entry as Json)).toEqual(outcome);
    });

  it('decode of a file takes entries of any cluster, and plain Events as they are', () => {
    const entry = entryWith({}, resource({ cluster_name: 'other' }));
    expect(decodeEntry(entry, null)).toHaveProperty('event');
    expect(decodeEntry(entryWith({}, { resource: undefined }), null)).toHaveProperty('event');
    const line = textOf(decodeEntry(entry, null));
    expect(textOf(decodeEntry(line, null))).toBe(line);
  });

  for (const [text, reject] of [
    ['', 'not-json'],
    ['nonsense', 'not-json'],
    ['{"insertId":"a"', 'not-json'],
    [`${JSON.stringify(entryWith())} {}`, 'not-json'],
    ['[]', 'not-an-object'],
    ['null', 'not-an-object'],
    ['{"insertId":"a","insertId":"b"}', 'repeated-member'],
    [`{"a":${'['.repeat(20_000)}`, 'not-json'],
  ] as const)
    it(`${text.slice(0, 40)} → ${reject}`, () => {
      expect(decodeEntry(text)).toEqual({ reject });
    });
  it('bytes that are no UTF-8 → invalid-utf8', () => {
    expect(decodeEntry(Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')]))).toEqual({
      reject: 'invalid-utf8',
    });
  });

  it('unknown members anywhere change nothing', () => {
    const entry = entryWith();
    const more = {
      ...entry,
      newField: { a: [1] },
      protoPayload: { ...(entry['protoPayload'] as Json), 'x.y/z': null, metadata: { b: [[]] } },
    };
    expect(textOf(decodeEntry(more))).toBe(textOf(decodeEntry(entry)));
  });

  it('any member taken away, or of any other type, gives an Event, a skip or a reject, never a throw', () => {
    const paths = (value: unknown, path: readonly string[] = []): (readonly string[])[] =>
      typeof value !== 'object' || value === null || Array.isArray(value)
        ? []
        : Object.keys(value).flatMap((key) => [[...path, key], ...paths((value as Json)[key], [...path, key])]);
    const whole = entryWith(
      {
        request: { '@type': 't', metadata: {} },
        response: { kind: 'Status', apiVersion: 'v1', code: 404, details: {} },
      },
      { labels: { a: 'b' } },
    );
    for (const path of paths(whole))
      for (const value of [undefined, null, true, 7, 'text', '', [], ['x'], {}, { code: 'x' }]) {
        const entry = structuredClone(whole);
        const holder = path.slice(0, -1).reduce((at, key) => at[key] as Json, entry);
        if (value === undefined) delete holder[path.at(-1)!];
        else holder[path.at(-1)!] = value;
        const decoded = decodeEntry(entry);
        if ('event' in decoded) expect(scanEvent(decoded.event)).not.toHaveProperty('not');
        else expect(Object.values(decoded)[0]).toMatch(/^[a-z-]+$/);
      }
  });
});
