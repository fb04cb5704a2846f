// What zlib alone reaches at gzip level 6 on a file, with as many threads as cores: node zlib-alone.mjs blocks|shares <file> <out>
// Plain JavaScript: loading a compiler would count against it.

import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { deflateRaw, gzipSync } from 'node:zlib';

const BLOCK = 1 << 20;
const threads = availableParallelism();

if (!isMainThread) {
  // one share of the file as one gzip member
  const { file, out, from, to } = workerData;
  const input = openSync(file, 'r');
  const bytes = Buffer.allocUnsafe(to - from);
  for (let have = 0; have < bytes.length;) have += readSync(input, bytes, have, bytes.length - have, from + have);
  const output = openSync(out, 'w');
  writeSync(output, gzipSync(bytes, { level: 6, chunkSize: BLOCK }));
  closeSync(output);
} else {
  const [how, file, out] = process.argv.slice(2);
  const input = openSync(file, 'r');
  const { size } = fstatSync(input);
  if (how === 'shares') {
    const share = Math.ceil(size / threads);
    for (let i = 0; i < threads; i++) {
      const span = { from: i * share, to: Math.min(size, (i + 1) * share) };
      new Worker(import.meta.filename, { workerData: { file, out: `${out}.${i}`, ...span } });
    }
  } else {
    // blocks side by side in Node's thread pool, of which the caller sets the size; one more for each thread is read meanwhile
    const output = openSync(out, 'w');
    let next = 0;
    const work = () => {
      if (next >= size) return;
      const bytes = Buffer.allocUnsafe(Math.min(BLOCK, size - next));
      readSync(input, bytes, 0, bytes.length, next);
      next += bytes.length;
      deflateRaw(bytes, { level: 6, chunkSize: BLOCK }, (error, result) => {
        if (error) throw error;
        writeSync(output, result);
        work();
      });
    };
    for (let i = 0; i < 2 * threads; i++) work();
  }
}
