// The map of a verification: log → ledger → coverage → objects, everything that is wrong found in one run.

import { AuditkeepError } from '../errors.ts';
import type { Store } from '../archive/store/store.ts';
import type { Span } from '../provider.ts';
import { type SignedCheckpoint } from './checkpoint.ts';
import { createFindings, type Finding, type Notice } from './findings.ts';
import type { LastSeen } from './last-seen.ts';
import { toBase64 } from './base64.ts';
import { type ClusterSettings, type CoverageReport, verifyCoverage } from './verify-coverage.ts';
import { verifyLedger } from './verify-ledger.ts';
import { verifyLog } from './verify-log.ts';
import { type Memory, type Mode, type ObjectsReport, verifyObjects } from './verify-objects.ts';
import { type ArchiveVersions, type LockRule, verifyVersions } from './verify-versions.ts';
import type { Verifier } from './vkey.ts';

export interface VerifyInput {
  readonly store: Store;
  readonly verifiers: readonly Verifier[];
  readonly pinned?: SignedCheckpoint;
  readonly anchor?: Store;
  readonly lastSeen: LastSeen;
  readonly mode: Mode;
  /** Arrival times to verify; absent = from the first window to now. */
  readonly range?: Span;
  /** Clusters to verify; absent = all in the archive. */
  isWanted?(cluster: string): boolean;
  settings(cluster: string): ClusterSettings;
  /** Clusters that must be there. */
  readonly expected?: readonly string[];
  /** The archive must be complete up to here, less what may still be under way. */
  readonly now: number;
  /** The clock of this machine; differs from `now` in drills. */
  readonly hostClock?: number;
  readonly parallel: number;
  /** Does the store hold hashes of its objects (S3)? */
  readonly holdsHashes: boolean;
  /** Of a versioned bucket. */
  readonly versions?: ArchiveVersions;
  /** Each version must be locked like this. */
  readonly lock?: LockRule;
  readonly signal: AbortSignal;
  /** `total`: files of this stage, where that is known. Bytes of objects are those of the archive, read in this run or not. */
  onProgress?(stage: 'ledger' | 'objects', files: number, bytes: number, total: number | undefined): void;
}

export interface VerifyReport {
  readonly archive: string;
  readonly mode: Mode;
  readonly exitCode: number;
  readonly log?: {
    readonly origin: string;
    readonly size: number;
    readonly root: string;
    readonly signedBy: readonly string[];
    readonly cosignedBy: readonly { readonly witness: string; readonly at: string }[];
  };
  readonly clusters: readonly CoverageReport[];
  readonly objects: {
    readonly listed: number;
    readonly read: number;
    readonly remembered: number;
    readonly bytesRead: number;
    readonly contentBytes: number;
  };
  readonly findings: readonly Finding[];
  readonly notices: readonly Notice[];
}

const MEMORY = 'verified';

/** Never throws for what is wrong with the archive: that is in the findings. Rejects when the store can't be read, or on abort. */
export async function verify(input: VerifyInput): Promise<VerifyReport> {
  const { store, lastSeen, signal } = input;
  const findings = createFindings();
  const isWanted = (cluster: string) => input.isWanted?.(cluster) ?? true;
  const scope = { isWanted, ...(input.range !== undefined && { range: input.range }) };
  const log = await verifyLog(input, findings);
  signal.throwIfAborted();
  let files = 0;
  const ledgers = await verifyLedger(store, log?.leaves, scope, findings, (total) =>
    input.onProgress?.('ledger', ++files, 0, total),
  );
  signal.throwIfAborted();
  for (const cluster of input.expected ?? [])
    if (!ledgers.has(cluster))
      findings.incomplete('cluster-missing', `${cluster} stands in the config, and nothing of it is in the archive`, {
        cluster,
      });
  const clusters = [...ledgers.values()]
    .sort((a, b) => (a.cluster < b.cluster ? -1 : 1))
    .map((ledger) =>
      verifyCoverage(ledger, input.settings(ledger.cluster), scope, input.now, findings, input.hostClock),
    );
  const memory =
    input.mode === 'normal' && log !== undefined ? await recall(lastSeen, log.checkpoint.origin) : new Set<string>();
  let bytes = 0;
  files = 0;
  const fresh: Memory = new Set();
  const note = async () => {
    if (log === undefined || input.mode === 'fast') return;
    // what was out of this run's scope, or not reached, stays remembered
    const all = new Set([...fresh, ...memory]);
    await lastSeen.write(log.checkpoint.origin, MEMORY, Buffer.from([...all].join(''), 'latin1'));
  };
  const onObject = (size: number, total: number) => input.onProgress?.('objects', ++files, (bytes += size), total);
  let objects: ObjectsReport;
  try {
    objects = await verifyObjects({ ...input, ledgers, scope, memory, fresh, onObject }, findings);
  } catch (error) {
    // the next run goes on from here
    if (signal.aborted) await note().catch(() => undefined);
    throw error;
  }
  if (input.versions !== undefined) await verifyVersions(input.versions, ledgers, input.lock, findings);
  if (clusters.every(({ windows }) => windows === 0))
    findings.unverifiable('nothing-found', 'no window was found to verify: nothing found is no success');
  if (findings.exitCode() === 0 && log !== undefined) {
    try {
      await lastSeen.remember(store.url, log.checkpoint);
      // all that is there was looked at: what isn't any more is forgotten
      if (input.range === undefined && input.isWanted === undefined) memory.clear();
      await note();
    } catch (error) {
      const hint = error instanceof AuditkeepError && error.hint !== undefined ? `: ${error.hint}` : '';
      findings.notice('not-remembered', `${(error as Error).message}${hint}`);
    }
  }
  return {
    archive: store.url,
    mode: input.mode,
    exitCode: findings.exitCode(),
    ...(log !== undefined && {
      log: {
        origin: log.checkpoint.origin,
        size: log.checkpoint.size,
        root: toBase64(log.checkpoint.root),
        signedBy: log.signedBy,
        cosignedBy: log.cosignedBy,
      },
    }),
    clusters,
    objects: {
      listed: objects.objects,
      read: objects.read,
      remembered: objects.remembered,
      bytesRead: objects.bytesRead,
      contentBytes: objects.contentBytes,
    },
    findings: findings.all,
    notices: findings.notices,
  };
}

async function recall(lastSeen: LastSeen, origin: string): Promise<Memory> {
  const text = (await lastSeen.read(origin, MEMORY))?.toString('latin1') ?? '';
  return new Set(text.match(/.{16}/g) ?? []);
}
