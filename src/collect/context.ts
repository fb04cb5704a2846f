// What the stages of one cluster's run share: cluster, source, store, clock, limits, and who is told about progress.

import type { LimitFunction } from 'p-limit';
import type { Ledger } from '../archive/ledger.ts';
import type { Manifest } from '../archive/manifest.ts';
import type { Scratch } from '../archive/spool.ts';
import type { Store } from '../archive/store/store.ts';
import type { Cluster, Config } from '../config.ts';
import type { Log } from '../log.ts';
import type { ApplyPolicy } from '../policy/apply.ts';
import type { Redactor } from '../policy/redact.ts';
import type { Horizon, Source, Span, Visible } from '../provider.ts';
import type { Mark } from './clean-up.ts';
import type { Clock } from './clock.ts';
import type { Plan } from './plan.ts';
import type { RetryDeps } from './retry.ts';
import type { Hand, InSlot } from './walk.ts';

/** What a run tells while it goes on; for progress display and one log line a window. */
export type RunEvent =
  | { readonly type: 'plan'; readonly cluster: string; readonly plan: Plan; readonly ledger: Ledger }
  | {
      readonly type: 'page';
      readonly cluster: string;
      readonly bytes: number;
      readonly records: number;
      readonly position?: number;
    }
  | {
      readonly type: 'manifest';
      readonly cluster: string;
      readonly manifest: Manifest;
      /** False: another run was first, and its manifest stands. */
      readonly won: boolean;
    }
  | {
      readonly type: 'failed';
      readonly cluster: string;
      readonly what: string;
      readonly windows: number;
      readonly error: Error;
    };

export interface ClusterContext {
  readonly cluster: Cluster;
  readonly source: Source;
  readonly store: Store;
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly scratch: Scratch;
  /** Walks at the same time, over all clusters of the run: no place in it is held while windows are packed and put. */
  readonly reads: InSlot;
  /** Shared by all walks of the run. */
  readonly hand: Hand;
  /** Into so many pieces a walk may be split: all walks together make no more than `collect.parallel`. */
  readonly pieces: number;
  /** Windows that are packed and put at the same time. */
  readonly commits: LimitFunction;
  /** The last answer about what can be seen, and when it was asked for (steady clock, milliseconds). */
  readonly looked: { last?: { readonly at: number; readonly seen: Promise<Seen> } };
  /** For page reads, under the quota of the source. */
  readonly reading: RetryDeps;
  /** For the few other calls (horizon, visible, identity). */
  readonly asking: RetryDeps;
  readonly lateness: { readonly first: number; readonly recheck: number };
  /** End of the first window that the cluster's plan began with, milliseconds since the epoch. */
  readonly firstEnd: number;
  readonly configSha256: string;
  /** The cluster's policy, prepared. */
  readonly apply: ApplyPolicy;
  readonly redact?: Redactor;
  /** `auditkeep 0.1.0`. */
  readonly version: string;
  /** Manifests that this run holds, by name. */
  readonly manifests: Map<string, Manifest>;
  /** Days whose folders this run wrote to. */
  readonly touched: Set<string>;
  readonly mark: Mark;
  emit(event: RunEvent): void;
}

/** What was seen when a read ended. */
export interface Seen {
  readonly horizon: Horizon;
  readonly visible: Visible;
}

/** What one planned window or recheck came to. */
export type Outcome =
  | { readonly name: string; readonly span: Span; readonly manifest: Manifest; readonly won: boolean }
  | { readonly name: string; readonly span: Span; readonly error: Error };
