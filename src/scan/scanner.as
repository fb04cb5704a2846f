// Validates one line of JSON and finds its top-level members, 16 bytes at a time (AssemblyScript, compiled by build-wasm.ts).
//
// It only ever says yes. Whatever it can't take at once (malformed, cut, too deep, a member twice, a name with escapes, a line
// feed between tokens) is answered with NOT_SURE, and reasons.ts finds out what it is. So only what is
// accepted here must be right, and rejects need no second set of reasons.

// Layout of the memory; scanner.ts has the same figures.
/** In: each field's name with both quotes and colon, `"kind":`, in 32 bytes. */
const NAMES: usize = 256;
/** In: a bit for each byte of the name that counts, u32. */
const MASKS: usize = 1024;
/** In: bytes of `"kind":`, u32. */
const SIZES: usize = 1152;
/** In: what each field's value may begin with, one byte; 0 for anything. */
const FIRSTS: usize = 1248;
/** In: which fields hold what clients send, a bit each, u32. */
export const OPEN: usize = 1272;
/** 1 for what may stand behind a backslash, 2 for u, 3 for hex digits, as bits 1, 2, 4; 256 bytes. */
const ESCAPES: usize = 1280;
/** Open brackets of the value being scanned: the closing byte of each. */
const STACK: usize = 2048;
/** The lines, and a NUL behind them: NUL is allowed nowhere, and a line feed only between lines, so no loop needs to look for the end. */
export const INPUT: usize = 204800;

/** Begin -1 as where absent, but not what a field is before it was seen: end -2. */
const NULL: i64 = -4294967297;

const QUOTE: u32 = 0x22;
const BACKSLASH: u32 = 0x5c;
const COMMA: u32 = 0x2c;
const COLON: u32 = 0x3a;
const OPEN_BRACE: u32 = 0x7b;
const CLOSE_BRACE: u32 = 0x7d;
const OPEN_BRACKET: u32 = 0x5b;
const CLOSE_BRACKET: u32 = 0x5d;

// @ts-ignore: decorator
@inline
function skipSpace(p: usize): usize {
  // a line feed is no space here: the line could not be written as one line
  let c: u32 = load<u8>(p);
  while (c == 0x20 || c == 0x09 || c == 0x0d) c = load<u8>(++p);
  return p;
}

/** `p` points behind the opening quote; gives the position behind the closing one, or 0. */
// @ts-ignore: decorator
@inline
function skipString(p: usize): usize {
  while (true) {
    const v = v128.load(p);
    const special = v128.or(
      v128.or(i8x16.eq(v, i8x16.splat(0x22)), i8x16.eq(v, i8x16.splat(0x5c))),
      i8x16.lt_u(v, i8x16.splat(0x20)),
    );
    const mask = i8x16.bitmask(special);
    if (mask == 0) {
      p += 16;
      continue;
    }
    p += ctz<u32>(mask);
    const c: u32 = load<u8>(p);
    if (c == QUOTE) return p + 1;
    if (c != BACKSLASH) return 0;
    p = skipEscape(p);
    if (p == 0) return 0;
  }
}

function skipEscape(p: usize): usize {
  const kind = load<u8>(ESCAPES + load<u8>(p + 1));
  if (kind & 1) return p + 2;
  if (!(kind & 2)) return 0;
  const hex =
    load<u8>(ESCAPES + load<u8>(p + 2)) &
    load<u8>(ESCAPES + load<u8>(p + 3)) &
    load<u8>(ESCAPES + load<u8>(p + 4)) &
    load<u8>(ESCAPES + load<u8>(p + 5));
  return hex & 4 ? p + 6 : 0;
}

// @ts-ignore: decorator
@inline
function isDigit(c: u32): bool {
  return c - 0x30 < 10;
}

// @ts-ignore: decorator
@inline
function skipDigits(p: usize): usize {
  while (isDigit(load<u8>(p))) p++;
  return p;
}

/** `c` is the first byte, a digit or a minus. */
function skipNumber(p: usize, c: u32): usize {
  if (c == 0x2d) c = load<u8>(++p);
  if (!isDigit(c)) return 0;
  p = c == 0x30 ? p + 1 : skipDigits(p + 1);
  c = load<u8>(p);
  if (c == 0x2e) {
    if (!isDigit(load<u8>(++p))) return 0;
    p = skipDigits(p + 1);
    c = load<u8>(p);
  }
  if ((c | 0x20) == 0x65) {
    c = load<u8>(++p);
    if (c == 0x2b || c == 0x2d) p++;
    if (!isDigit(load<u8>(p))) return 0;
    p = skipDigits(p + 1);
  }
  return p;
}

function skipWord(p: usize, c: u32): usize {
  const word = load<u32>(p);
  if (word == 0x65757274 /* true */ || word == 0x6c6c756e /* null */) return p + 4;
  if (c == 0x66 && load<u32>(p + 1) == 0x65736c61 /* alse */) return p + 5;
  return 0;
}

/** A member name and its colon, with the white space around; `p` points at the opening quote. */
// @ts-ignore: decorator
@inline
function skipKey(p: usize): usize {
  if (load<u8>(p) != QUOTE) return 0;
  p = skipString(p + 1);
  if (p == 0) return 0;
  if (load<u8>(p) != COLON) {
    p = skipSpace(p);
    if (load<u8>(p) != COLON) return 0;
  }
  p++;
  return load<u8>(p) > 0x20 ? p : skipSpace(p);
}

/** `p` points at the first byte of a value; gives the position behind it, or 0. `limit`: how deep it may nest. */
function skipValue(p: usize, limit: usize): usize {
  let top = STACK;
  const deepest = STACK + limit;
  let close: u32 = 0;
  while (true) {
    const c: u32 = load<u8>(p);
    if (c == QUOTE) {
      p = skipString(p + 1);
      if (p == 0) return 0;
    } else if (c == OPEN_BRACE || c == OPEN_BRACKET) {
      if (top == deepest) return 0;
      p = skipSpace(p + 1);
      if (load<u8>(p) == c + 2) p++;
      else {
        store<u8>(top++, close);
        close = c + 2;
        if (c == OPEN_BRACE) {
          p = skipKey(p);
          if (p == 0) return 0;
        }
        continue;
      }
    } else {
      p = isDigit(c) || c == 0x2d ? skipNumber(p, c) : skipWord(p, c);
      if (p == 0) return 0;
    }
    while (true) {
      if (top == STACK) return p;
      let after: u32 = load<u8>(p);
      if (after <= 0x20) {
        p = skipSpace(p);
        after = load<u8>(p);
      }
      p++;
      if (after == COMMA) {
        if (load<u8>(p) <= 0x20) p = skipSpace(p);
        if (close == CLOSE_BRACE) {
          p = skipKey(p);
          if (p == 0) return 0;
        }
        break;
      }
      if (after != close) return 0;
      close = load<u8>(--top);
    }
  }
}

/** Which field's `"name":` stands at `p`, or -1. Members nearly always come in the API server's order, so the search begins at `next`. */
// @ts-ignore: decorator
@inline
function fieldAt(p: usize, next: i32, fields: i32): i32 {
  const a = v128.load(p);
  const b = v128.load(p + 16);
  let i = next;
  for (let n = 0; n < fields; n++) {
    if (i >= fields) i = 0;
    const name = NAMES + (<usize>i << 5);
    const same = <u32>i8x16.bitmask(i8x16.eq(a, v128.load(name))) | (<u32>i8x16.bitmask(i8x16.eq(b, v128.load(name + 16))) << 16);
    const mask = load<u32>(MASKS + (<usize>i << 2));
    if ((same & mask) == mask) return i;
    i++;
  }
  return -1;
}

/** Of the object scanned last: which fields have a value, a bit each, and where the first one begins that clients send; 0 if there is none. */
export let seen: u32 = 0;
export let opened: usize = 0;

/**
 * Scans the object that begins at `begin` and gives the position behind it, or 0. To `spans` goes begin and end of each field's value, from
 * `begin`, i32; both -1 where absent, NULL where that stands there and the field wants something else.
 */
// @ts-ignore: decorator
@inline
export function scanObject(begin: usize, spans: usize, fields: i32, limit: i32): usize {
  for (let i = 0; i < fields; i++) store<i64>(spans + (<usize>i << 3), -1);
  let p = skipSpace(begin);
  if (load<u8>(p) != OPEN_BRACE) return 0;
  p = skipSpace(p + 1);
  let next = 0;
  let found: u32 = 0;
  const open = load<u32>(OPEN);
  let first: usize = 0;
  while (true) {
    const index = fieldAt(p, next, fields);
    if (index >= 0) {
      p = skipSpace(p + load<u32>(SIZES + (<usize>index << 2)));
      const span = spans + (<usize>index << 3);
      if (load<i64>(span) != -1) return 0;
      const from = p;
      p = skipValue(p, limit);
      if (p == 0) return 0;
      const wanted = load<u8>(FIRSTS + <usize>index);
      if (wanted == 0 || wanted == load<u8>(from)) {
        store<i32>(span, <i32>(from - begin));
        store<i32>(span, <i32>(p - begin), 4);
        found |= 1 << index;
      } else if (load<u8>(from) == 0x6e) store<i64>(span, NULL);
      else return 0;
      if (first == 0 && (open >> index) & 1) first = from;
      next = index + 1;
    } else {
      if (load<u8>(p) != QUOTE) return 0;
      const name = p;
      p = skipString(p + 1);
      // an unknown member; but a known name spelled with escapes, or with a space before its colon, looks like one too
      if (p == 0 || load<u8>(p) != COLON) return 0;
      for (let q = name; q < p; q++) if (load<u8>(q) == BACKSLASH) return 0;
      p = skipValue(skipSpace(p + 1), limit);
      if (p == 0) return 0;
    }
    p = skipSpace(p);
    const after: u32 = load<u8>(p++);
    if (after == CLOSE_BRACE) break;
    if (after != COMMA) return 0;
    p = skipSpace(p);
  }
  seen = found;
  opened = first;
  return p;
}
