// What every command over an archive begins with: config, chosen clusters, log, clock, store.

import { setTimeout as sleep } from 'node:timers/promises';
import { openStore } from '../archive/store/open.ts';
import { withRetries } from '../archive/store/retrying.ts';
import type { Store } from '../archive/store/store.ts';
import { type Clock, createClock } from '../collect/clock.ts';
import { type Cluster, type Config, loadConfig } from '../config.ts';
import type { Log } from '../log.ts';
import type { Cli } from './io.ts';
import { selectClusters } from './select.ts';
import { nowOption } from './when.ts';

export interface RunOptions {
  cluster?: string[];
  asOf?: string;
}

export interface OpenRun {
  readonly config: Config;
  /** Those that `--cluster` chose. */
  readonly clusters: readonly Cluster[];
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** The time that the command works for: the clock's, or `--as-of`. Milliseconds since the epoch. */
  readonly now: number;
}

/** Opens what the options name, runs, and closes the store whatever happens. */
export async function withRun<T>(cli: Cli<RunOptions>, work: (run: OpenRun) => Promise<T>): Promise<T> {
  const { options } = cli;
  const asOf = options.asOf === undefined ? undefined : nowOption(options.asOf, cli.now());
  const config = await loadConfig(options.config, cli.registry, cli.env);
  const clusters = selectClusters(config.clusters, options.cluster);
  const log = await cli.openLog();
  const clock = createClock(cli.now, asOf, log);
  const opened = await openStore(config.archive, config.s3, {
    onServerDate: (date) => clock.observe('the archive', date),
  });
  const store = withRetries(opened, {
    signal: cli.signal,
    log,
    sleep: (ms, signal) => sleep(ms, undefined, { signal }),
  });
  try {
    return await work({ config, clusters, store, clock, log, now: asOf ?? cli.now() });
  } finally {
    await store.close();
  }
}
