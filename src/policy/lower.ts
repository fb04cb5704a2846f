// An event at a lower level: the line that the API server would have written, cut out of the one it wrote.

import { type AuditEvent, type Field, FIELDS, type Level, LEVELS } from '../event.ts';
import { walkObject } from '../json.ts';
import { managedFieldsEdits } from './managed-fields.ts';
import { cutMembers, type Edit, type MemberSpan, memberName, splice } from './splice.ts';

/** The only annotations that the API server itself writes at Request and above but not at Metadata. */
const PATCH_ANNOTATION = 'patch.webhook.admission.k8s.io/';

const at = Object.fromEntries(FIELDS.map((name, i) => [name, i * 2])) as Readonly<Record<Field, number>>;

/** Annotations to leave out, asked for each: its key and `[from, to)` of its value in the line. */
export type CutAnnotation = (key: string, from: number, to: number) => boolean;

/** The annotations to cut, and whether any other is left. */
function cutAnnotations(event: AuditEvent, cut: CutAnnotation): { gone: MemberSpan[]; kept: boolean } {
  const from = event.spans[at.annotations]!;
  const gone: MemberSpan[] = [];
  let kept = false;
  if (from >= 0)
    walkObject(event.line, from, event.spans[at.annotations + 1]!, (nameFrom, nameTo, valueFrom, valueTo) => {
      if (cut(memberName(event.line, nameFrom, nameTo), valueFrom, valueTo))
        gone.push({ start: nameFrom - 1, from: valueFrom, to: valueTo });
      else kept = true;
      return 0;
    });
  return { gone, kept };
}

/**
 * The event as the API server would have written it at level `to`; never at a higher one than it has.
 * Request: without responseObject. Metadata: also without requestObject and without the annotations that hold webhooks' patches.
 * All other bytes stay; an event that needs no change comes back as the same buffer.
 */
export function lower(
  event: AuditEvent,
  to: Level,
  options: { readonly omitManagedFields?: boolean; readonly cutAnnotation?: CutAnnotation } = {},
): Buffer {
  const { line, spans } = event;
  const level = Math.min(LEVELS.indexOf(to), LEVELS.indexOf(event.level));
  const edits: Edit[] = [];
  if (LEVELS[level] !== event.level)
    edits.push({ from: spans[at.level]! + 1, to: spans[at.level + 1]! - 1, text: LEVELS[level]! });

  const members: MemberSpan[] = [];
  const body = (field: 'requestObject' | 'responseObject', keep: boolean, asSent: boolean) => {
    const from = spans[at[field]]!;
    const end = spans[at[field] + 1]!;
    if (from < 0) return;
    if (!keep) members.push({ from, to: end });
    else if (options.omitManagedFields && !asSent) edits.push(...managedFieldsEdits(line, from, end));
  };
  // a patch is recorded as it was sent, managedFields included
  body('requestObject', level >= 1, event.verb === 'patch');
  body('responseObject', level >= 2, false);

  const { cutAnnotation } = options;
  if (level < 1 || cutAnnotation !== undefined) {
    const { gone, kept } = cutAnnotations(
      event,
      (key, from, end) =>
        (level < 1 && key.startsWith(PATCH_ANNOTATION)) ||
        (cutAnnotation !== undefined && cutAnnotation(key, from, end)),
    );
    if (kept) edits.push(...cutMembers(line, gone));
    // one list with the bodies: neighbours that go together must share their commas rightly
    else if (gone.length > 0) members.push({ from: spans[at.annotations]!, to: spans[at.annotations + 1]! });
  }
  edits.push(
    ...cutMembers(
      line,
      members.toSorted((a, b) => a.from - b.from),
    ),
  );
  return splice(line, edits);
}
