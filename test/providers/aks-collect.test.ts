// AKS through the whole collector: each event once, whatever the query API does wrong, and whatever arrives late.

import { describe, expect, it } from 'vitest';
import type { FaultKind } from '../../emulators/log-analytics/fault.ts';
import type { LogAnalyticsEmulator } from '../../emulators/log-analytics/server.ts';
import { toAuditRow, toDiagnosticsRow } from '../../emulators/story/aks.ts';
import { generateDay } from '../../emulators/story/index.ts';
import { provider } from '../../providers/aks/index.ts';
import type { Table } from '../../providers/aks/options.ts';
import { parseConfig } from '../../src/config.ts';
import type { Provider } from '../../src/provider.ts';
import { checkArchive } from '../archive/check-archive.ts';
import { collectAt, DAY, HOUR, temporaryArchive } from '../collect/run.ts';
import { ORIGIN, RESOURCE, startEmulator, WORKSPACE } from './aks-harness.ts';

const T = Date.parse('2026-06-22T00:00:00Z');

const STORY = {
  seed: 5,
  cluster: { name: 'shop', account: '111122223333', region: 'eu-central-1' },
  from: T,
  to: T + 6 * HOUR,
  eventsPerHour: 300,
};

/** Runs the collector at a time, as cron would. */
async function run(
  emulator: LogAnalyticsEmulator,
  store: ReturnType<typeof temporaryArchive>['store'],
  at: number,
  table: string,
) {
  emulator.clock.set(at);
  const text = JSON.stringify({
    archive: './unused',
    secrets: 'keep',
    collect: { start: '2026-06-22' },
    clusters: [
      {
        name: 'shop',
        provider: 'aks',
        workspace: WORKSPACE,
        resource: RESOURCE,
        table,
        pageRows: 100,
        timeout: '1s',
        callsPerSecond: 500,
        endpoint: emulator.url,
        auth: 'none',
      },
    ],
  });
  const config = await parseConfig(text, { aks: () => Promise.resolve(provider as Provider) }, {});
  const [summary] = await collectAt(at, config, store, { sleep: async () => undefined });
  return summary!;
}

const without = (line: string, ...names: string[]) => {
  const event = JSON.parse(line) as Record<string, unknown>;
  for (const name of names) delete event[name];
  return JSON.stringify(event);
};

describe('collecting from Log Analytics', () => {
  it('every event once: with faults at each step, late rows, equal rows, and three hours without a log', async () => {
    const emulator = await startEmulator(T, {}, ['AKSAudit', 'AzureDiagnostics']);
    try {
      const { store } = temporaryArchive();
      const faults: FaultKind[] = [
        'error-500',
        'throttle',
        'partial',
        'cut-body',
        'reset',
        'timeout',
        'not-json',
        'error-503',
      ];
      const expected: string[] = [];
      let n = 0;
      for (const { time, line } of generateDay(STORY)) {
        // the diagnostic setting was off from 2 to 5
        if (time >= T + 2 * HOUR && time < T + 5 * HOUR) continue;
        const text = line.toString();
        const ingested = Math.floor(time / 20_000) * 20_000 + 45_000;
        // one of 20 can be found only 12 hours later, one of 30 comes again in its own window
        const visibleAt = n % 20 === 0 ? ingested + 12 * HOUR : ingested + 60_000;
        const row = { columns: toAuditRow(text, ORIGIN), ingested, visibleAt };
        emulator.putRows(WORKSPACE, 'AKSAudit', n % 30 === 0 ? [row, row] : [row]);
        expected.push(without(text, 'impersonatedUser', 'requestObject', 'responseObject', 'annotations'));
        n++;
      }
      for (const hours of [1.5, 4, 7, 20, 49, 73]) {
        for (const [i, kind] of faults.entries()) emulator.fail({ kind, skip: i * 2 });
        const summary = await run(emulator, store, T + hours * HOUR, 'auto');
        expect(summary).toMatchObject({ failed: 0, errors: [], gaps: 0 });
        emulator.clearFaults();
      }
      const archive = await checkArchive(store);
      expect(archive.problems).toEqual([]);
      const found = archive.lines
        .get('shop')!
        .map((line) => without(line, 'requestObject', 'responseObject', 'annotations'));
      expect(found.sort()).toEqual(expected.sort());
      const silent = archive.manifests.filter((m) => m.kind === 'window' && m.counts.received === 0).length;
      expect(silent).toBeGreaterThanOrEqual(2);
      expect((await run(emulator, store, T + 4 * DAY, 'auto')).written).toBe(0);
    } finally {
      await emulator.close();
    }
  });

  it('counts the bodies that Azure left out, in manifest and summary', async () => {
    const emulator = await startEmulator(T, {}, ['AKSAudit']);
    try {
      const { store } = temporaryArchive();
      const events = [...generateDay(STORY)].filter(({ line }) => line.includes('"responseObject":{')).slice(0, 5);
      const rows = events.map(({ line, time }, i) => {
        const padded = (name: string) => `"${name}":{"x":"${'y'.repeat(40_000)}",`;
        let text = line.toString();
        if (i > 0) text = text.replace('"responseObject":{', padded('responseObject'));
        if (i > 2) text = text.replace('"requestObject":{', padded('requestObject'));
        return { columns: toAuditRow(text, ORIGIN), ingested: time };
      });
      const tooBig = (name: 'RequestObject' | 'ResponseObject') =>
        rows.filter(({ columns }) => columns[name]?.includes('skipped-too-big-size-object')).length;
      expect([tooBig('RequestObject') > 0, tooBig('ResponseObject')]).toEqual([true, 4]);
      emulator.putRows(WORKSPACE, 'AKSAudit', rows);
      const summary = await run(emulator, store, T + 7 * HOUR, 'AKSAudit');
      expect(summary).toMatchObject({ written: 5, omitted: 4 + tooBig('RequestObject'), errors: [] });
      const { manifests, problems } = await checkArchive(store);
      expect(problems).toEqual([]);
      const sum = (body: string) => manifests.reduce((total, { omitted }) => total + (omitted?.[body] ?? 0), 0);
      expect([sum('requestObject'), sum('responseObject')]).toEqual([tooBig('RequestObject'), 4]);
      expect(manifests.some((m) => m.counts.received === 0 && !('omitted' in m))).toBe(true);
    } finally {
      await emulator.close();
    }
  });

  it('a log_s that was cut is a reject, and what it still tells is in the archive', async () => {
    const table: Table = 'AzureDiagnostics';
    const emulator = await startEmulator(T, {}, [table]);
    try {
      const { store } = temporaryArchive();
      const [first] = [...generateDay(STORY)].filter(({ line }) => line.includes('"requestObject":{'));
      const line = first!.line.toString().replace('"requestObject":{', `"requestObject":{"x":"${'y'.repeat(50_000)}",`);
      emulator.putRows(WORKSPACE, table, [
        { columns: toDiagnosticsRow(line, ORIGIN), ingested: first!.time },
        { columns: toDiagnosticsRow(first!.line.toString(), ORIGIN, { category: 'guard' }), ingested: first!.time },
      ]);
      const summary = await run(emulator, store, T + 7 * HOUR, table);
      expect(summary).toMatchObject({ received: 1, rejected: 1, written: 0, errors: [] });
      const archive = await checkArchive(store);
      expect(archive.problems).toEqual([]);
      const [saved] = archive.lines.get('shop')!;
      expect(JSON.parse(saved!)).toMatchObject({
        auditID: (JSON.parse(line) as { auditID: string }).auditID,
        level: 'Metadata',
        annotations: { 'auditkeep/truncated': 'true' },
      });
    } finally {
      await emulator.close();
    }
  });
});
