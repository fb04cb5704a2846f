import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Store } from '../../src/archive/store/store.ts';
import { AuthError, ConfigError, TamperError } from '../../src/errors.ts';
import { CHECKPOINT_KEY, parseCheckpoint } from '../../src/integrity/checkpoint.ts';
import { openLastSeen } from '../../src/integrity/last-seen.ts';
import { generateKey, signerFromPem } from '../../src/integrity/signer.ts';
import { checkConsistency, consistencyProof } from '../../src/integrity/tree.ts';
import { logOf, readEntries } from '../../src/integrity/read-log.ts';
import { copyOf, edit, filesOf, folderStore, HOUR, newSigner, ORIGIN, sealAll, temporary } from './sealed.ts';
import { FIRST, writeWindows } from './synthetic.ts';
import { codesOf, verifyFolder } from './verifying.ts';

const checkpointOf = (directory: string) => parseCheckpoint(readFileSync(join(directory, CHECKPOINT_KEY)))!;

/** An archive of silent windows. */
function archiveOf(windows: number): string {
  const directory = temporary();
  writeWindows(directory, 'one', 0, windows);
  return directory;
}

const at = (windows: number) => FIRST + windows * HOUR + HOUR;

/** Passes on what it is asked, and dies at the n-th write: before it, or after it was done. */
function dyingStore(store: Store, n: number, after: boolean): Store {
  let writes = 0;
  let dead = false;
  const guard = () => {
    if (dead) throw new Error('died');
  };
  const write = async <T>(work: () => Promise<T>): Promise<T> => {
    guard();
    if (writes++ !== n) return work();
    if (after) await work();
    dead = true;
    throw new Error('died');
  };
  return {
    ...store,
    get: async (key) => {
      guard();
      return store.get(key);
    },
    put: (key, body, options) => write(() => store.put(key, body, options)),
    delete: (key) => write(() => store.delete(key)),
  };
}

describe('seal', () => {
  it('is not taken in by a sealer on the same machine that publishes while it reads, but by a real rollback', async () => {
    const signer = newSigner();
    const directory = archiveOf(3);
    const store = folderStore(directory);
    const lastSeen = openLastSeen(temporary());
    await sealAll(store, { signer, lastSeen });
    const old = readFileSync(join(directory, CHECKPOINT_KEY));
    writeWindows(directory, 'one', 3, 6);
    let overtaken = false;
    const slow = {
      ...lastSeen,
      // the other one gets in between this one's reading of the log and its asking what was seen last
      checkpoint: async (origin: string) => {
        if (!overtaken) {
          overtaken = true;
          await sealAll(store, { signer, lastSeen });
        }
        return lastSeen.checkpoint(origin);
      },
    };
    expect((await sealAll(store, { signer, lastSeen: slow }))?.checkpoint.size).toBe(7);
    writeFileSync(join(directory, CHECKPOINT_KEY), old);
    await expect(sealAll(store, { signer, lastSeen })).rejects.toThrow(TamperError);
  });

  it('gives the same tree in one step and in many, over tile borders', async () => {
    const signer = newSigner();
    const inSteps = temporary();
    let before = 0;
    for (const size of [1, 200, 254, 255, 256, 300, 511, 513, 600]) {
      writeWindows(inSteps, 'one', before, size);
      const sealed = await sealAll(folderStore(inSteps), { signer });
      expect(sealed?.added).toBe(size - before + (before === 0 ? 1 : 0));
      before = size;
      const report = await verifyFolder(inSteps, { now: at(size), verifiers: [signer.verifier] });
      expect(report.findings).toEqual([]);
    }
    const files = filesOf(inSteps);
    expect(files).toContain('log/tile/0/001');
    expect(files).toContain('log/tile/0/002.p/89');
    // partials of full tiles are gone, those of published sizes of the last tile are not
    expect(files.filter((file) => /^log\/tile\/(0|entries)\/00[01]\.p/.test(file))).toEqual([]);
    expect(files).toContain('log/tile/0/002.p/2');
    const sorted = archiveOf(600);
    await sealAll(folderStore(sorted), { signer });
    expect(checkpointOf(sorted).size).toBe(checkpointOf(inSteps).size);
  });

  it('has nothing to do twice, and says nothing of an empty archive', async () => {
    const directory = archiveOf(3);
    const signer = newSigner();
    await sealAll(folderStore(directory), { signer });
    const files = filesOf(directory);
    const bytes = readFileSync(join(directory, CHECKPOINT_KEY));
    expect((await sealAll(folderStore(directory), { signer }))?.added).toBe(0);
    expect(filesOf(directory)).toEqual(files);
    expect(readFileSync(join(directory, CHECKPOINT_KEY))).toEqual(bytes);
    expect(await sealAll(folderStore(temporary()), { signer })).toBeUndefined();
  });

  it('is healed by the next one wherever it dies', async () => {
    const signer = newSigner();
    const start = temporary();
    writeWindows(start, 'one', 0, 250);
    await sealAll(folderStore(start), { signer });
    writeWindows(start, 'one', 250, 260);
    const old = checkpointOf(start);
    let died = true;
    let steps = 0;
    for (let n = 0; died; n++)
      for (const after of [false, true]) {
        const directory = copyOf(start);
        died = await sealAll(dyingStore(folderStore(directory), n, after), { signer }).then(
          () => false,
          () => true,
        );
        steps++;
        // more arrives before anyone seals again, and would sort before what the dead one had taken
        writeWindows(directory, 'another', 0, 2);
        const sealed = await sealAll(folderStore(directory), { signer });
        expect(sealed?.checkpoint.size).toBe(264);
        const { tree } = logOf(await readEntries(folderStore(directory), 264), 'test');
        expect(
          checkConsistency(old.size, old.root, 264, sealed!.checkpoint.root, consistencyProof(tree, old.size)),
        ).toBe(true);
        const report = await verifyFolder(directory, {
          now: at(260),
          verifiers: [signer.verifier],
          isWanted: (cluster) => cluster === 'one',
        });
        expect(report.findings, `write ${n}, ${after ? 'done' : 'not done'}`).toEqual([]);
        rmSync(directory, { recursive: true });
      }
    expect(steps).toBeGreaterThan(10);
  });

  it('an unfinished one is incomplete, not tampered', async () => {
    const signer = newSigner();
    const directory = archiveOf(10);
    await sealAll(folderStore(directory), { signer });
    writeWindows(directory, 'one', 10, 20);
    for (const n of [1, 2, 3]) {
      const copy = copyOf(directory);
      await expect(sealAll(dyingStore(folderStore(copy), n, false), { signer })).rejects.toThrow('died');
      const report = await verifyFolder(copy, { now: at(20), verifiers: [signer.verifier] });
      expect(codesOf(report)).toEqual(['incomplete seal-unfinished', 'incomplete unsealed']);
    }
  });

  it('of a sealer with an old view adds nothing twice', async () => {
    const signer = newSigner();
    const directory = archiveOf(5);
    const store = folderStore(directory);
    await sealAll(store, { signer });
    writeWindows(directory, 'one', 5, 9);
    let first = true;
    // it has read the checkpoint, then sleeps while another one seals
    const slow: Store = {
      ...store,
      get: async (key) => {
        const found = await store.get(key);
        if (key !== CHECKPOINT_KEY || !first) return found;
        first = false;
        await sealAll(store, { signer });
        writeWindows(directory, 'one', 9, 12);
        return found;
      },
    };
    const sealed = await sealAll(slow, { signer });
    expect(sealed?.checkpoint.size).toBe(13);
    expect((await verifyFolder(directory, { now: at(12), verifiers: [signer.verifier] })).findings).toEqual([]);
  });

  it('of several processes at once, some of them killed, leaves one log', { timeout: 60_000 }, async () => {
    const directory = archiveOf(40);
    const key = join(temporary('key'), 'key.pem');
    const { pem } = generateKey(ORIGIN);
    writeFileSync(key, pem);
    const run = (times: number): { child: ChildProcess; exited: Promise<unknown[]> } => {
      const child = spawn(
        process.execPath,
        [join(import.meta.dirname, 'seal-process.ts'), directory, key, String(times)],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      );
      return { child, exited: once(child, 'exit') };
    };
    const sizes: { size: number; root: Buffer }[] = [];
    let windows = 40;
    for (let round = 0; round < 2; round++) {
      const victim = run(1000);
      const others = [run(8), run(8)];
      await once(victim.child.stdout!, 'data');
      for (let i = 0; i < 6; i++) {
        writeWindows(directory, 'one', windows, windows + 30);
        windows += 30;
        await new Promise((resolve) => setTimeout(resolve, 20 + 37 * ((round + i) % 3)));
      }
      victim.child.kill('SIGKILL');
      await Promise.all(others.map(async ({ exited }) => expect((await exited)[0]).toBe(0)));
      sizes.push(checkpointOf(directory));
    }
    await sealAll(folderStore(directory), {
      signer: signerFromPem(pem, undefined, 'test'),
    });
    const { verifier } = signerFromPem(pem, undefined, 'test');
    const { size, root } = checkpointOf(directory);
    expect(size).toBe(windows + 1);
    const { tree } = logOf(await readEntries(folderStore(directory), size), 'test');
    for (const old of sizes)
      expect(checkConsistency(old.size, old.root, size, root, consistencyProof(tree, old.size))).toBe(true);
    expect((await verifyFolder(directory, { now: at(windows), verifiers: [verifier] })).findings).toEqual([]);
  });
});

describe('seal refuses', () => {
  const signer = newSigner();
  async function sealedDirectory(windows = 6): Promise<string> {
    const directory = archiveOf(windows);
    await sealAll(folderStore(directory), { signer });
    writeWindows(directory, 'one', windows, windows + 2);
    return directory;
  }
  const manifest = (directory: string, n: number) => filesOf(directory).filter((file) => /Z_.*Z\.json$/.test(file))[n]!;

  it('a ledger that has lost what was sealed, and names it', async () => {
    const directory = await sealedDirectory();
    const gone = manifest(directory, 2);
    rmSync(join(directory, gone));
    await expect(sealAll(folderStore(directory), { signer })).rejects.toThrow(gone);
    expect(checkpointOf(directory).size).toBe(7);
  });

  it('a log that was rewritten or cut', async () => {
    const directory = await sealedDirectory();
    const cut = copyOf(directory);
    edit(cut, 'log/tile/entries/000.p/7', (bytes) => bytes.subarray(0, -10));
    await expect(sealAll(folderStore(cut), { signer })).rejects.toBeInstanceOf(TamperError);
    const forged = copyOf(directory);
    edit(forged, 'log/tile/entries/000.p/7', (bytes) =>
      Buffer.from(
        bytes.toString('latin1').replace(/[0-9a-f](?=[^0-9a-f]*$)/, (c) => (c === '0' ? '1' : '0')),
        'latin1',
      ),
    );
    await expect(sealAll(folderStore(forged), { signer })).rejects.toThrow('root');
  });

  it('a rolled back log, when it has seen it before or an anchor has', async () => {
    const lastSeen = openLastSeen(temporary('state'));
    const anchor = folderStore(temporary('anchor'));
    const directory = archiveOf(6);
    await sealAll(folderStore(directory), { signer, lastSeen, anchor });
    const old = temporary('old');
    cpSync(join(directory, 'log'), old, { recursive: true });
    writeWindows(directory, 'one', 6, 9);
    await sealAll(folderStore(directory), { signer, lastSeen, anchor });
    rmSync(join(directory, 'log'), { recursive: true });
    cpSync(old, join(directory, 'log'), { recursive: true });
    await expect(sealAll(folderStore(directory), { signer, lastSeen })).rejects.toThrow('rolled back');
    await expect(sealAll(folderStore(directory), { signer, anchor })).rejects.toThrow('rolled back');
    rmSync(join(directory, 'log'), { recursive: true });
    await expect(sealAll(folderStore(directory), { signer, lastSeen })).rejects.toThrow('rolled back');
  });

  it('to go on with a log of another key, or unsigned with a signed one', async () => {
    const directory = await sealedDirectory();
    await expect(sealAll(folderStore(directory), { signer: newSigner() })).rejects.toBeInstanceOf(TamperError);
    await expect(sealAll(folderStore(directory))).rejects.toBeInstanceOf(ConfigError);
  });

  it('files that are not what they seem, and seals the others', async () => {
    const directory = await sealedDirectory();
    const key = manifest(directory, 7);
    edit(directory, key, (bytes) => Buffer.from(bytes.toString().replace('"received": 0', '"received": 1')));
    const sealed = await sealAll(folderStore(directory), { signer });
    expect(sealed).toMatchObject({ added: 1, refused: [`${key}: received: 1 instead of 0`] });
  });

  it('a batch that names what the ledger does not have', async () => {
    const directory = await sealedDirectory();
    writeFileSync(
      join(directory, 'log/batch/000000000007'),
      `ledger/cluster=one/20300101T000000Z_20300101T010000Z.json ${'0'.repeat(64)}\n`,
    );
    await expect(sealAll(folderStore(directory), { signer })).rejects.toThrow('log/batch/000000000007');
  });

  it('nothing for want of a right to delete partial tiles', async () => {
    const directory = archiveOf(250);
    const store: Store = { ...folderStore(directory), delete: () => Promise.reject(new AuthError('no')) };
    await sealAll(store, { signer });
    writeWindows(directory, 'one', 250, 260);
    await sealAll(store, { signer });
    expect(filesOf(directory)).toContain('log/tile/0/000.p/251');
    expect((await verifyFolder(directory, { now: at(260), verifiers: [signer.verifier] })).findings).toEqual([]);
  });
});

describe('keys', () => {
  it('an unsigned log says so, and can be signed later', async () => {
    const directory = archiveOf(3);
    expect((await sealAll(folderStore(directory)))?.signed).toBe(false);
    const signer = newSigner();
    const over = { now: at(3), verifiers: [signer.verifier] };
    expect(codesOf(await verifyFolder(directory, over))).toEqual(['unverifiable unsigned']);
    expect((await sealAll(folderStore(directory), { signer }))?.added).toBe(0);
    expect((await verifyFolder(directory, over)).exitCode).toBe(0);
  });

  it('an unsigned log is not signed when a manifest differs from it', async () => {
    const directory = archiveOf(3);
    await sealAll(folderStore(directory));
    const key = filesOf(directory).find((file) => /Z_.*Z\.json$/.test(file))!;
    edit(directory, key, (bytes) => Buffer.from(bytes.toString().replace('synthetic', 'synthetik')));
    await expect(sealAll(folderStore(directory), { signer: newSigner() })).rejects.toThrow(key);
  });

  it('rotate: the old one announces the new one, and who trusts the old one trusts both', async () => {
    const [old, fresh, third] = [newSigner(), newSigner(), newSigner()];
    const directory = archiveOf(3);
    const store = folderStore(directory);
    await sealAll(store, { signer: old });
    await expect(sealAll(store, { signer: fresh, verifiers: [] })).rejects.toBeInstanceOf(TamperError);
    await sealAll(store, { signer: old, announce: fresh.verifier });
    writeWindows(directory, 'one', 3, 5);
    await sealAll(store, { signer: fresh, verifiers: [old.verifier] });
    await sealAll(store, { signer: fresh, announce: third.verifier });
    writeWindows(directory, 'one', 5, 6);
    await sealAll(store, { signer: third, verifiers: [fresh.verifier] });
    for (const { verifier } of [old, fresh, third])
      expect((await verifyFolder(directory, { now: at(6), verifiers: [verifier] })).findings).toEqual([]);
    expect(codesOf(await verifyFolder(directory, { now: at(6), verifiers: [newSigner().verifier] }))).toEqual([
      'unverifiable key-unknown',
    ]);
    // without the handover nobody vouches for the later keys
    const [handover] = filesOf(directory).filter((file) => file.endsWith('.note'));
    renameSync(join(directory, handover!), join(temporary(), 'gone'));
    expect((await verifyFolder(directory, { now: at(6), verifiers: [old.verifier] })).exitCode).not.toBe(0);
  });

  it('planted beside the log are never announced by a seal', async () => {
    const signer = newSigner();
    const directory = archiveOf(3);
    await sealAll(folderStore(directory), { signer });
    const { verifier } = newSigner();
    cpSync(join(directory, 'log/checkpoint'), join(directory, `log/keys/${verifier.keyId}.note`));
    writeFileSync(join(directory, `log/keys/${verifier.keyId}.vkey`), `${verifier.vkey}\n`);
    expect((await sealAll(folderStore(directory), { signer }))?.added).toBe(0);
  });
});
