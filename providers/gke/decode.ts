// One LogEntry of Cloud Logging → Event. Pure. What the entry doesn't tell stays absent; what had to be derived is listed in `auditkeep/inferred`.

import { isUtf8 } from 'node:buffer';
import { isIP } from 'node:net';
import { type Decoded, nameAt, type ProviderRecord, skipSpace, walkObject } from '../../src/provider.ts';
import { type ObjectRef, requestOf } from './names.ts';
import type { GkeOptions } from './options.ts';
import { GRPC_NAMES, httpCode } from './status.ts';
import { toMicroTime } from './timestamp.ts';
import { compact, createWalker, REPEATED, stringAt } from './walk.ts';

const SERVICE = 'k8s.io';
const AUDIT_LOGS = /\/logs\/cloudaudit\.googleapis\.com(%2F|\/)(activity|data_access)$/;
/** A label that belongs into user.extra upstream. */
const CREDENTIAL_ID = 'authentication.kubernetes.io/credential-id';

const entry = createWalker({
  kind: true,
  insertId: true,
  logName: true,
  timestamp: true,
  labels: true,
  split: true,
  operation: { id: true, first: true, last: true },
  resource: { labels: { project_id: true, location: true, cluster_name: true } },
  protoPayload: {
    serviceName: true,
    methodName: true,
    resourceName: true,
    authenticationInfo: { principalEmail: true, principalSubject: true, authoritySelector: true },
    requestMetadata: { callerIp: true, callerSuppliedUserAgent: true },
    status: { code: true, message: true },
    request: { '@type': true, metadata: { generateName: true } },
    response: {
      '@type': true,
      kind: true,
      apiVersion: true,
      metadata: { name: true },
      status: true,
      message: true,
      reason: true,
      details: true,
      code: true,
    },
  },
});

type Path = Parameters<typeof entry.from>[0];

const NULL = 0x6e;
const TRUE = 0x74;
const QUOTE = 0x22;

// the entry in hand
let u: Buffer = Buffer.alloc(0);

const has = (path: Path): boolean => entry.from(path) >= 0 && u[entry.from(path)] !== NULL;
const text = (path: Path): string | undefined => stringAt(u, entry.from(path), entry.to(path));
const isTrue = (path: Path): boolean => entry.from(path) >= 0 && u[entry.from(path)] === TRUE;

/** The JSON text of a string member, byte for byte; undefined where it is absent, empty or something else. */
function raw(path: Path): string | undefined {
  const from = entry.from(path);
  if (from < 0 || u[from] !== QUOTE || entry.to(path) - from === 2) return undefined;
  return u.toString('utf8', from, entry.to(path));
}

/** A whole number however it is spelled (`7`, `7.0`, `"7"`); undefined if it is none. */
function whole(path: Path): number | undefined {
  const from = entry.from(path);
  if (from < 0) return undefined;
  const n = Number(text(path) ?? u.toString('latin1', from, entry.to(path)));
  return Number.isInteger(n) && Math.abs(n) < 2 ** 31 ? n : undefined;
}

/** The body without the `@type` that the protocol adds at its root. */
function body(path: 'protoPayload.request' | 'protoPayload.response'): Buffer[] | undefined {
  if (!has(path)) return undefined;
  const from = entry.from(path);
  const to = entry.to(path);
  const typeFrom = entry.name(`${path}.@type`);
  if (typeFrom < 0) return [u.subarray(from, to)];
  const after = skipSpace(u, entry.to(`${path}.@type`), to);
  if (u[after] === 0x2c) return [u.subarray(from, typeFrom), u.subarray(skipSpace(u, after + 1, to), to)];
  // the last member: the comma before it goes as well
  let before = typeFrom - 1;
  while (u[before] !== 0x2c && u[before] !== 0x7b) before--;
  return [u.subarray(from, u[before] === 0x2c ? before : before + 1), u.subarray(after, to)];
}

/** Status.details as an Event may have them: numbers of a Struct are doubles, but this one has to be an integer. */
function details(): string | undefined {
  const from = entry.from('protoPayload.response.details');
  if (from < 0 || u[from] !== 0x7b) return undefined;
  const json = u.toString('utf8', from, entry.to('protoPayload.response.details'));
  return json.replace(
    /("retryAfterSeconds":\s*)(-?\d[\d.eE+-]*)/,
    (_, name: string, number: string) => `${name}${Math.trunc(Number(number))}`,
  );
}

interface Outcome {
  readonly json: string;
  readonly inferred: boolean;
  /** gRPC code that the HTTP code was taken from, where it says more than "no error". */
  readonly grpc?: string;
  readonly missing: boolean;
}

function outcome(verb: string, subresource: string | undefined): Outcome {
  const isStatus = text('protoPayload.response.kind') === 'Status' && text('protoPayload.response.apiVersion') === 'v1';
  let json = '{"metadata":{}';
  if (isStatus) {
    for (const name of ['status', 'message', 'reason'] as const) {
      const value = raw(`protoPayload.response.${name}`);
      if (value !== undefined) json += `,"${name}":${value}`;
    }
    const more = details();
    if (more !== undefined) json += `,"details":${more}`;
    const code = whole('protoPayload.response.code');
    if (code !== undefined && code > 0) return { json: `${json},"code":${code}}`, inferred: false, missing: false };
  }
  const grpc = has('protoPayload.status.code') ? whole('protoPayload.status.code') : 0;
  const message = isStatus ? undefined : text('protoPayload.status.message');
  // some entries have no message but the name of the code in its place
  if (message !== undefined && message !== '' && !(GRPC_NAMES as readonly string[]).includes(message))
    json += `,"message":${raw('protoPayload.status.message')!}`;
  const code = grpc === undefined ? undefined : httpCode(grpc, verb, subresource);
  if (code !== undefined) json += `,"code":${code}`;
  return {
    json: `${json}}`,
    inferred: code !== undefined,
    ...(grpc !== 0 && {
      grpc: u.toString('utf8', entry.from('protoPayload.status.code'), entry.to('protoPayload.status.code')),
    }),
    missing: code === undefined,
  };
}

/** JSON text of the annotations by name: labels as they are, plus ours; a label of the same name is never pushed aside. */
type Annotations = Map<string, string>;

/** Undefined where `labels` is no map of strings. */
function labels(): Annotations | undefined {
  const found: Annotations = new Map();
  if (!has('labels')) return found;
  const from = entry.from('labels');
  const end = walkObject(u, from, entry.to('labels'), (nameFrom, nameTo, valueFrom, valueTo) => {
    if (u[valueFrom] !== QUOTE) return -1;
    found.set(nameAt(u, nameFrom, nameTo), u.toString('utf8', valueFrom, valueTo));
    return 0;
  });
  return end < 0 ? undefined : found;
}

function note(annotations: Annotations, what: string, value: string): void {
  let name = `auditkeep/${what}`;
  while (annotations.has(name)) name += '-gke';
  annotations.set(name, JSON.stringify(value));
}

function annotationsJson(annotations: Annotations): string {
  return [...annotations]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${JSON.stringify(name)}:${value}`)
    .join(',');
}

function refJson(ref: ObjectRef, generated: string | undefined): string {
  let json = `{"resource":${JSON.stringify(ref.resource)}`;
  if (ref.namespace !== undefined) json += `,"namespace":${JSON.stringify(ref.namespace)}`;
  if (ref.name !== undefined) json += `,"name":${JSON.stringify(ref.name)}`;
  else if (generated !== undefined) json += `,"name":${generated}`;
  if (ref.apiGroup !== undefined) json += `,"apiGroup":${JSON.stringify(ref.apiGroup)}`;
  json += `,"apiVersion":${JSON.stringify(ref.apiVersion)}`;
  if (ref.subresource !== undefined) json += `,"subresource":${JSON.stringify(ref.subresource)}`;
  return `${json}}`;
}

/** Why the entry is no audit event of this cluster's API server; undefined if it is one. */
function foreign(options: GkeOptions | undefined): Decoded | undefined {
  const log = text('logName');
  // a file given to `decode` may also hold plain Events
  if (log === undefined && !has('protoPayload') && text('kind') === 'Event') return { event: u };
  if (log !== undefined && !AUDIT_LOGS.test(log)) return { skip: 'other-log' };
  if (!has('protoPayload')) return { reject: 'no-proto-payload' };
  if (u[entry.from('protoPayload')] !== 0x7b) return { reject: 'shape' };
  const service = text('protoPayload.serviceName');
  if (service === undefined) return { reject: 'no-service-name' };
  if (service !== SERVICE) return { skip: 'other-service' };
  // a file given to `decode` may be of any cluster
  if (options === undefined) return undefined;
  const project = text('resource.labels.project_id');
  const location = text('resource.labels.location');
  const cluster = text('resource.labels.cluster_name');
  if (project === undefined || location === undefined || cluster === undefined) return { reject: 'no-resource' };
  const same = project === options.project && location === options.location && cluster === options.cluster;
  return same ? undefined : { skip: 'other-cluster' };
}

function convert(options: GkeOptions | undefined): Decoded {
  const other = foreign(options);
  if (other !== undefined) return other;
  if (has('split')) return { reject: 'split-entry' };

  const methodName = text('protoPayload.methodName');
  if (methodName === undefined || methodName === '') return { reject: 'no-method-name' };
  const request = requestOf(methodName, text('protoPayload.resourceName') ?? '');
  if (request === undefined) return { reject: has('protoPayload.resourceName') ? 'shape' : 'no-resource-name' };
  const time = toMicroTime(text('timestamp') ?? '');
  if (time === undefined) return { reject: 'bad-timestamp' };
  const auditId = raw('operation.id') ?? raw('insertId');
  if (auditId === undefined) return { reject: 'no-audit-id' };
  const annotations = labels();
  if (annotations === undefined) return { reject: 'shape' };

  const inferred = ['level', 'requestReceivedTimestamp', 'requestURI', 'stage'];
  if (raw('operation.id') === undefined) inferred.push('auditID');
  const requestBody = body('protoPayload.request');
  const responseBody = body('protoPayload.response');
  const level = responseBody !== undefined ? 'RequestResponse' : requestBody !== undefined ? 'Request' : 'Metadata';
  // a 401 is both first and last here, though the API server writes it as ResponseStarted: as that it could be omitted by policy
  const stage = isTrue('operation.first') && !isTrue('operation.last') ? 'ResponseStarted' : 'ResponseComplete';

  const { verb, uri, ref } = request;
  let head = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"${level}","auditID":${auditId},"stage":"${stage}"`;
  head += `,"requestURI":${JSON.stringify(uri)},"verb":${JSON.stringify(verb)},"user":${userJson(annotations, inferred)}`;
  const selector = raw('protoPayload.authenticationInfo.authoritySelector');
  // alone it may also be the name of an anonymous caller
  if (selector !== undefined && has('protoPayload.authenticationInfo.principalEmail')) {
    head += `,"impersonatedUser":{"username":${selector}}`;
    inferred.push('impersonatedUser');
  }
  const caller = text('protoPayload.requestMetadata.callerIp') ?? '';
  if (isIP(caller) !== 0) head += `,"sourceIPs":[${raw('protoPayload.requestMetadata.callerIp')!}]`;
  // `private`, `gce-internal-ip`: words where an address should be
  else if (caller !== '') note(annotations, 'caller-ip', caller);
  const agent = raw('protoPayload.requestMetadata.callerSuppliedUserAgent');
  if (agent !== undefined) head += `,"userAgent":${agent}`;
  if (ref !== undefined) {
    const mayGenerate = ref.name === undefined && verb === 'create' && ref.subresource === undefined;
    const generated =
      mayGenerate && raw('protoPayload.request.metadata.generateName') !== undefined
        ? raw('protoPayload.response.metadata.name')
        : undefined;
    if (generated !== undefined) inferred.push('objectRef.name');
    head += `,"objectRef":${refJson(ref, generated)}`;
  }
  const result = outcome(verb, ref?.subresource);
  if (result.inferred) inferred.push('responseStatus.code');
  if (result.missing) note(annotations, 'missing', 'responseStatus.code');
  if (result.grpc !== undefined) note(annotations, 'grpc-code', result.grpc);
  head += `,"responseStatus":${result.json}`;

  note(annotations, 'inferred', inferred.sort().join(','));
  const tail =
    `,"requestReceivedTimestamp":"${time}","stageTimestamp":"${time}"` +
    `,"annotations":{${annotationsJson(annotations)}}}`;
  const pieces: Buffer[] = [Buffer.from(head)];
  if (requestBody !== undefined) pieces.push(REQUEST_OBJECT, ...requestBody);
  if (responseBody !== undefined) pieces.push(RESPONSE_OBJECT, ...responseBody);
  pieces.push(Buffer.from(tail));
  return { event: Buffer.concat(pieces) };
}

const REQUEST_OBJECT = Buffer.from(',"requestObject":');
const RESPONSE_OBJECT = Buffer.from(',"responseObject":');

/** Takes the credential's id out of the annotations: there it is only on GKE. */
function userJson(annotations: Annotations, inferred: string[]): string {
  const members: string[] = [];
  const email = raw('protoPayload.authenticationInfo.principalEmail');
  // identities of a workforce or workload pool have no address
  const subject = email === undefined ? raw('protoPayload.authenticationInfo.principalSubject') : undefined;
  if (subject !== undefined) inferred.push('user.username');
  const username = email ?? subject;
  if (username !== undefined) members.push(`"username":${username}`);
  const credential = annotations.get(CREDENTIAL_ID);
  if (credential !== undefined) {
    annotations.delete(CREDENTIAL_ID);
    members.push(`"extra":{"${CREDENTIAL_ID}":[${credential}]}`);
  }
  return `{${members.join(',')}}`;
}

/**
 * Skips: `other-log`, `other-service`, `other-cluster`. Rejects: `shape` (the names don't fit together, or members are of the wrong kind),
 * `no-method-name`, `no-resource-name`, `no-resource`, `no-proto-payload`, `no-service-name`, `no-audit-id`, `bad-timestamp`, `split-entry`,
 * `repeated-member`, `invalid-utf8`, `not-json`, `not-an-object`.
 * @param options undefined: the entry may be of any cluster
 */
export function decode(record: ProviderRecord, options: GkeOptions | undefined): Decoded {
  const { content } = record;
  if (!isUtf8(content)) return { reject: 'invalid-utf8' };
  // printed over many lines: an Event has to be one line
  u = content.includes(0x0a) ? compact(content) : content;
  try {
    const start = skipSpace(u, 0, u.length);
    const end = entry.walk(u, start, u.length);
    if (end === REPEATED) return { reject: 'repeated-member' };
    if (end < 0 || skipSpace(u, end, u.length) !== u.length) return { reject: 'not-json' };
    if (u[start] !== 0x7b) return { reject: 'not-an-object' };
    return convert(options);
  } finally {
    u = EMPTY;
  }
}

const EMPTY = Buffer.alloc(0);
