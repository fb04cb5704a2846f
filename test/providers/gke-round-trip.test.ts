// A random Event, written as GKE would, read again: all comes back that this form can carry.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { logEntryOf } from '../../emulators/story/gke.ts';
import { scanEvent } from '../../src/event.ts';
import { decodeEntry, type Json, textOf, without } from './gke-entries.ts';
import { CLUSTER } from './gke-harness.ts';
import { anyRequest, renderRequest } from './random-events.ts';

describe('a random event, written as GKE does, and read again', () => {
  it('returns all that the form can carry', () => {
    fc.assert(
      fc.property(anyRequest, (p) => {
        const { line, path, objectRef, subresource, stage, six } = renderRequest(p);
        const [code, comes] = p.outcome;
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
