// Who may import whom (DESIGN of the code, CONTRIBUTING.md): walks every source file, so that nothing new is forgotten.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((file) => join(folder, file))
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !file.includes('fixtures'));
}

/** Modules that a file imports, as paths from the root or package names; with `import type` apart. */
function imports(file: string): { target: string; typeOnly: boolean }[] {
  const text = readFileSync(join(root, file), 'utf8');
  return [...text.matchAll(/^\s*(?:import|export)\s(type\s)?(?:[^'";]*?\sfrom\s)?'([^']+)'|import\('([^']+)'\)/gm)].map(
    (m) => {
      const name = (m[2] ?? m[3])!;
      return {
        target: name.startsWith('.') ? relative(root, resolve(root, dirname(file), name)) : name,
        typeOnly: m[1] !== undefined,
      };
    },
  );
}

/** The layer of a file: a folder of src/ or its file name. */
const layer = (path: string) => /^src\/([^/]+)/.exec(path)?.[1] ?? path.split('/')[0]!;

/** What each layer of src/ may import besides itself and the base. */
const BASE = [
  'copy-bytes.ts',
  'errors.ts',
  'event.ts',
  'free-memory.ts',
  'json.ts',
  'log.ts',
  'micro-time.ts',
  'page-memory.ts',
  'provider.ts',
  'salvage.ts',
  'scan',
  'time.ts',
  'version.ts',
  'wasm.ts',
  'config.ts',
  'config-schema.ts',
  'deflate',
];
const MAY: Readonly<Record<string, readonly string[]>> = {
  policy: [],
  archive: ['policy'],
  collect: ['archive', 'policy'],
  integrity: ['archive', 'policy'],
  query: ['archive', 'policy'],
  cli: ['collect', 'query', 'integrity', 'archive', 'policy', 'emulators'],
};

describe('imports', () => {
  it('of src/ go only downwards: cli → collect, query, integrity → archive, policy → event', () => {
    const wrong: string[] = [];
    for (const file of sources('src')) {
      const own = layer(file);
      const allowed = MAY[own];
      if (allowed === undefined) continue;
      for (const { target } of imports(file)) {
        if (!/^(src|providers|emulators|bin)\//.test(target)) continue;
        const other = layer(target);
        if (other !== own && !BASE.includes(other) && !allowed.includes(other))
          wrong.push(`${file} imports ${target}: move what it needs down, or pass it in`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('of a provider are its own files, src/provider.ts, node: and its SDK', () => {
    const wrong: string[] = [];
    for (const file of sources('providers').filter((name) => name.split('/').length > 2)) {
      const own = file.split('/').slice(0, 2).join('/');
      for (const { target } of imports(file)) {
        const local = /^(src|providers|emulators|bin|test)\//.test(target);
        if (local && target !== 'src/provider.ts' && !target.startsWith(`${own}/`))
          wrong.push(`${file} imports ${target}: providers import only src/provider.ts, which may re-export it`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('of SDKs are lazy: no provider index and no command loads one at its top', () => {
    const wrong: string[] = [];
    for (const file of [...sources('src'), ...sources('providers')]) {
      const text = readFileSync(join(root, file), 'utf8');
      for (const m of text.matchAll(
        /^import (?!type )[^;]*? from '(@aws-sdk|@azure|@google-cloud|google-auth-library)[^']*'/gm,
      ))
        if (!/^import \{\s*(type \w+,?\s*)+\} from/.test(m[0]))
          wrong.push(`${file}: ${m[0].split('\n')[0]}: import it where it is first used`);
    }
    expect(wrong).toEqual([]);
  });

  it('of the environment stay in config.ts, and only bin ends the process', () => {
    const wrong: string[] = [];
    for (const file of [...sources('src'), ...sources('providers')]) {
      const text = readFileSync(join(root, file), 'utf8').replace(/\/\/.*|\/\*[\s\S]*?\*\//g, '');
      if (/process\.env\b/.test(text)) wrong.push(`${file} reads process.env: let config.ts or bin pass it in`);
      if (/process\.exit\b/.test(text)) wrong.push(`${file} ends the process: return or throw, bin sets the code`);
    }
    expect(wrong).toEqual([]);
  });

  it('see every layer of src/', () => {
    const layers = new Set(sources('src').map(layer));
    for (const name of layers)
      expect([...BASE, ...Object.keys(MAY)], `src/${name} has no direction yet`).toContain(name);
  });
});
