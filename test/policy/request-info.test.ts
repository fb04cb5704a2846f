import { describe, expect, it } from 'vitest';
import { attributesFromUri, attributesOf, requestInfo } from '../../src/policy/request-info.ts';
import { readPath } from '../../src/policy/request-path.ts';
import { fixture, hasShared, makeEvent, readLines, SHARED } from './lines.ts';

interface Case {
  method: string;
  url: string;
  requestInfo: Record<string, unknown> | null;
  error?: string;
}

function check(cases: readonly Case[]) {
  for (const { method, url, requestInfo: expected, error } of cases) {
    const info = requestInfo(method, url);
    const at = `${method} ${url}`;
    if (expected === null) {
      expect(info, at).toBeUndefined();
      continue;
    }
    expect(info, at).toBeDefined();
    expect({ at, isResourceRequest: info!.resourceRequest, ...info }).toMatchObject({ at, ...expected });
    expect(info!.bare, at).toBe(error !== undefined);
  }
}

const readCases = (file: string) => readLines(file).map((line) => JSON.parse(line.toString('utf8')) as Case);

describe('requestInfo', () => {
  it('equals Kubernetes on a sample of request lines', () => {
    const cases = readCases(fixture('requestinfo.ndjson'));
    expect(cases.length).toBeGreaterThan(50);
    check(cases);
  });

  it.skipIf(!hasShared)('equals Kubernetes on all of them', () => {
    const cases = readCases(`${SHARED}data/requestinfo.ndjson.gz`);
    expect(cases.length).toBeGreaterThan(200);
    check(cases);
  });
});

describe('attributesOf', () => {
  it('takes them from the URI and the verb, not from objectRef', () => {
    const event = makeEvent({
      requestURI: '/apis/apps/v1/namespaces/shop/deployments',
      objectRef: { resource: 'deployments', namespace: 'shop', name: 'filled-in-later', apiGroup: 'apps' },
    });
    expect(attributesOf(event)).toEqual({
      user: { username: 'alice', groups: ['developers'] },
      verb: 'create',
      namespace: 'shop',
      name: '',
      resource: 'deployments',
      subresource: '',
      apiGroup: 'apps',
      resourceRequest: true,
      path: '/apis/apps/v1/namespaces/shop/deployments',
    });
  });

  it('takes the name of a list or watch from the field selector, of nothing else', () => {
    const name = (verb: string, requestURI: string) => attributesOf(makeEvent({ verb, requestURI })).name;
    const selector = 'fieldSelector=metadata.name%3Dweb';
    expect(name('list', `/api/v1/pods?${selector}`)).toBe('web');
    expect(name('watch', `/api/v1/pods?watch&${selector}`)).toBe('web');
    expect(name('deletecollection', `/api/v1/pods?${selector}`)).toBe('');
    expect(name('watch', `/api/v1/watch/pods?${selector}`)).toBe('');
    expect(name('list', `/api/v1/pods?${selector}&limit=x`)).toBe('');
    expect(name('list', `/api/v1/pods?${selector}&labelSelector=a+in+(b,,c)`)).toBe('web');
    expect(name('list', `/api/v1/pods?${selector}&labelSelector=a+in+(b`)).toBe('');
  });

  it('falls back to objectRef where the URI is missing or broken', () => {
    const objectRef = { resource: 'pods', subresource: 'exec', namespace: 'shop', name: 'web' };
    for (const requestURI of ['', '/api/v1/%zz', 'core/v1/pods'])
      expect(attributesOf(makeEvent({ requestURI, objectRef }))).toMatchObject({ ...objectRef, resourceRequest: true });
    expect(attributesOf(makeEvent({ requestURI: '' }))).toMatchObject({ resourceRequest: false, path: '' });
  });

  it('takes the authenticated user, never the impersonated one', () => {
    const impersonatedUser = { username: 'bob', groups: ['b'] };
    expect(attributesOf(makeEvent({ user: {}, impersonatedUser })).user).toBeNull();
    expect(attributesOf(makeEvent({ user: { groups: ['g'] }, impersonatedUser })).user).toEqual({
      username: '',
      groups: ['g'],
    });
  });
});

describe('attributesFromUri', () => {
  it('says of a path what it said before, however many come in between', () => {
    const paths = Array.from({ length: 5000 }, (_, i) => [
      `/api/v1/namespaces/n${i % 7}/pods/p${i}/log`,
      `/apis/apps/v1/deployments/${i}`,
      `/healthz/${i}`,
      `/api/v1/watch/namespaces/n${i}`,
      // too long to be kept
      `/api/v1/namespaces/default/secrets/${'s'.repeat(600)}${i}`,
    ]).flat();
    for (const path of [...paths, ...paths.slice(-20), ...paths.slice(-20)]) {
      const { namespace, resource, subresource, name, apiGroup, resourceRequest } = readPath(path);
      expect(attributesFromUri(`${path}?watch=true`, 'watch', null)).toEqual({
        user: null,
        verb: 'watch',
        path,
        namespace,
        resource,
        subresource,
        name,
        apiGroup,
        resourceRequest,
      });
    }
  });
});
