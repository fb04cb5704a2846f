// Compiles the WebAssembly modules to the bytes in the *-wasm.ts beside them: `node build-wasm.ts`, after each change of an .as file.

import { readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import asc from 'assemblyscript/asc';

/** One module in AssemblyScript. */
export interface WasmModule {
  /** `<folder>/<name>.as`; its bytes go to `<folder>/<name>-wasm.ts` as `<NAME>_WASM`. */
  readonly source: string;
  /** Files that it imports, beside it. */
  readonly imports?: readonly string[];
  /** Memory to begin with, pages of 64 KiB. */
  readonly pages: number;
  /** Where the compiler may lay its own tables, bytes; at the begin when absent. */
  readonly memoryBase?: number;
  /** Features of WebAssembly that it needs of its host. */
  readonly features: readonly string[];
}

export const WASM_MODULES: readonly WasmModule[] = [
  // lines up to 4 MiB; the compiler's tables lie where the layout of scanner.ts has room
  {
    source: 'src/scan/lines.as',
    imports: ['scanner.as', 'letters.as'],
    pages: 67,
    memoryBase: 18_432,
    features: ['simd'],
  },
  // output may be twice as much as content
  { source: 'src/deflate/deflate.as', pages: 68, features: ['simd', 'bulk-memory'] },
  // fast-page.ts adds room for the largest answer that it takes
  { source: 'providers/eks/page.as', pages: 8, features: ['simd'] },
];

/** Path of the file that holds the module's bytes. */
export const wasmFile = ({ source }: WasmModule) => join(import.meta.dirname, source.replace(/\.as$/, '-wasm.ts'));

/** Text of that file. The same source and compiler give the same text. */
export async function compileWasm(module: WasmModule): Promise<string> {
  const { source, imports = [], pages, memoryBase = 0, features } = module;
  const name = basename(source, '.as');
  // the compiler insists on .ts, which would bring AssemblyScript before tsc
  const files = new Map([basename(source), ...imports].map((file) => [file.replace(/\.as$/, '.ts'), file]));
  const options = `-O3 --noAssert --runtime stub --initialMemory ${pages} --memoryBase ${memoryBase}`.split(' ');
  for (const feature of features) options.push('--enable', feature);
  let wasm: Uint8Array | undefined;
  const { error, stderr } = await asc.main([`${name}.ts`, '--outFile', `${name}.wasm`, ...options], {
    readFile: (seen) => {
      const file = files.get(seen);
      return file === undefined ? null : readFileSync(join(import.meta.dirname, dirname(source), file), 'utf8');
    },
    writeFile: (_file, contents) => {
      wasm = contents as Uint8Array;
    },
    listFiles: () => [],
  });
  if (error !== null || wasm === undefined) throw new Error(`${source} does not compile: ${stderr.toString()}`);
  const lines = Buffer.from(wasm)
    .toString('base64')
    .match(/.{1,110}/g)!;
  return [
    `// Made by build-wasm.ts from ${name}.as; a test compiles again and compares.`,
    '',
    '// prettier-ignore',
    `export const ${name.toUpperCase()}_WASM =`,
    lines.map((line) => `  '${line}'`).join(' +\n') + ';',
    '',
  ].join('\n');
}

if (import.meta.main ?? process.argv[1] === import.meta.filename)
  for (const module of WASM_MODULES) writeFileSync(wasmFile(module), await compileWasm(module));
