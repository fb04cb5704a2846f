// Pages of a window from Cloud Logging.

import {
  AuditkeepError,
  type ClusterSettings,
  giveMemory,
  type Page,
  type Query,
  type Source,
  type SourceDeps,
  StaleTokenError,
} from '../../src/provider.ts';
import { createAccess } from './access.ts';
import { createClient, unlessAborted } from './client.ts';
import { boundsOf, filterOf } from './filter.ts';
import type { GkeOptions } from './options.ts';
import { parsePage } from './page.ts';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
/** The most that entries.list takes. The default of 50 would use up the quota twenty times as fast. */
const PAGE_SIZE = 1000;
/** Share of the allowed rate that is kept to: calls count by the minute, and the limiter may catch up on up to 0.9 s of them at once. */
const STEADY = 60 / (60 + 0.9 + 0.3);
const ORDER = 'timestamp asc';

/** @throws nothing: connections and SDKs come with the first call */
export function connect(settings: ClusterSettings, options: GkeOptions, deps: SourceDeps): Source {
  const { project, location, cluster, resourceNames } = options;
  const client = createClient(options, settings, deps.onServerDate);
  const access = createAccess(options, client, deps.now);
  let closed = false;
  let checked: Promise<void> | undefined;

  function open(action: string, signal: AbortSignal): void {
    if (closed) throw new AuditkeepError(`${action} after close`);
    signal.throwIfAborted();
  }

  /** Asked once for all walks, so that no walk's end is another one's error. */
  function check(signal: AbortSignal): Promise<void> {
    if (checked === undefined) {
      const asked = access.check(new AbortController().signal);
      checked = asked;
      // a failure is not kept: the next caller asks again
      asked.catch(() => {
        if (checked === asked) checked = undefined;
      });
    }
    return unlessAborted(checked, signal);
  }

  async function fetchPage(query: Query, token: string | undefined, signal: AbortSignal): Promise<Page> {
    open('entries.list', signal);
    await check(signal);
    const body = {
      resourceNames,
      filter: filterOf(options, query),
      orderBy: ORDER,
      pageSize: PAGE_SIZE,
      ...(token !== undefined && { pageToken: token }),
    };
    const answer = await client.call(
      {
        api: 'logging',
        method: 'POST',
        path: '/v2/entries:list?prettyPrint=false',
        body,
        action: 'entries.list',
        resource: resourceNames.join(', '),
        permissions: 'logging.logEntries.list, and logging.privateLogEntries.list for Data Access entries,',
        role: 'roles/logging.privateLogViewer',
        token: token !== undefined,
      },
      signal,
    );
    const page = parsePage(answer.body);
    if (page.next !== undefined && page.next === token)
      throw new StaleTokenError('entries.list gave the page token back that was sent: the walk goes in a circle');
    // pages come in the order of event time
    const last = page.records.at(-1)?.time;
    return {
      ...page,
      bytes: answer.bytes,
      ...(last !== undefined && { position: last }),
      release: () => giveMemory(answer.body),
    };
  }

  return {
    settle: 5 * MINUTE,
    lateness: { first: DAY, recheck: 7 * DAY, max: 30 * DAY },
    reads: 'exact',
    bounds: boundsOf,
    quota: () =>
      Promise.resolve({
        key: `gcp:${options.quotaProject ?? project}:logging.read`,
        perSecond: (options.callsPerMinute / 60) * STEADY,
      }),
    describe: (query) => ({
      action: 'entries.list',
      resourceNames: resourceNames.join(','),
      filter: filterOf(options, query),
      orderBy: ORDER,
      pageSize: PAGE_SIZE,
    }),
    identity: () => Promise.resolve(`gcp:${project}:${location}:${cluster}`),
    async horizon(signal) {
      open('buckets.list', signal);
      return access.horizon(signal);
    },
    async visible(signal) {
      open('getIamPolicy', signal);
      return access.visible(signal);
    },
    fetchPage,
    close() {
      closed = true;
      return Promise.resolve();
    },
  };
}
