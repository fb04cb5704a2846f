// collect, backfill, plan and status as typed, over real files and a real archive in a directory.

import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { exitCodeOf } from '../../src/cli/collect.ts';
import type { ClusterSummary } from '../../src/collect/collect.ts';
import { AuthError, ConfigError, TamperError, TransientError } from '../../src/errors.ts';
import { eventLine, type Ran, runCli, sink } from './run-cli.ts';

const HOUR = 3_600_000;
const START = Date.parse('2026-06-20T00:00:00Z');
const micro = (time: number) => new Date(time).toISOString().replace('Z', '000Z');

let folder: string;
let config: string;

/** Events of `cluster`, one every ten minutes of each hour from `from` to `to` (hours after START). */
function log(cluster: string, from: number, to: number): void {
  let text = '';
  for (let at = START + from * HOUR; at < START + to * HOUR; at += HOUR / 6)
    text += `${eventLine(`${cluster}-${at}`, { requestReceivedTimestamp: micro(at), stageTimestamp: micro(at) })}\n`;
  writeFileSync(join(folder, `${cluster}.log`), text, { flag: 'a' });
}

/** As if it were that many hours after START. */
function at(hours: number, ...argv: string[]): Promise<Ran> {
  return runCli([...argv, '--config', config], { now: START + hours * HOUR });
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'auditkeep-run-'));
  config = join(folder, 'auditkeep.yaml');
  const cluster = (name: string) => ({ name, provider: 'kube', files: join(folder, `${name}.log`) });
  writeFileSync(config, JSON.stringify({ archive: './archive', clusters: [cluster('one'), cluster('two')] }));
  log('one', 0, 5);
  log('two', 0, 5);
});

const jsonLines = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('plan', () => {
  it('says what is due and why it starts there, and writes nothing', async () => {
    const { code, stdout } = await at(5.5, 'plan', '--cluster', 'one');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^one\n {2}begins {4}2026-06-20T00:00:00Z: .*; the first collect fixes that\n/);
    expect(stdout).toContain('2026-06-20T00:00:00Z to 2026-06-20T05:00:00Z, 5 windows');
    const json = jsonLines((await at(5.5, 'plan', '-o', 'json')).stdout);
    expect(json).toMatchObject([
      { cluster: 'one', firstRun: true, windows: 5, closedUntil: '2026-06-20T05:00:00Z', rechecks: [] },
      { cluster: 'two', firstRun: true, windows: 5 },
    ]);
    expect(existsSync(join(folder, 'archive'))).toBe(false);
  });

  it('of a backfill takes its range, and --to alone is refused', async () => {
    const { stdout } = await at(
      5.5,
      'plan',
      '--cluster',
      'one',
      '--from',
      '2026-06-20T01:30:00Z',
      '--to',
      '2026-06-20T02:10:00Z',
      '-o',
      'json',
    );
    expect(jsonLines(stdout)).toMatchObject([
      { windows: 2, scans: [{ from: '2026-06-20T01:00:00Z', to: '2026-06-20T03:00:00Z', windows: 2 }] },
    ]);
    expect(await at(5.5, 'plan', '--to', '2026-06-21')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--to needs --from'),
    });
  });
});

describe('collect', () => {
  it('collects once: a second run has nothing to do', async () => {
    const summary = join(folder, 'run.ndjson');
    const first = await at(5.5, 'collect', '-o', 'json', '--summary', summary);
    expect(first.code).toBe(0);
    expect(jsonLines(first.stdout)).toMatchObject([
      {
        cluster: 'one',
        planned: 5,
        committed: 5,
        failed: 0,
        written: 30,
        gaps: 0,
        errors: [],
        collectedUntil: '2026-06-20T05:00:00Z',
      },
      { cluster: 'two', planned: 5, committed: 5, failed: 0, written: 30 },
    ]);
    expect(readFileSync(summary, 'utf8')).toBe(first.stdout);
    const log = jsonLines(first.stderr);
    expect(log.filter((line) => line['msg'] === 'committed')).toHaveLength(10);
    const again = await at(5.5, 'collect', '-o', 'json');
    expect(jsonLines(again.stdout)).toMatchObject([
      { planned: 0, committed: 0 },
      { planned: 0, committed: 0 },
    ]);
  });

  it('prints a table for people, and nothing but results on stdout', async () => {
    const { stdout } = await at(5.5, 'collect', '--log-level', 'silent');
    expect(stdout.split('\n')[0]).toMatch(/^cluster +windows +failed +events/);
    expect(stdout).toMatch(/^one +5\/5 +0 +30 /m);
    expect(stdout.trimEnd().split('\n')).toHaveLength(3);
  });

  it('takes only the chosen clusters, and refuses unknown ones before it does anything', async () => {
    expect(
      jsonLines((await at(5.5, 'collect', '--cluster', 'o*', '-o', 'json')).stdout).map((s) => s['cluster']),
    ).toEqual(['one']);
    const { code, stderr } = await at(5.5, 'collect', '--cluster', 'three');
    expect(code).toBe(2);
    expect(stderr).toContain('the config has: one, two');
  });

  it('--as-of plans for the past', async () => {
    const { stdout } = await at(5.5, 'collect', '--as-of', '2026-06-20T03:30:00Z', '-o', 'json');
    expect(jsonLines(stdout)[0]).toMatchObject({ committed: 3, collectedUntil: '2026-06-20T03:00:00Z' });
    expect((await at(5.5, 'collect', '--as-of', '2026-06-21')).code).toBe(2);
  });

  it('goes on with the other clusters when one fails, and exits 3', async () => {
    rmSync(join(folder, 'one.log'));
    const { code, stdout, stderr } = await at(5.5, 'collect', '-o', 'json');
    expect(code).toBe(3);
    const [one, two] = jsonLines(stdout);
    expect(one).toMatchObject({
      cluster: 'one',
      committed: 0,
      errors: [{ name: 'ConfigError', message: expect.stringContaining('one.log') }],
    });
    expect(two).toMatchObject({ cluster: 'two', committed: 5, errors: [] });
    expect(jsonLines(stderr)).toContainEqual(
      expect.objectContaining({ level: 'error', cluster: 'one', error: expect.stringContaining('one.log') }),
    );
  });

  it('says so when the summary can’t be written, and that the run is done', async () => {
    const { code, stderr } = await at(5.5, 'collect', '--summary', join(folder, 'none/run.json'));
    expect(code).toBe(1);
    expect(stderr).toContain('the run is done, but its summary');
    expect(jsonLines((await at(5.5, 'collect', '-o', 'json')).stdout)[0]).toMatchObject({ planned: 0 });
  });

  it('an interrupted run is 130, and the next one goes on', async () => {
    const stop = new AbortController();
    const stderr = sink();
    const write = stderr._write.bind(stderr);
    stderr._write = (chunk: Buffer, encoding, done) => {
      if (chunk.includes('"committed"')) stop.abort();
      write(chunk, encoding, done);
    };
    const { code } = await runCli(['collect', '--config', config], {
      now: START + 5.5 * HOUR,
      signal: stop.signal,
      stderr,
    });
    expect(code).toBe(130);
    expect(stderr.text()).toContain('the next run goes on');
    const [one] = jsonLines((await at(5.5, 'collect', '-o', 'json')).stdout);
    expect(one).toMatchObject({ failed: 0, gaps: 0, collectedUntil: '2026-06-20T05:00:00Z' });
  });
});

describe('backfill', () => {
  it('brings what is older, says how it widened the range, and shares the work', async () => {
    writeFileSync(
      config,
      readFileSync(config, 'utf8').replace('"clusters"', '"collect":{"start":"2026-06-20T04:00:00Z"},"clusters"'),
    );
    const first = await at(5.5, 'collect', '-o', 'json', '--cluster', 'one');
    expect(jsonLines(first.stdout)[0]).toMatchObject({
      committed: 1,
      notice: expect.stringContaining('auditkeep backfill --cluster one'),
    });
    const back = await at(5.5, 'backfill', '--cluster', 'one', '--from', '2026-06-20T01:30:00Z', '-o', 'json');
    expect(back.stderr).toContain('widened to whole windows: --from 2026-06-20T01:00:00Z\n');
    expect(jsonLines(back.stdout)[0]).toMatchObject({ committed: 3, failed: 0 });
    // days are shared out: the one day of this range belongs to one of the two
    const shares = await Promise.all(
      ['1/2', '2/2'].map((shard) =>
        at(5.5, 'backfill', '--cluster', 'two', '--from', '2026-06-20', '--shard', shard, '-o', 'json'),
      ),
    );
    expect(shares.map((s) => jsonLines(s.stdout)[0]!['committed']).sort()).toEqual([0, 5]);
    expect((await at(5.5, 'backfill', '--from', '2026-06-20', '--shard', '3/2')).code).toBe(2);
  });
});

describe('status', () => {
  it('of a new archive says how to begin, and exits 3', async () => {
    const { code, stdout } = await at(5.5, 'status');
    expect(code).toBe(3);
    expect(stdout).toContain('one: nothing was collected yet; "auditkeep collect" begins');
  });

  it('shows how far the archive reaches', async () => {
    await at(5.5, 'collect');
    const { code, stdout } = await at(5.6, 'status', '-o', 'json');
    expect(code).toBe(0);
    expect(jsonLines(stdout)[0]).toMatchObject({
      cluster: 'one',
      state: 'ok',
      collectedFrom: '2026-06-20T00:00:00Z',
      collectedUntil: '2026-06-20T05:00:00Z',
      lagSeconds: 0.6 * 3600,
      gaps: [],
      days: [{ date: '2026-06-20', events: 30, rejected: 0 }],
    });
    const text = await at(5.6, 'status');
    expect(text.stdout).toMatch(/^one +ok +2026-06-20T05:00:00Z +36m +- +0 +30 /m);
  });

  it('finds a window that is missing, and exits 3', async () => {
    await at(5.5, 'collect');
    rmSync(join(folder, 'archive/ledger/cluster=one/20260620T020000Z_20260620T030000Z.json'));
    const { code, stdout } = await at(5.6, 'status');
    expect(code).toBe(3);
    expect(stdout).toMatch(/^one +gap +2026-06-20T02:00:00Z /m);
    expect(stdout).toContain('one: missing 2026-06-20T02:00:00Z to 2026-06-20T03:00:00Z; "auditkeep collect" fills it');
    expect((await at(5.6, 'status', '--cluster', 'two')).code).toBe(0);
  });

  it('calls windows due that nobody collected yet, and gaps when it is too long ago', async () => {
    await at(5.5, 'collect');
    const soon = await at(8.5, 'status', '--cluster', 'one', '-o', 'json');
    expect(soon.code).toBe(0);
    expect(jsonLines(soon.stdout)[0]).toMatchObject({ state: 'ok', due: 3, gaps: [] });
    expect(await at(8.5, 'status', '--cluster', 'one', '--max-lag', '2h')).toMatchObject({ code: 3 });
    expect(await at(40, 'status', '--cluster', 'one')).toMatchObject({ code: 3 });
    expect(await at(8.5, 'status', '--max-lag', 'soon')).toMatchObject({ code: 2 });
  });

  it('a damaged manifest is exit 4', async () => {
    await at(5.5, 'collect');
    const path = join(folder, 'archive/ledger/cluster=one/20260620T020000Z_20260620T030000Z.json');
    chmodSync(path, 0o644);
    writeFileSync(path, '{}');
    expect(await at(5.6, 'status')).toMatchObject({ code: 4, stderr: expect.stringContaining('is not a manifest') });
  });
});

describe('exit codes of a run', () => {
  const summary = (over: Partial<ClusterSummary>): ClusterSummary =>
    ({ cluster: 'x', committed: 0, adopted: 0, failed: 0, errors: [], ...over }) as ClusterSummary;

  it.each([
    ['nothing was due', [summary({})], 0],
    ['all done', [summary({ committed: 3 })], 0],
    ['some windows failed', [summary({ committed: 3, failed: 1, errors: [new TransientError('x')] })], 3],
    ['a recheck waits for a window', [summary({ committed: 3, failed: 1 })], 3],
    ['one cluster failed', [summary({ errors: [new AuthError('x')] }), summary({ committed: 1 })], 3],
    ['all failed for want of rights', [summary({ errors: [new AuthError('x')] })], 1],
    ['all failed by config', [summary({ errors: [new ConfigError('x')] })], 2],
    [
      'all failed in two ways',
      [summary({ errors: [new ConfigError('x')] }), summary({ errors: [new AuthError('y')] })],
      1,
    ],
    ['something stored was changed', [summary({ committed: 3 }), summary({ errors: [new TamperError('x')] })], 4],
  ])('%s', (_, summaries, code) => expect(exitCodeOf(summaries)).toBe(code));
});

describe('on a terminal', () => {
  it('one moving line shows progress and goes away', async () => {
    const stderr = sink(true);
    const { stdout } = await runCli(['collect', '--no-seal', '--config', config], { now: START + 5.5 * HOUR, stderr });
    expect(stdout).toMatch(/^one +5\/5/m);
    expect(stderr.text()).toMatch(/\r\u001b\[K[█░]{24} \d+\/\d+ windows {2}/);
    expect(stderr.text()).not.toContain('"level"');
    expect(stderr.text().endsWith('\r\u001b[K')).toBe(true);
  });

  it('errors of a cluster stand on lines of their own', async () => {
    rmSync(join(folder, 'two.log'));
    const stderr = sink(true);
    const { code } = await runCli(['collect', '--config', config], { now: START + 5.5 * HOUR, stderr });
    expect(code).toBe(3);
    expect(stderr.text()).toMatch(/\nerror two: failed|^\r\u001b\[Kerror two: failed/);
  });
});

it('a config under a folder that can’t be written fails with a message', async () => {
  mkdirSync(join(folder, 'shut'));
  writeFileSync(join(folder, 'shut/file'), '');
  writeFileSync(config, readFileSync(config, 'utf8').replace('./archive', './shut/file'));
  const { code, stderr } = await at(5.5, 'collect', '--log-level', 'silent');
  expect(code).toBeGreaterThan(0);
  expect(stderr).toContain('shut/file');
  expect(stderr).not.toContain('unexpected error');
});
