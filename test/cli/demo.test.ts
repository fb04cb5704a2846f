// The demo's clouds: one story on three of them, each in its own names, and a folder that is used only once.

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from './run-cli.ts';

interface Line {
  readonly verb: string;
  readonly stage: string;
  readonly requestURI: string;
  readonly user: { readonly username?: string };
  readonly sourceIPs?: readonly string[];
}

let folder = '';
let output = '';
let code = -1;
let lines: (cluster: string) => Promise<Line[]>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'auditkeep-demo-test-'));
  const archive = join(folder, 'archive');
  ({ code, stdout: output } = await runCli(['demo', '--events', '1200', '--archive', archive]));
  lines = async (cluster) => {
    const day = join(archive, `events/cluster=${cluster}/date=2026-11-19`);
    const parts = await Promise.all((await readdir(day)).map((name) => readFile(join(day, name))));
    const text = parts.map((part) => gunzipSync(part).toString('utf8')).join('');
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Line);
  };
}, 60_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

/** What the intruder did, but for what only one cloud tells: query and the parts of a name that chance has made. */
const deeds = (of: readonly Line[]) =>
  of
    .filter(({ sourceIPs, stage }) => sourceIPs?.[0] === '198.51.100.77' && stage !== 'RequestReceived')
    .map(({ verb, requestURI }) => `${verb} ${requestURI.split('?')[0]!.replace(/node-debugger-\w+/, 'node-debugger')}`)
    .filter((deed) => !deed.includes('aws-auth') && !deed.endsWith('/token'))
    .sort();

describe('auditkeep demo', () => {
  it('accounts for every record', () => {
    expect(output).toContain('every record is accounted for');
    expect(output).not.toMatch(/FAILED|bug/);
    expect(code).toBe(0);
  });

  it('shows the same intruder doing the same on EKS, AKS and GKE', async () => {
    const [eks, aks, gke] = await Promise.all(['prod-eu', 'shop', 'data'].map(lines));
    expect(deeds(eks!).length).toBeGreaterThan(30);
    expect(deeds(aks!)).toEqual(deeds(eks!));
    expect(deeds(gke!)).toEqual(deeds(eks!));
  });

  it('calls people and nodes as each cloud does', async () => {
    const users = async (cluster: string) => new Set((await lines(cluster)).map(({ user }) => user.username ?? ''));
    const [eks, aks, gke] = await Promise.all(['prod-eu', 'shop', 'data'].map(users));
    const some = (names: ReadonlySet<string>, pattern: RegExp) => [...names].some((name) => pattern.test(name));
    expect(some(eks!, /^arn:aws:sts::\d+:assumed-role\/.*\/alice$/) && some(eks!, /^system:node:ip-/)).toBe(true);
    expect(some(aks!, /^alice@/) && some(aks!, /^system:node:aks-/)).toBe(true);
    expect(some(gke!, /^alice@/) && some(gke!, /^system:node:gke-/)).toBe(true);
    for (const names of [aks!, gke!]) expect(some(names, /aws|ebs-|\.internal$/)).toBe(false);
  });

  it('leaves a folder alone that has something in it', async () => {
    const again = await runCli(['demo', '--events', '1200', '--archive', join(folder, 'archive')]);
    expect(again.code).toBe(2);
    expect(again.stderr).toContain('is not empty');
    expect(again.stderr).toContain('--archive');
  });
});
