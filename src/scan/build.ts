// Compiles scanner.as to the bytes in scanner-wasm.ts: `node src/scan/build.ts`, after each change of scanner.as.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import asc from 'assemblyscript/asc';

const SOURCE = join(import.meta.dirname, 'scanner.as');
const TARGET = join(import.meta.dirname, 'scanner-wasm.ts');

/** Text of scanner-wasm.ts. The same source and compiler give the same text. */
export async function compileScanner(): Promise<string> {
  let wasm: Uint8Array | undefined;
  // 64 pages of 64 KiB: lines up to 4 MiB. The compiler insists on .ts, which would bring AssemblyScript before tsc.
  const options = ['-O3', '--noAssert', '--runtime', 'stub', '--enable', 'simd', '--initialMemory', '64'];
  const { error, stderr } = await asc.main(['scanner.ts', '--outFile', 'scanner.wasm', ...options], {
    readFile: (name) => (name === 'scanner.ts' ? readFileSync(SOURCE, 'utf8') : null),
    writeFile: (_name, contents) => {
      wasm = contents as Uint8Array;
    },
    listFiles: () => [],
  });
  if (error !== null || wasm === undefined) throw new Error(`scanner.as does not compile: ${stderr.toString()}`);
  const lines = Buffer.from(wasm)
    .toString('base64')
    .match(/.{1,110}/g)!;
  return [
    '// Made by build.ts from scanner.as; a test compiles again and compares.',
    '',
    '// prettier-ignore',
    'export const SCANNER_WASM =',
    lines.map((line) => `  '${line}'`).join(' +\n') + ';',
    '',
  ].join('\n');
}

if (import.meta.main ?? process.argv[1] === import.meta.filename) writeFileSync(TARGET, await compileScanner());
