// A GKE audit entry to vary, in the shape in which Cloud Logging hands it out.

import { decode } from '../../providers/gke/decode.ts';
import type { Decoded } from '../../src/provider.ts';
import { CLUSTER, parseOptions } from './gke-harness.ts';

export type Json = Record<string, unknown>;

export const ID = '0b7a3a4e-4c1d-4f0a-9d7e-1f2a3b4c5d6e';

/** An entry without labels and bodies; `payload` is laid over its protoPayload, `top` over the entry. `undefined` takes a member away. */
export function entryWith(payload: Json = {}, top: Json = {}): Json {
  const methodName = String(payload['methodName'] ?? 'io.k8s.core.v1.pods.delete');
  const resourceName = String(payload['resourceName'] ?? 'core/v1/namespaces/shop/pods/web-0');
  return {
    insertId: ID,
    logName: `projects/${CLUSTER.project}/logs/cloudaudit.googleapis.com%2Factivity`,
    operation: { first: true, id: ID, last: true, producer: 'k8s.io' },
    protoPayload: {
      '@type': 'type.googleapis.com/google.cloud.audit.AuditLog',
      authenticationInfo: { principalEmail: 'dana@acme.example' },
      authorizationInfo: [{ granted: true, permission: methodName, resource: resourceName }],
      methodName,
      requestMetadata: { callerIp: '203.0.113.7', callerSuppliedUserAgent: 'kubectl/v1.35.1 (linux/amd64)' },
      resourceName,
      serviceName: 'k8s.io',
      status: {},
      ...payload,
    },
    receiveTimestamp: '2026-06-22T10:00:01.123456789Z',
    resource: {
      labels: { cluster_name: CLUSTER.cluster, location: CLUSTER.location, project_id: CLUSTER.project },
      type: 'k8s_cluster',
    },
    timestamp: '2026-06-22T10:00:00.5Z',
    ...top,
  };
}

/** @param entry the entry, or its text as received */
export function decodeEntry(
  entry: Json | string | Buffer,
  options: ReturnType<typeof parseOptions> | null = parseOptions(),
): Decoded {
  const content = Buffer.isBuffer(entry)
    ? entry
    : Buffer.from(typeof entry === 'string' ? entry : JSON.stringify(entry));
  return decode({ arrival: 0, content }, options ?? undefined);
}

export function textOf(decoded: Decoded): string {
  if (!('event' in decoded)) throw new Error(`no event: ${JSON.stringify(decoded)}`);
  return decoded.event.toString('utf8');
}

export const eventOf = (entry: Json | string): Json => JSON.parse(textOf(decodeEntry(entry))) as Json;

export const inferredOf = (event: Json) => (event['annotations'] as Record<string, string>)['auditkeep/inferred'];

/** A copy without some members. */
export const without = (value: Json, ...names: readonly string[]): Json =>
  Object.fromEntries(Object.entries(value).filter(([name]) => !names.includes(name)));
