// Runs page.as, the fast path of page.ts: reads the events of an ordinary answer, or says that it isn't one.

import { endianness } from 'node:os';
import { instantiateWasm, type ProviderRecord, takeMemory } from '../../src/provider.ts';
import { PAGE_WASM } from './page-wasm.ts';

// Layout of the memory; page.as has the same figures.
const HEX = 256;
const ESCAPED = 512;
const EVENTS = 16384;
const EVENT_BYTES = 40;
const INPUT = 458_752;
/** It reads and writes up to 32 bytes beyond. */
const SLACK = 64;
/** Larger answers (1 MB of messages, nearly all escapes) are left to page.ts. */
const LONGEST = 3 << 20;
const OUTPUT = INPUT + LONGEST + SLACK;

/** What page.as exports. */
interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  readonly events: (from: number, output: number) => number;
}

/** The events of an answer, and where their array ends in it. */
export interface FastEvents {
  readonly records: ProviderRecord[];
  /** What the records' contents lie in; from takeMemory. */
  readonly memory: Buffer;
  readonly end: number;
}

export type ReadEvents = (body: Buffer, from: number) => FastEvents | undefined;

function prepare({ memory, events }: Exports): ReadEvents {
  memory.grow(Math.ceil((OUTPUT + LONGEST + SLACK - memory.buffer.byteLength) / 65_536));
  const bytes = new Uint8Array(memory.buffer);
  const view = new Int32Array(memory.buffer);
  const times = new Float64Array(memory.buffer);
  for (const c of '0123456789abcdefABCDEF') bytes[HEX + c.charCodeAt(0)] = 0x80 | Number.parseInt(c, 16);
  for (const [letter, byte] of Object.entries({ '"': 34, '\\': 92, '/': 47, b: 8, f: 12, n: 10, r: 13, t: 9 }))
    bytes[ESCAPED + letter.charCodeAt(0)] = byte;
  // streams repeat: the last name is kept
  let stream = Buffer.alloc(0);
  let origin = '';

  return (body, from) => {
    if (body.length > LONGEST) return undefined;
    bytes.set(body, INPUT);
    bytes.fill(0, INPUT + body.length, INPUT + body.length + SLACK);
    const end = events(from, OUTPUT);
    if (end === 0) return undefined;
    const count = view[0]!;
    const messages = takeMemory(view[1]!);
    messages.set(bytes.subarray(OUTPUT, OUTPUT + view[1]!));
    const records: ProviderRecord[] = [];
    let begin = 0;
    for (let i = 0; i < count; i++) {
      const row = EVENTS + i * EVENT_BYTES;
      const word = row / 4;
      const streamFrom = view[word + 6]!;
      const streamTo = view[word + 7]!;
      if (
        streamTo - streamFrom !== stream.length ||
        body.compare(stream, 0, stream.length, streamFrom, streamTo) !== 0
      ) {
        stream = Buffer.from(body.subarray(streamFrom, streamTo));
        origin = stream.toString('latin1');
      }
      const to = view[word + 8]!;
      records.push({
        id: body.toString('latin1', view[word + 4]!, view[word + 5]!),
        arrival: times[row / 8]!,
        time: times[row / 8 + 1]!,
        content: messages.subarray(begin, to),
        origin,
      });
      begin = to;
    }
    return { records, memory: messages, end };
  };
}

/** Undefined where the host can't run it (no WebAssembly, no SIMD, big-endian, no memory for it): then page.ts does all the work. */
export function createFastPage(): ReadEvents | undefined {
  const wasm = endianness() === 'LE' ? instantiateWasm<Exports>(PAGE_WASM) : undefined;
  try {
    return wasm && prepare(wasm);
  } catch {
    return undefined;
  }
}
