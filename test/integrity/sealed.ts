// An archive as the collector leaves it, sealed as `collect` does it: for tests of log and verification.

import { cpSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { openFileStore } from '../../src/archive/store/file.ts';
import type { Store } from '../../src/archive/store/store.ts';
import { noLastSeen } from '../../src/integrity/last-seen.ts';
import { seal, type SealInput, type Sealed } from '../../src/integrity/seal.ts';
import { generateKey, signerFromPem } from '../../src/integrity/signer.ts';
import { silentLog } from '../../src/log.ts';
import { eventLine, fakeLog, type FakeLog } from '../collect/fake-source.ts';
import { DAY, HOUR, run } from '../collect/run.ts';

export const START = Date.parse('2026-06-20T00:00:00Z');
export const ORIGIN = 'example.com/audit';

/** A key of its own for each call. */
export const newSigner = (name = 'example.com/audit') => signerFromPem(generateKey(name).pem, undefined, 'test');

export function folderStore(directory: string): Store {
  return openFileStore(directory, { onServerDate() {} });
}

export function temporary(name = 'integrity'): string {
  return mkdtempSync(join(tmpdir(), `${name}-test-`));
}

export async function sealAll(store: Store, over: Partial<SealInput> = {}): Promise<Sealed | undefined> {
  return seal({
    store,
    verifiers: [],
    newOrigin: ORIGIN,
    witnesses: [],
    lastSeen: noLastSeen,
    log: silentLog,
    signal: new AbortController().signal,
    ...over,
  });
}

/** Events of two days: some an hour, none in some hours, one record that can't be read, one that comes late. */
export function twoDays(): FakeLog {
  const log = fakeLog(START);
  log.identity = 'fake:sealed';
  let n = 0;
  for (let hour = 0; hour < 48; hour++) {
    const count = hour % 5 === 3 ? 0 : 1 + (hour % 4);
    for (let i = 0; i < count; i++) {
      const time = START + hour * HOUR + i * 60_000;
      log.records.push({ id: `r${n}`, time, arrival: time, visibleAt: time, content: eventLine(time, `id-${n++}`) });
    }
  }
  const torn = START + 5 * HOUR + 1000;
  const content = Buffer.from('{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"torn');
  log.records.push({ id: 'torn', time: torn, arrival: torn, visibleAt: torn, content });
  const late = START + 7 * HOUR + 2000;
  log.records.push({
    id: 'late',
    time: late,
    arrival: late,
    visibleAt: START + 20 * HOUR,
    content: eventLine(late, 'id-late'),
  });
  return log;
}

/** Collects up to `hours` after the start. */
export async function collectUntil(store: Store, log: FakeLog, hours: number, window = '1h'): Promise<void> {
  log.now = START + hours * HOUR + 600_000;
  const summary = await run(store, log, { config: { collect: { start: '2026-06-20T00:00:00Z', window } } });
  if (summary.errors.length > 0) throw summary.errors[0]!;
}

export interface Archive {
  readonly directory: string;
  readonly signer: ReturnType<typeof newSigner>;
  /** When its last window was collected and rechecked. */
  readonly now: number;
  readonly log: FakeLog;
}

/** Two days and their rechecks, sealed four times on the way. */
export async function sealedArchive(window = '1h'): Promise<Archive> {
  const directory = temporary();
  const store = folderStore(directory);
  const signer = newSigner();
  const log = twoDays();
  for (const hours of [12, 24, 40, 76]) {
    await collectUntil(store, log, hours, window);
    await sealAll(store, { signer });
  }
  return { directory, signer, now: log.now, log };
}

/** All files of an archive but the store's own temporary ones. */
export function filesOf(directory: string, from = directory): string[] {
  return readdirSync(from)
    .filter((name) => name !== '.tmp')
    .flatMap((name) => {
      const path = join(from, name);
      return statSync(path).isDirectory() ? filesOf(directory, path) : [relative(directory, path)];
    })
    .sort();
}

export function copyOf(directory: string): string {
  const target = temporary('copy');
  cpSync(directory, target, { recursive: true });
  return target;
}

/** Changes a file. */
export function edit(directory: string, key: string, change: (bytes: Buffer) => Buffer): void {
  const path = join(directory, key);
  writeFileSync(path, change(readFileSync(path)));
}

export { DAY, HOUR };
