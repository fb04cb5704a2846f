// Does a body hold a Secret or a token? In any shape: nested, in lists and Table rows, as text inside of strings.

import { skipSpace, skipString, skipValue } from '../json.ts';

/** Kinds whose bodies carry secret values or live tokens. Of any API group: what calls itself a Secret is taken for one. */
const KIND = /^(?:.*[./])?(?:Secret|SecretList|TokenRequest|TokenReview|TokenRequestList|TokenReviewList)$/s;

/** The same in text that can't be read as JSON: a YAML manifest, or JSON that was cut. */
const KIND_IN_TEXT =
  /(?:\bkind|@type)\\*["']?\s*:\s*(?:[!&]\S*\s+)*\\*["']?(?:[\w.]+[./])?(?:Secret|TokenRequest|TokenReview)(?:List)?(?![A-Za-z0-9])/;

/** What a mere reference to such an object (involvedObject, ownerReferences, sourceRef) never has. */
const CONTENT = new Set(['metadata', 'data', 'stringData', 'items']);
/** The same, where it isn't just a word: references in status lists have a `status` as well. */
const CONTENT_IF_OBJECT = new Set(['spec', 'status']);

/** Text within text within text …: deeper than this nobody can say what it is. */
const MAX_NESTED = 8;

const SECRET_KIND = 1;
const HAS_CONTENT = 2;
const BOTH = SECRET_KIND | HAS_CONTENT;

/** Could a text hold one of the kinds, in plain or escaped spelling? A quick test in which a false yes is harmless. */
function mayHold(text: string): boolean {
  return /Secret|TokenRe|\\[uU]00[4-7]/.test(text);
}

function textHolds(text: string, nested: number): boolean {
  if (!mayHold(text)) return false;
  if (nested >= MAX_NESTED) return true;
  const bytes = Buffer.from(text);
  // several JSON documents in a row are one text too
  for (let i = skipSpace(bytes, 0, bytes.length); i < bytes.length;) {
    const c = bytes[i]!;
    const isJson = c === 0x7b || c === 0x5b || c === 0x22;
    const to = isJson ? skipValue(bytes, i, bytes.length) : -1;
    // text that begins like JSON but can't be read isn't trusted when a letter in it is spelled as an escape
    if (to < 0) return KIND_IN_TEXT.test(text) || (isJson && /\\u00[4-7]/.test(text));
    if (holdsSecret(bytes, i, to, nested + 1)) return true;
    i = skipSpace(bytes, to, bytes.length);
  }
  return false;
}

/** The string whose quotes stand at `from` and `to - 1`. */
function decode(bytes: Buffer, from: number, to: number): string {
  const text = bytes.toString('utf8', from + 1, to - 1);
  return text.includes('\\') ? (JSON.parse(`"${text}"`) as string) : text;
}

/** Does the value behind a member's name that ends at `i` begin with a brace or bracket? */
function opens(bytes: Buffer, i: number, to: number): boolean {
  const first = bytes[skipSpace(bytes, skipSpace(bytes, i, to) + 1, to)];
  return first === 0x7b || first === 0x5b;
}

/**
 * Whether the valid JSON value at `[from, to)` is, or holds anywhere in it, an object of one of these kinds with content, or a
 * string with the text of one. Reads each byte once; strings that may hold a text are read again on their own.
 */
export function holdsSecret(bytes: Buffer, from: number, to: number, nested = 0): boolean {
  // flags of the open objects; 0 for arrays
  const flags: number[] = [];
  const isObject: boolean[] = [];
  let depth = -1;
  let key = '';
  let expectKey = false;
  for (let i = from; i < to;) {
    const c = bytes[i]!;
    if (c === 0x22) {
      const end = skipString(bytes, i + 1, to);
      if (end < 0) return true;
      if (expectKey) {
        key = decode(bytes, i, end);
        expectKey = false;
        if (CONTENT.has(key) || (CONTENT_IF_OBJECT.has(key) && opens(bytes, end, to))) flags[depth]! |= HAS_CONTENT;
        if (flags[depth] === BOTH) return true;
      } else {
        const isKind = depth >= 0 && isObject[depth]! && (key === 'kind' || key === '@type');
        if (isKind && KIND.test(decode(bytes, i, end))) {
          flags[depth]! |= SECRET_KIND;
          if (flags[depth] === BOTH) return true;
        } else if (
          end - i > 12 &&
          mayHold(bytes.toString('latin1', i, end)) &&
          textHolds(decode(bytes, i, end), nested)
        )
          return true;
      }
      i = end;
      continue;
    }
    if (c === 0x7b || c === 0x5b) {
      depth++;
      isObject[depth] = c === 0x7b;
      flags[depth] = 0;
      expectKey = c === 0x7b;
      key = '';
    } else if (c === 0x7d || c === 0x5d) depth--;
    else if (c === 0x2c) expectKey = depth >= 0 && isObject[depth]!;
    i++;
  }
  return false;
}
