// keepRaw of GKE from the command line: original entries beside their Events, through collect, recheck, seal and verify.

import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CloudLoggingEmulator, startCloudLoggingEmulator } from '../../emulators/cloud-logging/server.ts';
import { type DayLogEntry, dayOfLogEntries } from '../../emulators/story/gke.ts';
import { decode } from '../../providers/gke/decode.ts';
import { optionsSchema } from '../../providers/gke/options.ts';
import { openFileStore } from '../../src/archive/store/file.ts';
import { checkArchive } from '../archive/check-archive.ts';
import { runCli } from './run-cli.ts';

const HOUR = 3_600_000;
const T = Date.parse('2026-06-22T00:00:00Z');
const GKE = { project: 'acme-data', location: 'europe-west1', cluster: 'data' };

describe('keepRaw', () => {
  let folder: string;
  let emulator: CloudLoggingEmulator;
  let entries: DayLogEntry[];
  let now = T;
  const run = (...argv: string[]) =>
    runCli([...argv, '--config', join(folder, 'auditkeep.yaml')], {
      now,
      env: { XDG_STATE_HOME: join(folder, 'state') },
    });
  const config = (more: object) =>
    JSON.stringify({
      archive: './archive',
      collect: { start: '2026-06-22', window: '2h' },
      ...more,
      clusters: [
        {
          name: 'data',
          provider: 'gke',
          ...GKE,
          keepRaw: true,
          callsPerMinute: 60_000,
          endpoint: emulator.url,
          auth: 'none',
          until: '2026-06-22T08:00:00Z',
        },
      ],
    });
  const linesOf = (key: string) =>
    gunzipSync(readFileSync(join(folder, 'archive', key)))
      .toString()
      .trimEnd()
      .split('\n');

  /** Lines of events and their entries, part by part. */
  async function archived() {
    const { manifests, problems } = await checkArchive(openFileStore(join(folder, 'archive'), { onServerDate() {} }));
    expect(problems).toEqual([]);
    const read = (parts: readonly { readonly key: string }[] = []) => parts.flatMap(({ key }) => linesOf(key));
    return manifests.map((m) => ({ ...m, events: read(m.parts), entries: read(m.raw) }));
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'keep-raw-'));
    emulator = await startCloudLoggingEmulator({ clock: () => now, searchLimit: 200 });
    emulator.createProject({ project: GKE.project, createTime: T });
    const story = { seed: 3, from: T, to: T + 6 * HOUR, eventsPerHour: 60, shape: { longTail: false } };
    entries = [...dayOfLogEntries({ ...story, cluster: GKE })];
    // one of ten hides for ten hours: only the recheck finds it
    const hides = (i: number) => (i % 10 === 0 ? 10 * HOUR : 0);
    emulator.putEntries(
      GKE.project,
      entries.map(({ entry, received }, i) => ({ entry, visibleAt: received + hides(i) })),
    );
    const { stdout } = await runCli(['keygen', '--out', join(folder, 'key.pem'), '--name', 'acme.example/audit']);
    const integrity = { key: './key.pem', verifiers: [stdout.trim()] };
    writeFileSync(join(folder, 'auditkeep.yaml'), config({ secrets: 'keep', integrity }));
  });
  afterAll(async () => {
    await emulator.close();
    rmSync(folder, { recursive: true });
  });

  it('is refused while secrets are redacted', async () => {
    const path = join(folder, 'redacts.yaml');
    writeFileSync(path, config({}));
    const refused = await runCli(['collect', '--config', path], { now });
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('secrets: keep');
  });

  it('keeps each entry as it came, once, beside its Event, and recheck and reruns double nothing', async () => {
    now = T + 9 * HOUR;
    expect(await run('collect')).toMatchObject({ code: 0 });
    const first = await archived();
    const early = first.reduce((sum, m) => sum + m.entries.length, 0);
    expect(early).toBeGreaterThan(100);
    expect(early).toBeLessThan(entries.length);

    now = T + 49 * HOUR;
    for (let again = 0; again < 2; again++) expect(await run('collect')).toMatchObject({ code: 0 });
    const all = await archived();
    const found = all.flatMap((m) => m.entries).sort();
    expect(found).toEqual(entries.map(({ entry }) => JSON.stringify(entry)).sort());
    const recheck = all.filter((m) => m.kind === 'recheck');
    expect(recheck.reduce((sum, m) => sum + m.entries.length, 0)).toBe(entries.length - early);

    const options = optionsSchema.parse(GKE);
    for (const { name, events, entries: originals } of all) {
      const decoded = originals.map((text) => decode({ arrival: T, content: Buffer.from(text) }, options));
      expect(
        decoded.map((one) => ('event' in one ? one.event.toString() : JSON.stringify(one))),
        name,
      ).toEqual(events);
    }
  });

  it('is sealed and verified like all else, and a change is found', async () => {
    const good = await run('verify', '--deep');
    expect(good.stdout + good.stderr).toContain('VERIFIED');
    expect(good.code).toBe(0);
    const below = join(folder, 'archive', 'raw/cluster=data/date=2026-06-22');
    const [part] = readdirSync(below);
    truncateSync(join(below, part!), 100);
    const bad = await run('verify', '--deep');
    expect(bad.stdout).toContain(part);
    expect(bad.code).toBe(4);
  });
});
