// A random Event, written as GKE would, read again: all comes back that this form can carry.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { logEntryOf } from '../../emulators/story/gke.ts';
import { scanEvent } from '../../src/event.ts';
import { decodeEntry, type Json, textOf, without } from './gke-entries.ts';
import { CLUSTER } from './gke-harness.ts';

describe('a random event, written as GKE does, and read again', () => {
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
  const text = fc.string({ unit: 'binary', maxLength: 20 });
  const body = fc.option(
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

  const parts = fc.record({
    auditID: fc.uuid(),
    group,
    version: fc.constantFrom('v1', 'v1beta1', 'v1alpha2'),
    namespace: fc.option(name, { nil: undefined }),
    resource: name.filter((n) => n !== 'namespaces'),
    name: fc.option(oddName, { nil: undefined }),
    subresource: fc.option(fc.constantFrom('status', 'scale', 'exec', 'log'), { nil: undefined }),
    verb: fc.constantFrom('get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'),
    username: fc.option(
      text.filter((t) => t !== ''),
      { nil: undefined },
    ),
    impersonated: fc.option(name, { nil: undefined }),
    groups: fc.array(name),
    credential: fc.option(text, { nil: undefined }),
    ip: fc.option(fc.oneof(fc.ipV4(), fc.ipV6()), { nil: undefined }),
    agent: fc.option(
      text.filter((t) => t !== ''),
      { nil: undefined },
    ),
    outcome: fc.constantFrom(...OUTCOMES),
    message: fc.option(
      text.filter((t) => t !== ''),
      { nil: undefined },
    ),
    request: body,
    response: body,
    micros,
    annotations: fc.dictionary(fc.stringMatching(/^[a-z.]{1,12}\/[a-z-]{1,8}$/), text, { maxKeys: 4 }),
  });

  it('returns all that the form can carry', () => {
    fc.assert(
      fc.property(parts, (p) => {
        const collection = ['list', 'watch', 'deletecollection'].includes(p.verb);
        const subresource = p.name === undefined || collection ? undefined : p.subresource;
        const isLong = p.verb === 'watch' || subresource === 'exec' || subresource === 'log';
        const [code, comes] = p.outcome;
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
        const entry = logEntryOf(line, CLUSTER, '2026-06-22T10:00:00.123456789Z')!;
        const decoded = decodeEntry(entry);
        const out = JSON.parse(textOf(decoded)) as Json;
        if ('event' in decoded) expect(scanEvent(decoded.event)).not.toHaveProperty('not');
        const success = subresource === 'exec' ? 101 : p.verb === 'create' ? 201 : 200;
        const throughJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value) ?? 'null');
        const level = p.response !== undefined ? 'RequestResponse' : p.request !== undefined ? 'Request' : 'Metadata';
        const annotations = without(out['annotations'] as Json, 'auditkeep/inferred', 'auditkeep/grpc-code');
        expect({ ...out, annotations }).toEqual(
          throughJson({
            kind: 'Event',
            apiVersion: 'audit.k8s.io/v1',
            level,
            auditID: p.auditID,
            stage,
            requestURI: `${path}${p.verb === 'watch' ? '?watch=true' : ''}`,
            verb: p.verb,
            user: {
              username: p.username,
              ...(p.credential !== undefined && {
                extra: { 'authentication.kubernetes.io/credential-id': [p.credential] },
              }),
            },
            ...(p.impersonated !== undefined &&
              p.username !== undefined && { impersonatedUser: { username: p.impersonated } }),
            ...(p.ip !== undefined && { sourceIPs: [p.ip] }),
            userAgent: p.agent,
            objectRef,
            responseStatus: {
              metadata: {},
              ...(code !== 200 && p.message !== undefined && { message: p.message }),
              code: code === 200 ? success : comes,
            },
            requestObject: p.request,
            responseObject: p.response,
            requestReceivedTimestamp: six,
            stageTimestamp: six,
            annotations: p.annotations,
          }) as Json,
        );
      }),
      { numRuns: 400 },
    );
  });

  it('any text at all as content is an Event, a skip or a reject', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          fc.string(),
          fc.uint8Array().map((b) => Buffer.from(b)),
        ),
        (content) => {
          const decoded = decodeEntry(content);
          expect(Object.keys(decoded)).toHaveLength(1);
        },
      ),
    );
  });
});
