// What rejects/ keeps of the envelopes of AKS and GKE: their metadata, and never anything of a body.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toAuditRow, toDiagnosticsRow, toEnvelope } from '../../emulators/story/aks.ts';
import { logEntryOf } from '../../emulators/story/gke.ts';
import { cutPrefix } from '../../src/collect/reject-prefix.ts';

const SECRET = 'hunter2';
const PATCH = 'patch.webhook.admission.k8s.io/round_0_index_0';
const ORIGIN = { resource: '/subscriptions/s/resourceGroups/g/managedClusters/shop', pod: 'kube-apiserver-x' };
const CLUSTER = { project: 'acme', location: 'europe-west1', cluster: 'data' };

const secret = {
  kind: 'Secret',
  apiVersion: 'v1',
  metadata: { name: 'db' },
  data: { [SECRET]: SECRET, list: [SECRET] },
};
const token = { kind: 'TokenRequest', apiVersion: 'authentication.k8s.io/v1', status: { token: SECRET } };

function eventOf(body: object, annotations: Record<string, string>): Record<string, unknown> {
  return {
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'RequestResponse',
    auditID: '0b7a3a4e-4c1d-4f0a-9d7e-1f2a3b4c5d6e',
    stage: 'ResponseComplete',
    requestURI: '/api/v1/namespaces/shop/secrets',
    verb: 'create',
    user: { username: 'kim', groups: ['dev'] },
    sourceIPs: ['10.0.0.1'],
    userAgent: 'kubectl/v1.34.0',
    objectRef: { resource: 'secrets', namespace: 'shop', name: 'db', apiVersion: 'v1' },
    responseStatus: { metadata: {}, code: 201 },
    requestObject: body,
    responseObject: body,
    requestReceivedTimestamp: '2026-06-22T10:00:00.000001Z',
    stageTimestamp: '2026-06-22T10:00:00.000123Z',
    annotations,
  };
}

type Json = Record<string, unknown>;
const entryOf = (line: string) => logEntryOf(line, CLUSTER, '2026-06-22T10:00:01.5Z')!;
const FORMS: Readonly<Record<string, (line: string) => Json>> = {
  LogEntry: (line) => {
    const entry = entryOf(line);
    const payload = { ...(entry['protoPayload'] as Json), metadata: { x: SECRET }, serviceData: SECRET };
    return { ...entry, protoPayload: payload, jsonPayload: { x: SECRET }, textPayload: SECRET };
  },
  'row of AKSAudit': (line) => ({ ...toAuditRow(line, ORIGIN) }),
  'row of AKSAudit with objects': (line) =>
    Object.fromEntries(
      Object.entries(toAuditRow(line, ORIGIN)).map(([name, value]) => [
        name,
        value?.startsWith('{') === true ? JSON.parse(value) : value,
      ]),
    ),
  'row of AzureDiagnostics': (line) => ({ ...toDiagnosticsRow(line, ORIGIN) }),
  'row that has spilled': (line) => ({ ...toDiagnosticsRow(line, ORIGIN, { spilled: true }) }),
  envelope: (line) => JSON.parse(toEnvelope(line, ORIGIN)) as Json,
};

/** The same value with the members of each object in another order. */
function shuffled(value: unknown, order: (n: number) => number): unknown {
  if (Array.isArray(value)) return value.map((one) => shuffled(one, order));
  if (typeof value !== 'object' || value === null) return value;
  const rest = Object.entries(value);
  const members: [string, unknown][] = [];
  while (rest.length > 0) {
    const [[name, inner]] = rest.splice(order(rest.length), 1) as [[string, unknown]];
    members.push([name, shuffled(inner, order)]);
  }
  return Object.fromEntries(members);
}

/** Text of a cloud's record whose bodies, patches and unknown members hold SECRET. */
const records = fc
  .record({
    form: fc.constantFrom(...Object.keys(FORMS)),
    body: fc.constantFrom(secret, token, { ...secret, items: [secret, token] }),
    patched: fc.boolean(),
    choices: fc.array(fc.nat(1000), { minLength: 40, maxLength: 40 }),
    isShuffled: fc.boolean(),
  })
  .map(({ form, body, patched, choices, isShuffled }) => {
    const annotations = { a: '1', ...(patched && { [PATCH]: SECRET }), z: '2' };
    const record = FORMS[form]!(JSON.stringify(eventOf(body, annotations)));
    let next = 0;
    const order = (n: number) => (isShuffled ? choices[next++ % choices.length]! % n : 0);
    return { form, patched, text: Buffer.from(JSON.stringify(shuffled(record, order))) };
  });

describe('cutPrefix of a cloud’s record', () => {
  it('never holds what a body holds, in whatever order its members stand and wherever it is cut', () => {
    fc.assert(
      fc.property(records, fc.double({ min: 0, max: 1, noNaN: true }), ({ text }, share) => {
        expect(text.includes(SECRET)).toBe(true);
        for (const content of [text, text.subarray(0, Math.floor(share * text.length))]) {
          const kept = cutPrefix(content);
          expect(kept.toString()).not.toContain(SECRET);
          expect(content.subarray(0, kept.length).equals(kept)).toBe(true);
          expect(kept.length).toBeLessThanOrEqual(4096);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('never holds it when a byte is broken, names of patches apart', () => {
    fc.assert(
      fc.property(
        records.filter(({ patched }) => !patched),
        fc.nat(),
        fc.integer({ min: 1, max: 127 }),
        ({ text }, where, bits) => {
          const broken = Buffer.from(text);
          broken[where % text.length]! ^= bits;
          expect(cutPrefix(broken).toString()).not.toContain(SECRET);
        },
      ),
      { numRuns: 2000 },
    );
  });

  const line = JSON.stringify(eventOf(secret, { a: '1' }));
  const keptOf = (record: Json) => cutPrefix(Buffer.from(JSON.stringify(record))).toString();

  it('keeps who, what and when of a LogEntry', () => {
    const { methodName: _, ...payload } = entryOf(line)['protoPayload'] as Json;
    const { request, response, ...told } = payload;
    expect([request, response]).not.toContain(undefined);
    const { protoPayload, ...rest } = entryOf(line);
    expect(protoPayload).toBeDefined();
    const all = { ...rest, protoPayload: { ...told, request, response } };
    expect(keptOf(all)).toBe(JSON.stringify({ ...rest, protoPayload: told }).slice(0, -2));
    // as gcloud and the API write it
    const asSent = keptOf({
      protoPayload: { '@type': 't', authenticationInfo: { principalEmail: 'kim' }, request },
      ...rest,
    });
    expect(asSent).toBe('{"protoPayload":{"@type":"t","authenticationInfo":{"principalEmail":"kim"}');
    // nothing but metadata: all but the last brace
    const bare = { ...rest, protoPayload: { ...told, requestMetadata: { callerIp: '::1', requestAttributes: {} } } };
    expect(keptOf(bare)).toBe(JSON.stringify(bare).slice(0, -1));
  });

  it('keeps the columns of a row up to its first body, and annotations without patches', () => {
    const { RequestObject, ResponseObject, ...told } = toAuditRow(line, ORIGIN);
    expect(keptOf(told)).toBe(JSON.stringify(told).slice(0, -1));
    expect(keptOf({ ...told, RequestObject, ResponseObject })).toBe(JSON.stringify(told).slice(0, -1));
    const { Annotations: _, ...before } = told;
    for (const annotations of [
      `{"a":"1","${PATCH}":"x"}`,
      `{"p\\u0061tch.webhook.admission.k8s.io/x":"x"}`,
      '{',
      'x',
      '[]',
    ])
      expect(keptOf({ ...before, Annotations: annotations })).toBe(JSON.stringify(before).slice(0, -1));
  });

  it('keeps what stands around the log of a record', () => {
    const { log_s, ...row } = toDiagnosticsRow(line, ORIGIN);
    expect(keptOf({ ...row, log_s: log_s! })).toBe(JSON.stringify(row).slice(0, -1));
    expect(keptOf(JSON.parse(toEnvelope(line, ORIGIN)) as Json)).toMatch(
      /^\{"category":"kube-audit","operationName":"[^"]+","properties":\{"pod":"kube-apiserver-x"$/,
    );
  });

  it('stops where a member is not of the kind that it should be', () => {
    expect(keptOf({ insertId: 'x', logName: { a: SECRET } })).toBe('{"insertId":"x"');
    expect(keptOf({ insertId: 'x', operation: { id: 'i', note: SECRET }, logName: 'l' })).toBe(
      '{"insertId":"x","operation":{"id":"i"',
    );
    expect(keptOf({ insertId: 'x', operation: [SECRET] })).toBe('{"insertId":"x"');
    // begins as one form, goes on as another
    expect(keptOf({ insertId: 'x', Verb: 'get', user: 'kim' })).toBe('{"insertId":"x"');
    expect(keptOf({ name: 'x', logName: 'l' })).toBe('{');
  });
});
