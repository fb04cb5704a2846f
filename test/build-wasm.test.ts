// The committed bytes of each WebAssembly module are what its source compiles to.

import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { compileWasm, WASM_MODULES, wasmFile } from '../build-wasm.ts';

it.each(WASM_MODULES)('$source compiles to what is committed (else: node build-wasm.ts)', async (module) => {
  expect(readFileSync(wasmFile(module), 'utf8')).toBe(await compileWasm(module));
});

it('no source is forgotten', () => {
  const found = globSync('{src,providers}/**/*.as', { cwd: join(import.meta.dirname, '..') });
  const known = WASM_MODULES.flatMap(({ source, imports = [] }) => [
    source,
    ...imports.map((file) => join(dirname(source), file)),
  ]);
  expect(found.sort()).toEqual(known.sort());
});
