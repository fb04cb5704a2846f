// The directory store: its contract, across real processes, killed ones included, and on broken directories.

import { fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { chmod, link, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sha256Hex } from '../../src/archive/hash.ts';
import { fileError } from '../../src/archive/store/file-errors.ts';
import { openFileStore } from '../../src/archive/store/file.ts';
import { compareKeys } from '../../src/archive/store/key-rules.ts';
import { openStore } from '../../src/archive/store/open.ts';
import type { Store } from '../../src/archive/store/store.ts';
import { AuditkeepError, AuthError, ConfigError, ConflictError, TransientError } from '../../src/errors.ts';
import { storeContract } from './store-contract.ts';
import { keysOf, putText, textOf } from './store-texts.ts';

const deps = { onServerDate() {} };
let base = '';
let counter = 0;
const fresh = () => join(base, `archive-${counter++}`);

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'auditkeep-file-'));
});
afterAll(() => rm(base, { recursive: true, force: true }));

storeContract('directory', () => Promise.resolve(openFileStore(fresh(), deps)));

const temporary = (root: string) => readdir(join(root, '.tmp'));
const withoutLocks = async (root: string) => (await temporary(root)).filter((name) => !name.startsWith('swap_'));

/** Starts test/archive/store-writer.ts as a process of its own. */
function startWriter(...args: string[]) {
  const child = fork(join(import.meta.dirname, 'store-writer.ts'), args, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  return { child, exited: once(child, 'exit') as Promise<[number | null, string | null]> };
}

async function messageOf(child: ReturnType<typeof startWriter>['child']): Promise<unknown> {
  const [message] = (await once(child, 'message')) as [unknown];
  return message;
}

describe('a file that grows in the store', () => {
  const spooled = async (store: Store, text: string) => {
    const file = await store.spool!();
    for (const piece of text.match(/.{1,5}/gs) ?? []) await file.write(Buffer.from(piece));
    await file.close();
    return { file, body: { path: file.path, size: Buffer.byteLength(text) } };
  };
  const options = (text: string) => ({ ifAbsent: true, sha256: sha256Hex(Buffer.from(text)) });

  test('is taken as it is, and stays when its owner removes it', async () => {
    const root = fresh();
    const store = openFileStore(root, deps);
    const { file, body } = await spooled(store, 'grown over time');
    expect(await keysOf(store)).toEqual([]);
    const { ino } = await stat(file.path);
    expect(await store.put('events/a', body, options('grown over time'))).toBe(
      sha256Hex(Buffer.from('grown over time')),
    );
    expect((await stat(join(root, 'events/a'))).ino).toBe(ino);
    expect(await textOf(store, 'events/a')).toBe('grown over time');
    expect(await temporary(root)).toEqual([]);
    await file.remove();
    expect(await textOf(store, 'events/a')).toBe('grown over time');
    // others' files are copied
    const other = join(base, 'other');
    await writeFile(other, 'x');
    await store.put('events/b', { path: other, size: 1 }, options('x'));
    expect((await stat(join(root, 'events/b'))).ino).not.toBe((await stat(other)).ino);
  });

  test('is there for another attempt when a put fails', async () => {
    const root = fresh();
    const store = openFileStore(root, deps);
    await putText(store, 'events/a', 'first');
    const { file, body } = await spooled(store, 'second');
    await expect(store.put('events/a', body, options('second'))).rejects.toThrow(ConflictError);
    expect(await textOf(store, 'events/a')).toBe('first');
    await store.put('events/b', body, options('second'));
    expect(await textOf(store, 'events/b')).toBe('second');
    const left = await spooled(store, 'third');
    await left.file.remove();
    await file.remove();
    expect(await temporary(root)).toEqual([]);
    await expect(store.put('events/c', left.body, options('third'))).rejects.toThrow();
    expect(await keysOf(store)).toEqual(['events/a', 'events/b']);
  });

  test('is not stored when it is not what it should be', async () => {
    const root = fresh();
    const store = openFileStore(root, deps);
    const { file, body } = await spooled(store, 'whole');
    await expect(store.put('events/a', { ...body, size: 4 }, options('whole'))).rejects.toThrow(/5 bytes instead of 4/);
    await rm(file.path);
    await expect(store.put('events/a', body, options('whole'))).rejects.toThrow(TransientError);
    expect(await keysOf(store)).toEqual([]);
    // the folder of such files was removed behind our back
    await rm(join(root, '.tmp'), { recursive: true });
    const again = await spooled(store, 'again');
    await store.put('events/a', again.body, options('again'));
    expect(await textOf(store, 'events/a')).toBe('again');
  });
});

describe('across processes', () => {
  test('create-only: 4 processes race for 40 keys, each key has one winner', async () => {
    const root = fresh();
    const writers = Array.from({ length: 4 }, (_, i) => startWriter('race', root, `${i}`, '40'));
    for (const { child } of writers) expect(await messageOf(child)).toBe('ready');
    const answers = writers.map(({ child }) => messageOf(child));
    for (const { child } of writers) child.send('go');
    const won = (await Promise.all(answers)) as string[][];
    await Promise.all(writers.map(({ exited }) => exited));
    const store = openFileStore(root, deps);
    expect(won.flat().sort()).toEqual(await keysOf(store));
    expect(won.flat()).toHaveLength(40);
    for (const [i, keys] of won.entries()) for (const key of keys) expect(await textOf(store, key)).toBe(`by ${i}`);
    expect(await temporary(root)).toEqual([]);
  });

  test('compare and swap: increments by 4 processes are all there', async () => {
    const root = fresh();
    const store = openFileStore(root, deps);
    await putText(store, 'log/checkpoint', '0');
    const writers = Array.from({ length: 4 }, () => startWriter('count', root, '15'));
    for (const { child } of writers) expect(await messageOf(child)).toBe('ready');
    for (const { child } of writers) child.send('go');
    const exits = await Promise.all(writers.map(({ exited }) => exited));
    expect(exits.map(([code]) => code)).toEqual([0, 0, 0, 0]);
    expect(await textOf(store, 'log/checkpoint')).toBe('60');
  });

  test('kill -9 at any moment leaves whole objects or none, and the next run cleans up', async () => {
    const root = fresh();
    const [seed, kills] = [20_260_622, 12];
    const moments = fc.sample(fc.integer({ min: 0, max: 60 }), { seed, numRuns: kills });
    for (const [i, moment] of moments.entries()) {
      const { child, exited } = startWriter('write', root, `${i}`);
      expect(await messageOf(child)).toBe('ready');
      child.send('go');
      await new Promise((resolve) => setTimeout(resolve, moment));
      child.kill('SIGKILL');
      expect((await exited)[1]).toBe('SIGKILL');
    }
    const store = openFileStore(root, deps);
    const keys = await keysOf(store);
    expect(keys.length).toBeGreaterThan(0);
    for (const key of keys) {
      const { bytes } = (await store.get(key))!;
      // each body is its own key over and over, and its name ends in its hash
      expect(key.endsWith(sha256Hex(bytes).slice(0, 16)), key).toBe(true);
    }
    await store.check();
    expect(await withoutLocks(root)).toEqual([]);
    expect(await keysOf(store)).toEqual(keys);
  });

  test('a lock whose holder was killed is taken over, that of a living one is not', async () => {
    const root = fresh();
    const store = openFileStore(root, deps);
    const tag = await putText(store, 'log/checkpoint', 'one');
    const { child, exited } = startWriter('hold', root);
    expect(await messageOf(child)).toBe('ready');
    child.send('go');
    expect(await messageOf(child)).toBe('holding');
    let done = false;
    const swap = putText(store, 'log/checkpoint', 'two', { ifMatch: tag }).finally(() => (done = true));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(done).toBe(false);
    child.kill('SIGKILL');
    await exited;
    await swap;
    expect(await textOf(store, 'log/checkpoint')).toBe('two');
  });
});

describe('temporary files', () => {
  test('those of this process and of strangers stay, those of the dead and day-old strangers go', async () => {
    const root = fresh();
    const store = openFileStore(root, deps);
    await store.check();
    const { child, exited } = startWriter('leave', root);
    const left = (await messageOf(child)) as string;
    await exited;
    const mine = left.replace(/_\d+_\d+_/, `_${process.pid}_1_`); // this pid, but another start: long gone
    const names = {
      [left]: false,
      [mine]: false,
      'elsewhere-00000000_77_5_ab0': true,
      'elsewhere-00000000_78_5_ab0': false,
      'not-by-us.txt': true,
    };
    for (const name of Object.keys(names)) await writeFile(join(root, '.tmp', name), 'x');
    const old = Date.now() / 1000 - 86_500;
    await utimes(join(root, '.tmp', 'elsewhere-00000000_78_5_ab0'), old, old);
    await store.check();
    const kept = await temporary(root);
    for (const [name, stays] of Object.entries(names)) expect(kept.includes(name), name).toBe(stays);
    expect(await keysOf(store)).toEqual([]);
  });

  test('a loser leaves nothing, and neither does a body that can not be read', async () => {
    const root = fresh();
    const store = openFileStore(root, deps);
    await putText(store, 'ledger/m.json', 'first');
    await expect(putText(store, 'ledger/m.json', 'second')).rejects.toThrow(ConflictError);
    await expect(
      store.put('x', { path: join(root, 'none'), size: 1 }, { ifAbsent: true, sha256: sha256Hex(Buffer.alloc(0)) }),
    ).rejects.toThrow(ConfigError);
    expect(await temporary(root)).toEqual([]);
    expect((await stat(join(root, 'ledger/m.json'))).nlink).toBe(1);
  });

  test('the temporary folder may vanish while the store is open', async () => {
    const root = fresh();
    const store = openFileStore(root, deps);
    await putText(store, 'a/b', 'one');
    await rm(root, { recursive: true });
    await putText(store, 'a/c', 'two');
    expect(await keysOf(store)).toEqual(['a/c']);
  });
});

describe('broken directories', () => {
  test('a file where a folder should be', async () => {
    const root = fresh();
    await writeFile(root, 'x');
    const store = openFileStore(root, deps);
    for (const work of [() => store.check(), () => putText(store, 'a', 'x')]) {
      await expect(work()).rejects.toThrow(ConfigError);
      await expect(work()).rejects.toMatchObject({ hint: expect.stringContaining('is a file') as string });
    }
    const good = openFileStore(fresh(), deps);
    await putText(good, 'a', 'x');
    await expect(putText(good, 'a/b', 'x')).rejects.toThrow(ConfigError);
  });

  test('symbolic links inside of the archive are not followed', async () => {
    const root = fresh();
    const outside = fresh();
    await mkdir(join(root, 'events'), { recursive: true });
    await mkdir(outside);
    await writeFile(join(outside, 'secret'), 'x');
    const store = openFileStore(root, deps);
    await symlink(outside, join(root, 'ledger'));
    await symlink(join(outside, 'secret'), join(root, 'events', 'x'));
    await expect(putText(store, 'ledger/m.json', 'x')).rejects.toThrow(ConfigError);
    await expect(putText(store, 'ledger/deep/m.json', 'x')).rejects.toThrow(ConfigError);
    await expect(store.get('events/x')).rejects.toThrow(ConfigError);
    await expect(keysOf(store)).rejects.toThrow(ConfigError);
    expect(await readdir(outside)).toEqual(['secret']);
    await symlink(root, `${root}-link`);
    const linked = openFileStore(`${root}-link`, deps);
    await putText(linked, 'ids/x', 'y');
    expect(await textOf(store, 'ids/x')).toBe('y');
  });

  test('a read-only directory', async () => {
    const root = fresh();
    await chmod(base, 0o755);
    await mkdir(root);
    await chmod(root, 0o555);
    const store = openFileStore(root, deps);
    // for root nothing is read-only, so this test is somebody else for a moment
    const isRoot = process.getuid?.() === 0;
    if (isRoot) process.seteuid!(65_534);
    try {
      const error: unknown = await store.check().catch((error: unknown) => error);
      expect(error).toBeInstanceOf(AuthError);
      expect((error as AuthError).message).toBe(`can't use ${root}: EACCES`);
      await expect(putText(store, 'a', 'x')).rejects.toThrow(AuthError);
    } finally {
      if (isRoot) process.seteuid!(0);
    }
    expect(await readdir(root)).toEqual([]);
    await chmod(root, 0o755);
    await putText(store, 'a', 'x');
  });

  test('every refusal of the system says what to do', () => {
    const classes: Record<string, new (...args: never[]) => Error> = {
      EACCES: AuthError,
      EROFS: AuthError,
      EPERM: AuthError,
      ENOTDIR: ConfigError,
      EXDEV: ConfigError,
      ENAMETOOLONG: ConfigError,
      ENOSPC: AuditkeepError,
      EDQUOT: AuditkeepError,
      EFBIG: AuditkeepError,
    };
    for (const [code, expected] of Object.entries(classes)) {
      const error = fileError(Object.assign(new Error('x'), { code }), 'write', '/a/b') as AuditkeepError;
      expect(error).toBeInstanceOf(expected);
      expect(error).not.toBeInstanceOf(TransientError);
      expect(error.message).toBe(`can't write /a/b: ${code}`);
      expect(error.hint!.length).toBeGreaterThan(20);
    }
    for (const code of ['EIO', 'EMFILE', 'ESTALE'])
      expect(fileError(Object.assign(new Error('x'), { code }), 'write', '/a')).toBeInstanceOf(TransientError);
    const bug = new TypeError('a bug');
    expect(fileError(bug, 'write', '/a')).toBe(bug);
  });

  test('an object under two names is still one object', async () => {
    const root = fresh();
    const store = openFileStore(root, deps);
    await putText(store, 'a', 'x');
    await link(join(root, 'a'), join(root, 'b'));
    await expect(putText(store, 'b', 'x')).rejects.toThrow(ConflictError);
  });
});

/** Mounts a file system at a fresh folder; undefined where this user may not. */
function mountAt(folder: string, options: string): { unmount(): void } | undefined {
  mkdirSync(folder);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'auditkeep-test', folder]);
  return mounted.status === 0 ? { unmount: () => void spawnSync('umount', ['-l', folder]) } : undefined;
}
const mountFolder = mkdtempSync(join(tmpdir(), 'auditkeep-mount-'));
const probe = mountAt(join(mountFolder, 'x'), 'size=64k');
probe?.unmount();
rmSync(mountFolder, { recursive: true });

describe.skipIf(probe === undefined)('real file systems (skipped: only root may mount)', () => {
  test('a full disk: nothing half is left, and it goes on when there is room', async () => {
    const root = fresh();
    const disk = mountAt(root, 'size=256k')!;
    try {
      const store = openFileStore(root, deps);
      await store.check();
      const text = 'x'.repeat(50_000);
      const outcomes: unknown[] = [];
      for (let i = 0; i < 10; i++)
        outcomes.push(await putText(store, `events/${i}`, text).catch((error: unknown) => error));
      const kept = await keysOf(store);
      const errors = outcomes.filter((outcome) => typeof outcome !== 'string') as AuditkeepError[];
      expect(kept.length).toBeGreaterThan(0);
      expect(errors).toHaveLength(10 - kept.length);
      for (const error of errors) {
        expect(error).toBeInstanceOf(AuditkeepError);
        expect(error).not.toBeInstanceOf(TransientError);
        expect(error.message).toMatch(/can't write .*events\/\d: ENOSPC/);
        expect(error.hint).toMatch(/disk is full/);
      }
      expect(await withoutLocks(root)).toEqual([]);
      for (const key of kept) expect(await textOf(store, key)).toBe(text);
      await store.delete(kept[0]!);
      await putText(store, 'events/again', text);
    } finally {
      disk.unmount();
    }
  });

  test('a full disk while a file grows', async () => {
    const root = fresh();
    const disk = mountAt(root, 'size=256k')!;
    try {
      const store = openFileStore(root, deps);
      const file = await store.spool!();
      const error = (await file.write(Buffer.alloc(500_000)).catch((reason: unknown) => reason)) as AuditkeepError;
      expect(error).toBeInstanceOf(AuditkeepError);
      expect(error.message).toMatch(/can't write .*ENOSPC/);
      expect(error.hint).toMatch(/disk is full/);
      await file.remove();
      expect(await temporary(root)).toEqual([]);
    } finally {
      disk.unmount();
    }
  });

  test('a file system that is mounted read-only', async () => {
    const root = fresh();
    const disk = mountAt(root, 'ro')!;
    try {
      const store = openFileStore(root, deps);
      for (const work of [() => store.check(), () => putText(store, 'a', 'x')]) {
        await expect(work()).rejects.toThrow(AuthError);
        await expect(work()).rejects.toMatchObject({ hint: expect.stringContaining('mounted read-only') as string });
      }
      expect(await keysOf(store)).toEqual([]);
    } finally {
      disk.unmount();
    }
  });

  test('another file system inside of the archive', async () => {
    const root = fresh();
    await mkdir(root);
    const disk = mountAt(join(root, 'events'), 'size=64k')!;
    try {
      await expect(putText(openFileStore(root, deps), 'events/x', 'x')).rejects.toThrow(ConfigError);
      expect(await withoutLocks(root)).toEqual([]);
    } finally {
      disk.unmount();
    }
  });
});

test('key order is the order of UTF-8 bytes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
      expect(Math.sign(compareKeys(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
  );
});

test('an archive is a bucket or a directory', async () => {
  const s3 = { region: 'eu-central-1', forcePathStyle: false, tags: {}, timeout: 1000 };
  expect((await openStore('some/./dir/', s3, deps)).url).toBe(join(process.cwd(), 'some/dir'));
  expect((await openStore('s3://acme-audit/k8s/', s3, deps)).url).toBe('s3://acme-audit/k8s');
  expect((await openStore('s3://acme-audit', s3, deps)).url).toBe('s3://acme-audit');
  for (const bad of [
    'gs://bucket/x',
    'file:///tmp/x',
    's3://',
    's3://A_b/x',
    's3://ab',
    's3://acme/../x',
    's3://acme//x',
    ' ',
  ])
    await expect(openStore(bad, s3, deps), bad).rejects.toThrow(ConfigError);
});

test('objects are plain files that any tool reads', async () => {
  const root = fresh();
  await putText(openFileStore(root, deps), 'policies/x.yaml', 'rules: []');
  expect(await readFile(join(root, 'policies/x.yaml'), 'utf8')).toBe('rules: []');
});
