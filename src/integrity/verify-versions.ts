// Verification on a versioned bucket: delete markers, overwritten versions, an earlier checkpoint that was larger, retention.

import { partsOf } from '../archive/manifest.ts';
import { formatTime } from '../time.ts';
import { CHECKPOINT_KEY, parseCheckpoint } from './checkpoint.ts';
import { clusterOfKey, entryKind } from './entry.ts';
import type { Findings } from './findings.ts';
import type { ClusterLedger } from './verify-ledger.ts';

export interface Version {
  readonly key: string;
  readonly id: string;
  readonly isLatest: boolean;
  readonly isDeleteMarker: boolean;
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly modified: number;
  /** Changes with the content. */
  readonly tag: string;
}

export interface Retention {
  readonly mode?: string;
  /** Milliseconds since the epoch. */
  readonly until?: number;
}

/** A bucket's versions, for verification alone. */
export interface ArchiveVersions {
  /** All versions and delete markers, those of a key together, the newest first. */
  list(): AsyncIterable<Version>;
  get(key: string, id: string): Promise<Buffer | undefined>;
  retention(key: string, id: string): Promise<Retention>;
}

export interface LockRule {
  readonly mode: 'GOVERNANCE' | 'COMPLIANCE';
  readonly days: number;
}

const DAY = 86_400_000;
/** Between the clock that set the retention and that of the bucket. */
const SLACK = 3_600_000;
/** What Object Lock holds (the checkpoint and partial tiles change). */
const LOCKED = /^(events|rejects|raw|ids|ledger|policies)\/|^log\/(batch|keys)\/|^log\/tile\/(?!.*\.p\/)/;

/** Looks at what a plain listing doesn't show. */
export async function verifyVersions(
  versions: ArchiveVersions,
  ledgers: ReadonlyMap<string, ClusterLedger>,
  lock: LockRule | undefined,
  findings: Findings,
): Promise<void> {
  const listed = new Set<string>();
  for (const { manifests } of ledgers.values())
    for (const { manifest } of manifests.values())
      for (const part of [...partsOf(manifest), ...(manifest.ids === undefined ? [] : [manifest.ids])])
        listed.add(part.key);
  const isListed = (key: string) => listed.has(key) || entryKind(key) !== undefined || key === CHECKPOINT_KEY;
  let current: Version | undefined;
  let largest: { readonly size: number; readonly id: string } | undefined;
  let now: number | undefined;
  for await (const version of versions.list()) {
    const { key, id } = version;
    const about = { key, ...(clusterOfKey(key) !== undefined && { cluster: clusterOfKey(key)! }) };
    if (version.isLatest) current = version;
    if (version.isDeleteMarker) {
      if (version.isLatest && isListed(key))
        findings.tampered(
          'delete-marker',
          `${key} is hidden by a delete marker of ${formatTime(version.modified)}`,
          about,
        );
      continue;
    }
    if (key === CHECKPOINT_KEY) {
      const size = parseCheckpoint((await versions.get(key, id)) ?? Buffer.alloc(0))?.size ?? 0;
      if (version.isLatest) now = size;
      if (size > (largest?.size ?? -1)) largest = { size, id };
    } else if (
      !version.isLatest &&
      current?.key === key &&
      isListed(key) &&
      !current.isDeleteMarker &&
      current.tag !== version.tag
    )
      findings.notice('overwritten', `${key} has an earlier version (${id}) with other content`);
    if (lock === undefined || !LOCKED.test(key)) continue;
    const { mode, until } = await versions.retention(key, id);
    if (mode !== lock.mode)
      findings.incomplete('not-locked', `${key} (${id}) is ${mode ?? 'not'} locked, not ${lock.mode}`, about);
    else if ((until ?? 0) < version.modified + lock.days * DAY - SLACK)
      findings.incomplete('lock-short', `${key} (${id}) is locked until ${formatTime(until ?? 0)} only`, about);
  }
  if (largest !== undefined && now !== undefined && now < largest.size)
    findings.incomplete(
      'log-shrunken',
      `${CHECKPOINT_KEY} was rolled back: version ${largest.id} has ${largest.size} leaves, the current one ${now}`,
      { key: CHECKPOINT_KEY },
    );
}
