// One LogEntry of Cloud Logging → Event. Pure. What the entry doesn't tell stays absent; what had to be derived is listed in `auditkeep/inferred`.

import { isUtf8 } from 'node:buffer';
import { isIP } from 'node:net';
import { type Decoded, elements, nameAt, type ProviderRecord, skipSpace, walkObject } from '../../src/provider.ts';
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

// where each member's place is noted
const at = {
  kind: entry.slot('kind'),
  insertId: entry.slot('insertId'),
  logName: entry.slot('logName'),
  timestamp: entry.slot('timestamp'),
  labels: entry.slot('labels'),
  split: entry.slot('split'),
  operationId: entry.slot('operation.id'),
  first: entry.slot('operation.first'),
  last: entry.slot('operation.last'),
  project: entry.slot('resource.labels.project_id'),
  location: entry.slot('resource.labels.location'),
  cluster: entry.slot('resource.labels.cluster_name'),
  payload: entry.slot('protoPayload'),
  service: entry.slot('protoPayload.serviceName'),
  method: entry.slot('protoPayload.methodName'),
  resource: entry.slot('protoPayload.resourceName'),
  email: entry.slot('protoPayload.authenticationInfo.principalEmail'),
  subject: entry.slot('protoPayload.authenticationInfo.principalSubject'),
  selector: entry.slot('protoPayload.authenticationInfo.authoritySelector'),
  caller: entry.slot('protoPayload.requestMetadata.callerIp'),
  agent: entry.slot('protoPayload.requestMetadata.callerSuppliedUserAgent'),
  grpc: entry.slot('protoPayload.status.code'),
  grpcMessage: entry.slot('protoPayload.status.message'),
  request: entry.slot('protoPayload.request'),
  requestType: entry.slot('protoPayload.request.@type'),
  generateName: entry.slot('protoPayload.request.metadata.generateName'),
  response: entry.slot('protoPayload.response'),
  responseType: entry.slot('protoPayload.response.@type'),
  responseName: entry.slot('protoPayload.response.metadata.name'),
  bodyKind: entry.slot('protoPayload.response.kind'),
  bodyVersion: entry.slot('protoPayload.response.apiVersion'),
  bodyCode: entry.slot('protoPayload.response.code'),
  details: entry.slot('protoPayload.response.details'),
};
/** Members of a Status that an Event copies as they are. */
const STATUS_TEXTS = [
  ['status', entry.slot('protoPayload.response.status')],
  ['message', entry.slot('protoPayload.response.message')],
  ['reason', entry.slot('protoPayload.response.reason')],
] as const;
const { places } = entry;

const NULL = 0x6e;
const TRUE = 0x74;
const QUOTE = 0x22;

// The entry in hand, and the same bytes as a string of one character each: pieces of it cost nothing to take, and come out as they were.
let u: Buffer = Buffer.alloc(0);
let bytes = '';

const has = (slot: number): boolean => places[slot]! >= 0 && u[places[slot]!] !== NULL;
const isTrue = (slot: number): boolean => places[slot]! >= 0 && u[places[slot]!] === TRUE;
const piece = (slot: number): string => bytes.slice(places[slot]!, places[slot + 1]!);

const NOT_PLAIN = /[^\x20-\x5b\x5d-\x7e]/;

/** What a string member means; undefined where there is none. */
function text(slot: number): string | undefined {
  const from = places[slot]!;
  if (from < 0 || u[from] !== QUOTE) return undefined;
  const inside = bytes.slice(from + 1, places[slot + 1]! - 1);
  return NOT_PLAIN.test(inside) ? stringAt(u, from, places[slot + 1]!) : inside;
}

/** The JSON text of a string member, byte for byte; undefined where it is absent, empty or something else. */
function raw(slot: number): string | undefined {
  const from = places[slot]!;
  return from < 0 || u[from] !== QUOTE || places[slot + 1]! - from === 2 ? undefined : piece(slot);
}

/** JSON text of a string, as bytes like the others. */
function json(value: string): string {
  return NOT_PLAIN.test(value) || value.includes('"')
    ? Buffer.from(JSON.stringify(value)).toString('latin1')
    : `"${value}"`;
}

/** A whole number however it is spelled (`7`, `7.0`, `"7"`); undefined if it is none. */
function whole(slot: number): number | undefined {
  const n = Number(text(slot) ?? piece(slot));
  return Number.isInteger(n) && Math.abs(n) < 2 ** 31 ? n : undefined;
}

/** A body without the `@type` that the protocol adds at its root; undefined where there is none. */
function body(slot: number, typeSlot: number): string | undefined {
  if (!has(slot)) return undefined;
  const from = places[slot]!;
  const to = places[slot + 1]!;
  if (places[typeSlot]! < 0) return bytes.slice(from, to);
  const typeFrom = places[typeSlot + 2]!;
  const after = skipSpace(u, places[typeSlot + 1]!, to);
  if (u[after] === 0x2c) return bytes.slice(from, typeFrom) + bytes.slice(skipSpace(u, after + 1, to), to);
  // the last member: the comma before it goes as well
  let before = typeFrom - 1;
  while (u[before] !== 0x2c && u[before] !== 0x7b) before--;
  return bytes.slice(from, u[before] === 0x2c ? before : before + 1) + bytes.slice(after, to);
}

/** Members of an object in the order of `names`, others after them as they come; `value` gives their text, or undefined to leave one out. */
function ordered(
  from: number,
  to: number,
  names: readonly string[],
  value: (name: string, from: number, to: number) => string | undefined,
): string {
  const known: string[] = [];
  const others: string[] = [];
  walkObject(u, from, to, (nameFrom, nameTo, valueFrom, valueTo) => {
    const name = nameAt(u, nameFrom, nameTo);
    const index = names.indexOf(name);
    const found = value(name, valueFrom, valueTo);
    if (found === undefined) return 0;
    if (index >= 0) known[index] = `${json(name)}:${found}`;
    else others.push(`${json(name)}:${found}`);
    return 0;
  });
  return `{${[...known.filter((one) => one !== undefined), ...others].join(',')}}`;
}

const TEXTS = (_: string, from: number, to: number) => (u[from] === QUOTE ? bytes.slice(from, to) : undefined);

/**
 * Status.details as the API server writes it: a Struct has lost the order of its members, and its numbers are doubles where this one is an
 * integer. What couldn't be read as a Status is left out; the body has it.
 */
function details(): string | undefined {
  if (places[at.details]! < 0 || u[places[at.details]!] !== 0x7b) return undefined;
  const names = ['name', 'group', 'kind', 'uid', 'causes', 'retryAfterSeconds'];
  return ordered(places[at.details]!, places[at.details + 1]!, names, (name, from, to) => {
    if (name === 'causes') return u[from] === 0x5b ? causes(from, to) : undefined;
    if (name !== 'retryAfterSeconds') return names.includes(name) ? TEXTS(name, from, to) : bytes.slice(from, to);
    const seconds = Number(bytes.slice(from, to));
    return Number.isInteger(seconds) && Math.abs(seconds) < 2 ** 31 ? String(seconds) : undefined;
  });
}

function causes(from: number, to: number): string {
  const all = elements(u, from, to)
    .filter(([begin]) => u[begin] === 0x7b)
    .map(([begin, end]) => ordered(begin, end, ['reason', 'message', 'field'], TEXTS));
  return `[${all.join(',')}]`;
}

interface Outcome {
  readonly json: string;
  readonly inferred: boolean;
  /** gRPC code that the HTTP code was taken from, where it says more than "no error". */
  readonly grpc: string | undefined;
}

function outcome(verb: string, subresource: string | undefined): Outcome {
  const isStatus = text(at.bodyKind) === 'Status' && text(at.bodyVersion) === 'v1';
  let status = '{"metadata":{}';
  if (isStatus) {
    for (const [name, slot] of STATUS_TEXTS) {
      const value = raw(slot);
      if (value !== undefined) status += `,"${name}":${value}`;
    }
    const more = details();
    if (more !== undefined) status += `,"details":${more}`;
    const code = has(at.bodyCode) ? whole(at.bodyCode) : undefined;
    if (code !== undefined && code > 0) return { json: `${status},"code":${code}}`, inferred: false, grpc: undefined };
  }
  const grpc = has(at.grpc) ? whole(at.grpc) : 0;
  const message = isStatus ? undefined : text(at.grpcMessage);
  // some entries have no message but the name of the code in its place
  if (message !== undefined && message !== '' && !GRPC_NAMES.has(message))
    status += `,"message":${piece(at.grpcMessage)}`;
  const code = grpc === undefined ? undefined : httpCode(grpc, verb, subresource);
  if (code !== undefined) status += `,"code":${code}`;
  return { json: `${status}}`, inferred: code !== undefined, grpc: grpc === 0 ? undefined : piece(at.grpc) };
}

/** Name and JSON text of an annotation, both as they stand in the entry. */
type Annotation = readonly [name: string, value: string];

/** Labels are the annotations; undefined where they are no map of strings. */
function labels(): Annotation[] | undefined {
  const found: Annotation[] = [];
  if (!has(at.labels)) return found;
  const end = walkObject(u, places[at.labels]!, places[at.labels + 1]!, (nameFrom, nameTo, from, to) => {
    if (u[from] !== QUOTE) return -1;
    const name = bytes.slice(nameFrom, nameTo);
    // one spelling a name, so that none is there twice
    found.push([name.includes('\\') ? json(nameAt(u, nameFrom, nameTo)).slice(1, -1) : name, bytes.slice(from, to)]);
    return 0;
  });
  return end < 0 ? undefined : found;
}

/** Adds an annotation of ours; a label of the same name is never pushed aside. */
function note(annotations: Annotation[], what: string, value: string): void {
  let name = `auditkeep/${what}`;
  while (annotations.some(([taken]) => taken === name)) name += '-gke';
  annotations.push([name, json(value)]);
}

function annotationsJson(annotations: Annotation[]): string {
  annotations.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  let all = '';
  for (const [name, value] of annotations) all += `${all === '' ? '' : ','}"${name}":${value}`;
  return all;
}

function refJson(ref: ObjectRef, generated: string | undefined): string {
  let all = `{"resource":${json(ref.resource)}`;
  if (ref.namespace !== undefined) all += `,"namespace":${json(ref.namespace)}`;
  if (ref.name !== undefined) all += `,"name":${json(ref.name)}`;
  else if (generated !== undefined) all += `,"name":${generated}`;
  if (ref.apiGroup !== undefined) all += `,"apiGroup":${json(ref.apiGroup)}`;
  all += `,"apiVersion":${json(ref.apiVersion)}`;
  if (ref.subresource !== undefined) all += `,"subresource":${json(ref.subresource)}`;
  return `${all}}`;
}

/** Why the entry is no audit event of this cluster's API server; undefined if it is one. */
function foreign(options: GkeOptions | undefined): Decoded | undefined {
  const log = text(at.logName);
  // a file given to `decode` may also hold plain Events
  if (log === undefined && !has(at.payload) && text(at.kind) === 'Event') return { event: u };
  if (log !== undefined && !AUDIT_LOGS.test(log)) return { skip: 'other-log' };
  if (!has(at.payload)) return { reject: 'no-proto-payload' };
  if (u[places[at.payload]!] !== 0x7b) return { reject: 'shape' };
  const service = text(at.service);
  if (service === undefined) return { reject: 'no-service-name' };
  if (service !== SERVICE) return { skip: 'other-service' };
  // a file given to `decode` may be of any cluster
  if (options === undefined) return undefined;
  const project = text(at.project);
  const location = text(at.location);
  const cluster = text(at.cluster);
  if (project === undefined || location === undefined || cluster === undefined) return { reject: 'no-resource' };
  const same = project === options.project && location === options.location && cluster === options.cluster;
  return same ? undefined : { skip: 'other-cluster' };
}

/** Takes the credential's id out of the annotations: there it is only on GKE. */
function userJson(annotations: Annotation[], inferred: string[]): string {
  const email = raw(at.email);
  // identities of a workforce or workload pool have no address
  const subject = email === undefined ? raw(at.subject) : undefined;
  if (subject !== undefined) inferred.push('user.username');
  const username = email ?? subject;
  const credential = annotations.findIndex(([name]) => name === CREDENTIAL_ID);
  const extra =
    credential < 0 ? undefined : `"extra":{"${CREDENTIAL_ID}":[${annotations.splice(credential, 1)[0]![1]}]}`;
  if (username === undefined) return `{${extra ?? ''}}`;
  return extra === undefined ? `{"username":${username}}` : `{"username":${username},${extra}}`;
}

/** Levels by the bodies that are there: a lower bound. */
const ALWAYS_INFERRED = ['level', 'requestReceivedTimestamp', 'requestURI', 'stage'];

function convert(options: GkeOptions | undefined): Decoded {
  const other = foreign(options);
  if (other !== undefined) return other;
  if (has(at.split)) return { reject: 'split-entry' };

  const methodName = text(at.method);
  if (methodName === undefined || methodName === '') return { reject: 'no-method-name' };
  const request = requestOf(methodName, text(at.resource) ?? '');
  if (request === undefined) return { reject: has(at.resource) ? 'shape' : 'no-resource-name' };
  const time = toMicroTime(text(at.timestamp) ?? '');
  if (time === undefined) return { reject: 'bad-timestamp' };
  const operationId = raw(at.operationId);
  const auditId = operationId ?? raw(at.insertId);
  if (auditId === undefined) return { reject: 'no-audit-id' };
  const annotations = labels();
  if (annotations === undefined) return { reject: 'shape' };

  const inferred = ALWAYS_INFERRED.slice();
  if (operationId === undefined) inferred.push('auditID');
  const requestBody = body(at.request, at.requestType);
  const responseBody = body(at.response, at.responseType);
  const level = responseBody !== undefined ? 'RequestResponse' : requestBody !== undefined ? 'Request' : 'Metadata';
  // a 401 is both first and last here, though the API server writes it as ResponseStarted: as that it could be omitted by policy
  const stage = isTrue(at.first) && !isTrue(at.last) ? 'ResponseStarted' : 'ResponseComplete';

  const { verb, uri, ref } = request;
  let line = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"${level}","auditID":${auditId},"stage":"${stage}"`;
  line += `,"requestURI":${json(uri)},"verb":${json(verb)},"user":${userJson(annotations, inferred)}`;
  const selector = raw(at.selector);
  // alone it may also be the name of an anonymous caller
  if (selector !== undefined && raw(at.email) !== undefined) {
    line += `,"impersonatedUser":{"username":${selector}}`;
    inferred.push('impersonatedUser');
  }
  const caller = text(at.caller) ?? '';
  if (isIP(caller) !== 0) line += `,"sourceIPs":["${caller}"]`;
  // `private`, `gce-internal-ip`: words where an address should be
  else if (caller !== '') note(annotations, 'caller-ip', caller);
  const agent = raw(at.agent);
  if (agent !== undefined) line += `,"userAgent":${agent}`;
  if (ref !== undefined) {
    const mayGenerate = ref.name === undefined && verb === 'create' && ref.subresource === undefined;
    const generated = mayGenerate && raw(at.generateName) !== undefined ? raw(at.responseName) : undefined;
    if (generated !== undefined) inferred.push('objectRef.name');
    line += `,"objectRef":${refJson(ref, generated)}`;
  }
  const result = outcome(verb, ref?.subresource);
  if (result.inferred) inferred.push('responseStatus.code');
  else if (result.grpc !== undefined) note(annotations, 'missing', 'responseStatus.code');
  if (result.grpc !== undefined) note(annotations, 'grpc-code', result.grpc);
  line += `,"responseStatus":${result.json}`;
  if (requestBody !== undefined) line += `,"requestObject":${requestBody}`;
  if (responseBody !== undefined) line += `,"responseObject":${responseBody}`;

  note(annotations, 'inferred', inferred.sort().join(','));
  line += `,"requestReceivedTimestamp":"${time}","stageTimestamp":"${time}","annotations":{${annotationsJson(annotations)}}}`;
  return { event: Buffer.from(line, 'latin1') };
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
    bytes = u.toString('latin1');
    return convert(options);
  } finally {
    u = EMPTY;
    bytes = '';
  }
}

const EMPTY = Buffer.alloc(0);
