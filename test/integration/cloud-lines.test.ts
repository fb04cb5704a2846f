// Every line that AKS and GKE become is an Event to Kubernetes' own strict decoder: shared samples, a day of each cloud's story, random Events.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseDocument } from 'yaml';
import { startCloudLoggingEmulator } from '../../emulators/cloud-logging/server.ts';
import { startLogAnalyticsEmulator } from '../../emulators/log-analytics/server.ts';
import { dayOfAksRows, toAuditRow, toDiagnosticsRow, toEnvelope } from '../../emulators/story/aks.ts';
import { dayOfLogEntries, logEntryOf } from '../../emulators/story/gke.ts';
import { provider as aks } from '../../providers/aks/index.ts';
import { registry } from '../../providers/index.ts';
import { provider as gke } from '../../providers/gke/index.ts';
import { openFileStore } from '../../src/archive/store/file.ts';
import { parseConfig } from '../../src/config.ts';
import { scanEvent } from '../../src/event.ts';
import type { Decoded } from '../../src/provider.ts';
import { checkArchive } from '../archive/check-archive.ts';
import { collectAt, HOUR } from '../collect/run.ts';
import { SHARED } from '../policy/lines.ts';
import { ORIGIN, RESOURCE, WORKSPACE, WORKSPACE_ID } from '../providers/aks-harness.ts';
import { anyEvent, anyRequest, renderRequest } from '../providers/random-events.ts';
import { hasOracle, oracleDecode } from './oracle.ts';

const T = Date.parse('2026-06-22T00:00:00Z');
const SEED = Number(process.env['AUDITKEEP_TEST_SEED'] ?? Math.floor(Math.random() * 1e6));
const GKE = { project: 'acme-data', location: 'europe-west1', cluster: 'data' };
const SAMPLES = `${SHARED}samples/`;

function expectEvents(lines: readonly string[], atLeast: number): void {
  expect(lines.length).toBeGreaterThanOrEqual(atLeast);
  const { summary, complaints } = oracleDecode(lines);
  expect({ summary, complaints }).toEqual({
    summary: { lines: lines.length, ok: lines.length, bad: 0 },
    complaints: '',
  });
}

const lineOf = (decoded: Decoded): string[] => ('event' in decoded ? [decoded.event.toString('utf8')] : []);
/** What the core would take: it scans what decoding gives, and rejects what is no Event. */
const taken = (decoded: Decoded): string[] =>
  'event' in decoded && !('not' in (decoded.scan ?? scanEvent(decoded.event))) ? lineOf(decoded) : [];
const record = (value: object) => ({ arrival: T, content: Buffer.from(JSON.stringify(value)) });
// as `auditkeep decode` has it: no cluster, so none is another one
const none = undefined as never;

async function* whole(text: Buffer) {
  yield text;
}

describe.skipIf(!hasOracle)(`lines of AKS and GKE (skipped without Kubernetes' own decoder), seed ${SEED}`, () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cloud-lines-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test.skipIf(!existsSync(SAMPLES))('of the shared samples', async () => {
    const lines: string[] = [];
    for (const [name, provider] of [
      ['aks', aks],
      ['gke', gke],
    ] as const)
      for (const file of readdirSync(SAMPLES + name)) {
        const text = readFileSync(`${SAMPLES}${name}/${file}`);
        const json = file.endsWith('.yaml')
          ? Buffer.from(JSON.stringify(parseDocument(text.toString('utf8')).toJS()))
          : text;
        for await (const one of provider.readExport(whole(json))) lines.push(...lineOf(provider.decode(one, none)));
      }
    expectEvents(lines, 20);
  });

  test('of a day as the emulators tell it, through the whole collector', async () => {
    const now = T + 30 * HOUR;
    const azure = await startLogAnalyticsEmulator({ clock: now });
    const google = await startCloudLoggingEmulator({ clock: now });
    try {
      const story = (name: string) => ({
        seed: SEED,
        cluster: { name, account: '111122223333', region: 'eu-central-1' },
        from: T,
        to: T + 24 * HOUR,
        eventsPerHour: 100,
        shape: { intruder: true, leaks: true },
      });
      azure.createWorkspace({ id: WORKSPACE, resourceId: WORKSPACE_ID });
      const tables = ['AKSAudit', 'AzureDiagnostics'] as const;
      for (const table of tables) {
        azure.createTable(WORKSPACE, table, { retentionInDays: 90 });
        azure.putRows(WORKSPACE, table, dayOfAksRows({ ...story('shop'), origin: ORIGIN, table }));
      }
      const { cluster: _, ...rest } = story('data');
      google.createProject({ project: GKE.project, createTime: T });
      google.putEntries(GKE.project, dayOfLogEntries({ ...rest, cluster: GKE }));
      const config = await parseConfig(
        JSON.stringify({
          archive: join(folder, 'archive'),
          secrets: 'keep',
          collect: { start: '2026-06-22', window: '6h' },
          clusters: [
            ...tables.map((table) => ({
              name: table.toLowerCase(),
              provider: 'aks',
              workspace: WORKSPACE,
              resource: RESOURCE,
              table,
              category: 'kube-audit',
              callsPerSecond: 500,
              endpoint: azure.url,
              auth: 'none',
            })),
            { name: 'gke', provider: 'gke', ...GKE, callsPerMinute: 60_000, endpoint: google.url, auth: 'none' },
          ],
        }),
        registry,
        {},
      );
      const store = openFileStore(join(folder, 'archive'), { onServerDate() {} });
      const summaries = await collectAt(now, config, store);
      expect(summaries.flatMap(({ errors }) => errors)).toEqual([]);
      const { lines, problems } = await checkArchive(store);
      expect(problems).toEqual([]);
      for (const { name } of config.clusters) expectEvents(lines.get(name) ?? [], 2000);
    } finally {
      await azure.close();
      await google.close();
    }
  });

  const many = { seed: SEED, numRuns: 2000 };
  const runs = (arbitrary: fc.Arbitrary<string>) => fc.sample(arbitrary, many);

  test('of random Events as each table and envelope of AKS has them', () => {
    const rendered = runs(anyEvent()).flatMap((line) => [
      { Type: 'AKSAudit', ...toAuditRow(line, ORIGIN) },
      { Type: 'AzureDiagnostics', ...toDiagnosticsRow(line, ORIGIN) },
      { Type: 'AzureDiagnostics', ...toDiagnosticsRow(line, ORIGIN, { spilled: true }) },
      JSON.parse(toEnvelope(line, ORIGIN)) as object,
    ]);
    const lines = rendered.flatMap((value) => lineOf(aks.decode(record(value), none)));
    expectEvents(lines, rendered.length);
  });

  test('of random requests as GKE has them', () => {
    const entries = fc
      .sample(anyRequest, many)
      .map((request) => logEntryOf(renderRequest(request).line, GKE, '2026-06-22T10:00:00.123456789Z')!);
    const lines = entries.flatMap((entry) => lineOf(gke.decode(record(entry), none)));
    expectEvents(lines, entries.length);
  });

  test('of records that lack something, or hold something else in its place', () => {
    type Tree = Record<string, unknown>;
    /** The object without, or with another value of, the member that `pick` falls on, at any depth. */
    function spoil(value: Tree, pick: number, other: unknown): Tree {
      const names = Object.keys(value);
      const name = names[pick % names.length];
      if (name === undefined) return value;
      const inner = value[name];
      const deeper = Math.floor(pick / names.length);
      if (deeper % 3 > 0 && typeof inner === 'object' && inner !== null && !Array.isArray(inner))
        return { ...value, [name]: spoil(inner as Tree, Math.floor(deeper / 3), other) };
      const { [name]: _, ...rest } = value;
      return other === undefined ? rest : { ...rest, [name]: other };
    }
    const change = fc.tuple(fc.nat(100_000), fc.option(fc.jsonValue({ maxDepth: 2 }), { nil: undefined }));
    const spoiled = fc.sample(fc.tuple(anyRequest, fc.array(change, { minLength: 1, maxLength: 3 })), many);
    const lines = spoiled.flatMap(([request, changes]) => {
      const { line } = renderRequest(request);
      const entry = logEntryOf(line, GKE, '2026-06-22T10:00:00.123456789Z') as Tree;
      const row: Tree = { Type: 'AKSAudit', ...toAuditRow(line, ORIGIN) };
      const gone = changes.reduce((one, [pick]) => spoil(one, pick, undefined), row);
      const other = changes.reduce((one, [pick, value]) => spoil(one, pick, value), entry);
      // what AKS has in a column is the API server's own, and stays whatever is in it; of GKE everything is written anew
      return [...taken(aks.decode(record(gone), none)), ...taken(gke.decode(record(other), none))];
    });
    expectEvents(lines, many.numRuns / 2);
  });
});
