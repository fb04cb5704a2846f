// Bundles the program into dist/: nothing to install beside it, SDKs in chunks of their own that load when they are needed.

import { constants } from 'node:fs';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { build, type BuildOptions, type Metafile, type Plugin } from 'esbuild';

const OUT = 'dist';

// packages written for require() find one here; ES modules have none
const REQUIRE = `import { createRequire as __createRequire } from 'node:module';
import { fileURLToPath as __fileURLToPath } from 'node:url';
const require = __createRequire(import.meta.url);
const __filename = __fileURLToPath(import.meta.url);
const __dirname = __fileURLToPath(new URL('.', import.meta.url));`;

/** For the Node that the program needs. */
const MODERN = {
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node22.15',
  // whole names: those of classes are in messages
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  logLevel: 'warning',
} as const satisfies BuildOptions;

/** Of package.json only name and version are in the program. */
const slimManifest: Plugin = {
  name: 'slim-manifest',
  setup({ onLoad }) {
    onLoad({ filter: /[/\\]package\.json$/ }, async ({ path }) => {
      if (relative(process.cwd(), path) !== 'package.json') return undefined;
      const { name, version } = JSON.parse(await readFile(path, 'utf8')) as { name: string; version: string };
      return { contents: JSON.stringify({ name, version }), loader: 'json' };
    });
  },
};

/** Files that code opens beside itself (`new URL('./x', import.meta.url)`), threads among them, go along, into a folder that lies beside every chunk. */
const assets = (outdir: string): Plugin => ({
  name: 'assets',
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      const copies: Promise<void>[] = [];
      const contents = text.replace(/new URL\('(\.[^']+)', import\.meta\.url\)/g, (_, file: string) => {
        const name = basename(file).replace(/\.ts$/, '.js');
        copies.push(copyAsset(join(dirname(path), file), outdir, name));
        return `new URL('./assets/${name}', import.meta.url)`;
      });
      await Promise.all(copies);
      return copies.length === 0 ? undefined : { contents, loader: 'ts' };
    });
  },
});

async function copyAsset(from: string, outdir: string, name: string): Promise<void> {
  await mkdir(join(outdir, 'assets'), { recursive: true });
  const to = join(outdir, 'assets', name);
  // two files of one name must not overwrite each other
  if (!from.endsWith('.ts')) return copyFile(from, to, constants.COPYFILE_EXCL);
  const { outputFiles } = await build({ ...MODERN, entryPoints: [from], write: false });
  await writeFile(to, outputFiles[0]!.contents, { flag: 'wx' });
}

/** The entry file stays alone and in old syntax, so that an old Node can read it and say what is missing. */
const startOutside: Plugin = {
  name: 'start-outside',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/start\.ts$/ }, () => ({ path: './start.js', external: true }));
  },
};

/**
 * Bundles programs for the Node that this one needs, with all that they import and the threads that they start.
 * @param outdir is emptied
 */
export async function bundle(entryPoints: Readonly<Record<string, string>>, outdir: string): Promise<Metafile> {
  await rm(outdir, { recursive: true, force: true });
  const { metafile } = await build({
    ...MODERN,
    entryPoints,
    outdir,
    splitting: true,
    banner: { js: REQUIRE },
    // the SDKs' ES modules: smaller, and a lazy import of CommonJS would lose its named exports
    mainFields: ['module', 'main'],
    metafile: true,
    plugins: [slimManifest, assets(outdir)],
  });
  return metafile;
}

/** Name, version and licence text of each package of which something is in the bundle. */
async function licences(metafile: Metafile): Promise<string> {
  const folders = new Set<string>();
  for (const output of Object.values(metafile.outputs))
    for (const [input, { bytesInOutput }] of Object.entries(output.inputs)) {
      const folder = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
      if (folder !== undefined && bytesInOutput > 0) folders.add(folder);
    }
  const texts: string[] = [];
  for (const folder of [...folders].sort()) texts.push(await licence(folder));
  return `auditkeep contains these packages.\n\n${texts.join(`\n${'-'.repeat(80)}\n\n`)}`;
}

async function licence(folder: string): Promise<string> {
  const { name, version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Record<
    string,
    string
  >;
  if (license === undefined) throw new Error(`${folder}/package.json names no licence`);
  for (const file of ['LICENSE', 'LICENSE.md', 'LICENSE.txt', 'LICENCE', 'license', 'LICENSE-MIT', 'License.md']) {
    const text = await readFile(join(folder, file), 'utf8').catch(() => undefined);
    if (text !== undefined) return `${name} ${version} (${license})\n\n${text.trim()}\n`;
  }
  return `${name} ${version} (${license})\n`;
}

async function main(): Promise<void> {
  const program = await bundle({ start: 'bin/start.ts' }, OUT);
  const entry = await build({
    entryPoints: { auditkeep: 'bin/auditkeep.ts' },
    outdir: OUT,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node14',
    metafile: true,
    plugins: [startOutside],
    logLevel: 'warning',
  });
  await writeFile(join(OUT, 'THIRD-PARTY-LICENSES.txt'), await licences(program));
  const outputs = [program, entry.metafile].flatMap((metafile) => Object.values(metafile.outputs));
  const size = outputs.reduce((sum, { bytes }) => sum + bytes, 0);
  console.log(`${OUT}: ${(size / 2 ** 20).toFixed(1)} MiB in ${outputs.length} files`);
}

if (import.meta.main ?? process.argv[1] === import.meta.filename) await main();
