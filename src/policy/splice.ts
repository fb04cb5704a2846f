// Changes to a line of JSON by cutting and replacing byte ranges: all other bytes stay as they are.

import { skipSpace } from '../json.ts';

/** Replace the bytes `[from, to)` by `text`, or cut them. */
export interface Edit {
  readonly from: number;
  readonly to: number;
  readonly text?: Buffer;
}

/** A member of an object: `[from, to)` of its value and, where known, the opening quote of its name. */
export interface MemberSpan {
  readonly start?: number;
  readonly from: number;
  readonly to: number;
}

function skipSpaceBack(bytes: Buffer, i: number): number {
  while (i > 0) {
    const c = bytes[i - 1]!;
    if (c !== 0x20 && c !== 0x09 && c !== 0x0a && c !== 0x0d) break;
    i--;
  }
  return i;
}

/** Begin of a member, its opening quote, found from the begin of its value. The name must hold no quote. */
function memberStart(bytes: Buffer, valueFrom: number): number {
  const colon = skipSpaceBack(bytes, valueFrom) - 1;
  const closing = skipSpaceBack(bytes, colon) - 1;
  return bytes.lastIndexOf(0x22, closing - 1);
}

/**
 * Edits that take members out of one object together with the comma that parts them from the rest.
 * @param members those to cut, in the order of the text. Not all that the object has: an object that would become empty is for the
 * caller to cut.
 */
export function cutMembers(bytes: Buffer, members: readonly MemberSpan[]): Edit[] {
  const edits: Edit[] = [];
  let cutTo = -1;
  for (const { from, to, start = memberStart(bytes, from) } of members) {
    const before = skipSpaceBack(bytes, start) - 1;
    // the first member, or the first that is left of those before: it goes with the comma behind it
    if (bytes[before] === 0x7b || start === cutTo) {
      const comma = skipSpace(bytes, to, bytes.length);
      cutTo = skipSpace(bytes, comma + 1, bytes.length);
      edits.push({ from: start, to: cutTo });
    } else edits.push({ from: before, to });
  }
  return edits;
}

/** The bytes with the edits made, which must not overlap; the same buffer where there are none. */
export function splice(bytes: Buffer, edits: readonly Edit[]): Buffer {
  if (edits.length === 0) return bytes;
  const sorted = edits.length === 1 ? edits : edits.toSorted((a, b) => a.from - b.from);
  let length = bytes.length;
  for (const { from, to, text } of sorted) length += (text?.length ?? 0) - (to - from);
  const out = Buffer.allocUnsafe(length);
  let done = 0;
  let at = 0;
  for (const { from, to, text } of sorted) {
    at += bytes.copy(out, at, done, from);
    if (text !== undefined) at += text.copy(out, at);
    done = to;
  }
  bytes.copy(out, at, done);
  return out;
}
