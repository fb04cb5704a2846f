// Events for the policy commands: lines of files or stdin, or what the archive holds of a range, read through the ledger.

import { dayStart, recheckName, windowName } from '../archive/keys.ts';
import { readLedger, readManifest } from '../archive/ledger.ts';
import type { Store } from '../archive/store/store.ts';
import { AuditkeepError, ConfigError, TamperError } from '../errors.ts';
import { type AuditEvent, scanEvent } from '../event.ts';
import type { PolicyOptions } from '../policy/apply.ts';
import { userReader } from '../policy/groups.ts';
import type { Provider, Span } from '../provider.ts';
import { formatTime } from '../time.ts';
import type { Cli } from './io.ts';
import { withRun } from './open-run.ts';
import { formatCount } from './output.ts';
import { contentOf, unpack } from './read-file.ts';
import { rangeOption } from './when.ts';

/** Options of every command that reads events. */
export interface EventOptions {
  archive?: boolean;
  cluster?: string[];
  from?: string;
  to?: string;
}

/** An event, and whether its source tells the groups of users: who is authenticated has at least one. */
export interface ReadEvent {
  readonly event: AuditEvent;
  readonly groups: 'known' | 'unknown';
}

export interface EventSource {
  /** For people: the files, or the archive with its range. */
  readonly name: string;
  readonly events: AsyncIterable<ReadEvent>;
  /** Records that are no events, by reason; complete when `events` has ended. */
  readonly notEvents: Readonly<Record<string, number>>;
  /** As the config says for the archive; for files the defaults. */
  readonly rules: Pick<PolicyOptions, 'secrets' | 'panics'>;
}

/** How far back the archive is read without `--from`. */
const RECENT = '-7d';

const DAY = 86_400_000;

/** Opens what files and options name, runs, and closes it whatever happens. Throws ConfigError where they name nothing, or two things. */
export async function withEvents<T>(
  cli: Cli<EventOptions>,
  files: readonly string[],
  work: (source: EventSource) => Promise<T>,
): Promise<T> {
  const { options } = cli;
  if (options.archive !== true) {
    if (files.length === 0)
      throw new ConfigError('no events: name files, - for stdin, or --archive for those of the config');
    for (const flag of ['cluster', 'from', 'to'] as const)
      if (options[flag] !== undefined) throw new ConfigError(`--${flag} goes with --archive only`);
    const reader = await createReader(cli);
    return work({
      name: files.map((file) => (file === '-' ? 'stdin' : file)).join(', '),
      events: reader.read(fileChunks(files, cli, reader.soFar)),
      notEvents: reader.notEvents,
      rules: { secrets: 'redact', panics: 'keep' },
    });
  }
  if (files.length > 0) throw new ConfigError('either files or --archive, not both');
  return withRun(cli as Cli, async (run) => {
    const span = rangeOption(options.from ?? RECENT, options.to, run.now);
    const reader = await createReader(cli);
    const parts = partsOf(
      run.store,
      run.clusters.map(({ name }) => name),
      span,
    );
    return work({
      name: `${run.config.archive}, ${formatTime(span.from)} to ${formatTime(span.to)}`,
      events: reader.read(partChunks(run.store, parts)),
      notEvents: reader.notEvents,
      rules: { secrets: run.config.secrets, panics: run.config.panics },
    });
  });
}

/** Reads event lines as the provider of audit.log files does: EventLists are opened, overlong lines bounded. */
async function createReader(cli: Cli) {
  const load = cli.registry['kube'];
  if (load === undefined) throw new ConfigError('this build has no provider for audit.log files');
  const provider: Provider = await load();
  const options = provider.options.safeParse({}).data;
  const readUser = userReader('known');
  const notEvents: Record<string, number> = {};
  let events = 0;
  return {
    notEvents,
    soFar: () => `${formatCount(events)} events were read before that`,
    async *read(files: AsyncIterable<AsyncIterable<Buffer>>): AsyncGenerator<ReadEvent> {
      for await (const chunks of files)
        for await (const record of provider.readExport(chunks)) {
          cli.signal.throwIfAborted();
          const decoded = provider.decode(record, options);
          if ('skip' in decoded) continue;
          const event = 'event' in decoded ? (decoded.scan ?? scanEvent(decoded.event)) : { not: decoded.reject };
          if ('not' in event) {
            notEvents[event.not] = (notEvents[event.not] ?? 0) + 1;
            continue;
          }
          events++;
          const user = readUser(event);
          yield { event, groups: user !== null && user.groups.length === 0 ? 'unknown' : 'known' };
        }
    },
  };
}

async function* fileChunks(files: readonly string[], cli: Cli, soFar: () => string) {
  for (const file of files) yield contentOf(file, cli, soFar);
}

/** Keys of the event parts of all manifests whose span of arrival touches the range. */
async function* partsOf(store: Store, clusters: readonly string[], span: Span): AsyncGenerator<string> {
  for (const cluster of clusters) {
    const ledger = await readLedger(store, cluster);
    const touches = (from: number, to: number) => from < span.to && to > span.from;
    const names = [...ledger.windows.values()].filter(({ from, to }) => touches(from, to)).map(windowName);
    for (const [date, rounds] of ledger.rechecks)
      if (touches(dayStart(date), dayStart(date) + DAY))
        for (let round = 1; round <= rounds; round++) names.push(recheckName(date, round));
    for (const name of names.sort())
      for (const { key } of (await readManifest(store, cluster, name)).manifest.parts) yield key;
  }
}

async function* partChunks(store: Store, keys: AsyncIterable<string>): AsyncGenerator<AsyncIterable<Buffer>> {
  for await (const key of keys) {
    const stream = await store.read(key);
    if (stream === undefined) throw new TamperError(`${store.url}: ${key} is listed in the ledger and is gone`);
    yield whole(store, key, unpack(stream));
  }
}

async function* whole(store: Store, key: string, chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* chunks;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (typeof code !== 'string' || !/^Z(STD)?_/.test(code)) throw error;
    throw new TamperError(`${store.url}: ${key} can't be decompressed`, {
      cause: error,
      hint: '"auditkeep verify" says what else is wrong',
    });
  }
}

/** The error where a source had no event: nothing can be said of it. */
export function noEvents(source: EventSource): AuditkeepError {
  const others = inWords(source.notEvents);
  return new AuditkeepError(`${source.name}: no events${others === '' ? '' : `, but ${others}`}`, {
    hint: 'files hold one Event a line ("auditkeep decode" makes such lines of what clouds export); of the archive, --from and --to choose the range of arrival (default: the last 7 days)',
  });
}

/** `3 records that are no events (not-json 2, truncated 1)`; empty where there are none. */
export function inWords(notEvents: Readonly<Record<string, number>>): string {
  const reasons = Object.entries(notEvents).sort(([a], [b]) => (a < b ? -1 : 1));
  const total = reasons.reduce((sum, [, n]) => sum + n, 0);
  if (total === 0) return '';
  return `${formatCount(total)} records that are no events (${reasons.map(([reason, n]) => `${reason} ${formatCount(n)}`).join(', ')})`;
}
