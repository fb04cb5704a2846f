// Compiles deflate.as to the bytes in deflate-wasm.ts: `node src/deflate/build.ts`, after each change of deflate.as.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import asc from 'assemblyscript/asc';

const SOURCE = join(import.meta.dirname, 'deflate.as');
const TARGET = join(import.meta.dirname, 'deflate-wasm.ts');

/** Text of deflate-wasm.ts. The same source and compiler give the same text. */
export async function compileDeflate(): Promise<string> {
  let wasm: Uint8Array | undefined;
  // 68 pages of 64 KiB: output may be twice as much as content. The compiler insists on .ts, which would bring AssemblyScript before tsc.
  const options = '-O3 --noAssert --runtime stub --enable simd --enable bulk-memory --initialMemory 68'.split(' ');
  const { error, stderr } = await asc.main(['deflate.ts', '--outFile', 'deflate.wasm', ...options], {
    readFile: (name) => (name === 'deflate.ts' ? readFileSync(SOURCE, 'utf8') : null),
    writeFile: (_name, contents) => {
      wasm = contents as Uint8Array;
    },
    listFiles: () => [],
  });
  if (error !== null || wasm === undefined) throw new Error(`deflate.as does not compile: ${stderr.toString()}`);
  const lines = Buffer.from(wasm)
    .toString('base64')
    .match(/.{1,110}/g)!;
  return [
    '// Made by build.ts from deflate.as; a test compiles again and compares.',
    '',
    '// prettier-ignore',
    'export const DEFLATE_WASM =',
    lines.map((line) => `  '${line}'`).join(' +\n') + ';',
    '',
  ].join('\n');
}

if (import.meta.main ?? process.argv[1] === import.meta.filename) writeFileSync(TARGET, await compileDeflate());
