// Loads the WebAssembly modules that lie in the sources as base64 (build-wasm.ts).

// The part of the WebAssembly API that is used here: neither lib nor @types/node declares it as values.
interface WasmApi<Exports> {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: Exports };
}

/**
 * A new instance of the module, with memory of its own: what it exports, as the caller knows it.
 * Undefined where the host can't run it: no WebAssembly (--jitless), or none with what the module needs (SIMD).
 */
export function instantiateWasm<Exports>(base64: string): Exports | undefined {
  const { WebAssembly: api } = globalThis as unknown as { WebAssembly?: WasmApi<Exports> };
  if (api === undefined) return undefined;
  try {
    return new api.Instance(new api.Module(Buffer.from(base64, 'base64'))).exports;
  } catch {
    return undefined;
  }
}
