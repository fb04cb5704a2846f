// keygen, seal, verify and prove from the command line, over what `collect` really wrote.

import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openLastSeen } from '../../src/integrity/last-seen.ts';
import { parseVkey } from '../../src/integrity/vkey.ts';
import { filesOf, folderStore } from '../integrity/sealed.ts';
import { verifyFolder } from '../integrity/verifying.ts';
import { eventLine, runCli, sink } from './run-cli.ts';

const START = Date.parse('2026-06-22T00:00:00Z');
const HOUR = 3_600_000;
const NOW = START + 6.5 * HOUR;
let folder: string;
let archive: string;
let config: string;
let vkey: string;
const env = () => ({ XDG_STATE_HOME: join(folder, 'state') });
const run = (argv: string[], now = NOW) => runCli([...argv, '--config', config], { now, env: env() });
const manifests = () => filesOf(archive).filter((file) => /^ledger\/.*Z_.*Z\.json$/.test(file));

const line = (hour: number, i: number) => {
  const at = new Date(START + hour * HOUR + i * 60_000).toISOString().replace('Z', '000Z');
  return eventLine(`id-${hour}-${i}`, { requestReceivedTimestamp: at, stageTimestamp: at });
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'integrity-cli-'));
  archive = join(folder, 'archive');
  config = join(folder, 'auditkeep.yaml');
  const lines = Array.from({ length: 8 }, (_, hour) => Array.from({ length: 5 }, (_, i) => line(hour, i))).flat();
  writeFileSync(join(folder, 'audit.log'), `${lines.join('\n')}\n`);
  const made = await runCli(['keygen', '--out', join(folder, 'key.pem'), '--name', 'acme.example/audit']);
  expect(made.code).toBe(0);
  vkey = made.stdout.trim();
  writeFileSync(join(folder, 'key.pub'), `${vkey}\n`);
  writeFileSync(
    config,
    JSON.stringify({
      archive: './archive',
      collect: { start: '2026-06-22T00:00:00Z' },
      integrity: { key: './key.pem', verifiers: [vkey], anchor: './anchor' },
      clusters: [{ name: 'lab', provider: 'kube', files: join(folder, 'audit.log') }],
    }),
  );
  const collected = await run(['collect']);
  expect(collected.stderr).not.toContain('not signed');
  expect(collected.code).toBe(0);
});

describe('keygen', () => {
  it('makes a key that only its owner reads, and never overwrites one', async () => {
    const path = join(folder, 'key.pem');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(vkey).toMatch(/^acme\.example\/audit\+[0-9a-f]{8}\+/);
    const before = readFileSync(path);
    const again = await runCli(['keygen', '--out', path]);
    expect(again.code).toBe(2);
    expect(readFileSync(path)).toEqual(before);
    expect(again.stdout + again.stderr).not.toContain(before.toString().split('\n')[2]);
  });
});

describe('seal', () => {
  it('has been done by collect, and finds nothing more to do', async () => {
    expect(filesOf(archive)).toContain('log/checkpoint');
    const sealed = await run(['seal', '-o', 'json']);
    expect(sealed.code).toBe(0);
    expect(JSON.parse(sealed.stdout)).toMatchObject({ added: 0, signed: true, size: manifests().length + 1 });
    expect(filesOf(join(folder, 'anchor'))).toHaveLength(1);
  });

  it('says plainly that a log without a key is not signed', async () => {
    const other = join(folder, 'unsigned.yaml');
    writeFileSync(
      other,
      readFileSync(config, 'utf8')
        .replace(/"integrity":\{[^}]*\},/, '')
        .replace('./archive', './unsigned'),
    );
    const collected = await runCli(['collect', '--config', other], { now: NOW, env: env() });
    expect(collected.code).toBe(0);
    expect(collected.stderr).toContain('the log is not signed');
    const verified = await runCli(['verify', '--config', other], { now: NOW, env: env() });
    expect(verified.code).toBe(5);
    expect(verified.stdout).toContain('not signed');
  });
});

describe('verify', () => {
  it('is exit 0 for the archive, its copy elsewhere, and incremental the second time', async () => {
    const first = await run(['verify', '-o', 'json']);
    expect(first.stdout).toContain('"findings":[]');
    expect(first.code).toBe(0);
    const second = JSON.parse((await run(['verify', '-o', 'json'])).stdout) as { objects: Record<string, number> };
    expect(second.objects['remembered']).toBe(second.objects['listed']);
    const deep = JSON.parse((await run(['verify', '--deep', '-o', 'json'])).stdout) as {
      objects: Record<string, number>;
    };
    expect(deep.objects['read']).toBe(deep.objects['listed']);
    expect((await run(['verify', '--fast'])).code).toBe(0);
    const copy = join(folder, 'elsewhere');
    cpSync(archive, copy, { recursive: true });
    const alone = await runCli(
      ['verify', '--archive', copy, '--key', join(folder, 'key.pub'), '--config', '/nowhere.yaml'],
      { now: NOW },
    );
    expect(alone.code).toBe(0);
    expect(alone.stdout).toContain('VERIFIED');
    rmSync(copy, { recursive: true });
  });

  it('notices a changed byte that an earlier run had found good', async () => {
    const copy = join(folder, 'changed');
    cpSync(archive, copy, { recursive: true });
    const over = ['verify', '--archive', copy];
    expect((await run(over)).code).toBe(0);
    const part = join(
      copy,
      filesOf(copy).find((file) => file.startsWith('events/'))!,
    );
    const bytes = readFileSync(part);
    bytes[bytes.length - 6]! ^= 1;
    writeFileSync(part, bytes);
    const report = await run(over);
    expect(report.code).toBe(4);
    expect(report.stdout).toContain('TAMPERED');
  });

  it('of an archive that was never sealed can’t tell, but accuses nobody', async () => {
    const copy = join(folder, 'unsealed');
    cpSync(archive, copy, { recursive: true });
    rmSync(join(copy, 'log'), { recursive: true });
    expect(filesOf(copy).some((file) => file.startsWith('policies/'))).toBe(true);
    const { findings, objects } = await verifyFolder(copy, { now: NOW, mode: 'normal' });
    expect(findings.map(({ code }) => code)).toEqual(['no-checkpoint']);
    expect(objects.listed).toBeGreaterThan(manifests().length);
  });

  it('draws a bar while the ledger is read, and takes it away', async () => {
    const stderr = sink(true);
    const { code } = await runCli(['verify', '--config', config], { now: NOW, env: env(), stderr });
    expect(code).toBe(0);
    const total = manifests().length + 1;
    expect(stderr.text()).toMatch(new RegExp(`\\r\\u001b\\[K[█░]{24} 1/${total} files {2}ledger`));
    expect(stderr.text().endsWith('\r\u001b[K')).toBe(true);
  });

  it('that is stopped goes on where it was', async () => {
    const copy = join(folder, 'stopped');
    cpSync(archive, copy, { recursive: true });
    const stop = new AbortController();
    const store = folderStore(copy);
    const lastSeen = openLastSeen(join(folder, 'stopped-state'));
    let reads = 0;
    const input = {
      verifiers: [parseVkey(vkey)],
      lastSeen,
      mode: 'normal' as const,
      now: NOW,
      parallel: 1,
      signal: stop.signal,
      store: {
        ...store,
        read: (key: string) => {
          if (++reads === 4) stop.abort();
          return store.read(key);
        },
      },
    };
    await expect(verifyFolder(copy, input)).rejects.toThrow('aborted');
    const { objects } = await verifyFolder(copy, { ...input, store, signal: new AbortController().signal });
    expect(objects.remembered).toBeGreaterThanOrEqual(3);
    expect(objects.read + objects.remembered).toBe(objects.listed);
  });

  it('can’t tell with another key, and fails against a checkpoint of the future', async () => {
    const other = (await runCli(['keygen', '--out', join(folder, 'other.pem')])).stdout.trim();
    expect((await run(['verify', '--key', other])).code).toBe(5);
    const pinned = join(folder, 'pinned');
    writeFileSync(pinned, readFileSync(join(archive, 'log/checkpoint'), 'utf8').replace(/\n(\d+)\n/, '\n999\n'));
    const cut = await run(['verify', '--checkpoint', pinned, '--no-state']);
    expect(cut.code).toBe(3);
    expect(cut.stdout).toContain('999 leaves');
  });

  it('finds the gap when nothing was collected for hours', async () => {
    const late = await run(['verify'], NOW + 5 * HOUR);
    expect(late.code).toBe(3);
    expect(late.stdout).toMatch(/nothing was collected from 2026-06-22T06:00:00Z/);
  });

  it('of an empty folder is never success', async () => {
    const empty = mkdtempSync(join(tmpdir(), 'empty-'));
    expect((await runCli(['verify', '--archive', empty, '--key', vkey], { now: NOW })).code).toBe(5);
  });
});

describe('what this machine saw last', () => {
  const HINT = /integrity\.state or XDG_STATE_HOME .*--no-state/;

  it.each(['collect', 'seal', 'verify'])('%s says what to do where the folder can’t be read', async (command) => {
    const copy = join(folder, `shut-${command}`);
    const other = `${copy}.yaml`;
    cpSync(archive, copy, { recursive: true });
    writeFileSync(other, readFileSync(config, 'utf8').replace('./archive', copy));
    const at = { now: NOW + HOUR, env: { XDG_STATE_HOME: join(folder, 'audit.log') } };
    const { code, stderr } = await runCli([command, '--config', other], at);
    expect(code).toBe(1);
    expect(stderr).toContain('audit.log/auditkeep');
    expect(stderr).toMatch(HINT);
    // what was collected stays
    const collected = filesOf(copy).some((file) => file.includes('20260622T060000Z_20260622T070000Z.json'));
    expect(collected).toBe(command === 'collect');
    const without = await runCli(['verify', '--no-state', '--config', other], { ...at, now: NOW });
    expect(without.code).toBe(command === 'collect' ? 3 : 0);
  });

  it('verify goes on where the folder can’t be written, and say what to do', async () => {
    const state = join(folder, 'no-space');
    // the temporary name of what is written is taken by a folder, which also root can't write to
    const taken = filesOf(join(folder, 'state/auditkeep')).filter((file) => !file.endsWith('.new'));
    expect(taken.length).toBeGreaterThan(0);
    for (const file of taken) mkdirSync(join(state, 'auditkeep', `${file}.${process.pid}.new`), { recursive: true });
    const { code, stdout } = await runCli(['verify', '--config', config], { now: NOW, env: { XDG_STATE_HOME: state } });
    expect(code).toBe(0);
    expect(stdout).toMatch(/note: .*can't be written/);
    expect(stdout).toMatch(HINT);
  });
});

describe('collect', () => {
  it('refuses a window that was sealed and is gone, names it, and collects the others', async () => {
    const copy = join(folder, 'robbed');
    const other = join(folder, 'robbed.yaml');
    cpSync(archive, copy, { recursive: true });
    writeFileSync(other, readFileSync(config, 'utf8').replace('./archive', './robbed'));
    const gone = manifests()[2]!;
    for (const file of filesOf(copy))
      if (file.includes(gone.slice(gone.lastIndexOf('/') + 1, -5))) rmSync(join(copy, file));
    const collected = await runCli(['collect', '--config', other], { now: NOW + HOUR, env: env() });
    expect(collected.code).toBe(4);
    expect(collected.stderr).toContain(gone);
    expect(existsSync(join(copy, gone))).toBe(false);
    expect(filesOf(copy).filter((file) => file.includes('20260622T060000Z_20260622T070000Z.json'))).toHaveLength(1);
    rmSync(join(copy, 'ledger/cluster=lab/cluster.json'));
    for (const file of manifests()) rmSync(join(copy, file), { force: true });
    rmSync(join(copy, 'ledger/cluster=lab/20260622T060000Z_20260622T070000Z.json'));
    expect((await runCli(['collect', '--config', other], { now: NOW + HOUR, env: env() })).code).toBe(4);
    expect(filesOf(copy).filter((file) => file.startsWith('ledger/'))).toEqual([]);
  });
});

describe('prove', () => {
  it('writes what can be checked without the archive, and what nobody can change', async () => {
    const file = join(folder, 'event.tlog-proof');
    expect((await run(['prove', '--audit-id', 'id-3-2', '--out', file])).code).toBe(0);
    const checked = await runCli(['verify', '--proof', file, '--key', vkey, '--config', '/nowhere.yaml']);
    expect(checked.code).toBe(0);
    expect(checked.stdout).toContain(line(3, 2));
    expect(checked.stdout).toContain('PROVEN');
    const good = readFileSync(file);
    const changed = join(folder, 'changed.tlog-proof');
    for (let at = 0; at < good.length; at += 97) {
      const bytes = Buffer.from(good);
      bytes[at]! ^= 1;
      writeFileSync(changed, bytes);
      expect((await runCli(['verify', '--proof', changed, '--key', vkey])).code, `byte ${at}`).not.toBe(0);
    }
    expect((await runCli(['verify', '--proof', file])).code).toBe(5);
  });

  it('proves many at once, says what it did not find, and finds by the line itself', async () => {
    writeFileSync(join(folder, 'ids'), 'id-0-0\nid-5-4\nnobody\n');
    const many = await run(['prove', '--ids', join(folder, 'ids'), '--out', join(folder, 'proofs')]);
    expect(many.code).toBe(3);
    expect(many.stderr).toContain('nobody');
    const proofs = filesOf(join(folder, 'proofs'));
    expect(proofs).toHaveLength(2);
    for (const proof of proofs)
      expect((await runCli(['verify', '--proof', join(folder, 'proofs', proof), '--key', vkey])).code).toBe(0);
    const byLine = await run(['prove', '--line', line(1, 1)]);
    expect(byLine.stdout).toMatch(/^c2sp\.org\/tlog-proof@v1\nextra /);
    expect((await run(['prove', '--audit-id', 'nobody'])).code).toBe(5);
    expect((await run(['prove'])).code).toBe(2);
  });

  const hasPython = spawnSync('python3', ['--version']).status === 0 && spawnSync('openssl', ['version']).status === 0;
  it.skipIf(!hasPython)('is checked by the Python script of the docs (needs python3 and openssl)', async () => {
    const file = join(folder, 'python.tlog-proof');
    await run(['prove', '--audit-id', 'id-2-1', '--out', file]);
    const script = join(import.meta.dirname, '../../docs/verify-proof.py');
    expect(
      execFileSync('python3', [script, file, vkey], { stdio: ['ignore', 'pipe', 'ignore'] })
        .toString()
        .trim(),
    ).toBe(line(2, 1));
    const good = readFileSync(file, 'latin1');
    const forged = [
      good.replace(/index \d+/, 'index 0'),
      good.replace(
        /\n([A-Za-z0-9+/])([A-Za-z0-9+/]{42}=)\n/,
        (_, a: string, rest: string) => `\n${a === 'A' ? 'B' : 'A'}${rest}\n`,
      ),
      good.replace(/(\n\n[^\n]+\n)(\d+)\n/, (_, a: string, n: string) => `${a}${Number(n) + 1}\n`),
    ];
    for (const text of forged) {
      expect(text).not.toBe(good);
      writeFileSync(file, text, 'latin1');
      expect(spawnSync('python3', [script, file, vkey]).status).not.toBe(0);
    }
  });
});
