// Compresses bytes to a raw deflate stream (RFC 1951), made for audit lines: few long matches with the lines before (AssemblyScript, compiled by build-wasm.ts).
//
// Hash chains over 5 bytes with lazy matching, as zlib does it, but: chains are followed less far, a line is first compared with the one
// that the last match was in, matches grow backwards into what no match was found for, and where nothing matches (UUIDs, hashes) it
// looks less often. Always codes of its own (dynamic
// Huffman): lines of JSON are never so short or so random that fixed codes or stored bytes would be better by much.

// Layout of the memory. What is below 64 KiB is the compiler's, for the tables at the end of this list.
/** How often each literal, end and length occurs, u32[286]. */
const LITERAL_COUNTS: usize = 65536;
/** How often each distance code occurs, u32[30]. */
const DISTANCE_COUNTS: usize = 66688;
/** How often each code of the code lengths occurs, u32[19]. */
const LENGTHS_COUNTS: usize = 66816;
/** Code length of each literal and length, u8[286]. */
const LITERAL_SIZES: usize = 66944;
/** Code length of each distance code, u8[30]. */
const DISTANCE_SIZES: usize = 67264;
/** Code length of each code of the code lengths, u8[19]. */
const LENGTHS_SIZES: usize = 67296;
/** Codes, bits turned round, u32: of literals and lengths, of distances, of code lengths. */
const LITERAL_CODES: usize = 67328;
const DISTANCE_CODES: usize = 68480;
const LENGTHS_CODES: usize = 68608;
/** A match's length: code and extra bits in the lower 24 bits, their number above; u32[259]. */
const MATCH_CODES: usize = 68736;
/** What stands for the code lengths in the header: code, and its extra bits from bit 5 on; u16[320]. */
const HEADER: usize = 69792;
/** Both alphabets' code lengths one after the other, u8[316]. */
const BOTH_SIZES: usize = 70432;
/** For building a code: symbols by weight u32[286], weights u32[576], parents u32[576], symbols of each length u32[16]. */
const SORTED: usize = 70784;
const WEIGHTS: usize = 71936;
const PARENTS: usize = 74240;
const OF_LENGTH: usize = 76544;
/** Code of each match length, u8[259]. */
const LENGTH_CODE: usize = 76672;
/** Literals and matches of the deflate block under way, u32: a literal is its byte, a match 1 in bit 31, length from bit 16 on, distance - 1. */
const TOKENS: usize = 131072;
const MOST_TOKENS: usize = 32768;
/** Latest position of each hash, u32; 0 for none. */
const HEAD: usize = 262144;
const HASH_BITS: usize = 15;
/** How far back the position before with the same hash lies, by the lower 15 bits of the position, u16; 0 for none in the window. */
const BEFORE: usize = 393216;
/** Where the content begins; the bytes that came before it lie in front of it. deflate.ts has the same figures. */
const CONTENT: usize = 655360;
/** Where the output begins: 1,144 KiB after the content, and with room for twice as much. */
const OUTPUT: usize = 1835008;

const WINDOW: usize = 32768;
const LONGEST: usize = 258;
/** Shorter ones are seldom worth their distance. */
const SHORTEST: usize = 4;
/** So many positions are looked at for a match, and for a better one at the next position. */
const DEPTH: i32 = 16;
const LAZY_DEPTH: i32 = 8;
/** From this length on no better one is looked for: neither among further positions, nor at the next one. */
const GOOD: usize = 128;
const LAZY: usize = 128;
/** A match as far back as the last one is taken at once if it has this length: two lines that agree go on doing so behind a word that differs. */
const REPEATED: usize = 48;
/** Behind so many positions of a match only every second is remembered: whoever misses one finds the next and grows backwards. */
const DENSE: usize = 8;
/** For each so many bytes without a match one position more is passed over, up to so many: it is noise, and matches grow backwards. */
const PATIENCE: usize = 8;
const MOST_SKIPPED: usize = 5;

// RFC 1951, 3.2.5: first length and distance of each code, and its number of extra bits.
const LENGTH_BASE = memory.data<u16>([
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
]);
const LENGTH_EXTRA = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
]);
// 3.2.7: the order in which the lengths of the code lengths' codes are written
const ORDER = memory.data<u8>([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]);

/** Bits not yet written, their number, and where the next byte goes. */
let bits: u64 = 0;
let held: u64 = 0;
let out: usize = 0;

// @ts-ignore: decorator
@inline
function put(value: u64, count: u64): void {
  bits |= value << held;
  held += count;
  store<u64>(out, bits);
  out += <usize>(held >> 3);
  bits >>= held & ~7;
  held &= 7;
}

/** Code of a distance less one: two codes for each power of two. */
// @ts-ignore: decorator
@inline
function distanceCode(less: u32): u32 {
  if (less < 4) return less;
  const top = 31 - clz<u32>(less);
  return 2 * top + ((less >> (top - 1)) & 1);
}

/**
 * Code lengths and codes of an alphabet of `size` symbols that occur `counts` times, none longer than `longest`.
 * One symbol alone gets a code of one bit; none at all gets nothing.
 */
function buildCode(counts: usize, size: u32, longest: u32, sizes: usize, codes: usize): void {
  memory.fill(sizes, 0, size);
  let used: u32 = 0;
  for (let symbol: u32 = 0; symbol < size; symbol++) {
    const count = load<u32>(counts + (symbol << 2));
    if (count == 0) continue;
    let at = used++;
    while (at > 0) {
      const before = load<u32>(SORTED + ((at - 1) << 2));
      if (load<u32>(counts + (before << 2)) <= count) break;
      store<u32>(SORTED + (at << 2), before);
      at--;
    }
    store<u32>(SORTED + (at << 2), symbol);
  }
  if (used == 0) return;
  if (used == 1) {
    const symbol = load<u32>(SORTED);
    store<u8>(sizes + symbol, 1);
    store<u32>(codes + (symbol << 2), 0);
    return;
  }
  // Huffman's tree with two queues: leaves in order of weight, inner nodes in order of making
  for (let i: u32 = 0; i < used; i++)
    store<u32>(WEIGHTS + (i << 2), load<u32>(counts + (load<u32>(SORTED + (i << 2)) << 2)));
  const root: u32 = 2 * used - 2;
  let leaf: u32 = 0;
  let inner: u32 = used;
  for (let made: u32 = used; made <= root; made++) {
    let weight: u32 = 0;
    for (let k = 0; k < 2; k++) {
      const takeLeaf =
        leaf < used && (inner >= made || load<u32>(WEIGHTS + (leaf << 2)) <= load<u32>(WEIGHTS + (inner << 2)));
      const taken = takeLeaf ? leaf++ : inner++;
      weight += load<u32>(WEIGHTS + (taken << 2));
      store<u32>(PARENTS + (taken << 2), made);
    }
    store<u32>(WEIGHTS + (made << 2), weight);
  }
  // weights are no longer needed: their place takes the depths
  memory.fill(OF_LENGTH, 0, 64);
  store<u32>(WEIGHTS + (root << 2), 0);
  for (let node: i32 = root - 1; node >= 0; node--) {
    const depth = load<u32>(WEIGHTS + (load<u32>(PARENTS + (<usize>node << 2)) << 2)) + 1;
    store<u32>(WEIGHTS + (<usize>node << 2), depth);
    if (<u32>node >= used) continue;
    const place = OF_LENGTH + (min(depth, longest) << 2);
    store<u32>(place, load<u32>(place) + 1);
  }
  // codes that were too long were cut: lengthen shorter ones until all fit, then shorten where there is room again
  const all: u32 = 1 << longest;
  let taken: u32 = 0;
  for (let length: u32 = 1; length <= longest; length++) taken += load<u32>(OF_LENGTH + (length << 2)) << (longest - length);
  while (taken > all) {
    let length = longest - 1;
    while (load<u32>(OF_LENGTH + (length << 2)) == 0) length--;
    move(length, length + 1);
    taken -= 1 << (longest - length - 1);
  }
  for (let length: u32 = 1; length < longest; length++) {
    const more: u32 = 1 << (longest - length - 1);
    while (taken + more <= all && load<u32>(OF_LENGTH + ((length + 1) << 2)) > 0) {
      move(length + 1, length);
      taken += more;
    }
  }
  // the rarest get the longest
  let next: usize = SORTED;
  for (let length = longest; length > 0; length--)
    for (let left = load<u32>(OF_LENGTH + (length << 2)); left > 0; left--) {
      store<u8>(sizes + load<u32>(next), length);
      next += 4;
    }
  // canonical codes (3.2.2), first code of each length where the number of its symbols was
  let code: u32 = 0;
  for (let length: u32 = 1; length <= longest; length++) {
    const count = load<u32>(OF_LENGTH + (length << 2));
    store<u32>(OF_LENGTH + (length << 2), code);
    code = (code + count) << 1;
  }
  for (let symbol: u32 = 0; symbol < size; symbol++) {
    const length: u32 = load<u8>(sizes + symbol);
    if (length == 0) continue;
    const place = OF_LENGTH + (length << 2);
    let given = load<u32>(place);
    store<u32>(place, given + 1);
    let turned: u32 = 0;
    for (let k: u32 = 0; k < length; k++) {
      turned = (turned << 1) | (given & 1);
      given >>= 1;
    }
    store<u32>(codes + (symbol << 2), turned);
  }
}

/** One symbol's code gets another length. */
// @ts-ignore: decorator
@inline
function move(from: u32, to: u32): void {
  store<u32>(OF_LENGTH + (from << 2), load<u32>(OF_LENGTH + (from << 2)) - 1);
  store<u32>(OF_LENGTH + (to << 2), load<u32>(OF_LENGTH + (to << 2)) + 1);
}

/** Symbols of an alphabet that a header names: up to the last one with a code. */
function named(sizes: usize, most: u32, least: u32): u32 {
  while (most > least && load<u8>(sizes + most - 1) == 0) most--;
  return most;
}

// @ts-ignore: decorator
@inline
function countOne(place: usize): void {
  store<u32>(place, load<u32>(place) + 1);
}

/** One more entry of HEADER. */
// @ts-ignore: decorator
@inline
function addHeader(at: u32, code: u32, extra: u32): u32 {
  store<u16>(HEADER + (at << 1), code | (extra << 5));
  countOne(LENGTHS_COUNTS + (code << 2));
  return at + 1;
}

/** Writes the codes of a block (3.2.7). */
function writeHeader(): void {
  const literals = named(LITERAL_SIZES, 286, 257);
  const distances = named(DISTANCE_SIZES, 30, 1);
  const total = literals + distances;
  memory.copy(BOTH_SIZES, LITERAL_SIZES, literals);
  memory.copy(BOTH_SIZES + literals, DISTANCE_SIZES, distances);
  memory.fill(LENGTHS_COUNTS, 0, 76);
  let entries: u32 = 0;
  for (let i: u32 = 0; i < total;) {
    const length: u32 = load<u8>(BOTH_SIZES + i);
    let run: u32 = 1;
    while (i + run < total && load<u8>(BOTH_SIZES + i + run) == length) run++;
    i += run;
    if (length != 0) {
      entries = addHeader(entries, length, 0);
      run--;
    }
    while (run > 0) {
      if (run < 3) {
        entries = addHeader(entries, length, 0);
        run--;
      } else if (length != 0) {
        const repeated = min<u32>(run, 6);
        entries = addHeader(entries, 16, repeated - 3);
        run -= repeated;
      } else if (run < 11) {
        entries = addHeader(entries, 17, run - 3);
        run = 0;
      } else {
        const repeated = min<u32>(run, 138);
        entries = addHeader(entries, 18, repeated - 11);
        run -= repeated;
      }
    }
  }
  buildCode(LENGTHS_COUNTS, 19, 7, LENGTHS_SIZES, LENGTHS_CODES);
  let codes: u32 = 19;
  while (codes > 4 && load<u8>(LENGTHS_SIZES + load<u8>(ORDER + codes - 1)) == 0) codes--;
  // not the last block, dynamic codes
  put(4, 3);
  put((literals - 257) | ((distances - 1) << 5) | ((codes - 4) << 10), 14);
  for (let i: u32 = 0; i < codes; i++) put(load<u8>(LENGTHS_SIZES + load<u8>(ORDER + i)), 3);
  for (let i: u32 = 0; i < entries; i++) {
    const entry = load<u16>(HEADER + (i << 1));
    const code: u32 = entry & 31;
    put(load<u32>(LENGTHS_CODES + (code << 2)), load<u8>(LENGTHS_SIZES + code));
    if (code >= 16) put(entry >> 5, code == 16 ? 2 : code == 17 ? 3 : 7);
  }
}

/** Writes the tokens up to `end` as one deflate block and forgets them. */
function flush(end: usize): void {
  store<u32>(LITERAL_COUNTS + (256 << 2), 1);
  buildCode(LITERAL_COUNTS, 286, 15, LITERAL_SIZES, LITERAL_CODES);
  buildCode(DISTANCE_COUNTS, 30, 15, DISTANCE_SIZES, DISTANCE_CODES);
  writeHeader();
  for (let length: u32 = 3; length <= <u32>LONGEST; length++) {
    const code: u32 = load<u8>(LENGTH_CODE + length);
    const size: u32 = load<u8>(LITERAL_SIZES + 257 + code);
    const extra = (length - load<u16>(LENGTH_BASE + (code << 1))) << size;
    const value = load<u32>(LITERAL_CODES + ((257 + code) << 2)) | extra;
    store<u32>(MATCH_CODES + (length << 2), value | ((size + load<u8>(LENGTH_EXTRA + code)) << 24));
  }
  // code and number of bits in one word: one load less for each token
  for (let symbol: u32 = 0; symbol <= 256; symbol++) {
    const place = LITERAL_CODES + (symbol << 2);
    store<u32>(place, load<u32>(place) | (<u32>load<u8>(LITERAL_SIZES + symbol) << 24));
  }
  // in locals: globals lie in memory
  let waiting = bits;
  let count = held;
  let to = out;
  for (let at = TOKENS; at < end; at += 4) {
    const token = load<u32>(at);
    if (token < 256) {
      const literal = load<u32>(LITERAL_CODES + (token << 2));
      waiting |= <u64>(literal & 0xffffff) << count;
      count += <u64>(literal >> 24);
    } else {
      const match = load<u32>(MATCH_CODES + (((token >> 16) & 511) << 2));
      const matchBits: u64 = match >> 24;
      const less = token & 0xffff;
      const code = distanceCode(less);
      const size: u64 = load<u8>(DISTANCE_SIZES + code);
      const extraBits: u64 = less < 4 ? 0 : (code >> 1) - 1;
      const extra: u64 = <u64>less & (((<u64>1) << extraBits) - 1);
      const distance = <u64>load<u32>(DISTANCE_CODES + (code << 2)) | (extra << size);
      // at most 7 + 20 + 28 bits
      waiting |= (<u64>(match & 0xffffff) | (distance << matchBits)) << count;
      count += matchBits + size + extraBits;
    }
    store<u64>(to, waiting);
    to += <usize>(count >> 3);
    waiting >>= count & ~7;
    count &= 7;
  }
  bits = waiting;
  held = count;
  out = to;
  put(load<u32>(LITERAL_CODES + (256 << 2)) & 0xffffff, load<u8>(LITERAL_SIZES + 256));
  memory.fill(LITERAL_COUNTS, 0, 286 << 2);
  memory.fill(DISTANCE_COUNTS, 0, 30 << 2);
}

/** Hash of the upper five bytes of `v`, as an offset in HEAD; the others must be zero. */
// @ts-ignore: decorator
@inline
function hashOfBytes(v: u64): usize {
  return <usize>((v * 0x9e3779b185ebca87) >> <u64>(64 - HASH_BITS)) << 2;
}

// @ts-ignore: decorator
@inline
function hashOf(p: usize): usize {
  return hashOfBytes(load<u64>(p) << 24);
}

// @ts-ignore: decorator
@inline
function remember(p: usize, hash: usize): void {
  follow(p, hash, load<u32>(HEAD + hash));
}

/** As remember, where the latest position with this hash is known. */
// @ts-ignore: decorator
@inline
function follow(p: usize, hash: usize, latest: usize): void {
  const back = p - latest;
  store<u16>(BEFORE + ((p & (WINDOW - 1)) << 1), back <= WINDOW ? <u16>back : 0);
  store<u32>(HEAD + hash, <u32>p);
}

/** Bytes that agree from `a` and `b` on, at most `most`. Reads up to 16 bytes beyond. */
// @ts-ignore: decorator
@inline
function agreeing(a: usize, b: usize, most: usize): usize {
  let length: usize = 0;
  while (length < most) {
    const differing = i8x16.bitmask(i8x16.ne(v128.load(a + length), v128.load(b + length)));
    if (differing != 0) return min(length + ctz<u32>(differing), most);
    length += 16;
  }
  return most;
}

/**
 * The longest match for `p` that is longer than `best`: length above bit 16, distance - 1 below; 0 if there is none.
 * @param c the latest position with the same hash
 */
// @ts-ignore: decorator
@inline
function search(p: usize, c: usize, first: usize, end: usize, best: usize, depth: i32): u32 {
  const oldest = max(first, p - WINDOW);
  if (c < oldest) return 0;
  const most = min(end - p, LONGEST);
  if (best >= most) return 0;
  const start = load<u32>(p);
  let found: u32 = 0;
  let tail = load<u32>(p + best - 3);
  do {
    // a longer one agrees in its last bytes too, and most don't
    if (load<u32>(c + best - 3) == tail && load<u32>(c) == start) {
      const length = agreeing(c, p, most);
      if (length > best) {
        best = length;
        found = <u32>((length << 16) | (p - c - 1));
        if (length >= GOOD || length == most) break;
        tail = load<u32>(p + best - 3);
      }
    }
    if (--depth == 0) break;
    const back: usize = load<u16>(BEFORE + ((c & (WINDOW - 1)) << 1));
    if (back == 0) break;
    c -= back;
  } while (c >= oldest);
  return found;
}

/**
 * Compresses `size` bytes at CONTENT, `dictionary` bytes before which a reader has already, to OUTPUT.
 * The stream isn't ended: it goes on at a byte boundary, behind an empty stored block, as after zlib's Z_SYNC_FLUSH.
 * Gives the number of bytes written.
 */
export function compress(size: usize, dictionary: usize): usize {
  const first = CONTENT - dictionary;
  const end = CONTENT + size;
  bits = 0;
  held = 0;
  out = OUTPUT;
  memory.fill(HEAD, 0, 4 << HASH_BITS);
  memory.fill(LITERAL_COUNTS, 0, 286 << 2);
  memory.fill(DISTANCE_COUNTS, 0, 30 << 2);
  for (let code: u32 = 0; code < 29; code++) {
    const length: u32 = load<u16>(LENGTH_BASE + (code << 1));
    memory.fill(LENGTH_CODE + length, <u8>code, 1 << load<u8>(LENGTH_EXTRA + code));
  }
  // the last code is for 258 alone, which the one before would cover too
  store<u8>(LENGTH_CODE + LONGEST, 28);
  for (let p = first; p < CONTENT; p += 2) remember(p, hashOf(p));

  let token = TOKENS;
  const lastToken = TOKENS + (MOST_TOKENS << 2);
  /** What lies from here to `p` has no match yet. */
  let anchor = CONTENT;
  let p = CONTENT;
  /** How far back the last match was. */
  let back: usize = 1;
  // a hash reads 8 bytes
  const last = size > 8 ? end - 8 : CONTENT;
  while (p < last) {
    let hash = hashOf(p);
    let latest: usize = load<u32>(HEAD + hash);
    let match: u32 = 0;
    const same = p - back;
    if (load<u32>(same) == load<u32>(p) && same >= max(first, p - WINDOW)) {
      const length = agreeing(same, p, min(end - p, LONGEST));
      if (length >= REPEATED) match = <u32>((length << 16) | (back - 1));
    }
    const repeated = match != 0;
    if (!repeated) match = search(p, latest, first, end, SHORTEST - 1, DEPTH);
    follow(p, hash, latest);
    if (match == 0) {
      let skipped = min((p - anchor) / PATIENCE, MOST_SKIPPED);
      for (p++; skipped > 0 && p < last; skipped--, p++) remember(p, hashOf(p));
      continue;
    }
    // a longer one may begin at the next byte
    while (!repeated && <usize>(match >> 16) < LAZY && p + 1 < last) {
      hash = hashOf(p + 1);
      latest = load<u32>(HEAD + hash);
      const better = search(p + 1, latest, first, end, match >> 16, LAZY_DEPTH);
      if (better == 0) break;
      p++;
      follow(p, hash, latest);
      match = better;
    }
    let length: usize = match >> 16;
    const less: usize = match & 0xffff;
    back = less + 1;
    const behind = p + length;
    let next = p + 1;
    while (p > anchor && p - less - 1 > first && length < LONGEST && load<u8>(p - 1) == load<u8>(p - less - 2)) {
      p--;
      length++;
    }
    for (; anchor < p; anchor++) {
      if (token == lastToken) {
        flush(token);
        token = TOKENS;
      }
      const literal: u32 = load<u8>(anchor);
      store<u32>(token, literal);
      token += 4;
      countOne(LITERAL_COUNTS + (literal << 2));
    }
    if (token == lastToken) {
      flush(token);
      token = TOKENS;
    }
    store<u32>(token, 0x80000000 | <u32>((length << 16) | less));
    token += 4;
    countOne(LITERAL_COUNTS + ((257 + <u32>load<u8>(LENGTH_CODE + length)) << 2));
    countOne(DISTANCE_COUNTS + (distanceCode(<u32>less) << 2));
    const stop = min(behind, last);
    const dense = min(stop, next + DENSE);
    // two positions from one load
    for (; next + 1 < dense; next += 2) {
      const bytes = load<u64>(next);
      remember(next, hashOfBytes(bytes << 24));
      remember(next + 1, hashOfBytes((bytes << 16) & 0xffffffffff000000));
    }
    for (; next < stop; next += 2) remember(next, hashOf(next));
    p = behind;
    anchor = behind;
  }
  for (; anchor < end; anchor++) {
    if (token == lastToken) {
      flush(token);
      token = TOKENS;
    }
    const literal: u32 = load<u8>(anchor);
    store<u32>(token, literal);
    token += 4;
    countOne(LITERAL_COUNTS + (literal << 2));
  }
  if (token > TOKENS) flush(token);
  // an empty stored block: three bits, zeros up to the byte's end, length 0 and its complement
  put(0, 3);
  if (held > 0) put(0, 8 - held);
  put(0xffff0000, 32);
  return out - OUTPUT;
}
