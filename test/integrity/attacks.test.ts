import { appendFileSync, cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { sha256Hex } from '../../src/archive/hash.ts';
import type { Manifest } from '../../src/archive/manifest.ts';
import { CHECKPOINT_KEY, parseCheckpoint, type SignedCheckpoint } from '../../src/integrity/checkpoint.ts';
import { openLastSeen } from '../../src/integrity/last-seen.ts';
import type { VerifyInput, VerifyReport } from '../../src/integrity/verify.ts';
import {
  type Archive,
  collectUntil,
  copyOf,
  edit,
  filesOf,
  folderStore,
  HOUR,
  newSigner,
  sealAll,
  START,
  temporary,
  twoDays,
} from './sealed.ts';
import { codesOf, verifyFolder } from './verifying.ts';

// An archive that grew over four seals, with a copy of log/ after each, an anchor, and the checkpoint an auditor kept.
let good: Archive;
let pinned: SignedCheckpoint;
let anchor: string;
const logs: string[] = [];

beforeAll(async () => {
  const directory = temporary();
  const store = folderStore(directory);
  anchor = temporary('anchor');
  const signer = newSigner();
  const log = twoDays();
  for (const hours of [10, 24, 40, 73]) {
    await collectUntil(store, log, hours);
    await sealAll(store, { signer, anchor: folderStore(anchor) });
    const kept = temporary('log');
    cpSync(join(directory, 'log'), kept, { recursive: true });
    logs.push(kept);
  }
  good = { directory, signer, now: log.now, log };
  pinned = parseCheckpoint(readFileSync(join(directory, CHECKPOINT_KEY)))!;
});

const key = (hour: number): string => {
  const compact = (time: number) => new Date(time).toISOString().replace(/[-:]|\.\d{3}/g, '');
  return `${compact(START + hour * HOUR)}_${compact(START + (hour + 1) * HOUR)}`;
};
const manifestPath = (hour: number) => `ledger/cluster=one/${key(hour)}.json`;
const readManifest = (at: string, hour: number) =>
  JSON.parse(readFileSync(join(at, manifestPath(hour)), 'utf8')) as Manifest;
const partOf = (at: string, hour: number) => readManifest(at, hour).parts[0]!.key;
const remove = (at: string, path: string) => rmSync(join(at, path), { recursive: true });
const add = (at: string, path: string, bytes: Buffer | string) => {
  mkdirSync(dirname(join(at, path)), { recursive: true });
  writeFileSync(join(at, path), bytes);
};
/** Everything of some hours, as if they had never been. */
function forget(at: string, from: number, to: number): void {
  for (let hour = from; hour < to; hour++)
    for (const file of filesOf(at)) if (file.includes(key(hour))) remove(at, file);
}
const replaceLog = (at: string, by: string) => {
  remove(at, 'log');
  cpSync(by, join(at, 'log'), { recursive: true });
};
/** Writes a part's content anew, under the same key. */
const rewritten = (at: string, part: string, change: (lines: string[]) => string[]) =>
  edit(at, part, (bytes) => {
    const lines = gunzipSync(bytes).toString('utf8').trimEnd().split('\n');
    return gzipSync(`${change(lines).join('\n')}\n`);
  });
const reseal = async (at: string, signer = newSigner()) => {
  remove(at, 'log');
  await sealAll(folderStore(at), { signer });
};
const store = () => folderStore(anchor);

interface Row {
  readonly attack: string;
  /** What CloudTrail's own checker does, as far as it has the thing at all. */
  readonly cloudtrail: string;
  readonly exit: 3 | 4 | 5;
  readonly code: string;
  does(at: string): void | Promise<void>;
  readonly verify?: () => Partial<VerifyInput> | Promise<Partial<VerifyInput>>;
}
const pin = () => ({ pinned });

const rows: Row[] = [
  {
    attack: 'the newest windows and their log cut off',
    cloudtrail: '0',
    exit: 3,
    code: 'log-shrunken',
    does: (at) => {
      forget(at, 40, 73);
      for (const day of [20, 21])
        if (filesOf(at).includes(`ledger/cluster=one/202606${day}_recheck.json`))
          remove(at, `ledger/cluster=one/202606${day}_recheck.json`);
      replaceLog(at, logs[2]!);
    },
    verify: pin,
  },
  {
    attack: 'the same, seen by an auditor without any pin: by the clock alone',
    cloudtrail: '0',
    exit: 3,
    code: 'window-missing',
    does: (at) => {
      forget(at, 40, 73);
      for (const file of filesOf(at)) if (file.includes('_recheck')) remove(at, file);
      replaceLog(at, logs[2]!);
    },
  },
  {
    attack: 'all manifests deleted',
    cloudtrail: '0',
    exit: 4,
    code: 'sealed-missing',
    does: (at) => remove(at, 'ledger'),
  },
  {
    attack: 'all manifests and the log deleted',
    cloudtrail: '0',
    exit: 4,
    code: 'unlisted',
    does: (at) => {
      remove(at, 'ledger');
      remove(at, 'log');
    },
  },
  {
    attack: 'everything deleted',
    cloudtrail: '0',
    exit: 5,
    code: 'nothing-found',
    does: (at) => filesOf(at).forEach((file) => remove(at, file)),
  },
  {
    attack: 'everything deleted, seen by an auditor who verified before',
    cloudtrail: '0',
    exit: 3,
    code: 'log-gone',
    does: (at) => filesOf(at).forEach((file) => remove(at, file)),
    verify: pin,
  },
  {
    attack: 'a forged part placed among the others',
    cloudtrail: '0',
    exit: 4,
    code: 'unlisted',
    does: (at) => {
      const bytes = gzipSync('{"kind":"Event"}\n');
      add(at, `events/cluster=one/date=2026-06-20/${key(2)}_7_${sha256Hex(bytes).slice(0, 16)}.ndjson.gz`, bytes);
    },
  },
  {
    attack: 'log switched off and on: a second root, by the right key',
    cloudtrail: '0',
    exit: 4,
    code: 'log-forked',
    does: async (at) => {
      const kept = readFileSync(join(at, manifestPath(3)));
      remove(at, manifestPath(3));
      await reseal(at, good.signer);
      add(at, manifestPath(3), kept);
      await sealAll(folderStore(at), { signer: good.signer });
    },
    verify: pin,
  },
  {
    attack: 'three hours never collected',
    cloudtrail: '0',
    exit: 3,
    code: 'window-missing',
    does: async (at) => {
      forget(at, 50, 53);
      await reseal(at, good.signer);
    },
  },
  {
    attack: 'a second root, everything before it deleted',
    cloudtrail: '0',
    exit: 3,
    code: 'log-shrunken',
    does: async (at) => {
      forget(at, 0, 40);
      for (const file of filesOf(at)) if (file.includes('_recheck')) remove(at, file);
      await reseal(at, good.signer);
    },
    verify: pin,
  },
  {
    attack: 'a manifest replaced by another one that is valid in itself',
    cloudtrail: '0',
    exit: 4,
    code: 'sealed-differs',
    does: (at) =>
      edit(at, manifestPath(2), (bytes) => Buffer.from(bytes.toString().replace('"final": false', '"final": true'))),
  },
  {
    attack: 'an event line altered, part and manifest made to match',
    cloudtrail: '1',
    exit: 4,
    code: 'sealed-differs',
    does: (at) => {
      const old = partOf(at, 2);
      const content = Buffer.from(
        gunzipSync(readFileSync(join(at, old)))
          .toString()
          .replaceAll('alice', 'bob__'),
      );
      const bytes = gzipSync(content);
      const part = old.replace(/_[0-9a-f]{16}\./, `_${sha256Hex(bytes).slice(0, 16)}.`);
      remove(at, old);
      add(at, part, bytes);
      edit(at, manifestPath(2), (json) => {
        const manifest = JSON.parse(json.toString()) as { parts: Record<string, unknown>[] };
        Object.assign(manifest.parts[0]!, {
          key: part,
          bytes: bytes.length,
          sha256: sha256Hex(bytes),
          contentSha256: sha256Hex(content),
        });
        return Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);
      });
    },
  },
  {
    attack: 'a part deleted',
    cloudtrail: '1',
    exit: 4,
    code: 'object-missing',
    does: (at) => remove(at, partOf(at, 2)),
  },
  {
    attack: 'a manifest and its parts deleted together',
    cloudtrail: '1 (0 if it is the newest)',
    exit: 4,
    code: 'sealed-missing',
    does: (at) => forget(at, 2, 3),
  },
  {
    attack: 'the manifest of an empty window deleted',
    cloudtrail: '1',
    exit: 4,
    code: 'sealed-missing',
    does: (at) => forget(at, 3, 4),
  },
  {
    attack: 'a window with events replaced by a forged empty one',
    cloudtrail: '1',
    exit: 4,
    code: 'sealed-differs',
    does: (at) => {
      const empty = { ...readManifest(at, 3), ...(({ name, from, to }) => ({ name, from, to }))(readManifest(at, 2)) };
      for (const part of readManifest(at, 2).parts) remove(at, part.key);
      remove(at, readManifest(at, 2).ids!.key);
      add(at, manifestPath(2), `${JSON.stringify(empty, null, 2)}\n`);
    },
  },
  {
    attack: 'an empty manifest forged for a window that was never collected',
    cloudtrail: '0',
    exit: 3,
    code: 'unsealed',
    does: (at) => {
      const compact = (hour: number) => new Date(START + hour * HOUR).toISOString().replace('.000', '');
      const made = { ...readManifest(at, 3).made, at: compact(75) };
      const forged = { ...readManifest(at, 3), name: key(73), from: compact(73), to: compact(74), made };
      add(at, manifestPath(73), `${JSON.stringify(forged, null, 2)}\n`);
    },
  },
  {
    attack: 'two parts swapped',
    cloudtrail: '1',
    exit: 4,
    code: 'object-differs',
    does: (at) => {
      const [a, b] = [partOf(at, 1), partOf(at, 5)].map((part) => join(at, part)) as [string, string];
      renameSync(a, `${a}.x`);
      renameSync(b, a);
      renameSync(`${a}.x`, b);
    },
  },
  {
    attack: 'one byte after the gzip member',
    cloudtrail: '0 (until May 2026)',
    exit: 4,
    code: 'object-differs',
    does: (at) => appendFileSync(join(at, partOf(at, 2)), Buffer.of(0)),
  },
  {
    attack: 'a second gzip member appended',
    cloudtrail: '0 (until May 2026)',
    exit: 4,
    code: 'object-differs',
    does: (at) => appendFileSync(join(at, partOf(at, 2)), gzipSync('{"kind":"Event"}\n')),
  },
  {
    attack: 'one byte changed in a padding behind the member, of the right size',
    cloudtrail: '0 (until May 2026)',
    exit: 4,
    code: 'object-differs',
    does: (at) =>
      edit(at, partOf(at, 2), (bytes) =>
        Buffer.concat([gzipSync(gunzipSync(bytes), { level: 9 }), Buffer.alloc(bytes.length, 1)]).subarray(
          0,
          bytes.length,
        ),
      ),
  },
  {
    attack: 'lines reordered',
    cloudtrail: '1',
    exit: 4,
    code: 'object-differs',
    does: (at) => rewritten(at, partOf(at, 2), (lines) => [...lines].reverse()),
  },
  {
    attack: 'a line removed',
    cloudtrail: '1',
    exit: 4,
    code: 'object-differs',
    does: (at) => rewritten(at, partOf(at, 2), (lines) => lines.slice(1)),
  },
  {
    attack: 'a reject changed',
    cloudtrail: '1',
    exit: 4,
    code: 'object-differs',
    does: (at) => edit(at, readManifest(at, 5).rejects[0]!.key, (bytes) => Buffer.from(bytes).fill(0, 12, 14)),
  },
  {
    attack: 'a fingerprint changed, so that a late event looks known',
    cloudtrail: 'has none',
    exit: 4,
    code: 'object-differs',
    does: (at) => edit(at, readManifest(at, 2).ids!.key, (bytes) => Buffer.from(bytes).fill(7, 0, 12)),
  },
  {
    attack: 'the policy text changed',
    cloudtrail: 'has none',
    exit: 4,
    code: 'object-differs',
    does: (at) =>
      edit(
        at,
        filesOf(at).find((file) => file.startsWith('policies/'))!,
        (bytes) => Buffer.concat([bytes, Buffer.from('#\n')]),
      ),
  },
  {
    attack: 'the log’s tail cut and an older valid checkpoint put in its place, ledger untouched',
    cloudtrail: '0',
    exit: 3,
    code: 'unsealed',
    does: (at) => replaceLog(at, logs[1]!),
  },
  {
    attack: 'an older checkpoint restored, its log left',
    cloudtrail: '0',
    exit: 3,
    code: 'log-shrunken',
    does: (at) => cpSync(join(logs[1]!, 'checkpoint'), join(at, CHECKPOINT_KEY)),
    verify: pin,
  },
  {
    attack: 'split view: another log of the same size under the same key',
    cloudtrail: '0',
    exit: 4,
    code: 'log-forked',
    does: async (at) => {
      edit(at, manifestPath(2), (bytes) => Buffer.from(bytes.toString().replace('"final": false', '"final": true')));
      await reseal(at, good.signer);
    },
    verify: pin,
  },
  {
    attack: 'the same, seen by the anchor',
    cloudtrail: '0',
    exit: 4,
    code: 'log-forked',
    does: async (at) => {
      edit(at, manifestPath(2), (bytes) => Buffer.from(bytes.toString().replace('"final": false', '"final": true')));
      await reseal(at, good.signer);
    },
    verify: () => ({ anchor: store() }),
  },
  {
    attack: 'key replaced and everything signed anew',
    cloudtrail: 'keys are held by AWS',
    exit: 5,
    code: 'key-unknown',
    does: (at) => reseal(at),
  },
  {
    attack: 'the same, seen by an auditor with a checkpoint',
    cloudtrail: 'keys are held by AWS',
    exit: 4,
    code: 'log-forked',
    does: async (at) => {
      edit(at, manifestPath(2), (bytes) => Buffer.from(bytes.toString().replace('"final": false', '"final": true')));
      await reseal(at);
    },
    verify: pin,
  },
  {
    attack: 'the signature cut off',
    cloudtrail: '1',
    exit: 5,
    code: 'unsigned',
    does: (at) => edit(at, CHECKPOINT_KEY, (bytes) => Buffer.from(bytes.toString().split('\n\n')[0]! + '\n')),
  },
  {
    attack: 'no key given to verify with',
    cloudtrail: 'keys are held by AWS',
    exit: 5,
    code: 'no-key',
    does: () => undefined,
    verify: () => ({ verifiers: [] }),
  },
  {
    attack: 'another log put into the archive’s place, with its own key trusted too',
    cloudtrail: '0',
    exit: 4,
    code: 'log-exchanged',
    does: async (at) => {
      remove(at, 'log');
      await sealAll(folderStore(at), { signer: good.signer, newOrigin: 'example.com/other' });
    },
    verify: pin,
  },
  {
    attack: 'a cluster renamed',
    cloudtrail: '1',
    exit: 4,
    code: 'sealed-missing',
    does: (at) => {
      for (const folder of ['ledger', 'events', 'rejects', 'ids'])
        renameSync(join(at, folder, 'cluster=one'), join(at, folder, 'cluster=two'));
    },
  },
  {
    attack: 'cluster.json says that the cluster begins later',
    cloudtrail: '0',
    exit: 4,
    code: 'sealed-differs',
    does: (at) => {
      forget(at, 0, 5);
      edit(at, 'ledger/cluster=one/cluster.json', (bytes) =>
        Buffer.from(bytes.toString().replace('T00:00:00Z', 'T05:00:00Z')),
      );
    },
  },
  {
    attack: 'a tile truncated',
    cloudtrail: 'has none',
    exit: 4,
    code: 'tile-differs',
    does: (at) => edit(at, 'log/tile/0/000.p/76', (bytes) => bytes.subarray(32)),
  },
  {
    attack: 'a tile removed',
    cloudtrail: 'has none',
    exit: 4,
    code: 'tile-missing',
    does: (at) => remove(at, 'log/tile/0/000.p/11'),
  },
  {
    attack: 'a tile too many',
    cloudtrail: 'has none',
    exit: 4,
    code: 'unlisted',
    does: (at) => add(at, 'log/tile/1/000.p/1', Buffer.alloc(32)),
  },
  {
    attack: 'a key planted beside the log',
    cloudtrail: 'keys are held by AWS',
    exit: 3,
    code: 'seal-unfinished',
    does: (at) => add(at, 'log/keys/00000000.vkey', `${newSigner().verifier.vkey}\n`),
  },
  {
    attack: 'the anchor rolled back',
    cloudtrail: 'has none',
    exit: 3,
    code: 'anchor-behind',
    does: () => undefined,
    verify: () => {
      const older = copyOf(anchor);
      for (const file of filesOf(older).slice(2)) rmSync(join(older, file));
      return { anchor: folderStore(older) };
    },
  },
  {
    attack: 'the anchor emptied',
    cloudtrail: 'has none',
    exit: 3,
    code: 'anchor-behind',
    does: () => undefined,
    verify: () => ({ anchor: folderStore(temporary('empty')) }),
  },
  {
    attack: 'log and anchor rolled back together, seen by a machine that verified before',
    cloudtrail: '0',
    exit: 3,
    code: 'log-shrunken',
    does: (at) => replaceLog(at, logs[1]!),
    verify: async () => {
      const lastSeen = openLastSeen(temporary('state'));
      await lastSeen.remember(good.directory, pinned);
      return { lastSeen };
    },
  },
  {
    attack: 'clock: a window closed before its end',
    cloudtrail: 'has none',
    exit: 4,
    code: 'ledger-invalid',
    does: async (at) => {
      edit(at, manifestPath(60), (bytes) =>
        Buffer.from(bytes.toString().replace(/"at": "[^"]*"/, '"at": "2026-06-22T12:30:00Z"')),
      );
      await reseal(at, good.signer);
    },
  },
  {
    attack: 'clock: the auditor’s set back, so that nothing seems to be due',
    cloudtrail: 'has none',
    exit: 5,
    code: 'clock',
    does: () => undefined,
    verify: () => ({ now: START + 20 * HOUR }),
  },
];

describe('attacks on an archive', () => {
  it('the untouched archive passes, here, copied elsewhere, against pin and anchor', async () => {
    const over = { now: good.now, verifiers: [good.signer.verifier], pinned, anchor: store() };
    expect((await verifyFolder(good.directory, over)).findings).toEqual([]);
    const moved = join(temporary('moved'), 'some/prefix');
    cpSync(good.directory, moved, { recursive: true });
    expect((await verifyFolder(moved, over)).exitCode).toBe(0);
    expect((await verifyFolder(moved, { ...over, mode: 'fast' })).exitCode).toBe(0);
  });

  for (const row of rows)
    it(`exit ${row.exit} (CloudTrail: ${row.cloudtrail}): ${row.attack}`, async () => {
      const at = copyOf(good.directory);
      await row.does(at);
      const over = { now: good.now, verifiers: [good.signer.verifier], ...(await row.verify?.()) };
      const report: VerifyReport = await verifyFolder(at, over);
      expect(codesOf(report).join(', ')).toContain(row.code);
      expect(report.exitCode, codesOf(report).join(', ')).toBe(row.exit);
      rmSync(at, { recursive: true });
    });
});
