// What can still be read for certain of an Event that was cut, without letting body text through.

import { isUtf8 } from 'node:buffer';
import { type Field, FIELDS, type Level, LEVELS, scanEvent } from './event.ts';
import { CUT, nameAt, skipSpace, walkObject } from './json.ts';
import { formatMicroTime } from './micro-time.ts';

/** Set to `"true"` on an Event that was salvaged from a cut record. */
export const TRUNCATED = 'auditkeep/truncated';
/** Names of the Event's members that were derived, not read: comma-separated, in the Event's order. */
export const INFERRED = 'auditkeep/inferred';

/** Annotations with this prefix are auditkeep's own. */
const OWN = 'auditkeep/';
/** Holds what a webhook changed in the body; the API server records it from level Request on. */
export const PATCH = 'patch.webhook.admission.k8s.io/';
const BODIES: ReadonlySet<Field> = new Set<Field>(['requestObject', 'responseObject']);
/** Names of the members that an Event has at every level. */
export const METADATA: ReadonlySet<string> = new Set<string>(FIELDS.filter((field) => !BODIES.has(field)));
const REQUIRED: readonly Field[] = ['level', 'auditID', 'stage', 'requestURI', 'verb', 'user'];
const DERIVED: readonly Field[] = ['requestReceivedTimestamp', 'stageTimestamp'];

/** What EKS writes where it cut a message. */
const MARK = Buffer.from('[Truncated...]');

const STOP = -10;

/**
 * The Event at level Metadata that a cut message still holds for certain, as one line; undefined if it can't be told.
 *
 * - Cut: the JSON ends early, or `[Truncated...]` stands at its end. What is broken otherwise is not salvaged.
 * - Only members that are complete before the cut count; auditID, stage, requestURI, verb, user and a known level must
 *   be among them. Their text is kept byte for byte, in the API server's order. A member that is cut is left out whole.
 * - Bodies, patches of webhooks (annotations `patch.webhook.admission.k8s.io/…`) and unknown members are left out.
 * - The level becomes Metadata, since bodies are gone. Timestamps behind the cut become `time.at`.
 * - Annotations say so: `auditkeep/truncated` is `"true"`, `auditkeep/inferred` lists the members that were set here
 *   (absent if none was). Annotations of the record that begin with `auditkeep/` are dropped, whatever they hold.
 *
 * @param content as received, without line end
 * @param time `at`: the record's own time, milliseconds since the epoch
 */
export function salvage(content: Buffer, time: { readonly at: number }): Buffer | undefined {
  const marked = endOfMarked(content);
  const text = marked === undefined ? content : content.subarray(0, marked);
  const members = new Map<Field, string>();
  let repeated = false;
  const start = skipSpace(text, 0, text.length);
  const end = walkObject(text, start, text.length, (nameFrom, nameTo, from, to) => {
    const name = nameAt(text, nameFrom, nameTo);
    if (!METADATA.has(name)) return 0;
    repeated ||= members.has(name as Field);
    // latin1 keeps every byte, also those that are no UTF-8
    members.set(name as Field, text.toString('latin1', from, to));
    return 0;
  });
  const whole = end >= 0 && skipSpace(text, end, text.length) === text.length;
  if (repeated || !(end === CUT || (whole && marked !== undefined)) || !isCutUtf8(text)) return undefined;
  if (REQUIRED.some((field) => !members.has(field))) return undefined;

  const inferred: Field[] = [];
  const level = members.get('level')!;
  if (!LEVELS.some((known) => level === JSON.stringify(known))) return undefined;
  const lowest: Level = LEVELS[0];
  if (level !== JSON.stringify(lowest)) {
    members.set('level', JSON.stringify(lowest));
    inferred.push('level');
  }
  for (const field of DERIVED) {
    if (members.has(field)) continue;
    if (Number.isNaN(new Date(time.at).getTime())) return undefined;
    members.set(field, JSON.stringify(formatMicroTime(time.at)));
    inferred.push(field);
  }
  const annotations = annotationsOf(members.get('annotations') ?? 'null');
  if (annotations === undefined) return undefined;
  annotations.push(`"${TRUNCATED}":"true"`);
  if (inferred.length > 0) annotations.push(`"${INFERRED}":"${inferred.join(',')}"`);
  members.set('annotations', `{${annotations.join(',')}}`);

  const line = FIELDS.filter((field) => members.has(field)).map((field) => `"${field}":${members.get(field)}`);
  const event = Buffer.from(`{${line.join(',')}}`, 'latin1');
  return 'not' in scanEvent(event) ? undefined : event;
}

/** Where the text before `[Truncated...]` ends; undefined if the record doesn't end in it. */
function endOfMarked(content: Buffer): number | undefined {
  let end = content.length;
  while (end > 0 && content[end - 1]! <= 0x20) end--;
  return content.subarray(0, end).subarray(-MARK.length).equals(MARK) ? end - MARK.length : undefined;
}

/** Is it UTF-8, but for a character that is cut at its end? */
function isCutUtf8(text: Buffer): boolean {
  return [0, 1, 2, 3].some((gone) => isUtf8(text.subarray(0, Math.max(text.length - gone, 0))));
}

/** The entries that a Metadata event may have, as raw text in latin1; undefined if the map is none that the API server writes. */
function annotationsOf(raw: string): string[] | undefined {
  if (raw === 'null') return [];
  const text = Buffer.from(raw, 'latin1');
  const names = new Set<string>();
  const entries: string[] = [];
  const end = walkObject(text, 0, text.length, (nameFrom, nameTo, from, to) => {
    const name = nameAt(text, nameFrom, nameTo);
    if (names.has(name) || text[from] !== 0x22) return STOP;
    names.add(name);
    if (!name.startsWith(PATCH) && !name.startsWith(OWN)) entries.push(text.toString('latin1', nameFrom - 1, to));
    return 0;
  });
  return end < 0 ? undefined : entries;
}
