// Redaction: values at named paths leave the bodies, users become pseudonyms. All other bytes stay.

import { createHmac } from 'node:crypto';
import { type AuditEvent, beginOf, endOf } from '../event.ts';
import { elements, nameAt, walkObject } from '../json.ts';
import type { RedactConfig, Step } from './redact-config.ts';
import { remembered } from './remembered.ts';
import { attributesOf } from './request-info.ts';
import { type Edit, splice } from './splice.ts';

/** What stands where a value was. */
export const REDACTED = '"auditkeep/redacted"';

const MARK = Buffer.from(REDACTED);
const LAST_APPLIED: readonly Step[] = [
  { name: 'metadata' },
  { name: 'annotations' },
  { name: 'kubectl.kubernetes.io/last-applied-configuration' },
];
const ITEMS: readonly Step[] = [{ name: 'items' }, 'any-element'];
const ROWS: readonly Step[] = [{ name: 'rows' }, 'any-element', { name: 'object' }];

const BODIES = ['requestObject', 'responseObject'] as const;

/** Gives the line as it is to be written. The event is that of the final line. Never throws. */
export type Redactor = (event: AuditEvent) => Buffer;

type Path = readonly Step[];

const takesMember = (step: Step | undefined, name: string) =>
  step === 'any-member' || (typeof step === 'object' && step.name === name);

/** Edits that replace what the paths lead to, within the value at `[from, to)`. */
function valueEdits(bytes: Buffer, from: number, to: number, paths: readonly Path[], edits: Edit[]): void {
  if (paths.length === 0) return;
  if (paths.some((path) => path.length === 0)) {
    edits.push({ from, to, text: MARK });
    return;
  }
  const rest = (taken: readonly Path[]) => taken.map((path) => path.slice(1));
  if (bytes[from] === 0x7b)
    walkObject(bytes, from, to, (nameFrom, nameTo, valueFrom, valueTo) => {
      const name = nameAt(bytes, nameFrom, nameTo);
      valueEdits(bytes, valueFrom, valueTo, rest(paths.filter(([step]) => takesMember(step, name))), edits);
      return 0;
    });
  else if (bytes[from] === 0x5b) {
    const inner = rest(paths.filter(([step]) => step === 'any-element'));
    if (inner.length > 0) for (const [a, b] of elements(bytes, from, to)) valueEdits(bytes, a, b, inner, edits);
  }
}

/** What is left of a path below the place that a JSON Patch operation writes to; undefined where they part. */
function below(path: Path, pointer: readonly string[]): Path | undefined {
  for (const [i, segment] of pointer.entries()) {
    const step = path[i];
    if (step === undefined) return [];
    if (!takesMember(step, segment) && !(step === 'any-element' && /^(\d+|-)$/.test(segment))) return undefined;
  }
  return path.slice(pointer.length);
}

/** JSON Patch: the value of an operation is redacted as the place that it goes to. */
function patchEdits(bytes: Buffer, from: number, to: number, paths: readonly Path[], edits: Edit[]): void {
  for (const [a, b] of elements(bytes, from, to)) {
    if (bytes[a] !== 0x7b) continue;
    let pointer: string[] = [];
    let value: [number, number] | undefined;
    walkObject(bytes, a, b, (nameFrom, nameTo, valueFrom, valueTo) => {
      const name = nameAt(bytes, nameFrom, nameTo);
      if (name === 'value') value = [valueFrom, valueTo];
      if (name === 'path' && bytes[valueFrom] === 0x22)
        pointer = (JSON.parse(bytes.toString('utf8', valueFrom, valueTo)) as string)
          .split('/')
          .slice(1)
          .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'));
      return 0;
    });
    if (value === undefined) continue;
    const left = paths.map((path) => below(path, pointer)).filter((path) => path !== undefined);
    valueEdits(bytes, ...value, left, edits);
  }
}

function bodyEdits(event: AuditEvent, paths: readonly Path[]): Edit[] {
  const edits: Edit[] = [];
  const { line } = event;
  // kubectl keeps a copy of the whole object there
  const whole = [...paths, LAST_APPLIED];
  for (const field of BODIES) {
    const from = beginOf(event, field);
    const to = endOf(event, field);
    if (from < 0) continue;
    // a body that is text can't be looked into: all of it goes
    if (line[from] === 0x22) edits.push({ from, to, text: MARK });
    else if (line[from] === 0x5b) patchEdits(line, from, to, whole, edits);
    else
      valueEdits(
        line,
        from,
        to,
        [...whole, ...whole.map((path) => [...ITEMS, ...path]), ...whole.map((path) => [...ROWS, ...path])],
        edits,
      );
  }
  const from = beginOf(event, 'annotations');
  if (from >= 0)
    walkObject(line, from, endOf(event, 'annotations'), (nameFrom, nameTo, a, b) => {
      if (nameAt(line, nameFrom, nameTo).startsWith('patch.webhook.admission.k8s.io/'))
        edits.push({ from: a, to: b, text: MARK });
      return 0;
    });
  return edits;
}

const encode = (text: string) => Buffer.from(JSON.stringify(text));

function stringAt(bytes: Buffer, from: number, to: number): string | undefined {
  return bytes[from] === 0x22 ? (JSON.parse(bytes.toString('utf8', from, to)) as string) : undefined;
}

/** Each string in the value at `[from, to)`. Names of members are left out. */
function eachString(
  bytes: Buffer,
  from: number,
  to: number,
  use: (text: string, from: number, to: number) => void,
): void {
  const open: [number, number][] = [[from, to]];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [a, b] = next;
    if (bytes[a] === 0x22) use(stringAt(bytes, a, b)!, a, b);
    else if (bytes[a] === 0x5b) open.push(...elements(bytes, a, b));
    else if (bytes[a] === 0x7b)
      walkObject(bytes, a, b, (_nameFrom, _nameTo, valueFrom, valueTo) => {
        open.push([valueFrom, valueTo]);
        return 0;
      });
  }
}

function pseudonyms({ key, system }: NonNullable<RedactConfig['users']>): (name: string) => string | undefined {
  const pseudonym = remembered(
    10_000,
    (name) => `hmac:${createHmac('sha256', key).update(name).digest('hex').slice(0, 32)}`,
  );
  return (name) => (name === '' || (!system && name.startsWith('system:')) ? undefined : pseudonym(name));
}

function userEdits(event: AuditEvent, pseudonym: (name: string) => string | undefined): Edit[] {
  const { line } = event;
  const edits: Edit[] = [];
  const names = new Map<string, string>();
  for (const field of ['user', 'impersonatedUser'] as const) {
    const from = beginOf(event, field);
    if (from < 0) continue;
    const found: { name: string; from: number; to: number }[] = [];
    walkObject(line, from, endOf(event, field), (nameFrom, nameTo, a, b) => {
      found.push({ name: nameAt(line, nameFrom, nameTo), from: a, to: b });
      return 0;
    });
    const username = found.findLast(({ name }) => name === 'username');
    const plain = username && stringAt(line, username.from, username.to);
    const other = plain === undefined ? undefined : pseudonym(plain);
    if (other === undefined) continue;
    names.set(plain!, other);
    for (const { name, from: a, to: b } of found)
      if (name === 'username' || name === 'uid' || name === 'extra')
        eachString(line, a, b, (text, c, d) => {
          const hidden = pseudonym(text);
          if (hidden !== undefined) edits.push({ from: c, to: d, text: encode(hidden) });
        });
  }
  if (names.size === 0) return edits;
  // messages of authorizer and API server name users in quotes: User "alice" cannot list …
  for (const field of ['responseStatus', 'responseObject', 'annotations'] as const) {
    const from = beginOf(event, field);
    if (from < 0) continue;
    if (
      ![...names.keys()].some((name) => line.subarray(from, endOf(event, field)).includes(encode(name).subarray(1, -1)))
    )
      continue;
    eachString(line, from, endOf(event, field), (text, a, b) => {
      let changed = text;
      for (const [name, other] of names) changed = changed.replaceAll(`"${name}"`, `"${other}"`);
      if (changed !== text) edits.push({ from: a, to: b, text: encode(changed) });
    });
  }
  return edits;
}

/** Prepares redaction; undefined where the config asks for none. The same key gives the same pseudonyms in every run. */
export function redactorFor(config: RedactConfig): Redactor | undefined {
  const { paths, users } = config;
  if (paths.length === 0 && users === undefined) return undefined;
  const pseudonym = users && pseudonyms(users);
  return (event) => {
    const { apiGroup, resource, resourceRequest } = attributesOf(event, null);
    const applying = paths.filter(
      (one) =>
        resourceRequest &&
        (one.group === undefined || one.group === apiGroup) &&
        (one.resource === undefined || one.resource === resource),
    );
    const line =
      applying.length === 0
        ? []
        : bodyEdits(
            event,
            applying.map(({ path }) => path),
          );
    const inUsers = pseudonym === undefined ? [] : userEdits(event, pseudonym);
    // a text within a body that is gone anyway needs no second change
    const free = inUsers.filter((edit) => !line.some((other) => other.from <= edit.from && edit.to <= other.to));
    return splice(event.line, [...line, ...free]);
  };
}
