import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { commands } from '../../src/cli/commands.ts';
import { AuthError, TamperError } from '../../src/errors.ts';
import type { Registry } from '../../src/provider.ts';
import { runCli, sink } from './run-cli.ts';

const names = commands({}).map((spec) => spec.name);

describe('help and version', () => {
  it('--help lists every command and the exit codes, on stdout', async () => {
    const { code, stdout, stderr } = await runCli(['--help']);
    expect(code).toBe(0);
    expect(stderr).toBe('');
    for (const name of names) expect(stdout).toMatch(new RegExp(`^  ${name}\\b`, 'm'));
    expect(stdout).toContain('130 interrupted');
  });

  it.each(names)('%s --help has its options, the global ones and an example', async (name) => {
    for (const argv of [
      [name, '--help'],
      ['help', name],
    ]) {
      const { code, stdout } = await runCli(argv);
      expect(code).toBe(0);
      expect(stdout).toContain(`Usage: auditkeep ${name}`);
      expect(stdout).toContain('--config <file>');
      expect(stdout).toMatch(new RegExp(`^Examples:\\n  .*auditkeep ${name}\\b`, 'm'));
    }
  });

  it('--version prints a version alone', async () => {
    const { code, stdout } = await runCli(['--version']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\S*\n$/);
  });
});

describe('wrong usage exits 2 and says what was meant', () => {
  it.each([
    [['colect'], /auditkeep: error: unknown command 'colect'\n.*Did you mean collect/],
    [['status', '--clutser', 'x'], /unknown option '--clutser'\n.*Did you mean --cluster/],
    [['--confg', 'x'], /unknown option '--confg'\n.*Did you mean --config/],
    [['status', 'now'], /too many arguments/],
    [['decode', 'kube'], /missing required argument 'file'/],
    [['backfill'], /required option '--from <time>' not specified/],
    [['status', '--log-level', 'loud'], /Allowed choices are debug, info, warn, error, silent/],
    [['status', '-o', 'xml'], /-o xml: "status" prints text or json/],
    [['help', 'nothing'], /unknown command 'nothing'|Usage/],
    [
      ['status', '--config', '/nowhere/a.yaml'],
      /no config file \/nowhere\/a\.yaml\n {2}write one with "auditkeep init"/,
    ],
  ])('%j', async (argv, message) => {
    const { code, stdout, stderr } = await runCli(argv);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
    expect(stdout).toBe('');
  });

  it('nothing at all shows help', async () => {
    const { code, stdout, stderr } = await runCli([]);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain('Usage: auditkeep');
  });

  it('an argument can’t act on the terminal', async () => {
    const { stderr } = await runCli(['\u001b[2Jx', '\u202e']);
    expect(stderr).toContain('\\x1b[2Jx');
    expect(stderr).not.toMatch(/[\u001b\u202e]/);
  });

  it('global options stand before or after the command', async () => {
    for (const argv of [
      ['--config', '/nowhere/b.yaml', 'status'],
      ['status', '--config=/nowhere/b.yaml'],
    ])
      expect((await runCli(argv)).stderr).toContain('no config file /nowhere/b.yaml');
  });
});

describe('errors', () => {
  // a provider that fails when it is loaded, with the class under test
  const failing = (error: Error): Registry => ({
    kube: () => Promise.reject(error),
  });
  const run = (error: Error, ...more: string[]) =>
    runCli(['decode', 'kube', '-', ...more], { registry: failing(error) });

  it('have the exit code of their class, message and hint', async () => {
    const auth = await run(new AuthError('no permission for logs:FilterLogEvents', { hint: 'add it to the role' }));
    expect(auth).toEqual({
      code: 1,
      stdout: '',
      stderr: 'auditkeep: no permission for logs:FilterLogEvents\n  add it to the role\n',
    });
    expect((await run(new TamperError('x'))).code).toBe(4);
  });

  it('text of a service can neither act on the terminal nor pass for another message', async () => {
    const { stderr } = await run(new AuthError('denied\u001b]0;x\u0007\r\nauditkeep: all fine\u2066'));
    expect(stderr).toBe('auditkeep: denied\\x1b]0;x\\x07\\r\n  auditkeep: all fine\\u2066\n');
  });

  it('nobody expected are short, with the stack only for those who ask', async () => {
    const quiet = await run(new TypeError('x is not a function'));
    expect(quiet.code).toBe(1);
    expect(quiet.stderr).toMatch(/^auditkeep: unexpected error: x is not a function\n.*--log-level debug/);
    expect(quiet.stderr).not.toMatch(/^ +at /m);
    const loud = await run(new TypeError('x is not a function', { cause: new Error('deep') }), '--log-level', 'debug');
    expect(loud.stderr).toMatch(/TypeError: x is not a function\n +at .*[^]*caused by: Error: deep/);
  });

  it('after Ctrl-C it is 130, and says that nothing is lost', async () => {
    const { code, stderr } = await runCli(['decode', 'kube', '-'], { signal: AbortSignal.abort(), stdin: 'x\n' });
    expect(code).toBe(130);
    expect(stderr).toContain('the next run goes on');
  });
});

it('a full disk under stdout is a failure', async () => {
  const stdout = sink();
  stdout._write = (_chunk, _encoding, done) =>
    done(Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' }));
  const folder = await mkdtemp(join(tmpdir(), 'auditkeep-cli-'));
  await writeFile(join(folder, 'x'), '{}\n');
  const { code, stderr } = await runCli(['decode', 'kube', join(folder, 'x'), '-o', 'json'], { stdout });
  expect(code).toBe(1);
  expect(stderr).toContain('ENOSPC');
});
