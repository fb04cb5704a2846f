// Runs scanner.as, the fast path of the event scanner: copies a line into its memory and reads the members' places from there.

import { endianness } from 'node:os';
import { instantiateWasm } from '../wasm.ts';
import { SCANNER_WASM } from './scanner-wasm.ts';

/** The scanner can't accept the line at once: ask json.ts what it is. */
export const NOT_SURE = 0;
/** One JSON object on one line, all of it ASCII. */
export const ASCII = 1;
/** One JSON object on one line, if its bytes are UTF-8: that is not checked. */
export const BEYOND_ASCII = 2;
/** Added to the two before: from the first open member to the end of the line stands nothing that the secrets guard would look at more closely. */
export const CLEAR = 4;

/** A scanner for objects whose members of these names are wanted. */
export interface Scanner {
  /**
   * Two numbers a name, begin and end of its value in the line scanned last; begin is -1 where absent, or null where something else is
   * wanted. Only valid after ASCII and BEYOND_ASCII, and until the next scan.
   */
  readonly spans: Int32Array;
  /** NOT_SURE, ASCII or BEYOND_ASCII, the latter two perhaps with CLEAR. */
  scan(line: Uint8Array): number;
}

// Layout of the memory; scanner.as has the same figures.
const SPANS = 0;
const NAMES = 256;
const MASKS = 1024;
const SIZES = 1152;
const FIRSTS = 1248;
const OPEN = 1272;
const ESCAPES = 1280;
const INPUT = 16384;
const NAME_BYTES = 32;
/** The scanner reads up to 32 bytes beyond the line. */
const SLACK = 64;

/** What scanner.as exports. */
interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly scan: (size: number, names: number, depth: number) => number;
}

const instantiate = () => (endianness() === 'LE' ? instantiateWasm<Exports>(SCANNER_WASM) : undefined);

/**
 * A scanner for the top-level members `names` (at most 24, of at most 28 letters), in the order in which they are expected.
 * Undefined where the host can't run it (no WebAssembly, no SIMD, big-endian): then json.ts does all the work.
 * @param depth how deep a member's value may nest
 * @param firsts what each name's value must begin with, one letter; an empty text for anything
 * @param open names whose values hold what clients send: where given, CLEAR is found out
 */
export function createScanner(
  names: readonly string[],
  depth: number,
  firsts: readonly string[] = [],
  open: readonly string[] = [],
): Scanner | undefined {
  const wasm = instantiate();
  if (wasm === undefined) return undefined;
  const { memory, scan: run } = wasm;
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

  const count = names.length;
  const longest = bytes.length - INPUT - SLACK;
  return {
    spans: new Int32Array(memory.buffer, SPANS, count * 2),
    scan(line) {
      // rare, and the memory should not grow for ever because one line was long
      if (line.length > longest) return NOT_SURE;
      bytes.set(line, INPUT);
      return run(line.length, count, depth);
    },
  };
}
