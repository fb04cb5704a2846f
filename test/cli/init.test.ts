import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { registry } from '../../providers/index.ts';
import { configText } from '../../src/cli/init.ts';
import { loadConfig } from '../../src/config.ts';
import { runCli } from './run-cli.ts';

const target = () => join(mkdtempSync(join(tmpdir(), 'auditkeep-init-')), 'auditkeep.yaml');
const FLAGS = [
  '--archive',
  's3://acme-audit/k8s',
  '--eks',
  'prod-eu:eu-central-1:prod',
  '--kube',
  'lab:/var/log/audit/*.log*',
];

describe('init', () => {
  it('writes from flags what collect reads', async () => {
    const file = target();
    const { code, stdout, stderr } = await runCli(['init', '--config', file, ...FLAGS, '--start', '-30d']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(stderr).toContain(`wrote ${file}`);
    expect(stderr).toContain(`auditkeep plan --config ${file}`);
    expect(readFileSync(file, 'utf8')).toMatch(/^# /m);
    const config = await loadConfig(file, registry, {});
    expect(config).toMatchObject({ archive: 's3://acme-audit/k8s', collect: { start: '-30d' }, secrets: 'redact' });
    expect(config.clusters).toMatchObject([
      { name: 'prod-eu', provider: 'eks', options: { region: 'eu-central-1', cluster: 'prod' } },
      { name: 'lab', provider: 'kube', options: { files: ['/var/log/audit/*.log*'] } },
    ]);
  });

  it('knows every provider', async () => {
    const file = target();
    const resource =
      '/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/shop';
    const workspace = '11111111-2222-3333-4444-555555555555';
    const flags = [
      '--eks',
      'a:eu-central-1',
      '--aks',
      `b:${workspace}:${resource}`,
      '--gke',
      'c:acme-data:europe-west1:data',
    ];
    const { code, stderr } = await runCli([
      'init',
      '--config',
      file,
      '--archive',
      './a',
      ...flags,
      '--kube',
      'd:/x/*.log',
    ]);
    expect(code, stderr).toBe(0);
    const { clusters } = await loadConfig(file, registry, {});
    expect(clusters.map((c) => c.provider).sort()).toEqual(Object.keys(registry).sort());
    expect(clusters.map((c) => c.options)).toMatchObject([
      { cluster: 'a' },
      { workspace, resource },
      { project: 'acme-data', location: 'europe-west1', cluster: 'data' },
      { files: ['/x/*.log'] },
    ]);
  });

  it('never overwrites, unless told to', async () => {
    const file = target();
    writeFileSync(file, 'mine');
    const refused = await runCli(['init', '--config', file, ...FLAGS]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('--force');
    expect(readFileSync(file, 'utf8')).toBe('mine');
    expect((await runCli(['init', '--config', file, ...FLAGS, '--force'])).code).toBe(0);
    expect(readFileSync(file, 'utf8')).not.toBe('mine');
  });

  it.each([
    [['--archive', './a'], /needs a cluster/],
    [['--eks', 'p:eu-central-1'], /needs --archive/],
    [['--archive', './a', '--eks', 'p'], /--eks p: expected name:region:cluster/],
    [['--archive', './a', '--kube', ':x'], /--kube :x: expected name:files/],
    [['--archive', './a', '--eks', 'Prod:eu-central-1'], /clusters\[0\]\.name: a cluster name has/],
    [['--archive', './a', '--eks', 'p:nowhere'], /clusters\[0\]\.region/],
    [['--archive', './a', '--eks', 'p:eu-central-1', '--kube', 'p:x'], /already the name of clusters\[0\]/],
    [['--archive', 'ftp://x', '--eks', 'p:eu-central-1'], /archive: expected s3/],
    [[], /init has nobody to ask/],
  ])('%j writes nothing and says why', async (flags, message) => {
    const file = target();
    const { code, stderr } = await runCli(['init', '--config', file, ...flags]);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
    expect(existsSync(file)).toBe(false);
  });

  it('asks on a terminal, and asks again after a wrong answer', async () => {
    const file = target();
    const stdin = Object.assign(new PassThrough(), { isTTY: true });
    const stderr = new PassThrough();
    const answers = ['', 'eks', 'Prod', 'prod', 'eu-central-1', '', 'y', 'kube', 'prod', 'lab', '', 'n', '-1d'];
    let seen = '';
    stderr.on('data', (chunk: Buffer) => {
      seen += chunk.toString();
      // a question ends so; each is answered once
      if (/\S: *(\u001b\[\d+G)?$/.test(seen) && answers.length > 0) {
        seen = '';
        stdin.write(`${answers.shift()}\n`);
      }
    });
    const { code } = await runCli(['init', '--config', file], { stdin, stderr });
    expect(code).toBe(0);
    expect(answers).toEqual([]);
    expect(parse(readFileSync(file, 'utf8'))).toMatchObject({
      archive: './archive',
      collect: { start: '-1d' },
      clusters: [
        { name: 'prod', provider: 'eks', region: 'eu-central-1', cluster: 'prod' },
        { name: 'lab', provider: 'kube', files: '/var/log/kubernetes/audit/*.log*' },
      ],
    });
  });

  it('--schema prints the JSON Schema and writes nothing', async () => {
    const file = target();
    const { code, stdout } = await runCli(['init', '--schema', '--config', file]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ type: 'object', properties: { archive: {}, clusters: {} } });
    expect(existsSync(file)).toBe(false);
  });

  it('any text survives the file', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (archive, files) => {
        const read = parse(
          configText({ archive, start: '-7d', clusters: [{ name: 'a', provider: 'kube', files }] }),
        ) as {
          archive: unknown;
          clusters: unknown;
        };
        expect(read.archive).toBe(archive);
        expect(read.clusters).toEqual([{ name: 'a', provider: 'kube', files }]);
      }),
    );
  });
});
