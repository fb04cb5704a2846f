// The published package: packed, installed into an empty folder without a network, and run by plain Node.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(
  command: string,
  argv: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(command, argv, { cwd, env, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 1, stdout, stderr });
    });
    child.stdin?.end();
  });
}

let folder: string;
let program: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'auditkeep-package-'));
  const packed = await run('npm', ['pack', '--pack-destination', folder], ROOT);
  expect(packed, packed.stderr).toMatchObject({ code: 0 });
  const [tarball] = (await readdir(folder)).filter((name) => name.endsWith('.tgz'));
  await writeFile(join(folder, 'package.json'), '{"private": true}');
  const installed = await run('npm', ['install', '--offline', '--no-audit', '--no-fund', `./${tarball}`], folder);
  expect(installed, installed.stderr).toMatchObject({ code: 0 });
  program = join(folder, 'node_modules/.bin/auditkeep');
}, 120_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

// the folder of this Node and nothing of the project: what a user has
const env = { PATH: [dirname(process.execPath), '/usr/bin', '/bin'].join(delimiter), HOME: tmpdir() };
const auditkeep = (...argv: string[]) => run(program, argv, folder, env);

describe('the installed package', () => {
  it('is alone: nothing else was installed', async () => {
    const packages = (await readdir(join(folder, 'node_modules'))).filter((name) => !name.startsWith('.'));
    expect(packages).toEqual(['auditkeep']);
  });

  it('knows its version and its help', async () => {
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    expect(await auditkeep('--version')).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
    const help = await auditkeep('--help');
    expect(help.code).toBe(0);
    expect(help.stdout).toContain('Usage: auditkeep');
  });

  it('decodes, collects and shows the status of a file', async () => {
    const events = join(ROOT, 'test/fixtures/events.ndjson');
    const lines = await readFile(events, 'utf8');
    expect((await auditkeep('decode', 'kube', events, '--secrets', 'keep')).stdout).toBe(lines);
    const init = await auditkeep('init', '--archive', './archive', '--kube', `lab:${events}`, '--start', '2000-01-01');
    expect(init, init.stderr).toMatchObject({ code: 0 });
    const run = await auditkeep('collect', '-o', 'json');
    expect(run, run.stderr).toMatchObject({ code: 0 });
    expect(JSON.parse(run.stdout)).toMatchObject({ cluster: 'lab', failed: 0, errors: [] });
    const status = await auditkeep('status', '-o', 'json');
    expect(JSON.parse(status.stdout)).toMatchObject({ cluster: 'lab', gaps: [] });
  });

  it('has the SDKs in it', async () => {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.headers['user-agent'] ?? '');
      request.resume().on('end', () => {
        response.writeHead(400, { 'content-type': 'application/x-amz-json-1.1' });
        response.end('{"__type":"AccessDeniedException","message":"not today"}');
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await writeFile(
      join(folder, 'eks.yaml'),
      `archive: ./eks-archive\nclusters: [{name: p, provider: eks, region: eu-central-1, cluster: p, endpoint: "http://127.0.0.1:${port}", auth: none}]\n`,
    );
    const plan = await auditkeep('plan', '--config', 'eks.yaml', '--log-level', 'silent');
    server.close();
    expect(asked).toContainEqual(expect.stringContaining('aws-sdk-js'));
    expect(plan.code).toBe(1);
    expect(plan.stderr).not.toMatch(/unexpected error/);
  });

  it('shows the demo', async () => {
    const { code, stdout, stderr } = await auditkeep('demo', '--events', '200', '--archive', './demo');
    expect(stderr).not.toMatch(/error/i);
    expect(stdout).toContain('every record is accounted for');
    expect(code).toBe(0);
  });

  it('brings the licences of what is bundled, and the documents', async () => {
    const text = await readFile(join(folder, 'node_modules/auditkeep/dist/THIRD-PARTY-LICENSES.txt'), 'utf8');
    for (const name of ['commander', 'zod', 'yaml', 'pino', 'p-limit', '@aws-sdk/client-s3'])
      expect(text).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\(`, 'm'));
    for (const file of ['README.md', 'LICENSE', 'config.example.yaml', 'docs/cli.md'])
      expect(existsSync(join(folder, 'node_modules/auditkeep', file)), file).toBe(true);
  });
});

const OLD = '/usr/bin/node';
const old = existsSync(OLD) ? (await run(OLD, ['--version'], ROOT)).stdout.trim() : 'none';
const isOld = /^v(1[4-9]|2[01])\./.test(old);

it.skipIf(!isOld)(`tells an old Node (here: ${old}) which one it needs`, async () => {
  const { code, stdout, stderr } = await run(
    OLD,
    [join(folder, 'node_modules/auditkeep/dist/auditkeep.js'), '--version'],
    folder,
    env,
  );
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(`auditkeep needs Node 22.15 or newer, this is Node ${old.slice(1)}`);
});
