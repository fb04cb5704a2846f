// Runs scanner.as and lines.as, the fast path of the event scanner: copies lines into its memory and reads the members' places from there.

import { endianness } from 'node:os';
import { instantiateWasm } from '../wasm.ts';
import { LINES_WASM } from './lines-wasm.ts';

/** The scanner can't accept the line at once: ask reasons.ts what it is. */
export const NOT_SURE = 0;
/** One JSON object on one line, all of it ASCII. */
export const ASCII = 1;
/** One JSON object on one line, if its bytes are UTF-8: that is not checked. */
export const BEYOND_ASCII = 2;
/**
 * Added to the two before: there is no word that the secrets guard would look at more closely from the first open member to the end of the
 * line, and none in URI and object.
 */
export const CLEAR = 4;

/** Numbers of a line in `records`. */
export const RECORD = 44;
/** Of those: where the line begins and ends in the chunk, where its line end ends, what it is, and where the spans begin. */
export const BEGIN = 0;
export const END = 1;
export const NEXT = 2;
export const WHAT = 3;
export const SPANS_AT = 4;
/** The time, of a record of as many floats. */
export const TIME_AT = 21;
/** The number of a word that isn't in its list. */
export const OTHER_WORD = 31;

/** The number of the word in list `list` that a line has. */
export const wordOf = (what: number, list: number): number => (what >> (3 + 5 * list)) & 31;

/** What members must be for a line to be accepted, all by their names. */
export interface LineRules {
  /** At most 8 lists of at most 28 letters a word, 32 words in all. A value that may be something else as well gets OTHER_WORD. */
  readonly words: readonly { readonly name: string; readonly list: readonly string[]; readonly others: boolean }[];
  readonly required: readonly string[];
  /** Of those, texts that must not be empty. */
  readonly filled: readonly string[];
  /** Both must be a MicroTime in UTC; the first one's value is wanted. */
  readonly times: readonly [string, string];
  /** Where the secrets guard looks as well. */
  readonly uri: string;
  readonly object: string;
}

/** Lines of a chunk. */
export interface ScannedLines {
  readonly count: number;
  /** Behind the last of them. */
  readonly end: number;
  /** RECORD numbers a line. Places in the line are relative to its begin. WHAT is NOT_SURE where the fast path does not accept it. */
  readonly records: Int32Array;
  /** The same memory: the times. */
  readonly times: Float64Array;
}

/** A scanner for objects whose members of these names are wanted. */
export interface Scanner {
  /**
   * Two numbers a name, begin and end of its value in the line scanned last; begin is -1 where absent, or null where something else is
   * wanted. Only valid where it was accepted, and until the next scan.
   */
  readonly spans: Int32Array;
  /** The time in the line scanned last, one number, milliseconds since the epoch. */
  readonly time: Float64Array;
  /** What the line is: NOT_SURE where the fast path does not accept it. */
  scan(line: Uint8Array): number;
  /** Scans whole lines from `from` on, as many as it takes at once: none if no line ends there, or a long one. */
  lines(chunk: Uint8Array, from: number): ScannedLines;
}

// Layout of the memory; scanner.as and lines.as have the same figures.
const NAMES = 256;
const MASKS = 1024;
const SIZES = 1152;
const FIRSTS = 1248;
const OPEN = 1272;
const ESCAPES = 1280;
const URI = 1536;
const OBJECT = 1540;
const WORDS = 16384;
const WORD_SIZES = 17408;
const LISTS = 17536;
const LIST_COUNT = 17664;
const REQUIRED = 17668;
const FILLED = 17672;
const TIMES = 17676;
const CONSUMED = 17684;
const RECORDS = 20480;
const INPUT = 204800;
const NAME_BYTES = 32;
const LINE_FEED = 0x0a;
/** Of a chunk, scanned at once: it should still lie in the cache afterwards. */
const AT_ONCE = 128 << 10;
/** The scanner reads up to 32 bytes beyond the line. */
const SLACK = 64;

/** What lines.as exports. */
interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly scanLines: (size: number, names: number, depth: number) => number;
}

const instantiate = () => (endianness() === 'LE' ? instantiateWasm<Exports>(LINES_WASM) : undefined);

/**
 * A scanner for the top-level members `names` (at most 24, of at most 28 letters), in the order in which they are expected.
 * Undefined where the host can't run it (no WebAssembly, no SIMD, big-endian): then reasons.ts does all the work.
 * @param depth how deep a member's value may nest
 * @param firsts what each name's value must begin with, one letter; an empty text for anything
 * @param open names whose values hold what clients send: where given, CLEAR is found out
 * @param rules what else a line must be to be accepted
 */
export function createScanner(
  names: readonly string[],
  depth: number,
  firsts: readonly string[] = [],
  open: readonly string[] = [],
  rules?: LineRules,
): Scanner | undefined {
  const wasm = instantiate();
  if (wasm === undefined) return undefined;
  const { memory, scanLines } = wasm;
  const bytes = new Uint8Array(memory.buffer);
  const words = new Uint32Array(memory.buffer);
  for (const [i, name] of names.entries()) {
    const text = Buffer.from(`"${name}":`);
    bytes.set(text, NAMES + i * NAME_BYTES);
    words[MASKS / 4 + i] = 2 ** text.length - 1;
    words[SIZES / 4 + i] = text.length;
    if (open.includes(name)) words[OPEN / 4]! |= 1 << i;
    bytes[FIRSTS + i] = firsts[i] ? firsts[i].charCodeAt(0) : 0;
  }
  const allow = (letters: string, kind: number) => {
    for (const c of letters) bytes[ESCAPES + c.charCodeAt(0)]! |= kind;
  };
  allow('"\\/bfnrt', 1);
  allow('u', 2);
  allow('0123456789abcdefABCDEF', 4);

  words[URI / 4] = -1;
  words[TIMES / 4] = -1;
  if (rules !== undefined) putRules(names, rules, memory.buffer);

  const count = names.length;
  const longest = bytes.length - INPUT - SLACK;
  return {
    spans: new Int32Array(memory.buffer, RECORDS + SPANS_AT * 4, count * 2),
    time: new Float64Array(memory.buffer, RECORDS + TIME_AT * 8, 1),
    scan(line) {
      // rare, and the memory should not grow for ever because one line was long
      if (line.length > longest) return NOT_SURE;
      bytes.set(line, INPUT);
      bytes[INPUT + line.length] = LINE_FEED;
      const whole = scanLines(line.length + 1, count, depth) === 1 && words[RECORDS / 4 + END] === line.length;
      return whole ? words[RECORDS / 4 + WHAT]! : NOT_SURE;
    },
    lines(chunk, from) {
      const size = Math.min(chunk.length - from, AT_ONCE);
      bytes.set(chunk.subarray(from, from + size), INPUT);
      const lines = scanLines(size, count, depth);
      const found = memory.buffer.slice(RECORDS, RECORDS + lines * RECORD * 4);
      return {
        count: lines,
        end: from + words[CONSUMED / 4]!,
        records: new Int32Array(found),
        times: new Float64Array(found),
      };
    },
  };
}

function putRules(names: readonly string[], rules: LineRules, memory: ArrayBuffer): void {
  const bytes = new Uint8Array(memory);
  const words = new Int32Array(memory);
  const bits = (some: readonly string[]) => some.reduce((set, name) => set | (1 << names.indexOf(name)), 0);
  let at = 0;
  for (const [i, { name, list, others }] of rules.words.entries()) {
    words.set([names.indexOf(name), list.length, others ? 0 : 1], LISTS / 4 + i * 3);
    for (const word of list) {
      const text = Buffer.from(`"${word}"`);
      bytes.set(text, WORDS + at * NAME_BYTES);
      words[WORD_SIZES / 4 + at++] = text.length;
    }
  }
  words[LIST_COUNT / 4] = rules.words.length;
  words[REQUIRED / 4] = bits(rules.required);
  words[FILLED / 4] = bits(rules.filled);
  words.set(
    rules.times.map((name) => names.indexOf(name)),
    TIMES / 4,
  );
  words[URI / 4] = names.indexOf(rules.uri);
  words[OBJECT / 4] = names.indexOf(rules.object);
}
