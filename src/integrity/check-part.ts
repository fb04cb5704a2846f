// Recomputes all that a manifest says of a part: stored hash, content hash, sizes, lines and the root over them.

import { createHash } from 'node:crypto';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { createTreeHasher, leafHash } from '../archive/hash.ts';
import type { EventPart, RejectPart } from '../archive/manifest.ts';
import type { Store } from '../archive/store/store.ts';

const CHUNK = 1 << 20;
const LINE_END = 0x0a;

/** What was read for one object. */
export interface Checked {
  readonly bytes: number;
  readonly contentBytes: number;
  /** Everything that differs, in words; empty when all is as the manifest says. */
  readonly problems: readonly string[];
}

/** Cuts content into lines and hashes them; a line that spans chunks is put together. */
function createLineTree() {
  const tree = createTreeHasher();
  let rest: Buffer[] = [];
  let lines = 0;
  return {
    update(chunk: Buffer): void {
      let at = 0;
      if (rest.length > 0) {
        const end = chunk.indexOf(LINE_END);
        if (end < 0) {
          rest.push(Buffer.from(chunk));
          return;
        }
        rest.push(chunk.subarray(0, end));
        tree.add(leafHash(Buffer.concat(rest)));
        lines++;
        rest = [];
        at = end + 1;
      }
      for (let end = chunk.indexOf(LINE_END, at); end >= 0; end = chunk.indexOf(LINE_END, at)) {
        tree.add(leafHash(chunk.subarray(at, end)));
        lines++;
        at = end + 1;
      }
      // a copy: the chunk's memory is used again
      if (at < chunk.length) rest.push(Buffer.from(chunk.subarray(at)));
    },
    lines: () => lines,
    ended: () => rest.length === 0,
    root: () => tree.root(),
  };
}

/** Reads a part once, from its first byte to its last. Errors of the store reject; what is wrong with the part is in `problems`. */
export async function checkPart(store: Store, part: EventPart | RejectPart, signal?: AbortSignal): Promise<Checked> {
  const stream = await store.read(part.key);
  if (stream === undefined) return { bytes: 0, contentBytes: 0, problems: ['it is gone'] };
  const stored = createHash('sha256');
  const content = createHash('sha256');
  const lines = createLineTree();
  let bytes = 0;
  let contentBytes = 0;
  let broken: string | undefined;
  const inflate = part.key.endsWith('.zst')
    ? createZstdDecompress({ chunkSize: CHUNK })
    : createGunzip({ chunkSize: CHUNK });
  inflate.on('error', (error) => (broken ??= `it can't be decompressed (${error.message})`));
  const reading = (async () => {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      signal?.throwIfAborted();
      bytes += chunk.length;
      stored.update(chunk);
      if (broken !== undefined || inflate.destroyed) continue;
      if (!inflate.write(chunk)) await drained(inflate);
    }
    if (!inflate.destroyed) inflate.end();
  })();
  // whatever ends the reading, the loop below must end too
  reading.catch((error: unknown) => inflate.destroy(error as Error));
  try {
    for await (const chunk of inflate as AsyncIterable<Buffer>) {
      contentBytes += chunk.length;
      if (contentBytes > part.contentBytes) {
        broken = 'it holds more content than the manifest says';
        break;
      }
      content.update(chunk);
      lines.update(chunk);
    }
  } catch (error) {
    broken ??= `it can't be decompressed (${(error as Error).message})`;
  }
  await reading;
  const problems: string[] = [];
  const differs = (what: string, is: string | number, should: string | number) => {
    if (is !== should) problems.push(`${what} is ${is} instead of ${should}`);
  };
  differs('its size', bytes, part.bytes);
  differs('its SHA-256', stored.digest('hex'), part.sha256);
  if (broken !== undefined) return { bytes, contentBytes, problems: [...problems, broken] };
  differs('its content size', contentBytes, part.contentBytes);
  differs('the SHA-256 of its content', content.digest('hex'), part.contentSha256);
  differs('its number of lines', lines.lines(), part.lines);
  if (!lines.ended()) problems.push('its last line has no end');
  if ('lineRoot' in part) differs('the root over its lines', lines.root(), part.lineRoot);
  return { bytes, contentBytes, problems };
}

/** Room again, or no one there to drain any more. */
function drained(stream: NodeJS.WritableStream): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      for (const event of ['drain', 'close', 'error']) stream.off(event, done);
      resolve();
    };
    for (const event of ['drain', 'close', 'error']) stream.on(event, done);
  });
}
