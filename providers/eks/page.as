// Reads the array of events of a FilterLogEvents answer, 16 bytes at a time (AssemblyScript, compiled by build-wasm.ts).
//
// It only ever says yes. Whatever isn't what the service usually writes (malformed, cut, a member unknown, twice or absent, an id
// with escapes, a number that isn't a plain one) is answered with 0, and page.ts reads the answer and finds out what it is.

// Layout of the memory; fast-page.ts has the same figures.
/** Out: number of events, i32; bytes of all messages, i32. */
const RESULT: usize = 0;
/** One for each hex digit: 0x80 | its value; 256 bytes. */
const HEX: usize = 256;
/** What a one-letter escape stands for; 256 bytes. */
const ESCAPED: usize = 512;
/** Out: for each event ingestionTime and timestamp, f64; begin and end of eventId and logStreamName in the input, i32; end of its message in the output, i32, and 4 bytes of nothing. */
const EVENTS: usize = 16384;
const EVENT_BYTES: usize = 40;
/** The service gives no more in an answer. */
const MOST_EVENTS: i32 = 10000;
/** The answer, and NULs behind it: NUL is allowed nowhere, so no loop needs to look for the end. */
const INPUT: usize = 458752;

const QUOTE: u32 = 0x22;
const COMMA: u32 = 0x2c;
const COLON: u32 = 0x3a;

// where the value read last ends, and the next byte of output
let at: usize = 0;
let out: usize = 0;

// @ts-ignore: decorator
@inline
function skipSpace(p: usize): usize {
  let c: u32 = load<u8>(p);
  while (c == 0x20 || c == 0x0a || c == 0x0d || c == 0x09) c = load<u8>(++p);
  return p;
}

// @ts-ignore: decorator
@inline
function special(v: v128, most: i32): i32 {
  // as signed bytes what is beyond ASCII is negative, so `most` decides whether it counts as special
  const low = most == 0 ? i8x16.lt_u(v, i8x16.splat(0x20)) : i8x16.lt_s(v, i8x16.splat(0x20));
  return i8x16.bitmask(v128.or(v128.or(i8x16.eq(v, i8x16.splat(0x22)), i8x16.eq(v, i8x16.splat(0x5c))), low));
}

/** A string of plain ASCII whose opening quote is at `p`: position of the closing quote, or 0. */
function plainString(p: usize): usize {
  if (load<u8>(p) != QUOTE) return 0;
  p++;
  while (true) {
    const mask = special(v128.load(p), 1);
    if (mask != 0) {
      p += ctz<u32>(mask);
      return load<u8>(p) == QUOTE ? p : 0;
    }
    p += 16;
  }
}

/** A whole number of at most 15 digits at `p`, or -1; `at` is behind it. */
function wholeNumber(p: usize): f64 {
  let c: u32 = load<u8>(p) - 0x30;
  if (c > 9 || (c == 0 && <u32>(load<u8>(p + 1) - 0x30) <= 9)) return -1;
  let n: u64 = 0;
  const first = p;
  while (c <= 9) {
    n = n * 10 + c;
    c = <u32>load<u8>(++p) - 0x30;
  }
  const end = load<u8>(p) | 0x20;
  if (p - first > 15 || end == 0x2e || end == 0x65) return -1;
  at = p;
  return <f64>n;
}

/** Code unit of the four hex digits at `p`, or -1. */
function hex4(p: usize): i32 {
  const a: i32 = load<u8>(HEX + load<u8>(p));
  const b: i32 = load<u8>(HEX + load<u8>(p + 1));
  const c: i32 = load<u8>(HEX + load<u8>(p + 2));
  const d: i32 = load<u8>(HEX + load<u8>(p + 3));
  if ((a & b & c & d & 0x80) == 0) return -1;
  return ((a & 15) << 12) | ((b & 15) << 8) | ((c & 15) << 4) | (d & 15);
}

/** The escape `\u` whose digits are at `p`: writes its UTF-8, gives the position behind it, or 0. A lone surrogate becomes U+FFFD. */
function unicode(p: usize): usize {
  let point = hex4(p);
  if (point < 0) return 0;
  p += 4;
  if (point >= 0xd800 && point < 0xe000) {
    const low = point < 0xdc00 && load<u16>(p) == 0x755c ? hex4(p + 2) : -1;
    if (low >= 0xdc00 && low < 0xe000) {
      point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
      p += 6;
    } else point = 0xfffd;
  }
  if (point < 0x80) store<u8>(out++, point);
  else if (point < 0x800) {
    store<u8>(out++, 0xc0 | (point >> 6));
    store<u8>(out++, 0x80 | (point & 63));
  } else {
    if (point < 0x10000) store<u8>(out++, 0xe0 | (point >> 12));
    else {
      store<u8>(out++, 0xf0 | (point >> 18));
      store<u8>(out++, 0x80 | ((point >> 12) & 63));
    }
    store<u8>(out++, 0x80 | ((point >> 6) & 63));
    store<u8>(out++, 0x80 | (point & 63));
  }
  return p;
}

/** Writes the bytes of the string whose opening quote is at `p` to the output. Gives the position behind the closing one, or 0. */
function message(p: usize): usize {
  if (load<u8>(p) != QUOTE) return 0;
  p++;
  while (true) {
    const v = v128.load(p);
    // up to 15 bytes too many, which the next ones overwrite
    v128.store(out, v);
    const mask = special(v, 0);
    if (mask == 0) {
      p += 16;
      out += 16;
      continue;
    }
    const n = ctz<u32>(mask);
    p += n;
    out += n;
    const c: u32 = load<u8>(p);
    if (c == QUOTE) return p + 1;
    if (c != 0x5c) return 0;
    const letter: u32 = load<u8>(p + 1);
    const byte: u32 = load<u8>(ESCAPED + letter);
    if (byte != 0) {
      store<u8>(out++, byte);
      p += 2;
    } else {
      if (letter != 0x75) return 0;
      p = unicode(p + 2);
      if (p == 0) return 0;
    }
  }
}

/** Position of the value behind a name whose closing quote ends at `p`, or 0. */
// @ts-ignore: decorator
@inline
function valueAt(p: usize): usize {
  p = skipSpace(p);
  return load<u8>(p) == COLON ? skipSpace(p + 1) : 0;
}

/** The event whose `{` is at `p`, into the table at `row`. Gives the position behind it, or 0. */
function event(p: usize, row: usize): usize {
  if (load<u8>(p) != 0x7b) return 0;
  p = skipSpace(p + 1);
  let seen: u32 = 0;
  while (true) {
    if (load<u8>(p) != QUOTE) return 0;
    const name = load<u64>(p + 1);
    let bit: u32 = 0;
    let value: usize = 0;
    if (name == 0x226449746e657665) {
      // eventId"
      bit = 1;
      value = valueAt(p + 9);
      if (value == 0) return 0;
      p = plainString(value);
      if (p <= value + 1) return 0;
      store<i32>(row + 16, <i32>(value + 1 - INPUT));
      store<i32>(row + 20, <i32>(p - INPUT));
      p++;
    } else if (name == 0x226567617373656d) {
      // message"
      bit = 2;
      value = valueAt(p + 9);
      if (value == 0) return 0;
      p = message(value);
      if (p == 0) return 0;
    } else if (name == 0x6d617473656d6974 && load<u16>(p + 9) == 0x2270) {
      // timestamp"
      bit = 4;
      value = valueAt(p + 11);
      if (value == 0) return 0;
      const time = wholeNumber(value);
      if (time < 0) return 0;
      store<f64>(row + 8, time);
      p = at;
    } else if (name == 0x6f69747365676e69 && load<u32>(p + 9) == 0x6d69546e && load<u16>(p + 13) == 0x2265) {
      // ingestionTime"
      bit = 8;
      value = valueAt(p + 15);
      if (value == 0) return 0;
      const time = wholeNumber(value);
      if (time < 0) return 0;
      store<f64>(row, time);
      p = at;
    } else if (name == 0x6165727453676f6c && load<u32>(p + 9) == 0x6d614e6d && load<u16>(p + 13) == 0x2265) {
      // logStreamName"
      bit = 16;
      value = valueAt(p + 15);
      if (value == 0) return 0;
      p = plainString(value);
      if (p == 0) return 0;
      store<i32>(row + 24, <i32>(value + 1 - INPUT));
      store<i32>(row + 28, <i32>(p - INPUT));
      p++;
    } else return 0;
    if ((seen & bit) != 0) return 0;
    seen |= bit;
    p = skipSpace(p);
    const c: u32 = load<u8>(p);
    if (c == 0x7d) return seen == 31 ? p + 1 : 0;
    if (c != COMMA) return 0;
    p = skipSpace(p + 1);
  }
}

/**
 * @param from where the array's `[` is in the input
 * @param output where messages are written, one after the other: as much room as the input has
 * @returns position behind the array in the input, or 0
 */
export function events(from: i32, output: usize): i32 {
  let p = INPUT + from;
  let count = 0;
  out = output;
  if (load<u8>(p) != 0x5b) return 0;
  p = skipSpace(p + 1);
  if (load<u8>(p) == 0x5d) p++;
  else
    while (true) {
      if (count == MOST_EVENTS) return 0;
      const row = EVENTS + <usize>count * EVENT_BYTES;
      p = event(p, row);
      if (p == 0) return 0;
      store<i32>(row + 32, <i32>(out - output));
      count++;
      p = skipSpace(p);
      const c: u32 = load<u8>(p);
      if (c == 0x5d) {
        p++;
        break;
      }
      if (c != COMMA) return 0;
      p = skipSpace(p + 1);
    }
  store<i32>(RESULT, count);
  store<i32>(RESULT + 4, <i32>(out - output));
  return <i32>(p - INPUT);
}
