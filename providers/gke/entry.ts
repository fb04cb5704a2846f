// The LogEntry in hand: where its members lie, and what they say. One at a time, for decode.ts takes pieces of it without a copy.

import { skipSpace } from '../../src/provider.ts';
import { compact, createWalker, REPEATED, stringAt } from './walk.ts';

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

/** Where each member's place is noted: its index in `places`. */
export const at = {
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
export const STATUS_TEXTS = [
  ['status', entry.slot('protoPayload.response.status')],
  ['message', entry.slot('protoPayload.response.message')],
  ['reason', entry.slot('protoPayload.response.reason')],
] as const;
/** At a member's index its value's begin in `held`, -1 where absent; then its end, and where its name begins. */
export const { places } = entry;

const NULL = 0x6e;
const TRUE = 0x74;
export const QUOTE = 0x22;

const EMPTY = Buffer.alloc(0);

/** The entry in hand. */
export let held: Buffer = EMPTY;
/** The same bytes as a string of one character each: pieces of it cost nothing to take, and come out as they were. */
export let heldText = '';

/**
 * Takes an entry in hand, UTF-8, until `letGo`; or says why it is none.
 * @returns the reason of a reject: `repeated-member`, `not-json`, `not-an-object`
 */
export function hold(content: Buffer): string | undefined {
  // printed over many lines: an Event has to be one line
  held = content.includes(0x0a) ? compact(content) : content;
  const start = skipSpace(held, 0, held.length);
  const end = entry.walk(held, start, held.length);
  if (end === REPEATED) return 'repeated-member';
  if (end < 0 || skipSpace(held, end, held.length) !== held.length) return 'not-json';
  if (held[start] !== 0x7b) return 'not-an-object';
  heldText = held.toString('latin1');
  return undefined;
}

/** Nothing is in hand any more: an entry may hold the memory of its whole page. */
export function letGo(): void {
  held = EMPTY;
  heldText = '';
}

/** Is there such a member, and not null? */
export const has = (slot: number): boolean => places[slot]! >= 0 && held[places[slot]!] !== NULL;
export const isTrue = (slot: number): boolean => places[slot]! >= 0 && held[places[slot]!] === TRUE;
/** The JSON text of a member that is there. */
export const piece = (slot: number): string => heldText.slice(places[slot]!, places[slot + 1]!);

const NOT_PLAIN = /[^\x20-\x5b\x5d-\x7e]/;

/** What a string member means; undefined where there is none. */
export function text(slot: number): string | undefined {
  const from = places[slot]!;
  if (from < 0 || held[from] !== QUOTE) return undefined;
  const inside = heldText.slice(from + 1, places[slot + 1]! - 1);
  return NOT_PLAIN.test(inside) ? stringAt(held, from, places[slot + 1]!) : inside;
}

/** The JSON text of a string member, byte for byte; undefined where it is absent, empty or something else. */
export function raw(slot: number): string | undefined {
  const from = places[slot]!;
  return from < 0 || held[from] !== QUOTE || places[slot + 1]! - from === 2 ? undefined : piece(slot);
}

/** JSON text of a string, as bytes like the others. */
export function json(value: string): string {
  return NOT_PLAIN.test(value) || value.includes('"')
    ? Buffer.from(JSON.stringify(value)).toString('latin1')
    : `"${value}"`;
}

/** A whole number however it is spelled (`7`, `7.0`, `"7"`); undefined if it is none. */
export function whole(slot: number): number | undefined {
  const n = Number(text(slot) ?? piece(slot));
  return Number.isInteger(n) && Math.abs(n) < 2 ** 31 ? n : undefined;
}

/** A body without the `@type` that the protocol adds at its root; undefined where there is none. */
export function body(slot: number, typeSlot: number): string | undefined {
  if (!has(slot)) return undefined;
  const from = places[slot]!;
  const to = places[slot + 1]!;
  if (places[typeSlot]! < 0) return heldText.slice(from, to);
  const typeFrom = places[typeSlot + 2]!;
  const after = skipSpace(held, places[typeSlot + 1]!, to);
  if (held[after] === 0x2c) return heldText.slice(from, typeFrom) + heldText.slice(skipSpace(held, after + 1, to), to);
  // the last member: the comma before it goes as well
  let before = typeFrom - 1;
  while (held[before] !== 0x2c && held[before] !== 0x7b) before--;
  return heldText.slice(from, held[before] === 0x2c ? before : before + 1) + heldText.slice(after, to);
}
