// What a run is given; shared by collect, backfill and plan.

import type { Store } from '../archive/store/store.ts';
import type { Cluster, Config } from '../config.ts';
import type { Log } from '../log.ts';
import type { Span } from '../provider.ts';
import type { Clock } from './clock.ts';
import type { RunEvent } from './context.ts';
import type { Sleep } from './limiter.ts';

export interface RunInput {
  readonly config: Config;
  readonly clusters: readonly Cluster[];
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** `auditkeep 0.1.0`. */
  readonly version: string;
  /** Keys of the ledger that the signed log names: what of these is gone is never collected again. */
  sealedKeys?(): Promise<ReadonlySet<string>>;
  /** Backfill: only these arrival times; widened to the grid. */
  readonly only?: Span;
  readonly shard?: { readonly index: number; readonly of: number };
  emit(event: RunEvent): void;
  /** How limiters and retries wait; in real time when absent. */
  readonly sleep?: Sleep;
}
