// Compiles page.as to the bytes in page-wasm.ts: `node providers/eks/build-page.ts`, after each change of page.as.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import asc from 'assemblyscript/asc';

const SOURCE = join(import.meta.dirname, 'page.as');
const TARGET = join(import.meta.dirname, 'page-wasm.ts');

/** Text of page-wasm.ts. The same source and compiler give the same text. */
export async function compilePage(): Promise<string> {
  let wasm: Uint8Array | undefined;
  // 8 pages of 64 KiB to begin with: fast-page.ts adds room for the largest answer that it takes
  const options = ['-O3', '--noAssert', '--runtime', 'stub', '--enable', 'simd', '--initialMemory', '8'];
  const { error, stderr } = await asc.main(['page.ts', '--outFile', 'page.wasm', ...options], {
    readFile: (name) => (name === 'page.ts' ? readFileSync(SOURCE, 'utf8') : null),
    writeFile: (_name, contents) => {
      wasm = contents as Uint8Array;
    },
    listFiles: () => [],
  });
  if (error !== null || wasm === undefined) throw new Error(`page.as does not compile: ${stderr.toString()}`);
  const lines = Buffer.from(wasm)
    .toString('base64')
    .match(/.{1,110}/g)!;
  return [
    '// Made by build-page.ts from page.as; a test compiles again and compares.',
    '',
    '// prettier-ignore',
    'export const PAGE_WASM =',
    lines.map((line) => `  '${line}'`).join(' +\n') + ';',
    '',
  ].join('\n');
}

if (process.argv[1] === import.meta.filename) writeFileSync(TARGET, await compilePage());
