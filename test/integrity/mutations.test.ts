import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { noLastSeen } from '../../src/integrity/last-seen.ts';
import { verify, type VerifyReport } from '../../src/integrity/verify.ts';
import { DEFAULT_SETTINGS } from '../../src/integrity/verify-coverage.ts';
import { type Files, loadFiles, memoryStore } from './memory-store.ts';
import { sealedArchive } from './sealed.ts';

const MUTATIONS = 1000;
const KINDS = ['byte', 'truncate', 'delete', 'swap', 'add'] as const;

/** Numbers in [0, n), the same for the same seed. */
function seeded(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
  };
}

const folderOf = (key: string): string => key.slice(0, key.indexOf('/'));

/** Changes one file; gives its key, or undefined where nothing would have changed. */
function mutate(files: Files, kind: (typeof KINDS)[number], random: (n: number) => number): string | undefined {
  const keys = [...files.keys()];
  // as many in small folders as in large ones
  const folders = [...new Set(keys.map(folderOf))];
  const folder = folders[random(folders.length)];
  const inIt = keys.filter((key) => folderOf(key) === folder);
  const key = inIt[random(inIt.length)]!;
  const bytes = Buffer.from(files.get(key)!);
  if (kind === 'byte') {
    if (bytes.length === 0) return undefined;
    bytes[random(bytes.length)]! ^= 1 + random(255);
    files.set(key, bytes);
  } else if (kind === 'truncate') {
    if (bytes.length === 0) return undefined;
    files.set(key, bytes.subarray(0, random(bytes.length)));
  } else if (kind === 'delete') files.delete(key);
  else if (kind === 'swap') {
    const other = keys[random(keys.length)]!;
    if (files.get(other)!.equals(bytes)) return undefined;
    files.set(key, files.get(other)!);
    files.set(other, bytes);
  } else {
    // beside another file, named almost like it, with its content or any other
    const name =
      key.replace(/[0-9a-z](?=[^0-9a-z]*$)/, (c) => (c === 'a' ? 'b' : c === '1' ? '2' : '1')) +
      ['', 'x', '.gz'][random(3)]!;
    if (files.has(name)) return undefined;
    files.set(name, random(2) === 0 ? bytes : randomBytes(random(100)));
  }
  return key;
}

describe('a changed archive', () => {
  it(`is noticed in ${MUTATIONS} seeded mutations, while the untouched one passes`, async () => {
    const { directory, signer, now } = await sealedArchive('4h');
    const original = loadFiles(directory);
    const check = (files: Files, mode: 'deep' | 'normal'): Promise<VerifyReport> =>
      verify({
        store: memoryStore(files),
        verifiers: [signer.verifier],
        lastSeen: noLastSeen,
        mode,
        settings: () => DEFAULT_SETTINGS,
        now,
        parallel: 2,
        holdsHashes: false,
        signal: new AbortController().signal,
      });
    expect((await check(original, 'deep')).findings).toEqual([]);
    const caught = new Map<string, number>();
    const passed: string[] = [];
    for (let seed = 1, done = 0; done < MUTATIONS; seed++) {
      const random = seeded(seed);
      const files = new Map(original);
      const kind = KINDS[seed % KINDS.length]!;
      const key = mutate(files, kind, random);
      if (key === undefined) continue;
      done++;
      const { exitCode } = await check(files, seed % 2 === 0 ? 'deep' : 'normal');
      if (![3, 4, 5].includes(exitCode)) passed.push(`seed ${seed}: ${kind} ${key} gives ${exitCode}`);
      const row = `${kind.padEnd(8)} ${folderOf(key).padEnd(8)} exit ${exitCode}`;
      caught.set(row, (caught.get(row) ?? 0) + 1);
    }
    console.log(
      [...caught]
        .map(([row, n]) => `${row}  ${n}`)
        .sort()
        .join('\n'),
    );
    expect(passed).toEqual([]);
  });
});
