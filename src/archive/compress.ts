// Compression of parts: blocks are compressed side by side in threads and joined to one gzip member, or one after the other to one zstd frame.

import { constants, createZstdCompress, type ZstdCompress } from 'node:zlib';
import { WINDOW_BYTES } from '../deflate/deflate.ts';
import { deflateBlock } from './block-deflate.ts';
import { copyBytes } from '../copy-bytes.ts';
import { PACK_THREADS } from './pack-threads.ts';

export type Compression = 'gzip' | 'zstd';

export const EXTENSION: Readonly<Record<Compression, string>> = { gzip: 'gz', zstd: 'zst' };

/**
 * Content bytes of a block: a block ends with the line that reaches it. Part of the format's promise that the same lines
 * give the same bytes, so a change is a change of version.
 */
export const BLOCK_BYTES = 1 << 20;

/** zstd hands over its output in pieces of this size, each a trip through the event loop; most blocks fit into one. */
const OUTPUT_BYTES = 128 << 10;

/** Blocks in hand, above which packing waits: one being worked on and one waiting for each thread, and one that is being filled meanwhile. */
const MOST_AT_ONCE = 2 * PACK_THREADS + 1;

// One pool for the whole process, so one count for all parts that are open.
let running = 0;
let waiting: (() => void)[] = [];

/** Resolves when a thread would begin another block soon: to be awaited between pages, so that blocks don't pile up in memory. */
export async function roomForBlocks(): Promise<void> {
  while (running > MOST_AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
}

/** Counts a block as long as it is being worked on. */
export async function inHand<T>(work: () => Promise<T>): Promise<T> {
  running++;
  try {
    return await work();
  } finally {
    running--;
    const ready = waiting;
    waiting = [];
    for (const go of ready) go();
  }
}

// No time, no name, unknown system: the same content gives the same bytes.
const GZIP_HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
/** An empty final block with fixed codes: ends a stream whose blocks were all flushed to a byte boundary. */
const LAST_BLOCK = Buffer.from([0x03, 0x00]);

/** One compressed stream. */
export interface Compressor {
  /** Compresses the next block in a thread; results are to be written in the order of the calls. */
  block(content: Buffer): Promise<Buffer>;
  /** What ends the stream. `crc32` of all blocks, `size` their length. */
  end(content: { readonly crc32: number; readonly size: number }): Promise<Buffer>;
  /** Gives memory back, also of a stream that was not ended. */
  close(): void;
}

export function createCompressor(compression: Compression): Compressor {
  return compression === 'gzip' ? gzipCompressor() : zstdCompressor();
}

function gzipCompressor(): Compressor {
  let header: Buffer | undefined = GZIP_HEADER;
  let dictionary: Buffer | undefined;
  const takeHeader = () => {
    const taken = header ?? Buffer.alloc(0);
    header = undefined;
    return taken;
  };
  return {
    async block(content) {
      const before = dictionary;
      const prefix = takeHeader();
      // a copy: the block itself is given back while the next one still needs its end
      dictionary = endOf(content);
      const bytes = await deflateBlock(content, before);
      return prefix.length === 0 ? bytes : Buffer.concat([prefix, bytes]);
    },
    async end({ crc32, size }) {
      const trailer = Buffer.alloc(8);
      trailer.writeUInt32LE(crc32, 0);
      trailer.writeUInt32LE(size % 2 ** 32, 4);
      return Buffer.concat([takeHeader(), LAST_BLOCK, trailer]);
    },
    close() {},
  };
}

function endOf(content: Buffer): Buffer {
  const end = content.subarray(Math.max(0, content.length - WINDOW_BYTES));
  const copy = Buffer.allocUnsafeSlow(end.length);
  copyBytes(end, copy, 0);
  return copy;
}

/** One frame, flushed after each block: many readers, Node's own among them, stop at the end of the first frame. */
function zstdCompressor(): Compressor {
  let opened: ZstdCompress | undefined;
  let chunks: Buffer[] = [];
  let failed: Error | undefined;
  const drain = () => {
    for (let chunk; (chunk = opened?.read() as Buffer | null) !== null;) chunks.push(chunk);
  };
  const take = () => {
    drain();
    const taken = Buffer.concat(chunks);
    chunks = [];
    return taken;
  };
  /** Not before the first block: it takes megabytes, and many parts are open at a time. */
  function open(): ZstdCompress {
    if (opened !== undefined) return opened;
    opened = createZstdCompress({
      chunkSize: OUTPUT_BYTES,
      params: { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 },
    });
    opened.on('readable', drain);
    opened.on('error', (error) => (failed = error));
    return opened;
  }
  return {
    block: (content) =>
      new Promise((resolve, reject) => {
        const stream = open();
        stream.once('error', reject);
        // the stream works on one call after the other, so what it gave up to here belongs to this block
        stream.write(content);
        stream.flush(constants.ZSTD_e_flush, () => {
          stream.off('error', reject);
          if (failed === undefined) resolve(take());
          else reject(failed);
        });
      }),
    end: () =>
      new Promise((resolve, reject) => {
        const stream = open();
        stream.once('error', reject);
        stream.once('end', () => resolve(take()));
        stream.end();
      }),
    close() {
      opened?.destroy();
    },
  };
}
