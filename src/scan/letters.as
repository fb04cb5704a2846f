// What the letters of a line say: whether it needs a look at its UTF-8, and whether the secrets guard need look at it at all.

import { OPEN, opened } from './scanner';

export const NOT_SURE: i32 = 0;
const ASCII: i32 = 1;
const BEYOND_ASCII: i32 = 2;
const CLEAR: i32 = 4;

// Layout of the memory; scanner.ts has the same figures.
/** In: fields that hold the request's URI and what it is about, i32; -1 for none. */
const URI: usize = 1536;
const OBJECT: usize = 1540;

function isAscii(p: usize, end: usize): bool {
  let bits = i64x2.splat(0);
  while (p + 16 <= end) {
    bits = v128.or(bits, v128.load(p));
    p += 16;
  }
  let rest: u32 = 0;
  while (p < end) rest |= load<u8>(p++);
  return i8x16.bitmask(bits) == 0 && rest < 0x80;
}

/** Is there no `Secret`, no `TokenRe` and no letter spelled as an escape in [p, end)? */
function isClear(p: usize, end: usize): bool {
  for (; p < end; p += 16) {
    const v = v128.load(p);
    const third = v128.load(p, 2);
    const secret = v128.and(i8x16.eq(v, i8x16.splat(0x53)), i8x16.eq(third, i8x16.splat(0x63)));
    const token = v128.and(i8x16.eq(v, i8x16.splat(0x54)), i8x16.eq(third, i8x16.splat(0x6b)));
    const escape = i8x16.eq(v, i8x16.splat(0x5c));
    let hits = i8x16.bitmask(v128.or(v128.or(secret, token), escape));
    for (; hits != 0; hits &= hits - 1) {
      const at = p + ctz<u32>(hits);
      // behind the end stands the next line, or what is left of longer ones
      if (at >= end) return true;
      const word = load<u32>(at);
      if (word == 0x72636553 /* Secr */ && load<u16>(at, 4) == 0x7465 /* et */) return false;
      if (word == 0x656b6f54 /* Toke */ && (load<u32>(at, 4) & 0xffffff) == 0x65526e /* nRe */) return false;
      if (word == 0x3030755c /* \u00 */ && (load<u8>(at, 4) & 0xfc) == 0x34) return false;
    }
  }
  return true;
}

/** Does the byte at `p` begin one of the words `sec…`, `tok…`? */
// @ts-ignore: decorator
@inline
function beginsWord(p: usize): bool {
  const word = load<u32>(p) & 0xffffff;
  return word == 0x636573 || word == 0x6b6f74;
}

/** Is there, before a `?`, no part of the path in [p, end) that begins such a word, and no escape? */
function isPlainPath(p: usize, end: usize): bool {
  for (; p < end; p += 16) {
    const v = v128.load(p);
    const escape = v128.or(i8x16.eq(v, i8x16.splat(0x25)), i8x16.eq(v, i8x16.splat(0x5c)));
    const stop = v128.or(escape, i8x16.eq(v, i8x16.splat(0x3f)));
    let hits = i8x16.bitmask(v128.or(stop, i8x16.eq(v, i8x16.splat(0x2f))));
    while (hits != 0) {
      const at = p + ctz<u32>(hits);
      if (at >= end) return true;
      const c: u32 = load<u8>(at);
      if (c == 0x3f) return true;
      if (c != 0x2f || beginsWord(at + 1)) return false;
      hits &= hits - 1;
    }
  }
  return true;
}

/** Is there no string in [p, end) that begins such a word, and no escape? */
function isPlainObject(p: usize, end: usize): bool {
  for (; p < end; p += 16) {
    const v = v128.load(p);
    const sec = v128.and(i8x16.eq(v128.load(p, 1), i8x16.splat(0x73)), i8x16.eq(v128.load(p, 3), i8x16.splat(0x63)));
    const tok = v128.and(i8x16.eq(v128.load(p, 1), i8x16.splat(0x74)), i8x16.eq(v128.load(p, 3), i8x16.splat(0x6b)));
    const word = v128.and(i8x16.eq(v, i8x16.splat(0x22)), v128.or(sec, tok));
    let hits = i8x16.bitmask(v128.or(word, i8x16.eq(v, i8x16.splat(0x5c))));
    if (hits != 0 && p + ctz<u32>(hits) < end) return false;
  }
  return true;
}

/** Do URI and object, if the scanner was told where they stand, say nothing that the secrets guard would look at more closely? */
// @ts-ignore: decorator
@inline
function isPlainRequest(begin: usize, spans: usize): bool {
  const uri = load<i32>(URI);
  if (uri < 0) return true;
  const path = spans + (<usize>uri << 3);
  if (load<i32>(path) >= 0 && !isPlainPath(begin + load<u32>(path), begin + load<u32>(path, 4))) return false;
  const object = spans + (<usize>load<i32>(OBJECT) << 3);
  return load<i32>(object) < 0 || isPlainObject(begin + load<u32>(object), begin + load<u32>(object, 4));
}

/** What is to be said of the letters in [begin, end), the line whose object was scanned last. */
// @ts-ignore: decorator
@inline
export function lettersOf(begin: usize, end: usize, spans: usize): i32 {
  const clear = load<u32>(OPEN) != 0 && (opened == 0 || isClear(opened, end)) && isPlainRequest(begin, spans) ? CLEAR : 0;
  return clear | (isAscii(begin, end) ? ASCII : BEYOND_ASCII);
}
