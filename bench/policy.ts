// A policy of 40 rules over RequestResponse events: what it adds to file → archive, and how fast its matcher decides alone.

import { createReadStream, existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { scanEvent } from '../src/event.ts';
import { loadPolicy } from '../src/policy/load.ts';
import { compileMatcher } from '../src/policy/match.ts';
import { type Attributes, attributesOf } from '../src/policy/request-info.ts';
import { collectArgs, countLines, freshConfig, OUT, realLog, ROOT, stretch, writtenEvents } from './data.ts';
import type { Result } from './goal.ts';
import { cpuOf, inTurns, median, type Program, wallOf } from './measure.ts';

const MOST_OVERHEAD = 0.15;
const DECISIONS = 1e6;

/** Rules as teams write them, each narrow, so that nearly every event is compared with all of them; the last one keeps what it gets. */
function fortyRules(): string {
  const teams = [
    'payments',
    'search',
    'checkout',
    'media',
    'ledger',
    'mail',
    'batch',
    'edge',
    'data',
    'login',
    'ads',
    'geo',
  ];
  const rules: object[] = [
    { level: 'None', verbs: ['get'], nonResourceURLs: ['/bench-a*', '/bench-b', '/bench-c/*'] },
    {
      level: 'None',
      users: ['system:bench-proxy'],
      verbs: ['watch'],
      resources: [{ resources: ['endpoints', 'services', 'services/status'] }],
    },
    ...teams.flatMap((team) => [
      { level: 'Metadata', namespaces: [`${team}-prod`], resources: [{ resources: ['configmaps', 'pods/log'] }] },
      { level: 'Request', users: [`deployer@${team}.example`], verbs: ['create', 'update', 'patch', 'get', 'list'] },
      { level: 'None', userGroups: [`${team}-readers`], verbs: ['get', 'list', 'watch'] },
    ]),
    { level: 'Metadata', resources: [{ group: 'bench.example.com', resources: ['*', '*/status'] }] },
    { level: 'RequestResponse' },
  ];
  if (rules.length !== 40) throw new Error(`${rules.length} rules`);
  return JSON.stringify({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules });
}

/** Lines with bodies: real ones where they lie beside the repository, else those of the emulators' fixture. */
async function input(bytes: number): Promise<string> {
  const real = await realLog(bytes);
  if (real !== undefined) return real;
  const path = join(OUT, 'data', `bodies-${bytes}.ndjson`);
  if (existsSync(path)) return path;
  const text = gunzipSync(await readFile(join(ROOT, 'emulators/story/fixtures/kube-apiserver.ndjson.gz')));
  const lines = text.toString('latin1').trimEnd().split('\n');
  await mkdir(join(OUT, 'data'), { recursive: true });
  await stretch(
    lines.filter((line) => line.includes('"level":"RequestResponse"')).map((line) => Buffer.from(line, 'latin1')),
    bytes,
    24,
    path,
  );
  return path;
}

/** Hashes of all parts' content, which must not differ between a run with and one without the policy. */
async function contentsOf(archive: string): Promise<string> {
  const folder = join(archive, 'ledger/cluster=lab');
  const names = (await readdir(folder)).filter((name) => /^\d.*\.json$/.test(name)).sort();
  const hashes: string[] = [];
  for (const name of names) {
    const { parts } = JSON.parse(await readFile(join(folder, name), 'utf8')) as { parts: { contentSha256: string }[] };
    hashes.push(...parts.map((part) => part.contentSha256));
  }
  return hashes.join('\n');
}

export async function policy(quick: boolean): Promise<Result> {
  const path = await input(quick ? 50e6 : 350e6);
  const rules = join(OUT, 'forty-rules.json');
  await writeFile(rules, fortyRules());
  const program = (name: string, more: object) => async (): Promise<Program> => {
    const { config } = await freshConfig(name, [{ name: 'lab', provider: 'kube', files: path }], more);
    return { command: process.execPath, args: [...collectArgs(config), '--no-seal'] };
  };
  const series = await inTurns(
    {
      without: program('policy-without', {}),
      forty: program('policy-forty', { policy: rules }),
    },
    quick ? 3 : 7,
  );
  const [written, lines] = [await writtenEvents(), await countLines(path)];
  if (written !== lines) throw new Error(`${lines} lines in, ${written} events in the archive`);
  const [without, forty] = await Promise.all(
    ['policy-without', 'policy-forty'].map((name) => contentsOf(join(OUT, `archive-${name}`))),
  );
  if (without === '' || without !== forty)
    throw new Error('events that no rule changes are not byte for byte the same');

  // of each turn, so that what else the machine does falls on both alike
  const ratios = series['forty']!.map((run, i) => run.cpu / series['without']![i]!.cpu - 1);
  const alone = await decisions(path);
  return {
    goals: [
      {
        what: 'policy: CPU that 40 rules add to file → archive',
        measured: Math.max(0.001, median(ratios)),
        goal: MOST_OVERHEAD,
        unit: '×',
        better: 'less',
      },
      {
        what: 'policy: decisions of 40 rules, one core',
        measured: alone.perSecond,
        goal: DECISIONS,
        unit: '/s',
        better: 'more',
      },
    ],
    details: {
      events: written,
      cpu: { without: cpuOf(series['without']), forty: cpuOf(series['forty']) },
      wall: { without: wallOf(series['without']), forty: wallOf(series['forty']) },
      ratios,
      decisions: alone,
      runs: series,
    },
  };
}

/** Decisions by second of CPU time, on the requests of the input; with their attributes derived, as `withAttributes`. */
async function decisions(path: string) {
  const matcher = compileMatcher(loadPolicy(fortyRules()).policy);
  const events = await firstEvents(path, 16e6);
  const requests: Attributes[] = events.map((event) => attributesOf(event));
  const perSecond = (count: number, work: () => number): number => {
    const rates = Array.from({ length: 9 }, () => {
      const before = process.cpuUsage();
      let rounds = 0;
      let matched = 0;
      while (process.cpuUsage(before).user < 200_000) {
        matched += work();
        rounds++;
      }
      const { user, system } = process.cpuUsage(before);
      if (matched !== rounds * count) throw new Error('a request was left without a rule');
      return (rounds * count * 1e6) / (user + system);
    });
    return median(rates);
  };
  return {
    requests: requests.length,
    perSecond: perSecond(requests.length, () => {
      let matched = 0;
      for (const request of requests) if (matcher.decide(request).rule >= 0) matched++;
      return matched;
    }),
    withAttributes: perSecond(events.length, () => {
      let matched = 0;
      for (const event of events) if (matcher.decide(attributesOf(event)).rule >= 0) matched++;
      return matched;
    }),
  };
}

async function firstEvents(path: string, bytes: number) {
  const chunks: Buffer[] = [];
  for await (const chunk of createReadStream(path, { end: bytes }) as AsyncIterable<Buffer>) chunks.push(chunk);
  const text = Buffer.concat(chunks);
  const events = [];
  for (let from = 0, to = text.indexOf(10); to >= 0; from = to + 1, to = text.indexOf(10, from)) {
    const event = scanEvent(text.subarray(from, to));
    if (!('not' in event)) events.push(event);
  }
  return events;
}
