// The program as a process: signals, pipes, the version check, and what a quick command loads.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { eventLine } from './run-cli.ts';

const PROGRAM = join(import.meta.dirname, '../../bin/auditkeep.ts');

function start(argv: readonly string[], nodeArgv: readonly string[] = []) {
  const child = spawn(process.execPath, [...nodeArgv, PROGRAM, ...argv], { stdio: 'pipe' });
  // a child that is stopped leaves unread what was written to it
  child.stdin.on('error', () => {});
  const done = Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)]).then(
    ([[code, signal], stdout, stderr]) => ({
      code: code as number | null,
      signal: signal as string | null,
      stdout,
      stderr,
    }),
  );
  return { child, done };
}

/** Resolves when the child has written so much to stdout that it must be at work. */
async function working(child: ChildProcess): Promise<void> {
  await once(child.stdout!, 'data');
}

const many = `${eventLine('x')}\n`.repeat(1000);

it('an old Node is told which one is needed, and nothing else is loaded', async () => {
  const old =
    'data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"22.14.0"}})';
  const { code, stdout, stderr } = await start(['--version'], ['--import', old]).done;
  expect(code).toBe(2);
  expect(stdout).toBe('');
  expect(stderr).toContain('auditkeep needs Node 22.15 or newer, this is Node 22.14.0');
});

it('help loads neither SDKs nor what only commands need', async () => {
  const spy =
    'data:text/javascript,import{registerHooks}from"node:module";' +
    'registerHooks({load(u,c,n){process.stderr.write("LOAD "+u+"\\n");return n(u,c)}})';
  const { code, stderr } = await start(['collect', '--help'], ['--import', spy]).done;
  expect(code).toBe(0);
  const loaded = stderr.split('\n').filter((line) => line.startsWith('LOAD '));
  expect(loaded.some((line) => line.includes('/commander/'))).toBe(true);
  expect(loaded.filter((line) => /@aws-sdk|@smithy|\/(zod|yaml|pino|p-limit)\/|\/providers\/\w+\//.test(line))).toEqual(
    [],
  );
});

it('the first Ctrl-C stops cleanly with 130, also while it waits for input', async () => {
  const { child, done } = start(['decode', 'kube', '-']);
  // more than a reader holds back, and no end
  child.stdin.write(many.repeat(8));
  await working(child);
  child.kill('SIGINT');
  const { code, stderr } = await done;
  expect(code).toBe(130);
  expect(stderr).toContain('nothing is left half done');
  expect(stderr).toContain('interrupted; what was committed stays');
});

it('ends quietly when the reader of a pipe goes away', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'auditkeep-pipe-'));
  const file = join(folder, 'audit.log');
  writeFileSync(file, many.repeat(20));
  const { child, done } = start(['decode', 'kube', file]);
  await working(child);
  child.stdout.destroy();
  const { code, stderr } = await done.catch(async () => {
    // the consumer of stdout fails, since the test destroyed it
    const [exit] = child.exitCode === null ? await once(child, 'close') : [child.exitCode];
    return { code: exit as number, stderr: '' };
  });
  expect(code).toBe(0);
  expect(stderr).not.toContain('EPIPE');
});
