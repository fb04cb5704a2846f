// Runs the collector in this process against a fake source and a directory.

import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFileStore } from '../../src/archive/store/file.ts';
import type { Store } from '../../src/archive/store/store.ts';
import { withRetries } from '../../src/archive/store/retrying.ts';
import { createClock } from '../../src/collect/clock.ts';
import { type ClusterSummary, collect, type RunInput } from '../../src/collect/collect.ts';
import { type Config, parseConfig } from '../../src/config.ts';
import { silentLog } from '../../src/log.ts';
import type { Span } from '../../src/provider.ts';
import { type FakeLog, fakeProvider } from './fake-source.ts';

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

export function temporaryArchive(): { directory: string; store: Store } {
  const directory = mkdtempSync(join(tmpdir(), 'archive-test-'));
  return { directory, store: openFileStore(directory, { onServerDate() {} }) };
}

export interface RunOptions {
  readonly config?: Record<string, unknown>;
  readonly cluster?: Record<string, unknown>;
  readonly only?: Span;
  readonly signal?: AbortSignal;
  readonly hostClock?: () => number;
  readonly emit?: RunInput['emit'];
  readonly version?: string;
}

/** The config as the program would parse it, with one fake cluster `one`. */
export async function fakeConfig(log: FakeLog, options: RunOptions = {}): Promise<Config> {
  const text = JSON.stringify({
    archive: './unused',
    ...options.config,
    clusters: [{ name: 'one', provider: 'fake', ...options.cluster }],
  });
  return parseConfig(text, { fake: async () => fakeProvider(log) }, {});
}

export async function run(store: Store, log: FakeLog, options: RunOptions = {}): Promise<ClusterSummary> {
  const config = await fakeConfig(log, options);
  const { config: _config, cluster: _cluster, hostClock = () => log.now, ...given } = options;
  const signal = given.signal ?? new AbortController().signal;
  const sleep = async () => undefined;
  const retrying = withRetries(store, { signal, log: silentLog, sleep });
  const [summary] = await collectAt(hostClock, config, retrying, { ...given, signal, sleep });
  return summary!;
}

/** One run over all clusters of the config, as cron would start it at `now`. */
export function collectAt(
  now: number | (() => number),
  config: Config,
  store: Store,
  more: Partial<RunInput> = {},
): Promise<ClusterSummary[]> {
  return collect({
    config,
    clusters: config.clusters,
    store,
    clock: createClock(typeof now === 'number' ? () => now : now, undefined, silentLog),
    log: silentLog,
    signal: new AbortController().signal,
    version: 'auditkeep test',
    emit: () => undefined,
    ...more,
  });
}
