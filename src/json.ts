// A strict JSON validator over bytes (RFC 8259): finds where values end without building them, so that text stays as received.

/** Brackets open at once, as many as Go's encoding/json takes. */
export const MAX_DEPTH = 10_000;

/** Results of the scan functions that are below zero; all others are positions. */
export const MALFORMED = -1;
/** The text ends inside a value: it was cut. */
export const CUT = -2;
export const TOO_DEEP = -3;

// 1 = may stand in a string as it is; 0 = quote, backslash or control character
const PLAIN = new Uint8Array(256).fill(1, 0x20);
PLAIN[0x22] = 0;
PLAIN[0x5c] = 0;

const SPACE = new Uint8Array(256);
for (const c of [0x20, 0x09, 0x0a, 0x0d]) SPACE[c] = 1;

const HEX = new Uint8Array(256);
for (const c of '0123456789abcdefABCDEF') HEX[c.charCodeAt(0)] = 1;

// what may follow a backslash: 1 = one letter, 2 = u and four hex digits
const ESCAPE = new Uint8Array(256);
for (const c of '"\\/bfnrt') ESCAPE[c.charCodeAt(0)] = 1;
ESCAPE[0x75] = 2;

// open brackets of the value being scanned; grown on demand and kept, since scanning never nests
let stack = new Uint8Array(256);

/** Position of the first byte at or after `i` that is no white space. */
export function skipSpace(u: Uint8Array, i: number, end: number): number {
  while (i < end && SPACE[u[i]!] === 1) i++;
  return i;
}

/** `i` points behind the opening quote; gives the position behind the closing one, or MALFORMED or CUT. */
export function skipString(u: Uint8Array, i: number, end: number): number {
  for (;;) {
    while (i < end && PLAIN[u[i]!] === 1) i++;
    if (i >= end) return CUT;
    const c = u[i]!;
    if (c === 0x22) return i + 1;
    if (c !== 0x5c) return MALFORMED;
    if (i + 1 >= end) return CUT;
    const kind = ESCAPE[u[i + 1]!];
    if (kind === 1) i += 2;
    else if (kind === 2) {
      for (let k = 2; k < 6; k++) {
        if (i + k >= end) return CUT;
        if (HEX[u[i + k]!] === 0) return MALFORMED;
      }
      i += 6;
    } else return MALFORMED;
  }
}

function isDigit(c: number | undefined): boolean {
  return c !== undefined && c >= 0x30 && c <= 0x39;
}

function skipNumber(u: Uint8Array, i: number, end: number): number {
  if (u[i] === 0x2d) i++;
  if (i >= end) return CUT;
  if (u[i] === 0x30) i++;
  else if (isDigit(u[i])) while (i < end && isDigit(u[i])) i++;
  else return MALFORMED;
  if (i < end && u[i] === 0x2e) {
    i++;
    if (i >= end) return CUT;
    if (!isDigit(u[i])) return MALFORMED;
    while (i < end && isDigit(u[i])) i++;
  }
  if (i < end && (u[i] === 0x65 || u[i] === 0x45)) {
    i++;
    if (i < end && (u[i] === 0x2b || u[i] === 0x2d)) i++;
    if (i >= end) return CUT;
    if (!isDigit(u[i])) return MALFORMED;
    while (i < end && isDigit(u[i])) i++;
  }
  return i;
}

function skipWord(u: Uint8Array, i: number, end: number, word: string): number {
  for (let k = 0; k < word.length; k++) {
    if (i + k >= end) return CUT;
    if (u[i + k] !== word.charCodeAt(k)) return MALFORMED;
  }
  return i + word.length;
}

/**
 * Validates the value that begins at `i` (no white space before it) and gives the position behind it,
 * or MALFORMED, CUT (the text ends inside the value) or TOO_DEEP. UTF-8 is not checked: see node:buffer isUtf8.
 * @param outer brackets that are open around the value
 */
export function skipValue(u: Uint8Array, i: number, end: number, outer = 0): number {
  const deepest = MAX_DEPTH - outer;
  let depth = 0;
  // the loop handles one value at a time; after a value it closes brackets and moves on to the next member
  for (;;) {
    if (i >= end) return CUT;
    const c = u[i]!;
    if (c === 0x22) {
      i = skipString(u, i + 1, end);
    } else if (c === 0x7b || c === 0x5b) {
      const close = c + 2;
      if (depth >= deepest) return TOO_DEEP;
      i = skipSpace(u, i + 1, end);
      if (i >= end) return CUT;
      if (u[i] === close) i++;
      else {
        if (depth >= stack.length) {
          const larger = new Uint8Array(stack.length * 2);
          larger.set(stack);
          stack = larger;
        }
        stack[depth++] = close;
        if (c === 0x7b) {
          i = skipKey(u, i, end);
          if (i < 0) return i;
        }
        continue;
      }
    } else if (c === 0x2d || (c >= 0x30 && c <= 0x39)) i = skipNumber(u, i, end);
    else if (c === 0x74) i = skipWord(u, i, end, 'true');
    else if (c === 0x66) i = skipWord(u, i, end, 'false');
    else if (c === 0x6e) i = skipWord(u, i, end, 'null');
    else return MALFORMED;
    if (i < 0) return i;

    for (;;) {
      if (depth === 0) return i;
      while (i < end && SPACE[u[i]!] === 1) i++;
      if (i >= end) return CUT;
      const after = u[i]!;
      if (after === 0x2c) {
        i = skipSpace(u, i + 1, end);
        if (stack[depth - 1] === 0x7d) {
          i = skipKey(u, i, end);
          if (i < 0) return i;
        }
        break;
      }
      if (after !== stack[depth - 1]) return MALFORMED;
      depth--;
      i++;
    }
  }
}

/** A member name and its colon, with the white space around; `i` points at the opening quote. */
function skipKey(u: Uint8Array, i: number, end: number): number {
  if (i >= end) return CUT;
  if (u[i] !== 0x22) return MALFORMED;
  i = skipString(u, i + 1, end);
  if (i < 0) return i;
  i = skipSpace(u, i, end);
  if (i >= end) return CUT;
  if (u[i] !== 0x3a) return MALFORMED;
  return skipSpace(u, i + 1, end);
}

/** The member name that stands at [from, to), without quotes; one spelled with escapes means the same to every decoder. */
export function nameAt(text: Buffer, from: number, to: number): string {
  const raw = text.toString('utf8', from, to);
  return raw.includes('\\') ? (JSON.parse(`"${raw}"`) as string) : raw;
}

/** Called for each member: name without quotes at [nameFrom, nameTo), value at [from, to). A result other than 0 ends the walk with it. */
export type OnMember = (nameFrom: number, nameTo: number, from: number, to: number) => number;

/**
 * Walks the members of the object that begins at `i` (its `{`), validating as it goes.
 * Gives the position behind the object, or MALFORMED, CUT, TOO_DEEP, or what `onMember` returned.
 * @param outer brackets that are open around the object
 */
export function walkObject(u: Uint8Array, i: number, end: number, onMember: OnMember, outer = 0): number {
  if (i >= end) return CUT;
  if (u[i] !== 0x7b) return MALFORMED;
  i = skipSpace(u, i + 1, end);
  if (i < end && u[i] === 0x7d) return i + 1;
  for (;;) {
    const nameFrom = i + 1;
    if (i >= end) return CUT;
    if (u[i] !== 0x22) return MALFORMED;
    i = skipString(u, nameFrom, end);
    if (i < 0) return i;
    const nameTo = i - 1;
    i = skipSpace(u, i, end);
    if (i >= end) return CUT;
    if (u[i] !== 0x3a) return MALFORMED;
    i = skipSpace(u, i + 1, end);
    const from = i;
    i = skipValue(u, i, end, outer + 1);
    if (i < 0) return i;
    const verdict = onMember(nameFrom, nameTo, from, i);
    if (verdict !== 0) return verdict;
    i = skipSpace(u, i, end);
    if (i >= end) return CUT;
    if (u[i] === 0x7d) return i + 1;
    if (u[i] !== 0x2c) return MALFORMED;
    i = skipSpace(u, i + 1, end);
  }
}

/** Elements of the array that begins at `i`, as [from, to) pairs; the array must be valid JSON. */
export function elements(u: Uint8Array, i: number, end: number): [number, number][] {
  const found: [number, number][] = [];
  i = skipSpace(u, i + 1, end);
  while (u[i] !== 0x5d) {
    const to = skipValue(u, i, end);
    if (to < 0) throw new RangeError('not a valid JSON array');
    found.push([i, to]);
    i = skipSpace(u, to, end);
    if (u[i] === 0x2c) i = skipSpace(u, i + 1, end);
  }
  return found;
}
