// Checks the archive: does it answer, can it hold one, how is it protected, what lies in it already.

import { setTimeout as sleep } from 'node:timers/promises';
import { type Ledger, readLedger } from '../archive/ledger.ts';
import { openStore } from '../archive/store/open.ts';
import { withRetries } from '../archive/store/retrying.ts';
import type { Store } from '../archive/store/store.ts';
import type { Cluster, Config } from '../config.ts';
import { readCheckpoint } from '../integrity/read-log.ts';
import type { Log } from '../log.ts';
import { checkSetup, probeBucket } from './check-bucket.ts';
import { checkFolder, checkMissingFolder } from './check-folder.ts';
import { type ClockWatch, counted, failed, ok, type Point, type Report, reportOf } from './check-point.ts';

/** A person waits for the answer. */
const ATTEMPTS = 3;

export interface ArchiveDeps {
  readonly config: Config;
  readonly clusters: readonly Cluster[];
  readonly clock: ClockWatch;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** The store of an archive, given up on sooner than a collector would. Throws ConfigError. */
export async function openForCheck(url: string, { config, clock, log, signal }: ArchiveDeps): Promise<Store> {
  const opened = await openStore(url, config.s3, { onServerDate: clock.onServerDate });
  return withRetries(opened, {
    signal,
    log,
    attempts: ATTEMPTS,
    sleep: (ms, stop) => sleep(ms, undefined, { signal: stop }),
  });
}

export interface CheckedArchive {
  readonly report: Report;
  /** What the archive has of each cluster, by name; empty where it can't be read. */
  readonly ledgers: ReadonlyMap<string, Ledger>;
}

/** @param store undefined where it could not even be opened, for the reason given */
export async function checkArchive(store: Store | Error, deps: ArchiveDeps): Promise<CheckedArchive> {
  const { config, clock, signal } = deps;
  const points: Point[] = [];
  let facts: Report['facts'] = {};
  const ledgers = new Map<string, Ledger>();
  const done = () => ({ report: reportOf('archive', config.archive, points, facts), ledgers });
  if (store instanceof Error) {
    points.push(failed('reach', store, signal));
    return done();
  }
  const inBucket = config.archive.startsWith('s3://');
  try {
    const missing = inBucket ? undefined : await checkMissingFolder('reach', store.url, 'archive', signal);
    if (missing !== undefined) {
      points.push(missing);
      return done();
    }
    await store.list('')[Symbol.asyncIterator]().next();
    points.push(ok('reach', 'it answers, and may be listed'));
  } catch (error) {
    points.push(failed('reach', error, signal), ...clock.points());
    return done();
  }
  if (inBucket) {
    const probed = await probeBucket(store, signal);
    points.push(...probed.points);
    try {
      const setup = await checkSetup(config.archive, config.s3, probed.written, clock.onServerDate);
      points.push(...setup.points);
      facts = setup.facts;
    } catch (error) {
      points.push(failed('lock', error, signal));
    }
  } else points.push(await checkFolder(store, signal));
  points.push(await ledgerPoint(store, deps, ledgers), await logPoint(store, signal), ...clock.points());
  return done();
}

async function ledgerPoint(store: Store, { clusters, signal }: ArchiveDeps, into: Map<string, Ledger>): Promise<Point> {
  const faults: unknown[] = [];
  await Promise.all(
    clusters.map(async ({ name }) => {
      try {
        into.set(name, await readLedger(store, name));
      } catch (error) {
        faults.push(error);
      }
    }),
  );
  if (faults.length > 0) return failed('ledger', faults[0], signal);
  const begun = [...into.values()].filter(({ file }) => file !== undefined);
  const windows = begun.reduce((sum, ledger) => sum + ledger.windows.size, 0);
  if (begun.length === 0) return ok('ledger', 'nothing was collected yet; "auditkeep plan" shows what would be');
  return ok('ledger', `${counted(windows, 'window')} of ${begun.length} of ${counted(clusters.length, 'cluster')}`);
}

async function logPoint(store: Store, signal: AbortSignal): Promise<Point> {
  try {
    const stored = await readCheckpoint(store);
    if (stored === undefined) return ok('log', 'nothing was sealed yet; collect and "auditkeep seal" do');
    const { origin, size } = stored.checkpoint;
    return ok('log', `${counted(size, 'ledger file')} sealed, in the log ${origin}`);
  } catch (error) {
    return failed('log', error, signal);
  }
}
