// An event at a lower level: the line that the API server would have written, cut out of the one it wrote.

import { type AuditEvent, beginOf, endOf, type Level, LEVELS } from '../event.ts';
import { nameAt, walkObject } from '../json.ts';
import { managedFieldsEdits } from './managed-fields.ts';
import { cutMembers, type Edit, type MemberSpan, splice } from './splice.ts';

/** The only annotations that the API server itself writes at Request and above but not at Metadata. */
const PATCH_ANNOTATION = 'patch.webhook.admission.k8s.io/';
const PATCH_BYTES = Buffer.from(PATCH_ANNOTATION);
const LEVEL_BYTES = LEVELS.map((level) => Buffer.from(level));

/** Further annotations to leave out, asked for each: `[from, to)` of its value in the line. */
export type CutAnnotation = (from: number, to: number) => boolean;

/** Is the name at `[from, to)` that of an annotation with a patch? Nearly always the first byte tells. */
function isPatchAnnotation(line: Buffer, from: number, to: number): boolean {
  for (let k = 0; k < PATCH_BYTES.length; k++) {
    const c = line[from + k]!;
    if (c === 0x5c) return nameAt(line, from, to).startsWith(PATCH_ANNOTATION);
    if (c !== PATCH_BYTES[k]) return false;
  }
  return true;
}

/** The annotations to cut, and whether any other is left. */
function cutAnnotations(
  event: AuditEvent,
  patches: boolean,
  cut: CutAnnotation | undefined,
): { gone: MemberSpan[]; kept: boolean } {
  const { line } = event;
  const gone: MemberSpan[] = [];
  let kept = false;
  walkObject(line, beginOf(event, 'annotations'), endOf(event, 'annotations'), (nameFrom, nameTo, from, to) => {
    if ((patches && isPatchAnnotation(line, nameFrom, nameTo)) || (cut !== undefined && cut(from, to)))
      gone.push({ start: nameFrom - 1, from, to });
    else kept = true;
    return 0;
  });
  return { gone, kept };
}

/**
 * The event as the API server would have written it at level `to`; never at a higher one than it has.
 * Request: without responseObject. Metadata: also without requestObject and without the annotations that hold webhooks' patches.
 * All other bytes stay; an event that needs no change comes back as the same buffer. Never throws.
 */
export function lower(
  event: AuditEvent,
  to: Level,
  options: { readonly omitManagedFields?: boolean; readonly cutAnnotation?: CutAnnotation } = {},
): Buffer {
  const { line } = event;
  const level = Math.min(LEVELS.indexOf(to), LEVELS.indexOf(event.level));
  const edits: Edit[] = [];
  if (LEVELS[level] !== event.level)
    edits.push({ from: beginOf(event, 'level') + 1, to: endOf(event, 'level') - 1, text: LEVEL_BYTES[level]! });

  const members: MemberSpan[] = [];
  const body = (field: 'requestObject' | 'responseObject', keep: boolean, asSent: boolean) => {
    const from = beginOf(event, field);
    const end = endOf(event, field);
    if (from < 0) return;
    if (!keep) members.push({ from, to: end });
    else if (options.omitManagedFields && !asSent) edits.push(...managedFieldsEdits(line, from, end));
  };
  // a patch is recorded as it was sent, managedFields included
  body('requestObject', level >= 1, event.verb === 'patch');
  body('responseObject', level >= 2, false);

  const { cutAnnotation } = options;
  if (beginOf(event, 'annotations') >= 0 && (level < 1 || cutAnnotation !== undefined)) {
    const { gone, kept } = cutAnnotations(event, level < 1, cutAnnotation);
    if (kept) edits.push(...cutMembers(line, gone));
    // one list with the bodies: neighbours that go together must share their commas rightly
    else if (gone.length > 0) members.push({ from: beginOf(event, 'annotations'), to: endOf(event, 'annotations') });
  }
  if (members.length > 1) members.sort((a, b) => a.from - b.from);
  edits.push(...cutMembers(line, members));
  return splice(line, edits);
}
