// keepRaw: the records of written events beside the Events, in the same order, and only where nothing had to be taken out.

import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { checkArchive } from '../archive/check-archive.ts';
import { eventLine, type FakeLog, fakeLog } from './fake-source.ts';
import { fakeConfig, HOUR, run, temporaryArchive } from './run.ts';

const T = Date.parse('2026-06-20T00:00:00Z');

function put(log: FakeLog, time: number, content: Buffer): void {
  log.records.push({ id: `id-${log.records.length}`, time, arrival: time, visibleAt: time, content });
}

describe('keepRaw', () => {
  it('writes the record of each written event on one line, and sweeps and checks it like all parts', async () => {
    const { store } = temporaryArchive();
    const log = fakeLog(T + 2 * HOUR);
    const plain = eventLine(T + 1000);
    put(log, T + 1000, plain);
    put(log, T + 1500, plain);
    put(log, T + 1700, Buffer.from('klog'));
    put(log, T + 1800, Buffer.from('{"not":"an event"}'));
    put(log, T + 3000, eventLine(T + 3000));
    const summary = await run(store, log, {
      config: { collect: { start: '2026-06-20' }, secrets: 'keep' },
      cluster: { keepRaw: true },
    });
    expect(summary).toMatchObject({ written: 2, duplicate: 1, skipped: 1, rejected: 1 });
    const { problems, manifests } = await checkArchive(store);
    expect(problems).toEqual([]);
    const [part] = manifests[0]!.raw!;
    expect(part!.key).toContain('raw/cluster=one/date=2026-06-20/');
    const text = gunzipSync((await store.get(part!.key))!.bytes).toString();
    expect(text).toBe(`${plain.toString()}\n${log.records[4]!.content.toString()}\n`);
  });

  it('is refused while secrets are redacted, or anything else is', async () => {
    const log = fakeLog(T);
    const cluster = { keepRaw: true };
    await expect(fakeConfig(log, { cluster })).rejects.toThrow('it needs secrets: keep');
    const redact = { paths: [{ path: 'data.*' }] };
    await expect(fakeConfig(log, { cluster, config: { secrets: 'keep', redact } })).rejects.toThrow('leave redact out');
  });
});
