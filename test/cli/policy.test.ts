// policy test, explain, suggest and show as typed, over lines made for it and over an archive that was collected.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeEach, describe, expect, it } from 'vitest';
import { monthlyCost } from '../../src/cli/policy-cost.ts';
import { BUILT_IN_POLICIES } from '../../src/policy/built-in/index.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import { eventLine, runCli } from './run-cli.ts';

let folder: string;
const file = (name: string, text: string | Buffer) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'policy-cli-'));
});

const policyText = (rules: string, more = '') => `apiVersion: audit.k8s.io/v1\nkind: Policy\n${more}rules:\n${rules}`;
const micro = (time: number) => new Date(time).toISOString().replace('Z', '000Z');
const START = Date.parse('2026-06-20T00:00:00Z');

const get = eventLine('a-get', { verb: 'get', requestURI: '/api/v1/namespaces/shop/pods/web' });
const list = eventLine('a-list');
const create = eventLine('a-create', {
  level: 'RequestResponse',
  verb: 'create',
  requestURI: '/api/v1/namespaces/shop/pods',
  requestObject: { kind: 'Pod', spec: { a: 'x'.repeat(100) } },
  responseObject: { kind: 'Pod', metadata: { managedFields: [{ manager: 'kubectl' }] } },
  stageTimestamp: '2026-06-22T12:00:00.000123Z',
});
const secret = eventLine('a-secret', {
  level: 'RequestResponse',
  verb: 'create',
  requestURI: '/api/v1/namespaces/shop/secrets',
  requestObject: { kind: 'Secret', metadata: {}, data: { password: 'aHVudGVyMmh1bnRlcjI=' } },
});

const DROP_GETS = policyText(
  '- {level: None, verbs: [get]}\n- {level: None, verbs: [get], users: [kim]}\n- {level: Request, verbs: [create]}\n' +
    '- {level: Metadata, verbs: [create, list]}\n- {level: Metadata, users: [nobody]}\n- {level: Metadata}\n',
);

describe('policy test', () => {
  it('counts events and bytes by rule, and says why rules never decide', async () => {
    const log = file('a.log', `${[get, list, create].join('\n')}\nnot an event\n`);
    const policy = file('p.yaml', DROP_GETS);
    const { code, stdout } = await runCli(['policy', 'test', policy, log, '-o', 'json']);
    expect(code).toBe(0);
    const told = JSON.parse(stdout);
    const size = (line: string) => line.length + 1;
    expect(told).toMatchObject({
      events: 3,
      bytes: size(get) + size(list) + size(create),
      keptEvents: 2,
      notEvents: { 'not-json': 1 },
      noRule: { events: 0 },
      from: '2026-06-22T10:00:00Z',
      to: '2026-06-22T12:00:00Z',
    });
    expect(told.rules[0]).toMatchObject({ rule: 0, level: 'None', events: 1, bytes: size(get), keptEvents: 0 });
    expect(told.rules[2]).toMatchObject({ rule: 2, level: 'Request', events: 1, keptEvents: 1, lowered: 1 });
    expect(told.rules[2].keptBytes).toBeLessThan(told.rules[2].bytes);
    expect(told.rules[3]).toMatchObject({ events: 1, keptEvents: 1, keptBytes: size(list), lowered: 0 });
    expect(told.idle).toEqual([
      { rule: 1, shadowedBy: 0, takenBy: { 0: 1 } },
      { rule: 4, takenBy: {} },
      { rule: 5, takenBy: { 0: 1, 2: 1, 3: 1 } },
    ]);
    const { month } = told;
    expect(month.prices).toMatchObject({ region: 'us-east-1', currency: 'USD' });
    expect(month.before.bytes / told.compressedBytes).toBeCloseTo((365.25 / 12) * 12, 0);
    expect(month.after.bytes).toBeLessThan(month.before.bytes);
    expect(month.before.cost).toEqual(monthlyCost(month.before.bytes));
  });

  it('reads for people: table, idle rules, before and after, prices; advice on stderr', async () => {
    const log = file('a.log.gz', gzipSync([get, list, create, secret].join('\n')));
    const policy = file('p.yaml', DROP_GETS);
    const { code, stdout, stderr } = await runCli(['policy', 'test', policy, log]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^rules\[0\] +None +1 +\d+ B +0 +0 B {2}get$/m);
    expect(stdout).toContain('rules[1] can never decide: rules[0], which comes first, matches all that it matches');
    expect(stdout).toContain('rules[4] matches none of these events');
    expect(stdout).toContain('those it matches are taken by rules[0] (1), rules[2] (2), rules[3] (1)');
    expect(stdout).toContain('1 events lose bodies to the secrets guard');
    expect(stdout).toMatch(/^before {2}4 events, .*\nafter {3}3 events \(75\.0 %\)/m);
    expect(stdout).toMatch(/STANDARD_IA +\S+ +\S+/);
    expect(stdout).toContain('(estimate:');
    expect(stderr).toContain('also drops reads of secrets by nodes');
  });

  it('says where groups are unknown, and what the source did not record', async () => {
    const policy = file('p.yaml', policyText('- {level: None, userGroups: [devs]}\n- {level: Request}\n'));
    const gke = eventLine('g', { user: { username: 'kim@example.com' } });
    const { stdout, stderr } = await runCli(['policy', 'test', policy, '-'], { stdin: `${gke}\n` });
    expect(stdout).toContain('rules[0]: undecided for 1 events');
    expect(stdout).toContain('rules[1]: asks for more than the source recorded in 1 events');
    expect(stderr).toContain("this source doesn't tell the groups of users");
  });

  it('refuses an invalid policy with all mistakes; --lenient says what it ignored', async () => {
    const log = file('a.log', list);
    const wrong = file('w.yaml', policyText('- {level: None, verb: [get]}\n- {level: Nothing}\n'));
    const both = await runCli(['policy', 'test', wrong, log]);
    expect(both.code).toBe(2);
    expect(both.stdout).toBe('');
    expect(both.stderr).toContain('rules[0].verb: unknown member; did you mean verbs?');
    expect(both.stderr).toContain('rules[1].level: "Nothing" is no level');
    const odd = file('o.yaml', policyText('- {level: None, verb: [get]}\n- {level: Metadata}\n'));
    const lenient = await runCli(['policy', 'test', odd, log, '--lenient']);
    expect(lenient.code).toBe(0);
    expect(lenient.stderr).toContain('ignored, as kube-apiserver does: rules[0].verb: unknown member');
    expect(lenient.stdout).toMatch(/^after {3}0 events/m);
  });

  it.each([
    [['test', 'default'], 2, 'no events: name files'],
    [
      ['test', '/nowhere/p.yaml', '-'],
      2,
      'policy /nowhere/p.yaml: no such file\n  name a Policy file, or one of none,',
    ],
    [['test', 'default', '/nowhere/x'], 2, '/nowhere/x: no such file'],
    [['test', 'default', '-', '--from', '-1d'], 2, '--from goes with --archive only'],
    [['test', 'default', 'x', '--archive'], 2, 'either files or --archive'],
    [['test', 'default', '-'], 1, 'stdin: no events\n  files hold one Event a line'],
    [['suggest', '-', '--min-share', '101'], 2, '--min-share 101'],
    [['show', 'prod'], 2, '"prod" is no built-in policy\n  there are none, default, production, staging'],
    [['explain'], 2, "missing required argument 'policy'"],
    [['tset'], 2, 'Did you mean test?'],
    [['show', 'default', '-o', 'json'], 2, '"policy show" prints text'],
  ])('policy %j exits %i', async (argv, expected, message) => {
    const { code, stdout, stderr } = await runCli(['policy', ...argv]);
    expect(stderr).toContain(message);
    expect(code).toBe(expected);
    expect(stdout).toBe('');
  });

  it('without a command shows help', async () => {
    expect(await runCli(['policy'])).toMatchObject({ code: 2, stderr: expect.stringContaining('suggest [files...]') });
  });
});

describe('policy explain', () => {
  it('names the rule that decides, and each selector that kept others from it', async () => {
    const policy = file(
      'p.yaml',
      policyText(
        '- {level: None, users: [bob], verbs: [get]}\n- {level: Request, verbs: [create]}\n',
        'omitManagedFields: true\n',
      ),
    );
    const { code, stdout } = await runCli(['policy', 'explain', policy], { stdin: [create, get].join('\n') });
    expect(code).toBe(0);
    expect(stdout).toBe(
      [
        'a-create  ResponseComplete: create pods in shop by kim',
        '  rules[0] None: users: "kim" is none of "bob"; verbs: "create" is none of "get"',
        '  rules[1] Request: matches',
        '  decided by rules[1]: level Request',
        '  kept at Request (recorded at RequestResponse), without responseObject; level changed: by rules[1]',
        '',
        'a-get  ResponseComplete: get pods "web" in shop by kim',
        '  rules[0] None: users: "kim" is none of "bob"',
        '  rules[1] Request: verbs: "get" is none of "create"',
        '  no rule matches: level None',
        '  dropped',
        '',
      ].join('\n'),
    );
  });

  it('tells of stages, the guard and unknown groups, in JSON too', async () => {
    const policy = file(
      'p.yaml',
      policyText('- {level: None, userGroups: [devs]}\n- {level: RequestResponse, omitStages: [RequestReceived]}\n'),
    );
    const gke = eventLine('g', { user: { username: 'kim@example.com' } });
    const received = eventLine('r', { stage: 'RequestReceived' });
    const stdin = [gke, received, secret, '{}'].join('\n');
    const { code, stdout, stderr } = await runCli(['policy', 'explain', policy, '-', '-o', 'json'], { stdin });
    expect(code).toBe(3);
    expect(stderr).toContain('1 records that are no events');
    const [one, two, three] = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(one).toMatchObject({
      auditID: 'g',
      rule: 1,
      kept: true,
      undecided: 'rules[0]',
      unattained: 'rules[1]',
      rules: [
        { rule: 0, matches: 'unknown' },
        { rule: 1, matches: true },
      ],
    });
    expect(two).toMatchObject({ kept: false, droppedBy: 'rules[1].omitStages', level: 'RequestResponse' });
    expect(three).toMatchObject({
      kept: true,
      loweredBy: 'secrets',
      keptLevel: 'Metadata',
      removed: ['requestObject'],
    });
    expect(stdout).not.toContain('aHVudGVy');
  });

  it('lets nothing of an event act on the terminal', async () => {
    const stdin = eventLine('x', { auditID: '\u001b[2J', user: { username: 'a\u202eb', groups: ['g'] } });
    for (const format of ['text', 'json']) {
      const { stdout } = await runCli(['policy', 'explain', 'default', '-o', format], { stdin });
      expect(stdout).not.toMatch(/[\u001b\u202e]/);
    }
  });
});

describe('policy suggest and show', () => {
  it('proposes a policy that loads and that test then takes', async () => {
    const noise = Array.from({ length: 50 }, (_, i) =>
      eventLine(`n-${i}`, {
        verb: 'watch',
        requestURI: '/api/v1/services?watch=1',
        user: { username: 'system:kube-proxy', groups: ['system:authenticated'] },
      }),
    );
    const log = file('a.log', [...noise, list].join('\n'));
    const { code, stdout, stderr } = await runCli(['policy', 'suggest', log]);
    expect(code).toBe(0);
    expect(loadPolicy(stdout).policy.rules[0]).toMatchObject({ level: 'None', users: ['system:kube-proxy'] });
    expect(stdout).toMatch(/# 50 events; saves \d\d\.\d % of all bytes/);
    expect(stderr).toContain('of 51 events');
    const tried = await runCli(['policy', 'test', file('s.yaml', stdout), log, '-o', 'json']);
    expect(JSON.parse(tried.stdout)).toMatchObject({ events: 51, keptEvents: 1 });
    const json = JSON.parse((await runCli(['policy', 'suggest', log, '-o', 'json'])).stdout);
    expect(json).toMatchObject({ policy: stdout, events: 51, keptEvents: 1 });
    const patient = await runCli(['policy', 'suggest', log, '--min-share', '100']);
    expect(patient.stdout).not.toContain('kube-proxy');
  });

  it.each([...BUILT_IN_POLICIES])('show %s prints it as it is', async (name, text) => {
    expect(await runCli(['policy', 'show', name])).toEqual({ code: 0, stdout: text, stderr: '' });
  });
});

describe('--archive', () => {
  it('reads what was collected through the ledger, by cluster and range of arrival', async () => {
    const HOUR = 3_600_000;
    const cluster = (name: string) => ({ name, provider: 'kube', files: join(folder, `${name}.log`) });
    const config = file('c.yaml', JSON.stringify({ archive: './archive', clusters: [cluster('one'), cluster('two')] }));
    for (const name of ['one', 'two']) {
      const at = (hour: number) => ({
        requestReceivedTimestamp: micro(START + hour * HOUR),
        stageTimestamp: micro(START + hour * HOUR),
      });
      const lines = [0.5, 1.5, 2.5, 3.5].map((hour) => eventLine(`${name}-${hour}`, at(hour)));
      file(`${name}.log`, `${lines.join('\n')}\n`);
    }
    const now = START + 5.5 * HOUR;
    const run = (...argv: string[]) => runCli([...argv, '--config', config], { now });
    expect((await run('collect')).code).toBe(0);
    rmSync(join(folder, 'one.log'));
    const tried = async (...more: string[]) =>
      JSON.parse((await run('policy', 'test', 'default', '--archive', '-o', 'json', ...more)).stdout);
    expect(await tried()).toMatchObject({ events: 8, from: '2026-06-20T00:30:00Z', to: '2026-06-20T03:30:00Z' });
    expect(
      await tried('--cluster', 'one', '--from', '2026-06-20T01:00:00Z', '--to', '2026-06-20T03:00:00Z'),
    ).toMatchObject({ events: 2, from: '2026-06-20T01:30:00Z', to: '2026-06-20T02:30:00Z' });
    expect((await run('policy', 'suggest', '--archive')).stdout).toContain('kind: Policy');
    const none = await run('policy', 'test', 'default', '--archive', '--from', '-1h');
    expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining('--from and --to choose') });
    expect(await tried('--cluster', 'two')).toMatchObject({ events: 4 });
  });

  it('a part that is gone is tampering, not less traffic', async () => {
    const config = file(
      'c.yaml',
      JSON.stringify({
        archive: './archive',
        clusters: [{ name: 'one', provider: 'kube', files: join(folder, 'one.log') }],
      }),
    );
    file(
      'one.log',
      `${eventLine('x', { requestReceivedTimestamp: micro(START), stageTimestamp: micro(START) })}\n${eventLine('y', { requestReceivedTimestamp: micro(START + 5e6), stageTimestamp: micro(START + 5e6) })}\n`,
    );
    const run = (...argv: string[]) => runCli([...argv, '--config', config], { now: START + 20_000_000 });
    expect((await run('collect')).code).toBe(0);
    rmSync(join(folder, 'archive/events/cluster=one'), { recursive: true });
    const { code, stderr } = await run('policy', 'test', 'default', '--archive');
    expect(code).toBe(4);
    expect(stderr).toContain('is listed in the ledger and is gone');
  });
});

describe('advice', () => {
  it('on the policies of the config is a warning of plan and collect, once for all their clusters', async () => {
    const policy = file(
      'p.yaml',
      policyText('- {level: None, nonResourceURLs: [/healthz]}\n', 'omitStages: [ResponseStarted]\n'),
    );
    const cluster = (name: string, more: object = {}) => ({
      name,
      provider: 'kube',
      files: join(folder, '*.log'),
      ...more,
    });
    const clusters = [cluster('one', { policy }), cluster('two', { policy }), cluster('three')];
    const config = file('c.yaml', JSON.stringify({ archive: './archive', clusters }));
    file('a.log', `${list}\n`);
    for (const command of ['plan', 'collect']) {
      const { stderr } = await runCli([command, '--config', config], { now: START + 3 * 86_400_000 });
      const warnings = stderr
        .split('\n')
        .filter((line) => line.includes('"level":"warn"') && line.includes('"policy"'))
        .map((line) => JSON.parse(line) as { cluster: string; msg: string });
      expect(warnings.map((one) => one.cluster)).toEqual(['one, two', 'one, two']);
      expect(warnings[0]!.msg).toContain('there is no catch-all');
      expect(warnings[1]!.msg).toContain('every refused login (401) is dropped');
    }
  });
});
