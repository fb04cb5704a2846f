// Measures sealing and verifying: `verify --deep` beside gunzip | sha256sum, `verify --fast` over many windows, `seal` of new manifests.
// Usage: node bench/integrity.ts [windows=100000] [parts=16]; writes JSON to bench/out/integrity.json.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPartWriter } from '../src/archive/part.ts';
import { createBudget } from '../src/archive/budget.ts';
import { createScratch } from '../src/archive/spool.ts';
import { leafHash } from '../src/archive/hash.ts';
import { bodyBytes } from '../src/archive/fingerprints.ts';
import { noLastSeen } from '../src/integrity/last-seen.ts';
import { verify } from '../src/integrity/verify.ts';
import { DEFAULT_SETTINGS } from '../src/integrity/verify-coverage.ts';
import { filesOf, folderStore, HOUR, newSigner, sealAll } from '../test/integrity/sealed.ts';
import { FIRST, type SyntheticPart, writeWindows } from '../test/integrity/synthetic.ts';
import { eventLine } from '../test/collect/fake-source.ts';

const windows = Number(process.argv[2] ?? 100_000);
const parts = Number(process.argv[3] ?? 16);
const folder = mkdtempSync(join(tmpdir(), 'auditkeep-bench-'));
const signer = newSigner();
const results: {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly goal: string;
  readonly good: boolean;
}[] = [];

const seconds = async (work: () => Promise<unknown>): Promise<number> => {
  const begun = performance.now();
  await work();
  return (performance.now() - begun) / 1000;
};

async function check(directory: string, mode: 'fast' | 'deep', until: number): Promise<void> {
  const report = await verify({
    store: folderStore(directory),
    verifiers: [signer.verifier],
    lastSeen: noLastSeen,
    mode,
    settings: () => DEFAULT_SETTINGS,
    now: FIRST + (until + 1) * HOUR,
    parallel: Math.max(2, availableParallelism()),
    holdsHashes: false,
    signal: new AbortController().signal,
  });
  if (report.exitCode !== 0) throw new Error(JSON.stringify(report.findings.slice(0, 3)));
}

/** A part of believable lines, about `size` bytes of content. */
async function makePart(size: number): Promise<SyntheticPart> {
  const scratch = createScratch(folder, createBudget(1 << 30));
  const writer = createPartWriter('gzip', scratch);
  let random = 1;
  const word = () => ((random = (Math.imul(random, 1103515245) + 12345) >>> 0) % 100_000).toString(36);
  while (writer.contentBytes < size) {
    const text = eventLine(FIRST + writer.lines).toString();
    const extra = Array.from({ length: 12 }, (_, i) => `"label-${i}":"${word()}-${word()}"`).join(',');
    const line = Buffer.from(`${text.slice(0, -1)},"requestObject":{"metadata":{"labels":{${extra}}}}}`);
    writer.add(line, leafHash(line));
  }
  const { body, contentBytes, contentSha256, lines, lineRoot } = await writer.finish();
  const stage = '2020-01-01T00:00:00.000000Z';
  return {
    bytes: await bodyBytes(body),
    content: { contentBytes, contentSha256, lines, lineRoot, firstStage: stage, lastStage: stage },
  };
}

/** What the tools of every system take for the same parts, with as many processes as cores. */
async function gunzipSha256(files: readonly string[]): Promise<void> {
  const queue = [...files];
  await Promise.all(
    Array.from({ length: availableParallelism() }, async () => {
      for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
        const child = spawn('sh', ['-c', 'gunzip -c "$0" | sha256sum >/dev/null', file]);
        await once(child, 'exit');
      }
    }),
  );
}

// verify --deep
const deep = join(folder, 'deep');
const made = await makePart(64 << 20);
writeWindows(deep, 'one', 0, parts, () => made);
await sealAll(folderStore(deep), { signer });
const files = filesOf(deep)
  .filter((file) => file.startsWith('events/'))
  .map((file) => join(deep, file));
const content = (parts * made.content.contentBytes) / 2 ** 20;
const rounds = [];
for (let i = 0; i < 3; i++)
  rounds.push([await seconds(() => gunzipSha256(files)), await seconds(() => check(deep, 'deep', parts))] as const);
const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]!;
const [tools, ours] = [median(rounds.map(([a]) => a)), median(rounds.map(([, b]) => b))];
results.push({
  name: `verify --deep of ${content.toFixed(0)} MiB against gunzip | sha256sum (${(content / tools).toFixed(0)} and ${(content / ours).toFixed(0)} MiB/s)`,
  value: tools / ours,
  unit: 'x',
  goal: '>= 0.8',
  good: tools / ours >= 0.8,
});
rmSync(deep, { recursive: true });

// seal of 10,000 new manifests, on top of what is there, and verify --fast over all
const many = join(folder, 'many');
const small = await makePart(2000);
writeWindows(many, 'one', 0, Math.max(0, windows - 10_000), (n) => (n % 4 === 0 ? undefined : small));
await sealAll(folderStore(many), { signer });
writeWindows(many, 'one', Math.max(0, windows - 10_000), windows, (n) => (n % 4 === 0 ? undefined : small));
const sealing = await seconds(() => sealAll(folderStore(many), { signer }));
results.push({
  name: `seal of 10,000 new manifests on ${windows - 10_000}`,
  value: sealing,
  unit: 's',
  goal: '<= 5',
  good: sealing <= 5,
});
const fast = await seconds(() => check(many, 'fast', windows));
results.push({ name: `verify --fast of ${windows} windows`, value: fast, unit: 's', goal: '<= 60', good: fast <= 60 });
rmSync(folder, { recursive: true });

mkdirSync('bench/out', { recursive: true });
writeFileSync(
  'bench/out/integrity.json',
  `${JSON.stringify({ cores: availableParallelism(), peakRssMiB: Math.round(process.resourceUsage().maxRSS / 1024), results }, null, 2)}\n`,
);
for (const { name, value, unit, goal, good } of results)
  console.log(`${good ? 'ok  ' : 'MISS'}  ${name}: ${value.toFixed(2)} ${unit} (goal ${goal} ${unit})`);
process.exitCode = results.every(({ good }) => good) ? 0 : 1;
