// No byte of a secret value or token in any file, log or terminal output, whatever the policy: whole runs of the program over real and made leaks.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { generateDay, storySecrets } from '../../emulators/story/index.ts';
import { KUBE_LOG } from '../../emulators/story/fixture.ts';
import { runCli } from '../cli/run-cli.ts';
import { fixture, hasShared, readLines, SHARED } from '../policy/lines.ts';
import { randomPolicy } from '../policy/random-policy.ts';
import { secretValues, spellings } from '../policy/secret-values.ts';

const HOUR = 3_600_000;
const STORY_FROM = Date.parse('2026-06-20T00:00:00Z');
const SEED = 11;

const story = [
  ...generateDay({
    seed: SEED,
    cluster: { name: 'prod', account: '111122223333', region: 'eu-central-1' },
    from: STORY_FROM,
    to: STORY_FROM + HOUR,
    eventsPerHour: 300,
  }),
].map(({ line }) => line);

type Loose = Record<string, unknown>;
const parse = (line: Buffer) => JSON.parse(line.toString('utf8')) as Loose;

/** Values that must not come through. Not those that the server itself writes at Metadata: names, or words of a query. */
function secretsIn(lines: readonly Buffer[]): string[] {
  const events = lines.map(parse);
  const values = new Set(events.flatMap((event) => secretValues(event)));
  const metadata = events
    .map((event) => JSON.stringify({ ...event, requestObject: undefined, responseObject: undefined }))
    .join('\n');
  return [...values].flatMap(spellings).filter((value) => !metadata.includes(value));
}

/** Whole runs are slow, so of a long log only lines with a secret in them, and some of the others. */
function sampleOf(lines: readonly Buffer[], every: number): Buffer[] {
  return lines.filter((line, i) => i % every === 0 || secretValues(parse(line)).length > 0);
}

const folders: string[] = [];
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/** Content of all files below, unzipped. */
function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const bytes = readFileSync(join(entry.parentPath, entry.name));
      if (entry.name.endsWith('.gz')) return gunzipSync(bytes).toString('utf8');
      if (entry.name.endsWith('.zst')) return zstdDecompressSync(bytes).toString('utf8');
      return bytes.toString('utf8');
    });
}

/** Base64 inside of a line end, or cut in half, is a leak too: so the first and second half of long values are looked for as well. */
function halves(value: string): string[] {
  return value.length < 40 ? [value] : [value, value.slice(0, value.length >> 1), value.slice(value.length >> 1)];
}

interface Input {
  readonly lines: readonly Buffer[];
  readonly secrets: readonly string[];
}

/** Everything that a user can see or find after collecting `input` under a policy and trying the policy on it. */
async function everythingOf({ lines }: Input, policy: string, compression: string, cut: boolean): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'policy-secrets-'));
  folders.push(folder);
  const log = join(folder, 'audit.log');
  // a line that was cut becomes a reject and what could be salvaged of it
  const sent = cut ? lines.map((line, i) => (i % 3 === 1 ? line.subarray(0, (line.length * 4) / 5) : line)) : lines;
  writeFileSync(log, Buffer.concat(sent.flatMap((line) => [line, Buffer.from('\n')])));
  const policyFile = join(folder, 'policy.yaml');
  writeFileSync(policyFile, policy);
  const times = lines.map((line) => Date.parse(parse(line)['stageTimestamp'] as string));
  const first = Math.min(...times);
  const last = Math.max(...times);
  const config = join(folder, 'auditkeep.json');
  writeFileSync(
    config,
    JSON.stringify({
      archive: './archive',
      compression,
      policy: policyFile,
      collect: { start: new Date(first - HOUR).toISOString().slice(0, 11) + '00:00:00Z' },
      rejects: { maxRatio: 1 },
      integrity: { state: './state' },
      clusters: [{ name: 'lab', provider: 'kube', files: log }],
    }),
  );
  const run = (...argv: string[]) => runCli(argv, { now: last + 30 * HOUR });
  const ran = [
    await run('collect', '--config', config, '--log-level', 'debug', '--summary', join(folder, 'archive/summary')),
    await run('status', '--config', config),
    await run('policy', 'test', policyFile, log),
    await run('policy', 'test', policyFile, '--archive', '--config', config, '-o', 'json', '--from', '-90d'),
    await run('policy', 'explain', policyFile, log),
    await run('policy', 'explain', policyFile, log, '-o', 'json'),
    await run('policy', 'suggest', log),
    await run('policy', 'suggest', log, '-o', 'json'),
  ];
  expect(ran[0]!.code, ran[0]!.stderr).toBe(0);
  // with everything dropped there is nothing in the archive to test it on
  for (const [i, { code, stderr }] of ran.entries()) expect([0, 1, 3], `${i}: ${stderr}`).toContain(code);
  const files = [...filesBelow(join(folder, 'archive')), ...filesBelow(join(folder, 'state'))];
  expect(files.length).toBeGreaterThan(3);
  rmSync(folder, { recursive: true, force: true });
  return [...files, ...ran.flatMap(({ stdout, stderr }) => [stdout, stderr])].join('\n');
}

const policies = fc.oneof(
  { weight: 4, arbitrary: fc.integer().map(randomPolicy) },
  {
    weight: 1,
    // asks for everything, bodies of Secrets by name
    arbitrary: fc.constant(
      'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- {level: RequestResponse, resources: [{resources: [secrets, serviceaccounts/token]}]}\n- {level: RequestResponse}\n',
    ),
  },
);

const inputs: readonly [string, () => Input, number][] = [
  ['a story with leaks', () => ({ lines: story, secrets: storySecrets(SEED) }), 5],
  [
    'lines of a real API server',
    () => {
      const lines = [...sampleOf(readLines(KUBE_LOG), 12), ...readLines(fixture('lower/events.ndjson'))];
      return { lines, secrets: secretsIn(lines) };
    },
    5,
  ],
];

const REAL = `${SHARED}data/apiserver/`;
const realLogs = hasShared
  ? readdirSync(REAL).filter((name) => name.endsWith('.gz') && !name.includes('webhook') && !name.startsWith('soak'))
  : [];

async function holds({ lines, secrets }: Input, runs: number): Promise<void> {
  const searched = [...new Set(secrets.flatMap(halves))];
  expect(searched.length).toBeGreaterThan(3);
  // the input has them, so the search can find them
  const raw = lines.map((line) => line.toString('utf8')).join('\n');
  expect(searched.filter((value) => raw.includes(value)).length).toBeGreaterThan(3);
  let bytes = 0;
  await fc.assert(
    fc.asyncProperty(policies, fc.constantFrom('gzip', 'zstd'), fc.boolean(), async (policy, compression, cut) => {
      const text = await everythingOf({ lines, secrets }, policy, compression, cut);
      bytes += text.length;
      expect(searched.filter((value) => text.includes(value))).toEqual([]);
    }),
    { numRuns: runs, endOnFailure: true },
  );
  expect(bytes).toBeGreaterThan(100_000 * runs);
}

describe('with the guard on, no byte of a secret comes out anywhere', () => {
  it.each(inputs)('%s', async (_name, input, runs) => holds(input(), runs));

  it.skipIf(realLogs.length === 0)('all logs of real API servers', async () => {
    const lines = realLogs.flatMap((name) => sampleOf(readLines(REAL + name), 40));
    await holds({ lines, secrets: secretsIn(realLogs.flatMap((name) => readLines(REAL + name))) }, 2);
  });
});
