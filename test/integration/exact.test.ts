// What a source can do to a collector, by real processes: late, silent, repeated and broken records, each in its place in the archive.

import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { eventLine } from '../collect/fake-source.ts';
import { ACCOUNT, DAY, HOUR, makeWorld, type Message, REGION, smallCloud } from './program.ts';

const T = Math.floor(Date.now() / DAY) * DAY - 20 * DAY;
const MINUTE = 60_000;
const line = (time: number, note: string) => eventLine(time, note).toString();
const everyQuarter = (hours: number): Message[] =>
  Array.from({ length: hours * 4 }, (_, i) => {
    const time = T + i * 15 * MINUTE;
    return { time, content: line(time, `event-${i}`) };
  });
const rfc = (time: number) => new Date(time).toISOString().replace('.000', '');

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'exact-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

let count = 0;
async function worldOf(messages: readonly Message[], over: Parameters<typeof makeWorld>[2] = {}) {
  const cloud = await smallCloud(T - DAY);
  onTestFinished(() => cloud.close());
  cloud.send(messages);
  const w = makeWorld(join(folder, `${count++}`), cloud, { collect: { start: rfc(T) }, ...over });
  const collected = async (asOf: number) => {
    cloud.clock.set(Date.now());
    const ran = await w.run('collect', { asOf });
    expect(ran.code, ran.stderr).toBe(0);
    return w.check();
  };
  return { ...w, cloud, collected };
}

test('records that come minutes, hours and 13 days late are there once, where the config looks for them', async () => {
  const late: Message[] = [3 * MINUTE, 50 * MINUTE, 5 * HOUR, 20 * HOUR, 13 * DAY].map((delay, i) => {
    const arrival = T + 15 * DAY + i * MINUTE;
    return { time: arrival - delay, arrival, content: line(arrival - delay, `late-${i}`) };
  });
  const over = {
    collect: { start: rfc(T + 15 * DAY) },
    cluster: { recheck: { lateness: '14d' }, until: rfc(T + 16 * DAY) },
  };
  const w = await worldOf(late, over);
  // first reads see what is at most an hour late
  const first = await w.collected(T + 15 * DAY + 2 * HOUR);
  expect(first.lines.get('one')).toHaveLength(2);
  const { lines, problems, manifests } = await w.collected(T + 17 * DAY + HOUR);
  expect(problems).toEqual([]);
  expect([...lines.get('one')!].sort()).toEqual(late.map((one) => one.content).sort());
  const recheck = manifests.find((m) => m.kind === 'recheck')!;
  expect(recheck.counts).toMatchObject({ received: 3, written: 3, known: 2 });
  expect(recheck.query!.latenessSeconds).toBe(14 * 86_400);
});

test('what is off is said: silent windows, logging off in the manifest, and status exits 3', async () => {
  const messages = everyQuarter(4);
  const w = await worldOf(messages);
  w.cloud.setCluster({ account: ACCOUNT, region: REGION, name: 'one', audit: false });
  const { manifests } = await w.collected(T + 7 * HOUR + 10 * MINUTE);
  expect(manifests.map((m) => m.coverage)).toEqual([
    'complete',
    'complete',
    'complete',
    'complete',
    'silent',
    'silent',
    'silent',
  ]);
  expect(new Set(manifests.map((m) => m.visible.logging))).toEqual(new Set(['off']));
  const status = await w.run('status', { asOf: T + 7 * HOUR + 10 * MINUTE, args: ['-o', 'json'] });
  expect(status.code).toBe(3);
  expect(JSON.parse(status.stdout.split('\n')[0]!)).toMatchObject({
    state: 'silent',
    silentSeconds: 3 * 3600,
    logging: 'off',
  });
});

test('copies are one inside a window and stay in others; equal audit IDs and bursts of one millisecond are all there', async () => {
  const at = T + 10 * MINUTE;
  const copy = line(at, 'copied');
  const messages: Message[] = [
    ...Array.from({ length: 5 }, (_, i) => ({ time: at, arrival: at + 1000 + i, content: copy })),
    { time: at, arrival: T + HOUR, content: copy },
    // the same audit ID, other content
    { time: at, content: line(at, 'copied').replace('"alice"', '"bob"') },
    { time: at + 1, content: line(at + 1, 'copied') },
    // more than a page holds, all in one millisecond
    ...Array.from({ length: 12_000 }, (_, i) => ({ time: at + 5, content: line(at + 5, `burst-${i}`) })),
  ];
  const w = await worldOf(messages);
  const { lines, problems, manifests } = await w.collected(T + 3 * HOUR);
  expect(problems).toEqual([]);
  const got = lines.get('one')!;
  expect(got.filter((one) => one === copy)).toHaveLength(2);
  expect(got).toHaveLength(2 + 2 + 12_000);
  expect(manifests[0]!.counts).toMatchObject({ received: 5 + 2 + 12_000, duplicate: 4 });
  expect(manifests[0]!.query!.pages).toBeGreaterThan(1);
});

describe('lines that are no events', () => {
  const time = T + 10 * MINUTE;
  const good = line(time, 'good');
  const nested = (depth: number) => good.replace('"verb"', `"x":${'['.repeat(depth)}${']'.repeat(depth)},"verb"`);
  const bad: [string, string][] = [
    ['not-json', 'Error: no audit today'],
    ['not-json', '\u0000\u0000\u0000'],
    ['not-an-object', `[${good}]`],
    ['not-an-object', '"Event"'],
    ['wrong-kind', good.replace('"kind":"Event"', '"kind":"Pod"')],
    ['wrong-api-version', good.replace('audit.k8s.io/v1', 'audit.k8s.io/v1beta1')],
    ['missing-member', '{"kind":"Event","apiVersion":"audit.k8s.io/v1"}'],
    ['missing-member', good.replace(/,"stageTimestamp":"[^"]*"/, '')],
    ['wrong-type', good.replace('"verb":"get"', '"verb":7')],
    ['unknown-level', good.replace('"Metadata"', '"Everything"')],
    ['unknown-stage', good.replace('"ResponseComplete"', '"Someday"')],
    ['bad-timestamp', good.replace(/"stageTimestamp":"[^"]*"/, '"stageTimestamp":"yesterday"')],
    ['repeated-member', good.replace('"verb":"get"', '"verb":"get","verb":"delete"')],
    ['too-deep', nested(20_000)],
    ['truncated', good.slice(0, 200)],
  ];
  const fine = [
    good,
    // a member of this name is data like any other
    good.replace('"verb"', '"__proto__":{"polluted":true},"constructor":null,"verb"'),
    good.replace('"alice"', `"${'a'.repeat(5_000_000)}"`),
    good.replace('"alice"', '"\\u0000 \\ud800"'),
    nested(50),
  ];

  function expected(reasons: readonly string[]): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const reason of reasons) counts[reason] = (counts[reason] ?? 0) + 1;
    return counts;
  }

  test('through CloudWatch: counted rejects with their reasons, and the others as they came', async () => {
    const messages = [...bad.map(([, content]) => content), ...fine].map((content, i) => ({ time: time + i, content }));
    const w = await worldOf(messages);
    const { lines, problems, manifests } = await w.collected(T + HOUR + 10 * MINUTE);
    expect(problems).toEqual([]);
    expect(manifests[0]!.rejectedByReason).toEqual(expected(bad.map(([reason]) => reason)));
    const got = new Set(lines.get('one'));
    for (const content of fine) expect(got.has(content), content.slice(0, 100)).toBe(true);
  });

  test('through files, also what CloudWatch can’t hold: bytes that are no UTF-8, years 0001 and 9999', async () => {
    const w = await worldOf([]);
    const logs = join(folder, `files-${count++}`);
    mkdirSync(logs);
    const bytes = (text: string) => Buffer.from(`${text}\n`);
    const invalid = Buffer.from(`${good.replace('"alice"', '"al\u00ffice"')}\n`, 'latin1');
    const odd = ['0001-01-01T00:00:00.000000Z', '9999-12-31T23:59:59.999999Z'].map((stamp) =>
      good.replace(/"stageTimestamp":"[^"]*"/, `"stageTimestamp":"${stamp}"`),
    );
    const last = line(time + MINUTE, 'last');
    writeFileSync(
      join(logs, 'audit.log'),
      Buffer.concat([
        bytes(good),
        invalid,
        ...bad.map(([, text]) => bytes(text)),
        ...fine.slice(1).map(bytes),
        bytes(last),
        Buffer.from(last.slice(0, 50)), // still being written
      ]),
    );
    writeFileSync(join(logs, 'odd.log'), Buffer.concat([bytes(good), ...odd.map(bytes), bytes(last)]));
    const files = makeWorld(join(folder, `${count++}`), w.cloud, {
      collect: { start: rfc(T) },
      rejects: { maxRatio: 1 },
      cluster: {
        provider: 'kube',
        files: join(logs, '*.log'),
        region: undefined,
        cluster: undefined,
        endpoint: undefined,
        auth: undefined,
        aws: undefined,
        callsPerSecond: undefined,
      },
    });
    const ran = await files.run('collect', { asOf: T + 30 * HOUR });
    expect(ran.code, ran.stderr).toBe(0);
    const { lines, problems, manifests } = await files.check();
    expect(problems).toEqual([]);
    const counts = manifests.map((m) => m.counts);
    const total = (of: (c: (typeof counts)[number]) => number) => counts.reduce((sum, c) => sum + of(c), 0);
    // whatever becomes of a line, it is counted: those of year 9999 arrive with nothing that is due
    expect(total((c) => c.received)).toBeGreaterThanOrEqual(1 + 1 + bad.length + fine.length - 1 + 1 + 2);
    const got = new Set(lines.get('one'));
    for (const content of [...fine, last]) expect(got.has(content), content.slice(0, 100)).toBe(true);
    const reasons = manifests.flatMap((m) => Object.keys(m.rejectedByReason));
    for (const reason of ['invalid-utf8', 'not-json', 'wrong-kind', 'truncated', 'too-deep', 'bad-timestamp'])
      expect(reasons, reason).toContain(reason);
  });

  test('too many of them fail the window before anything is committed; where the source soon forgets, it is kept, with an error', async () => {
    const messages = [
      ...Array.from({ length: 150 }, (_, i) => ({ time: time + i, content: `not json ${i}` })),
      ...everyQuarter(2),
    ];
    const w = await worldOf(messages);
    const asOf = T + 2 * HOUR + 10 * MINUTE;
    const refused = await w.run('collect', { asOf });
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain('150 of 154 records');
    expect(refused.stderr).toContain('rejects.maxRatio');
    const before = await w.check();
    expect(before.manifests.map((m) => m.from)).toEqual([rfc(T + HOUR)]);
    // seen from the next run, the source forgets that window 25 hours later
    const cluster = { account: ACCOUNT, region: REGION, logGroup: '/aws/eks/one/cluster' };
    w.cloud.setRetention(cluster, 21);
    const kept = await w.run('collect', { asOf: T + 20 * DAY - HOUR });
    expect(kept.code, kept.stderr.slice(-2000)).toBe(0);
    expect(kept.stderr).toMatch(/"level":"error"[^\n]*committed all the same/);
    const { problems, manifests } = await w.check();
    expect(problems).toEqual([]);
    expect(manifests.find((m) => m.from === rfc(T))!.rejectedByReason).toEqual({ 'not-json': 150 });
  });
});
