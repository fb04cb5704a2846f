// Sums a CPU profile of the main thread by what the code is for.

import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** First match wins; `function url`. */
const PURPOSES: readonly [string, RegExp][] = [
  ['idle', /^\(idle\)/],
  ['garbage collection', /^\(garbage collector\)/],
  ['SHA-256', /^(update|digest|hash|Hash) .*|\/src\/archive\/hash\.ts/],
  ['CRC-32', /^crc32 /],
  ['handing blocks to threads', /node:internal\/worker|^postMessage|\/src\/archive\/(pack-thread|thread|block)/],
  ['page parsing', /\/providers\/\w+\/|^wasm.* wasm:\/\/wasm\/page/],
  ['event scan and page parsing (WebAssembly)', /wasm:\/\//],
  ['event scan', /\/src\/(event|json|micro-time)\.ts|\/src\/scan\//],
  ['guard and policy', /\/src\/policy\//],
  ['fingerprints and duplicates', /\/src\/archive\/(fingerprints|digest-set|sorted-keys)/],
  ['packing', /\/src\/archive\/(part|compress|spool|budget)/],
  ['store', /\/src\/archive\//],
  ['collect', /\/src\/collect\//],
  ['AWS SDK', /@aws|@smithy/],
  ['HTTP', /node:(_?http|net|internal\/http|internal\/stream_base)|^(writev?|readStart|parse|execute) /i],
  ['files', /node:(internal\/)?fs|^(open|close|fsync|link|unlink|mkdir|read|lstat)\w* $/],
  ['loading modules', /node:internal\/(modules|vm|process|bootstrap|deps)|compile|amaro|require/i],
  ['engine', /^\((program|root)\)/],
];

/** Milliseconds of the main thread by purpose, the largest first; removes the folder. */
export async function profileByModule(folder: string): Promise<Record<string, number>> {
  const [name] = (await readdir(folder)).filter((file) => file.endsWith('.cpuprofile'));
  const profile = JSON.parse(await readFile(join(folder, name!), 'utf8')) as Profile;
  await rm(folder, { recursive: true });
  const purposes = new Map<number, string>();
  for (const { id, callFrame } of profile.nodes) {
    const text = `${callFrame.functionName} ${callFrame.url}`;
    purposes.set(id, PURPOSES.find(([, pattern]) => pattern.test(text))?.[0] ?? 'other');
  }
  const sums = new Map<string, number>();
  for (const [i, sample] of profile.samples.entries()) {
    const purpose = purposes.get(sample) ?? 'other';
    sums.set(purpose, (sums.get(purpose) ?? 0) + profile.timeDeltas[i]!);
  }
  return Object.fromEntries([...sums].sort(([, a], [, b]) => b - a).map(([key, us]) => [key, Math.round(us / 1000)]));
}
