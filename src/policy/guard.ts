// The secrets guard: bodies of Secrets and of token requests never reach the archive, whatever a policy says.

import { type AuditEvent, beginOf, endOf, fieldBytes } from '../event.ts';
import { lower } from './lower.ts';
import { readPath, type RequestPath, unescapePercent } from './request-path.ts';
import { holdsSecret } from './secret-body.ts';

const BODIES = ['requestObject', 'responseObject'] as const;
const OPEN_ENDED = [...BODIES, 'annotations'] as const;

const SECRET = Buffer.from('Secret');
const TOKEN = Buffer.from('TokenRe');
const ESCAPE = Buffer.from('\\u00');

const QUOTE = 0x22;
const SLASH = 0x2f;
const BACKSLASH = 0x5c;

/** Resources whose bodies are secret, of any API group: an aggregated API that calls something `secrets` is believed. */
function isSecretResource(resource: string, subresource: string): boolean {
  return (
    resource === 'secrets' ||
    resource === 'tokenreviews' ||
    resource === 'tokenrequests' ||
    (resource === 'serviceaccounts' && subresource === 'token')
  );
}

/** By the parts of the path: the legacy proxy prefix has no subresources, yet what stands there is believed. */
const namesSecret = ({ parts: [resource = '', , subresource = ''] }: RequestPath) =>
  isSecretResource(resource, subresource);

/** Does the byte at `i` begin one of the words `sec…`, `tok…`? */
function beginsWord(line: Buffer, i: number): boolean {
  const c = line[i];
  if (c === 0x73) return line[i + 1] === 0x65 && line[i + 2] === 0x63;
  return c === 0x74 && line[i + 1] === 0x6f && line[i + 2] === 0x6b;
}

/** Whether the request is one for secrets or tokens, by its URI. Looks closer only where the path has such a word or an escape. */
function uriSaysSecret(event: AuditEvent): boolean {
  const { line } = event;
  const to = endOf(event, 'requestURI') - 1;
  for (let i = beginOf(event, 'requestURI') + 1; i < to; i++) {
    const c = line[i]!;
    if (c === 0x3f) return false;
    if (c === 0x25 || c === BACKSLASH || (c === SLASH && beginsWord(line, i + 1))) return pathSaysSecret(event);
  }
  return false;
}

function pathSaysSecret(event: AuditEvent): boolean {
  const uri = JSON.parse(fieldBytes(event, 'requestURI')!.toString('utf8')) as string;
  const path = unescapePercent(uri.split('?', 1)[0]!);
  // no server takes a path with a broken escape, so nobody knows what this one stands for
  if (path === undefined) return true;
  if (namesSecret(readPath(path))) return true;
  // a proxy in front of the server may have joined repeated slashes
  return path.includes('//') && namesSecret(readPath(path.replace(/\/+/g, '/')));
}

/** As the API server writes it; where `resource` stands but once, that is the one. */
const SECRET_OBJECT = /^\{"resource":"(?:secrets|tokenreviews|tokenrequests)"/;

function objectSaysSecret(event: AuditEvent): boolean {
  const { line } = event;
  const from = beginOf(event, 'objectRef');
  const to = endOf(event, 'objectRef');
  for (let i = from; i < to; i++) {
    const c = line[i]!;
    if (c === BACKSLASH || (c === QUOTE && beginsWord(line, i + 1))) {
      const text = line.toString('utf8', from, to);
      if (SECRET_OBJECT.test(text) && !text.includes('"resource"', 2) && !text.includes('\\')) return true;
      const ref = JSON.parse(text) as { resource?: unknown; subresource?: unknown };
      return isSecretResource(String(ref.resource), String(ref.subresource));
    }
  }
  return false;
}

/** Whether a hit at `i` may be one of the kinds as a word of its own: `imagePullSecrets` is none. */
function isWord(line: Buffer, i: number, end: number): boolean {
  const before = line[i - 1]!;
  if (isLetter(before)) {
    // …unless the letter belongs to an escape: \tSecret
    let escaped = false;
    for (let k = i - 2; k >= i - 6; k--) escaped ||= line[k] === BACKSLASH;
    if (!escaped) return false;
  }
  // SecretList, TokenRequest, TokenReview
  const after = line[end]!;
  return after === 0x4c || after === 0x71 || after === 0x76 || !isLetter(after);
}

function isLetter(c: number): boolean {
  return (c >= 0x61 && c <= 0x7a) || (c >= 0x41 && c <= 0x5a) || (c >= 0x30 && c <= 0x39);
}

/** Quick test of all bytes from `from` on, for what is not clear at once: false means that no body holds a secret; true, that it must be read. */
function mayHoldSecret(line: Buffer, from: number): boolean {
  for (let i = line.indexOf(SECRET, from); i >= 0; i = line.indexOf(SECRET, i + 6))
    if (isWord(line, i, i + 6)) return true;
  for (let i = line.indexOf(TOKEN, from); i >= 0; i = line.indexOf(TOKEN, i + 7))
    if (isWord(line, i, i + 7)) return true;
  // a letter spelled as an escape: no server writes them, so it is worth a look
  for (let i = line.indexOf(ESCAPE, from); i >= 0; i = line.indexOf(ESCAPE, i + 4)) {
    const digit = line[i + 4]!;
    if (digit >= 0x34 && digit <= 0x37) return true;
  }
  return false;
}

/** Where bodies and annotations begin; -1 when the event has none. */
function firstOpenEnded(event: AuditEvent): number {
  let first = -1;
  for (const field of OPEN_ENDED) {
    const from = beginOf(event, field);
    if (from >= 0 && (first < 0 || from < first)) first = from;
  }
  return first;
}

/** Annotations stay at every level, but not one that holds a secret. */
function annotationHolds(event: AuditEvent): boolean {
  const { line, clear } = event;
  const from = beginOf(event, 'annotations');
  return from >= 0 && !clear && mayHoldSecret(line, from) && holdsSecret(line, from, endOf(event, 'annotations'));
}

/**
 * Is there something in this event that must not be archived: because it is of a request for Secrets or tokens, or one of its bodies or annotations
 * holds one? An event at Metadata without bodies has only its annotations. Never throws.
 */
export function isSecretEvent(event: AuditEvent): boolean {
  if (event.clear) return false;
  if (event.level === 'Metadata' && beginOf(event, 'requestObject') < 0 && beginOf(event, 'responseObject') < 0)
    return annotationHolds(event);
  // where both say so, the object is read more quickly
  if (objectSaysSecret(event) || uriSaysSecret(event)) return true;
  const first = firstOpenEnded(event);
  if (first < 0 || !mayHoldSecret(event.line, first)) return false;
  for (const field of BODIES)
    if (beginOf(event, field) >= 0 && holdsSecret(event.line, beginOf(event, field), endOf(event, field))) return true;
  return annotationHolds(event);
}

/** The event at Metadata, without annotations of any name whose text holds a secret. */
export function withoutSecrets(event: AuditEvent): Buffer {
  const cut = (from: number, to: number) => holdsSecret(event.line, from, to);
  return lower(event, 'Metadata', annotationHolds(event) ? { cutAnnotation: cut } : {});
}

/**
 * The line as it may be archived: the event itself, or, where it is one of Secrets or tokens in any shape, what the API server
 * would have written at Metadata. Called for every event. `lowered`: the line differs from the event's.
 */
export function guard(event: AuditEvent): { readonly line: Buffer; readonly lowered: boolean } {
  if (!isSecretEvent(event)) return { line: event.line, lowered: false };
  const line = withoutSecrets(event);
  return { line, lowered: line !== event.line };
}
