// Policies in the pipeline: what is dropped and lowered is counted by rule, and rechecks follow the policy of the window.

import { describe, expect, it } from 'vitest';
import { sha256Hex } from '../../src/archive/hash.ts';
import { checkArchive } from '../archive/check-archive.ts';
import { eventLine, type FakeLog, fakeLog } from './fake-source.ts';
import { policyFile } from './policy-file.ts';
import { HOUR, run, temporaryArchive } from './run.ts';

const T = Date.parse('2026-06-20T00:00:00Z');

function put(log: FakeLog, time: number, change: (line: string) => string = (line) => line, visibleAt = time): string {
  const content = change(eventLine(time).toString());
  log.records.push({ id: `id-${log.records.length}`, time, arrival: time, visibleAt, content: Buffer.from(content) });
  return content;
}

const asWatch = (line: string) => line.replace('"verb":"get"', '"verb":"watch"').replace('pods/web"', 'pods?watch=1"');
const asPatch = (line: string) =>
  line
    .replace('"verb":"get"', '"verb":"patch"')
    .replace('"level":"Metadata"', '"level":"Request"')
    .replace('"requestReceived', '"requestObject":{"spec":{"replicas":1.0}},"requestReceived');

describe('policy', () => {
  it('drops and lowers by rule, counts it, and keeps the text in the archive', async () => {
    const { store } = temporaryArchive();
    const log = fakeLog(T + 2 * HOUR);
    const get = put(log, T + 1000);
    put(log, T + 2000, asWatch);
    const patch = put(log, T + 3000, asPatch);
    const policy = policyFile('- {level: None, verbs: [watch]}\n- {level: Metadata}\n');
    const summary = await run(store, log, { config: { collect: { start: '2026-06-20' }, policy } });
    expect(summary).toMatchObject({ received: 3, written: 2 });
    const { problems, lines, manifests } = await checkArchive(store);
    expect(problems).toEqual([]);
    const lowered = patch
      .replace('"level":"Request"', '"level":"Metadata"')
      .replace('"requestObject":{"spec":{"replicas":1.0}},', '');
    expect(lines.get('one')).toEqual([get, lowered]);
    expect(manifests[0]).toMatchObject({
      counts: { dropped: 1 },
      droppedByRule: { 'rules[0]': 1 },
      lowered: { 'rules[1]': 1 },
    });
    const text = (await store.get(`policies/${manifests[0]!.made.policySha256}.yaml`))!.bytes;
    expect(sha256Hex(text)).toBe(manifests[0]!.made.policySha256);
    expect(text.toString()).toContain('verbs: [watch]');
  });

  it('gives late records of a window the policy that the window was committed under', async () => {
    const { store } = temporaryArchive();
    const log = fakeLog(T + 2 * HOUR);
    put(log, T + 1000);
    const late = put(log, T + 2000, asWatch, T + 20 * HOUR);
    const lateGet = put(log, T + 2500, undefined, T + 20 * HOUR);
    const config = { collect: { start: '2026-06-20' } };
    await run(store, log, {
      config: { ...config, policy: policyFile('- {level: None, verbs: [watch]}\n- {level: Metadata}\n') },
    });
    log.now = T + 49 * HOUR;
    await run(store, log, {
      config: { ...config, policy: policyFile('- {level: None, verbs: [get]}\n- {level: Metadata}\n') },
    });
    const { problems, lines, manifests } = await checkArchive(store);
    expect(problems).toEqual([]);
    expect(lines.get('one')).not.toContain(late);
    expect(lines.get('one')).toContain(lateGet);
    const recheck = manifests.find((m) => m.name === '20260620_recheck')!;
    expect(recheck).toMatchObject({
      counts: { received: 2, written: 1, dropped: 1 },
      droppedByRule: { 'rules[0]': 1 },
    });
  });

  it('takes a policy of its own for a cluster, and built-in ones by name', async () => {
    const { store } = temporaryArchive();
    const log = fakeLog(T + 2 * HOUR);
    put(log, T + 1000, (line) =>
      line.replace('/api/v1/namespaces/default/pods/web', '/healthz').replace(/"objectRef":\{[^}]*\},/, ''),
    );
    put(log, T + 2000);
    const summary = await run(store, log, {
      config: { collect: { start: '2026-06-20' }, policy: 'none' },
      cluster: { policy: 'production' },
    });
    expect(summary).toMatchObject({ received: 2, written: 1 });
  });

  it('replaces redacted paths and says in how many events', async () => {
    const { store } = temporaryArchive();
    const log = fakeLog(T + 2 * HOUR);
    put(log, T + 1000, asPatch);
    put(log, T + 2000);
    const redact = { paths: [{ resource: 'pods', path: 'spec.replicas' }] };
    await run(store, log, { config: { collect: { start: '2026-06-20' }, redact } });
    const { problems, lines, manifests } = await checkArchive(store);
    expect(problems).toEqual([]);
    expect(lines.get('one')![0]).toContain('{"spec":{"replicas":"auditkeep/redacted"}}');
    expect(manifests[0]).toMatchObject({ redacted: 1, counts: { written: 2 } });
  });
});
