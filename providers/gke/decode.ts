// One LogEntry of Cloud Logging → Event. Pure. What the entry doesn't tell stays absent; what had to be derived is listed in `auditkeep/inferred`.

import { isUtf8 } from 'node:buffer';
import { isIP } from 'node:net';
import { type Decoded, elements, nameAt, type ProviderRecord, walkObject } from '../../src/provider.ts';
import {
  at,
  body,
  has,
  held,
  heldText,
  hold,
  isTrue,
  json,
  letGo,
  piece,
  places,
  QUOTE,
  raw,
  STATUS_TEXTS,
  text,
  whole,
} from './entry.ts';
import { type ObjectRef, requestOf } from './names.ts';
import type { GkeOptions } from './options.ts';
import { GRPC_NAMES, httpCode } from './status.ts';
import { toMicroTime } from './timestamp.ts';

const SERVICE = 'k8s.io';
const AUDIT_LOGS = /\/logs\/cloudaudit\.googleapis\.com(%2F|\/)(activity|data_access)$/;
/** A label that belongs into user.extra upstream. */
const CREDENTIAL_ID = 'authentication.kubernetes.io/credential-id';

/** Members of an object in the order of `names`, others after them as they come; `value` gives their text, or undefined to leave one out. */
function ordered(
  from: number,
  to: number,
  names: readonly string[],
  value: (name: string, from: number, to: number) => string | undefined,
): string {
  const known: string[] = [];
  const others: string[] = [];
  walkObject(held, from, to, (nameFrom, nameTo, valueFrom, valueTo) => {
    const name = nameAt(held, nameFrom, nameTo);
    const index = names.indexOf(name);
    const found = value(name, valueFrom, valueTo);
    if (found === undefined) return 0;
    if (index >= 0) known[index] = `${json(name)}:${found}`;
    else others.push(`${json(name)}:${found}`);
    return 0;
  });
  return `{${[...known.filter((one) => one !== undefined), ...others].join(',')}}`;
}

const TEXTS = (_: string, from: number, to: number) => (held[from] === QUOTE ? heldText.slice(from, to) : undefined);

/**
 * Status.details as the API server writes it: a Struct has lost the order of its members, and its numbers are doubles where this one is an
 * integer. What couldn't be read as a Status is left out; the body has it.
 */
function details(): string | undefined {
  if (places[at.details]! < 0 || held[places[at.details]!] !== 0x7b) return undefined;
  const names = ['name', 'group', 'kind', 'uid', 'causes', 'retryAfterSeconds'];
  return ordered(places[at.details]!, places[at.details + 1]!, names, (name, from, to) => {
    if (name === 'causes') return held[from] === 0x5b ? causes(from, to) : undefined;
    if (name !== 'retryAfterSeconds') return names.includes(name) ? TEXTS(name, from, to) : heldText.slice(from, to);
    const seconds = Number(heldText.slice(from, to));
    return Number.isInteger(seconds) && Math.abs(seconds) < 2 ** 31 ? String(seconds) : undefined;
  });
}

function causes(from: number, to: number): string {
  const all = elements(held, from, to)
    .filter(([begin]) => held[begin] === 0x7b)
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
  const end = walkObject(held, places[at.labels]!, places[at.labels + 1]!, (nameFrom, nameTo, from, to) => {
    if (held[from] !== QUOTE) return -1;
    const name = heldText.slice(nameFrom, nameTo);
    // one spelling a name, so that none is there twice
    found.push([
      name.includes('\\') ? json(nameAt(held, nameFrom, nameTo)).slice(1, -1) : name,
      heldText.slice(from, to),
    ]);
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
  if (log === undefined && !has(at.payload) && text(at.kind) === 'Event') return { event: held };
  if (log !== undefined && !AUDIT_LOGS.test(log)) return { skip: 'other-log' };
  if (!has(at.payload)) return { reject: 'no-proto-payload' };
  if (held[places[at.payload]!] !== 0x7b) return { reject: 'shape' };
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
  if (!isUtf8(record.content)) return { reject: 'invalid-utf8' };
  try {
    const reason = hold(record.content);
    return reason === undefined ? convert(options) : { reject: reason };
  } finally {
    letGo();
  }
}
