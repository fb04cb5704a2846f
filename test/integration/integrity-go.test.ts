// The log as an independent implementation sees it: Go's golang.org/x/mod/sumdb opens it, checks our proofs, and we check its own.

import { spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { fromBase64, toBase64 } from '../../src/integrity/base64.ts';
import { encodeEntry } from '../../src/integrity/entry.ts';
import { logOf, readCheckpoint, readEntries } from '../../src/integrity/read-log.ts';
import {
  checkConsistency,
  consistencyProof,
  hashLeaf,
  inclusionProof,
  rootFromInclusion,
  rootOf,
} from '../../src/integrity/tree.ts';
import { edit, folderStore, newSigner, sealAll, temporary } from '../integrity/sealed.ts';
import { writeWindows } from '../integrity/synthetic.ts';

interface Proofs {
  readonly Size: number;
  readonly Root: string;
  readonly Entries: number;
  readonly Records: readonly { readonly Index: number; readonly Proof: readonly string[] }[];
  readonly Trees: readonly { readonly Older: number; readonly Root: string; readonly Proof: readonly string[] }[];
}

let program: string;

beforeAll(() => {
  program = join(mkdtempSync(join(tmpdir(), 'sumdb-')), 'sumdb');
  const built = spawnSync('go', ['build', '-o', program, '.'], {
    cwd: join(import.meta.dirname, 'sumdb'),
    encoding: 'utf8',
  });
  if (built.status !== 0) throw new Error(`the Go program could not be built: ${built.stderr}`);
});

const ask = (folder: string, vkey: string, input: object) =>
  spawnSync(program, [join(folder, 'log'), vkey], {
    input: JSON.stringify(input),
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });

test.each([1, 2, 255, 256, 257, 513, 700, 66_000])(
  'Go reads a log of %d leaves and agrees on all proofs',
  async (size) => {
    const signer = newSigner('example.com/audit');
    const folder = temporary();
    // cluster.json is a leaf too
    const steps = [1, 100, 255, 256, 300, 512, 600, 65_536].filter((step) => step < size - 1);
    let before = 0;
    for (const step of [...steps, size - 1]) {
      writeWindows(folder, 'one', before, step);
      await sealAll(folderStore(folder), { signer });
      before = step;
    }
    const store = folderStore(folder);
    const { checkpoint } = (await readCheckpoint(store))!;
    expect(checkpoint.size).toBe(size);
    const { entries, tree } = logOf(await readEntries(store, size), 'test');
    const indexes = [...new Set([0, 1, size >> 1, size - 2, size - 1].filter((i) => i >= 0 && i < size))];
    const olders = [...new Set([1, 2, 254, 255, 256, 257, size - 1, size].filter((n) => n >= 1 && n <= size))];
    const answer = ask(folder, signer.verifier.vkey, {
      Records: indexes.map((Index) => ({ Index, Proof: inclusionProof(tree, Index).map(toBase64) })),
      Trees: olders.map((Older) => ({
        Older,
        Root: toBase64(rootOf(tree, Older)),
        Proof: consistencyProof(tree, Older).map(toBase64),
      })),
    });
    expect(answer.stderr).toBe('ok\n');
    const theirs = JSON.parse(answer.stdout) as Proofs;
    expect(theirs).toMatchObject({ Size: size, Root: toBase64(checkpoint.root), Entries: size });
    expect(theirs.Records).toHaveLength(indexes.length);
    const bytes = (proof: readonly string[] | null) => (proof ?? []).map((text) => fromBase64(text)!);
    for (const { Index, Proof } of theirs.Records)
      expect(rootFromInclusion(hashLeaf(encodeEntry(entries[Index]!)), Index, size, bytes(Proof))).toEqual(
        checkpoint.root,
      );
    for (const { Older, Root, Proof } of theirs.Trees)
      expect(checkConsistency(Older, fromBase64(Root)!, size, checkpoint.root, bytes(Proof))).toBe(true);
  },
);

test('Go refuses what we refuse: another key, a changed tile', async () => {
  const signer = newSigner('example.com/audit');
  const folder = temporary();
  writeWindows(folder, 'one', 0, 300);
  await sealAll(folderStore(folder), { signer });
  expect(ask(folder, signer.verifier.vkey, {}).status).toBe(0);
  expect(ask(folder, newSigner('example.com/audit').verifier.vkey, {}).status).not.toBe(0);
  edit(folder, 'log/tile/0/000', (tile) => Buffer.from(tile).fill(7, 100, 101));
  expect(ask(folder, signer.verifier.vkey, {}).status).not.toBe(0);
});
