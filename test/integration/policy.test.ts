// Ours against Kubernetes' own evaluator, on fresh random policies, requests and URLs and on the real events at hand.
// AUDITKEEP_TEST_ORACLE is the built oracle; AUDITKEEP_TEST_SEED repeats a run.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { STAGES } from '../../src/event.ts';
import { policyFor } from '../../src/policy/apply.ts';
import { BUILT_IN_POLICIES } from '../../src/policy/built-in/index.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import { compileMatcher } from '../../src/policy/match.ts';
import { requestInfo } from '../../src/policy/request-info.ts';
import { suggest } from '../../src/policy/suggest.ts';
import { trafficCounter } from '../../src/policy/traffic.ts';
import { eventOf, hasShared, readLines, SHARED } from '../policy/lines.ts';
import { randomPolicy, randomRequests } from '../policy/random-policy.ts';
import { randomUrls } from '../policy/random-urls.ts';

const ORACLE = process.env['AUDITKEEP_TEST_ORACLE'] ?? '';
const SEED = Number(process.env['AUDITKEEP_TEST_SEED'] ?? Date.now() % 1_000_000_000);
const folder = mkdtempSync(join(tmpdir(), 'auditkeep-policy-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the oracle over lines; its answers, one a line, and what it said of bad ones. */
async function oracle(
  args: readonly string[],
  lines: readonly (string | Buffer)[],
): Promise<{ out: string[]; bad: Set<number> }> {
  const child = spawn(ORACLE, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  child.stdin.on('error', () => undefined);
  const closed = once(child, 'close');
  child.stdin.end(Buffer.concat(lines.flatMap((line) => [Buffer.from(line), Buffer.from('\n')])));
  const [code] = (await closed) as [number | null];
  const complaints = Buffer.concat(err).toString('utf8');
  if (code !== 0 && code !== 1) throw new Error(`oracle ${args[0]}: exit ${code}: ${complaints.slice(0, 500)}`);
  const bad = new Set([...complaints.matchAll(/^line (\d+): /gm)].map((match) => Number(match[1]) - 1));
  return { out: Buffer.concat(out).toString('utf8').split('\n').slice(0, -1), bad };
}

function policyFile(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

const describeWithOracle = describe.skipIf(ORACLE === '');

describeWithOracle(`policies like Kubernetes decides them (seed ${SEED})`, () => {
  it('decides ≥ 100,000 random requests alike', async () => {
    const POLICIES = 220;
    const REQUESTS = 500;
    const levels = new Map<string, number>();
    let matched = 0;
    let total = 0;
    for (let i = 0; i < POLICIES; i++) {
      const text = randomPolicy(SEED + i);
      const requests = randomRequests(SEED + i, REQUESTS);
      const { out } = await oracle(
        ['decide', '--policy', policyFile('decide.yaml', text)],
        requests.map((request) => JSON.stringify(request)),
      );
      const matcher = compileMatcher(loadPolicy(text).policy);
      const ours = requests.map((request) => {
        const decision = matcher.decide(request);
        if (decision.rule >= 0) matched++;
        levels.set(decision.level, (levels.get(decision.level) ?? 0) + 1);
        const omitStages = STAGES.filter((stage) => decision.omitStages.has(stage));
        return { level: decision.level, omitStages, omitManagedFields: decision.omitManagedFields };
      });
      expect(out.length).toBe(REQUESTS);
      const wrong = ours.findIndex((decision, k) => JSON.stringify(decision) !== out[k]);
      if (wrong >= 0)
        expect({ text, request: requests[wrong], ...ours[wrong] }).toEqual({
          text,
          request: requests[wrong],
          ...JSON.parse(out[wrong]!),
        });
      total += REQUESTS;
    }
    console.log(
      `${total} decisions, ${matched} by a rule, ${JSON.stringify(Object.fromEntries(levels))}, seed ${SEED}`,
    );
    expect(total).toBeGreaterThanOrEqual(100_000);
    for (const level of ['None', 'Metadata', 'Request', 'RequestResponse'])
      expect(levels.get(level)! / total, level).toBeGreaterThanOrEqual(0.1);
    expect(matched / total).toBeGreaterThanOrEqual(0.6);
  });

  it('reads random request lines alike', async () => {
    const lines = randomUrls(SEED, 50_000);
    const { out, bad } = await oracle(
      ['requestinfo'],
      lines.map((line) => JSON.stringify(line)),
    );
    let next = 0;
    let resources = 0;
    for (const [i, line] of lines.entries()) {
      const info = requestInfo(line.method, line.url);
      if (bad.has(i)) {
        expect({ ...line, info }).toEqual({ ...line, info: undefined });
        continue;
      }
      const { isResourceRequest, error, ...facts } = JSON.parse(out[next++]!);
      const { resourceRequest, bare, ...rest } = info ?? {};
      if (resourceRequest === true) resources++;
      expect({ ...line, ...rest, resourceRequest, bare }).toMatchObject({
        ...line,
        ...facts,
        resourceRequest: isResourceRequest,
        bare: error !== undefined,
      });
    }
    expect(resources / lines.length).toBeGreaterThan(0.4);
    expect(next).toBeGreaterThan(lines.length / 2);
  });

  it.skipIf(!hasShared)('lowers real events alike, byte for byte', async () => {
    const files = readdirSync(`${SHARED}data/apiserver`).filter(
      (name) => name.endsWith('.gz') && !name.includes('webhook'),
    );
    let compared = 0;
    let lowered = 0;
    for (const [i, name] of [...files, ...files].entries()) {
      const text = randomPolicy(SEED + 1000 + i);
      const lines = readLines(`${SHARED}data/apiserver/${name}`);
      const { out, bad } = await oracle(['lower', '--policy', policyFile('lower.yaml', text)], lines);
      expect([...bad]).toEqual([]);
      const run = policyFor(loadPolicy(text).policy, { secrets: 'keep', groups: 'known', panics: 'policy' });
      const ours: string[] = [];
      for (const line of lines) {
        const applied = run(eventOf(line));
        if (!applied.kept) continue;
        if (applied.loweredBy !== undefined) lowered++;
        ours.push(applied.line.toString('utf8'));
      }
      expect({ name, text, lines: ours.length }).toEqual({ name, text, lines: out.length });
      expect({ name, text, wrong: ours.filter((line, k) => line !== out[k]).slice(0, 1) }).toEqual({
        name,
        text,
        wrong: [],
      });
      compared += lines.length;
    }
    console.log(`${compared} events compared, ${lowered} of them lowered`);
    expect(lowered).toBeGreaterThan(1000);
  });

  it.skipIf(!hasShared)('lowers to one level, managed fields or not, alike', async () => {
    const lines = readLines(`${SHARED}data/apiserver/everything.ndjson.gz`);
    for (const level of ['Metadata', 'Request', 'RequestResponse'])
      for (const omitManagedFields of [true, false]) {
        const text = JSON.stringify({
          apiVersion: 'audit.k8s.io/v1',
          kind: 'Policy',
          omitManagedFields,
          rules: [{ level }],
        });
        const { out } = await oracle(['lower', '--policy', policyFile('one.yaml', text)], lines);
        const run = policyFor(loadPolicy(text).policy, { secrets: 'keep', groups: 'known', panics: 'policy' });
        const ours = lines
          .map((line) => run(eventOf(line)))
          .map((applied) => (applied.kept ? applied.line.toString('utf8') : ''));
        expect(ours.filter((line, k) => line !== out[k]).slice(0, 1)).toEqual([]);
      }
  });

  it('takes our built-in and proposed policies', async () => {
    const counter = trafficCounter('known');
    if (hasShared)
      for (const line of readLines(`${SHARED}data/apiserver/controllers.ndjson.gz`)) counter.add(eventOf(line));
    for (const text of [...BUILT_IN_POLICIES.values(), suggest(counter.rows()).text])
      expect((await oracle(['decide', '--policy', policyFile('ours.yaml', text)], [])).out).toEqual([]);
  });

  it('loads or refuses mutated policy files alike', async () => {
    // every file that the server takes as it stands we take too, and the other way round
    const samples = Array.from({ length: 400 }, (_, i) => mutate(randomPolicy(SEED + 5000 + i), SEED + i));
    let refused = 0;
    for (const text of samples) {
      const accepted = await oracle(['decide', '--policy', policyFile('load.yaml', text)], []).then(
        () => true,
        () => false,
      );
      let ours = true;
      try {
        loadPolicy(text, { lenient: true });
      } catch {
        ours = false;
      }
      expect({ text, accepted: ours }).toEqual({ text, accepted });
      if (!accepted) refused++;
    }
    // of both kinds: about a fifth is taken
    expect(refused).toBeGreaterThan(20);
    expect(refused).toBeLessThan(samples.length - 20);
  });
});

/** One value of the file replaced by another that may or may not be allowed there. */
function mutate(text: string, seed: number): string {
  const values = [
    '"x"',
    '""',
    'null',
    '[]',
    '{}',
    '1',
    'true',
    '["*"]',
    '"*"',
    '[null]',
    '"/a*"',
    '"Metadata"',
    '[{}]',
  ];
  const spots = [...text.matchAll(/:(\[[^[\]{}]*\]|"[^"]*"|true|false)/g)];
  const spot = spots[Math.abs(seed * 7919) % spots.length]!;
  const value = values[Math.abs(seed * 104_729) % values.length]!;
  return text.slice(0, spot.index + 1) + value + text.slice(spot.index + spot[0].length);
}
