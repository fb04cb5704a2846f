// The committed bytes of each WebAssembly module are what its source compiles to.

import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { compileWasm, WASM_MODULES, wasmFile } from '../build-wasm.ts';

it.each(WASM_MODULES)('$source compiles to what is committed (else: node build-wasm.ts)', async (module) => {
  expect(readFileSync(wasmFile(module), 'utf8')).toBe(await compileWasm(module));
});

it('no module is forgotten', () => {
  const found = globSync('{src,providers}/**/*.as', { cwd: join(import.meta.dirname, '..') });
  expect(found.sort()).toEqual(WASM_MODULES.map(({ source }) => source).sort());
});
