// Scans all lines of a piece of a log in one call, and checks what makes a line an Event (AssemblyScript, compiled by build-wasm.ts with scanner.as and letters.as).
//
// As there: what is not accepted at once is left to the slow path, which knows why.

import { lettersOf, NOT_SURE } from './letters';
import { INPUT, scanObject, seen } from './scanner';

// Layout of the memory; scanner.ts has the same figures.
/** In: words that values may have to be, with their quotes, each in 32 bytes. */
const WORDS: usize = 16384;
/** In: bytes of each word, u32. */
const WORD_SIZES: usize = 17408;
/** In: for which field the next words are, their number, and whether it must be one of them; three i32 each. */
const LISTS: usize = 17536;
/** In: number of LISTS, i32. */
const LIST_COUNT: usize = 17664;
/** In: fields that must have a value, and those whose text must not be empty, a bit each. */
const REQUIRED: usize = 17668;
const FILLED: usize = 17672;
/** In: fields that hold a MicroTime, i32; the first one's is wanted. -1 for none. */
const TIME: usize = 17676;
const OTHER_TIME: usize = 17680;
/** Out: bytes up to the first line that was not scanned. */
const CONSUMED: usize = 17684;
/**
 * Out: for each line its begin, its end, that of its line end, and what it is, i32; then the fields' begins and ends, from the begin of the
 * line; at last the time, f64, milliseconds since the epoch.
 */
const RECORDS: usize = 20480;
const RECORD: usize = 176;
const FIELDS_AT: usize = 16;
const TIME_AT: usize = 168;
const RECORDS_END: usize = 204800 - RECORD;

/** Bits of what a line is: the letters, then for each list the word's number. */
const WORD_SHIFT: i32 = 3;
const WORD_BITS: i32 = 5;
/** A word that is not in its list. */
const OTHER_WORD: i32 = 31;

const LINE_FEED: u32 = 0x0a;

/** Which of `count` words from `first` on stands at [p, p + size), or OTHER_WORD. */
// @ts-ignore: decorator
@inline
function wordAt(p: usize, size: u32, first: i32, count: i32): i32 {
  const a = v128.load(p);
  const b = v128.load(p + 16);
  for (let i = 0; i < count; i++) {
    if (load<u32>(WORD_SIZES + (<usize>(first + i) << 2)) != size) continue;
    const word = WORDS + (<usize>(first + i) << 5);
    const same = <u32>i8x16.bitmask(i8x16.eq(a, v128.load(word))) | (<u32>i8x16.bitmask(i8x16.eq(b, v128.load(word + 16))) << 16);
    const mask: u32 = (1 << size) - 1;
    if ((same & mask) == mask) return i;
  }
  return OTHER_WORD;
}

// @ts-ignore: decorator
@inline
function twoDigits(p: usize): u32 {
  return <u32>load<u8>(p) * 10 + <u32>load<u8>(p + 1) - 528;
}

const DAYS_BEFORE = memory.data<u16>([0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334]);
const DAYS_IN_MONTH = memory.data<u8>([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]);
/** 2000-01-01, days since the epoch. */
const DAY_2000: u32 = 10957;

/** The MicroTime in UTC whose text begins at `p`, milliseconds since the epoch; -1 if it is none, or spelled in any other way. */
function timeAt(p: usize): f64 {
  // YYYY-MM-DDTHH:MM, and from HH on to the Z
  const a = v128.load(p);
  const b = v128.load(p, 11);
  const digitsA = i8x16.bitmask(i8x16.lt_u(i8x16.sub(a, i8x16.splat(0x30)), i8x16.splat(10)));
  const digitsB = i8x16.bitmask(i8x16.lt_u(i8x16.sub(b, i8x16.splat(0x30)), i8x16.splat(10)));
  if (digitsA != 0xdb6f || digitsB != 0x7edb) return -1;
  if (load<u16>(p) != 0x3032 || load<u8>(p, 4) != 0x2d || load<u8>(p, 7) != 0x2d || load<u8>(p, 10) != 0x54) return -1;
  if (load<u8>(p, 13) != 0x3a || load<u8>(p, 16) != 0x3a || load<u8>(p, 19) != 0x2e || load<u8>(p, 26) != 0x5a) return -1;
  const year = twoDigits(p + 2);
  const month = twoDigits(p + 5);
  const day = twoDigits(p + 8);
  const hours = twoDigits(p + 11);
  const minutes = twoDigits(p + 14);
  const seconds = twoDigits(p + 17);
  if (month - 1 > 11 || day == 0 || hours > 23 || minutes > 59 || seconds > 59) return -1;
  // of these years, 2000 included, each fourth is a leap year
  const leap: u32 = (year & 3) == 0 ? 1 : 0;
  if (day > <u32>load<u8>(DAYS_IN_MONTH + month - 1) + (month == 2 ? leap : 0)) return -1;
  const before: u32 = <u32>load<u16>(DAYS_BEFORE + ((month - 1) << 1)) + (month > 2 ? leap : 0);
  const days = DAY_2000 + year * 365 + ((year + 3) >> 2) + before + day - 1;
  const inDay = (hours * 60 + minutes) * 60 + seconds;
  const ms = twoDigits(p + 20) * 10 + <u32>load<u8>(p, 22) - 0x30;
  return <f64>days * 86400000 + <f64>(inDay * 1000 + ms);
}

/** The time of a field that holds a MicroTime; -1 if it holds none. */
// @ts-ignore: decorator
@inline
function timeOf(begin: usize, spans: usize, field: usize): f64 {
  const from = load<u32>(spans + (field << 3));
  if (load<u32>(spans + (field << 3), 4) - from != 29) return -1;
  return timeAt(begin + from + 1);
}

/** What the line is whose object was scanned last; NOT_SURE if it is no Event, or not at first sight. */
// @ts-ignore: decorator
@inline
function eventOf(begin: usize, end: usize, record: usize): i32 {
  const spans = record + FIELDS_AT;
  const required = load<u32>(REQUIRED);
  if ((seen & required) != required) return NOT_SURE;
  let code = 0;
  let word = 0;
  let shift = WORD_SHIFT;
  const lists = LISTS + <usize>load<i32>(LIST_COUNT) * 12;
  for (let list = LISTS; list < lists; list += 12) {
    const field = load<u32>(list);
    const count = load<i32>(list, 4);
    const span = spans + (<usize>field << 3);
    const from = load<u32>(span);
    const found = wordAt(begin + from, load<u32>(span, 4) - from, word, count);
    if (found == OTHER_WORD && load<i32>(list, 8) != 0) return NOT_SURE;
    code |= found << shift;
    word += count;
    shift += WORD_BITS;
  }
  for (let filled = load<u32>(FILLED); filled != 0; filled &= filled - 1) {
    const span = spans + (<usize>ctz<u32>(filled) << 3);
    if (load<i32>(span, 4) - load<i32>(span) <= 2) return NOT_SURE;
  }
  if (load<i32>(TIME) >= 0) {
    const time = timeOf(begin, spans, load<u32>(TIME));
    if (time < 0 || timeOf(begin, spans, load<u32>(OTHER_TIME)) < 0) return NOT_SURE;
    store<f64>(record, time, TIME_AT);
  }
  return code | lettersOf(begin, end, spans);
}

/** Where the line at `p` ends, or `end` if it goes on behind that. */
function endOfLine(p: usize, end: usize): usize {
  for (; p < end; p += 16) {
    const hits = i8x16.bitmask(i8x16.eq(v128.load(p), i8x16.splat(0x0a)));
    if (hits != 0) return min(p + ctz<u32>(hits), end);
  }
  return end;
}

/** Scans the whole lines among the `size` bytes at INPUT, as many as there is room for in RECORDS. Gives their number. */
export function scanLines(size: i32, fields: i32, limit: i32): i32 {
  const end = INPUT + <usize>size;
  store<u8>(end, 0);
  let p = INPUT;
  let record = RECORDS;
  let count = 0;
  while (p < end && record <= RECORDS_END) {
    let to = scanObject(p, record + FIELDS_AT, fields, limit);
    let next: usize = 0;
    if (to != 0) {
      // a carriage return before the line end belongs to the line end
      if (load<u8>(to) == LINE_FEED) next = to + 1;
      else if (load<u16>(to) == 0x0a0d) next = to + 2;
    }
    let what: i32 = NOT_SURE;
    if (next != 0) what = eventOf(p, to, record);
    else {
      to = endOfLine(p, end);
      if (to == end) break;
      next = to + 1;
    }
    store<i32>(record, <i32>(p - INPUT));
    store<i32>(record, <i32>(to - INPUT), 4);
    store<i32>(record, <i32>(next - INPUT), 8);
    store<i32>(record, what, 12);
    p = next;
    record += RECORD;
    count++;
  }
  store<i32>(CONSUMED, <i32>(p - INPUT));
  return count;
}
