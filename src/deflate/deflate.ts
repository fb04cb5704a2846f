// Runs deflate.as: raw deflate as small as that of zlib’s level 6, within 3 %, in half of its time. What it made is inflated by zlib and compared before anybody gets it.

import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { copyBytes } from '../copy-bytes.ts';
import { freeMemory } from '../free-memory.ts';
import { instantiateWasm } from '../wasm.ts';
import { DEFLATE_WASM } from './deflate-wasm.ts';

/** What deflate can look back to. */
export const WINDOW_BYTES = 32 << 10;

// Layout of the memory; deflate.as has the same figures.
const CONTENT = 655_360;
const OUTPUT = 1_835_008;

/** Content bytes compressed at once; longer content is cut. Room for them and what is read beyond their end. */
const MOST_AT_ONCE = OUTPUT - CONTENT - (64 << 10);

export interface Deflater {
  /**
   * Raw deflate of `content`, not ended: flushed to a byte boundary, so that the next one can follow. The same input gives the same bytes.
   * @param dictionary what came before in the stream; its last WINDOW_BYTES count
   */
  compress(content: Uint8Array, dictionary?: Uint8Array): Buffer<ArrayBuffer>;
}

/** What deflate.as exports. */
export interface DeflateWasm {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly compress: (size: number, dictionary: number) => number;
}

/** deflate.as, or null where it can't run. */
export const loadWasm = () => instantiateWasm<DeflateWasm>(DEFLATE_WASM) ?? null;

/** What stands in where ours can't run: valid streams, other bytes. */
const zlibDeflater: Deflater = {
  compress: (content, dictionary) =>
    deflateRawSync(content, {
      level: 6,
      memLevel: 9,
      finishFlush: constants.Z_SYNC_FLUSH,
      ...(dictionary !== undefined && { dictionary }),
    }),
};

function warn(): void {
  process.emitWarning(
    'a block was compressed by zlib, since our own deflate got it wrong: nothing is lost, but please report this',
    { code: 'AUDITKEEP_DEFLATE' },
  );
}

/**
 * @param wasm deflate.as, or what tests have in its place; null where it can't run
 * @param onSlip called when it got something wrong, which zlib then compressed
 */
export function createDeflater(wasm = loadWasm(), onSlip = warn): Deflater {
  if (wasm === null) return zlibDeflater;
  const memory = Buffer.from(wasm.memory.buffer);

  /** At most MOST_AT_ONCE and WINDOW_BYTES. */
  function tried(content: Uint8Array, dictionary: Uint8Array): Buffer<ArrayBuffer> | undefined {
    copyBytes(dictionary, memory, CONTENT - dictionary.length);
    copyBytes(content, memory, CONTENT);
    try {
      const size = wasm!.compress(content.length, dictionary.length);
      const bytes = Buffer.from(wasm!.memory.buffer.slice(OUTPUT, OUTPUT + size));
      return inflates(bytes, content, dictionary) ? bytes : undefined;
    } catch {
      return undefined;
    }
  }

  function piece(content: Uint8Array, before: Uint8Array): Buffer<ArrayBuffer> {
    const dictionary = before.subarray(Math.max(0, before.length - WINDOW_BYTES));
    const bytes = tried(content, dictionary);
    if (bytes !== undefined) return bytes;
    onSlip();
    return zlibDeflater.compress(content, dictionary);
  }

  return {
    compress(content, dictionary = new Uint8Array()) {
      if (content.length <= MOST_AT_ONCE) return piece(content, dictionary);
      const pieces: Buffer[] = [];
      for (let at = 0; at < content.length; at += MOST_AT_ONCE) {
        const before = at === 0 ? dictionary : content.subarray(at - WINDOW_BYTES, at);
        pieces.push(piece(content.subarray(at, at + MOST_AT_ONCE), before));
      }
      return Buffer.concat(pieces);
    },
  };
}

/**
 * An archive is kept for years: a slip of the compressor must not be found when the source has long forgotten.
 * @throws zlib's error for what is no deflate stream
 */
function inflates(bytes: Uint8Array, content: Uint8Array, dictionary: Uint8Array): boolean {
  // no less than this, since Node lends out one piece of memory for small buffers
  const room = Math.max(64 << 10, content.length + 64);
  const back = inflateRawSync(bytes, {
    chunkSize: room,
    maxOutputLength: room,
    finishFlush: constants.Z_SYNC_FLUSH,
    ...(dictionary.length > 0 && { dictionary }),
  });
  const same = back.equals(content);
  // nothing at all lies in no memory of its own
  if (back.length > 0) freeMemory(back);
  return same;
}
