import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Config, loadConfig, parseConfig } from '../src/config.ts';
import { configJsonSchema } from '../src/config-schema.ts';
import { ConfigError } from '../src/errors.ts';
import { noPolicy } from '../src/policy/chosen.ts';
import * as z from 'zod';
import type { Provider, Registry } from '../src/provider.ts';

// a provider whose options are known here, so that the tests of the config don't depend on a cloud's
const cloud = {
  name: 'cloud',
  options: z.strictObject({ region: z.string(), zone: z.enum(['a', 'b']).default('a') }),
} as unknown as Provider;
const registry: Registry = { cloud: async () => cloud };

const CLUSTER = '{name: prod, provider: cloud, region: north}';
const parse = (text: string, env: NodeJS.ProcessEnv = {}) => parseConfig(text, registry, env, 'test.yaml');
const withClusters = (clusters: string) => parse(`archive: ./a\nclusters: [${clusters}]`);
const withTop = (text: string) =>
  parse(`${text}\n${text.includes('archive:') ? '' : 'archive: ./a\n'}clusters: [${CLUSTER}]`);

/** The mistakes that a config is refused for, one string each. */
async function mistakes(result: Promise<Config>): Promise<string[]> {
  const error = await result.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ConfigError);
  const [head, ...lines] = (error as ConfigError).message.split('\n');
  return lines.length === 0 ? [head!] : lines.map((line) => line.trim());
}

describe('a config', () => {
  it('needs an archive and a cluster, the rest has defaults', async () => {
    const config = await withClusters(CLUSTER);
    expect(config).toMatchObject({
      archive: './a',
      compression: 'gzip',
      collect: { start: '-7d', window: 3_600_000, parallel: 4, memory: 48 << 20 },
      panics: 'keep',
      redact: { paths: [] },
      secrets: 'redact',
      rejects: { raw: false, maxRatio: 0.1 },
      s3: { forcePathStyle: false, tags: {}, timeout: 30_000 },
    });
    expect(config.clusters).toEqual([
      {
        name: 'prod',
        provider: 'cloud',
        policy: noPolicy,
        implementation: cloud,
        options: { region: 'north', zone: 'a' },
        recheckAfter: 86_400_000,
        silence: 7_200_000,
      },
    ]);
  });

  it('takes all options of a cluster', async () => {
    const [cluster] = (
      await withClusters(
        '{name: p, provider: cloud, region: n, settle: 5m, lateness: 2h, recheck: {after: 36h, lateness: 14d}, silence: 1d,' +
          ' until: 2026-06-22, endpoint: "http://127.0.0.1:4566", auth: none}',
      )
    ).clusters;
    expect(cluster).toMatchObject({
      settle: 300_000,
      lateness: 7_200_000,
      recheckAfter: 36 * 3_600_000,
      recheckLateness: 14 * 86_400_000,
      silence: 86_400_000,
      until: Date.UTC(2026, 5, 22),
      endpoint: 'http://127.0.0.1:4566',
      auth: 'none',
    });
  });

  it('shows every mistake at once, each with its path and what is allowed', async () => {
    const text = `
archive: gs://bucket
compression: brotli
collect: {window: 7m, parallel: 0, start: yesterday, memory: 5 apples, widow: 1h}
policy: strict
secrets: maybe
rejects: {maxRatio: .nan}
s3: {sse: aes, kmsKeyId: k, expectedBucketOwner: 123, endpoint: "ftp://x"}
clusters:
  - {name: Prod, provider: cloud, region: north, silence: 2 hours, zone: c}
  - {name: ok, provider: azure}
  - {name: ok, provider: cloud, until: -7d, endpoint: nowhere, colour: red}
  - just text
typo: 1
`;
    const found = await mistakes(parse(text));
    for (const expected of [
      /^archive: expected s3:\/\/bucket\/prefix or a directory, found "gs:\/\/"$/,
      /^compression: .*"gzip"\|"zstd"$/,
      /^collect\.window: a window is at least 5m/,
      /^collect\.parallel: .*>=1$/,
      /^collect\.start: expected a time such as -7d/,
      /^collect\.memory: expected a number of bytes, or a size such as 96MiB$/,
      /^collect\.widow: unknown option$/,
      /^policy: "strict" is none of none, default, production, staging, and no file that can be read \(ENOENT\)$/,
      /^secrets: .*"redact"\|"keep"$/,
      /^rejects\.maxRatio: .*expected number/,
      /^s3\.sse: .*"AES256"\|"aws:kms"$/,
      /^s3\.expectedBucketOwner: .*string/,
      /^s3\.endpoint: expected scheme, host and port/,
      /^clusters\[0\]\.name: a cluster name has 1 to 63 characters/,
      /^clusters\[0\]\.silence: expected a duration such as 90s, 5m, 1h or 14d, found "2 hours"$/,
      /^clusters\[0\]\.zone: .*"a"\|"b"$/,
      /^clusters\[1\]\.provider: "azure" is none of cloud$/,
      /^clusters\[2\]\.name: "ok" is already the name of clusters\[1\]$/,
      /^clusters\[2\]\.until: expected a date or time/,
      /^clusters\[2\]\.endpoint: expected scheme, host and port/,
      /^clusters\[2\]\.region: required, expected a string$/,
      /^clusters\[2\]\.colour: unknown option$/,
      /^clusters\[3\]: /,
      /^typo: unknown option$/,
    ])
      expect(found).toContainEqual(expect.stringMatching(expected));
  });

  it.each([
    '../prod',
    'a/b',
    '.',
    '..',
    'Prod',
    'a b',
    'prod-',
    '',
    'x'.repeat(64),
    'date=1',
    'é',
    'a\\nb',
    '__proto__',
  ])('refuses the cluster name %j', async (name) => {
    const found = await mistakes(withClusters(`{name: "${name}", provider: cloud, region: n}`));
    expect(found).toEqual([expect.stringMatching(/^clusters\[0\]\.name: a cluster name has/)]);
  });

  it.each([
    [
      'http to another host',
      'endpoint: "http://logs.example.com"',
      /endpoint: plain http is only allowed to this machine/,
    ],
    ['no credentials for another host', 'endpoint: "https://10.0.0.7", auth: none', /auth: "none" is only allowed/],
    ['no credentials without endpoint', 'auth: none', /auth: "none" needs an endpoint/],
    ['a host that begins like loopback', 'endpoint: "http://127.0.0.1.example.com"', /plain http/],
    ['loopback only in the user part', 'endpoint: "http://127.0.0.1@example.com"', /plain http/],
    ['a path', 'endpoint: "http://127.0.0.1:1/logs"', /endpoint: expected scheme, host and port alone/],
    ['another word for auth', 'endpoint: "http://127.0.0.1:1", auth: basic', /auth: only "none" can be set/],
  ])('refuses %s', async (_, options, message) => {
    const found = await mistakes(withClusters(`{name: p, provider: cloud, region: n, ${options}}`));
    expect(found).toContainEqual(expect.stringMatching(message));
  });

  it.each([
    'http://localhost:4566',
    'http://127.3.2.1',
    'http://[::1]:9',
    'https://vpce-1.logs.eu-central-1.vpce.amazonaws.com',
  ])('takes the endpoint %s', async (endpoint) => {
    const config = await withClusters(`{name: p, provider: cloud, region: n, endpoint: "${endpoint}"}`);
    expect(config.clusters[0]?.endpoint).toBe(endpoint);
  });

  it('holds the S3 endpoint to the same rule', async () => {
    expect(await mistakes(withTop('s3: {endpoint: "http://minio.lan:9000"}'))).toEqual([
      expect.stringMatching(/^s3\.endpoint: plain http/),
    ]);
    expect((await withTop('s3: {endpoint: "http://127.0.0.1:9000"}')).s3.endpoint).toBe('http://127.0.0.1:9000');
  });

  it.each([
    's3://b',
    's3://Bucket/x',
    's3://bucket/a//b',
    's3://bucket/../x',
    's3://bucket/a?b',
    'https://bucket',
    '""',
  ])('refuses the archive %s', async (archive) => {
    expect(await mistakes(withTop(`archive: ${archive}`))).toEqual([expect.stringMatching(/^archive: /)]);
  });

  it.each(['s3://acme-audit', 's3://acme-audit/', 's3://acme-audit/k8s/prod', './archive', '/var/lib/audit'])(
    'takes the archive %s',
    async (archive) => {
      expect((await withTop(`archive: ${archive}`)).archive).toBe(archive);
    },
  );

  it('takes sizes in bytes and in units', async () => {
    expect((await withTop('collect: {memory: 64MiB}')).collect.memory).toBe(64 * 2 ** 20);
    expect((await withTop('collect: {memory: 4GiB}')).collect.memory).toBe(2 ** 32);
    expect((await withTop('collect: {memory: 1000000}')).collect.memory).toBe(1_000_000);
  });
});

describe('environment variables', () => {
  it('are put in, everywhere in values', async () => {
    const config = await parse(
      'archive: "s3://${BUCKET}/k8s"\ns3: {tags: {team: "${TEAM}-x"}}\nclusters: [{name: p, provider: cloud, region: "${R}"}]',
      { BUCKET: 'acme', TEAM: 'sec', R: 'north' },
    );
    expect(config).toMatchObject({ archive: 's3://acme/k8s', s3: { tags: { team: 'sec-x' } } });
    expect(config.clusters[0]?.options).toMatchObject({ region: 'north' });
  });

  it('that are not set are mistakes, with their place', async () => {
    expect(await mistakes(parse(`archive: "\${A}/\${B}"\nclusters: [${CLUSTER}]`, { B: '' }))).toEqual([
      'archive: the environment variable A is not set',
    ]);
  });

  it('are not expanded twice, and $$ is a dollar sign', async () => {
    expect((await parse(`archive: "\${A}"\nclusters: [${CLUSTER}]`, { A: '${B}$$' })).archive).toBe('${B}$$');
    expect((await withTop('archive: "./$${A}"')).archive).toBe('./${A}');
  });

  it.each(['${a-b}', '${}', '${OPEN'])('a wrong %s is a mistake, not text', async (text) => {
    expect(await mistakes(withTop(`archive: "${text}"`))).toEqual([
      expect.stringMatching(/^archive: ".*" is no \$\{NAME\}/),
    ]);
  });
});

describe('a file that is no config', () => {
  it.each([
    ['empty', '', /test\.yaml is empty/],
    ['only comments', '# nothing\n', /is empty/],
    ['a list', '- a\n- b\n', /holds a list/],
    ['a word', 'hello', /holds a single value/],
    ['not a number', '.nan', /holds a single value/],
    ['broken YAML', 'a: [1', /is not valid YAML: .*line 1/],
    ['a repeated key', 'archive: a\narchive: b\n', /is not valid YAML: .*unique/],
    ['an unknown tag', 'archive: !secret a\n', /is not valid YAML: .*tag/],
    ['two documents', 'archive: a\n---\narchive: b\n', /is not valid YAML: .*multiple documents/],
  ])('%s: says so', async (_, text, message) => {
    const [found] = await mistakes(parse(text));
    expect(found).toMatch(message);
  });

  it('a YAML bomb is refused', async () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x]'];
    for (let i = 1; i < 12; i++)
      lines.push(
        `a${i}: &a${i} [${Array(9)
          .fill(`*a${i - 1}`)
          .join(', ')}]`,
      );
    const [found] = await mistakes(parse(lines.join('\n')));
    expect(found).toMatch(/is not valid YAML: Excessive alias count/);
  });

  it('keys of the language are unknown options like any other', async () => {
    const found = await mistakes(withTop('__proto__: {compression: zstd}\nconstructor: 1'));
    expect(found).toContainEqual('constructor: unknown option');
    expect(found).toContainEqual('__proto__: unknown option');
    expect(await mistakes(withClusters('{name: p, provider: constructor}'))).toEqual([
      'clusters[0].provider: "constructor" is none of cloud',
    ]);
  });
});

describe('loadConfig', () => {
  it('says how to make one where there is none', async () => {
    await expect(loadConfig('/nowhere/auditkeep.yaml', registry, {})).rejects.toMatchObject({
      exitCode: 2,
      message: 'no config file /nowhere/auditkeep.yaml',
      hint: expect.stringContaining('auditkeep init'),
    });
    await expect(loadConfig(tmpdir(), registry, {})).rejects.toMatchObject({ exitCode: 2 });
  });

  it('takes a relative archive from the folder of the file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'auditkeep-config-'));
    const file = join(folder, 'auditkeep.yaml');
    await writeFile(file, `archive: ./data/a\nclusters: [${CLUSTER}]`);
    expect((await loadConfig(file, registry, {})).archive).toBe(join(folder, 'data/a'));
    await writeFile(file, `archive: s3://acme/k8s\nclusters: [${CLUSTER}]`);
    expect((await loadConfig(file, registry, {})).archive).toBe('s3://acme/k8s');
  });
});

it('the JSON Schema knows the options of each provider', async () => {
  const schema = (await configJsonSchema(registry)) as {
    properties: { clusters: { items: { anyOf: { properties: object; required: string[] }[] } } };
  };
  const [item] = schema.properties.clusters.items.anyOf;
  expect(item?.properties).toMatchObject({ provider: { const: 'cloud' }, zone: { default: 'a' }, silence: {} });
  expect(item?.required).toEqual(['name', 'provider', 'region']);
});
