// What each line of a file costs whatever the program around it: node required-work.js <file> <folder> <parts>. Prints how many lines it packed.
//
// Read, scanned, hashed, compared with all lines before, packed: rules and manifest ask for no less. There is no config, no page
// walk, no policy, no secrets guard, no count and no ledger. It is made of the product's own pieces, so it shows how near to zlib
// alone those could come if all else cost nothing.

import { mkdir, open, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createBudget } from '../src/archive/budget.ts';
import { createDigestSet } from '../src/archive/digest-set.ts';
import { createFingerprintList } from '../src/archive/fingerprints.ts';
import { leafHash } from '../src/archive/hash.ts';
import { createPartWriter } from '../src/archive/part.ts';
import { createScratch } from '../src/archive/spool.ts';
import { scanEvent, scanLines } from '../src/event.ts';

const CHUNK = 2 << 20;
const LINE_FEED = 0x0a;

const [path = '', folder = '', parts = '1'] = process.argv.slice(2);
await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
const scratch = createScratch(folder, createBudget(128 << 20));
const partBytes = (await stat(path)).size / Number(parts);

function begin() {
  const part = createPartWriter('gzip', scratch);
  const contents = createDigestSet(scratch);
  const fingerprints = createFingerprintList(scratch);
  return {
    part,
    fingerprints,
    add(line: Buffer): void {
      const leaf = leafHash(line);
      fingerprints.add(leaf);
      if (contents.add(leaf)) part.add(line, leaf);
    },
    async finish(name: string): Promise<number> {
      contents.dispose();
      const { body, lines } = await part.finish();
      const ids = await fingerprints.finish();
      for (const [kind, bytes] of [
        ['part', body],
        ['ids', ids.body],
      ] as const)
        if (Buffer.isBuffer(bytes)) await writeFile(join(folder, `${name}.${kind}`), bytes);
      return lines;
    },
  };
}

const handle = await open(path, 'r');
// one is worked on while the next is read
const memory = [Buffer.allocUnsafeSlow(CHUNK), Buffer.allocUnsafeSlow(CHUNK)];
const readAt = async (at: number, page: number) => {
  const { buffer, bytesRead } = await handle.read(memory[page % memory.length]!, 0, CHUNK, at);
  const chunk = buffer.subarray(0, bytesRead);
  return chunk.subarray(0, chunk.lastIndexOf(LINE_FEED) + 1);
};

const finished: Promise<number>[] = [];
let current = begin();
let at = 0;
for (let page = 0, next = readAt(0, 0); ; page++) {
  const chunk = await next;
  if (chunk.length === 0) break;
  at += chunk.length;
  next = readAt(at, page + 1);
  scanLines(chunk, (from, to, _next, event) => {
    const line = event?.line ?? chunk.subarray(from, to);
    if (event === undefined && 'not' in scanEvent(line))
      throw new Error(`no Event: ${line.toString('latin1', 0, 100)}`);
    current.add(line);
  });
  await current.part.ready();
  await current.fingerprints.settle();
  if (current.part.contentBytes < partBytes) continue;
  finished.push(current.finish(String(finished.length)));
  current = begin();
}
await handle.close();
finished.push(current.finish(String(finished.length)));
const lines = await Promise.all(finished);
process.stdout.write(`${lines.reduce((sum, n) => sum + n, 0)}\n`);
