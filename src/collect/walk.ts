// The page walk of one query: page by page, the next one fetched while the last is worked on; halves what is too large.

import { StaleTokenError, TransientError, WindowTooLargeError } from '../errors.ts';
import type { Page, Query, Source } from '../provider.ts';
import { callProvider, type RetryDeps } from './retry.ts';

/** Called for each page in order. Nothing is held back: the next page waits until it resolves. */
export type OnPage = (page: Page) => Promise<void>;

/**
 * Walks all pages of a query. Resolves with their number when the walk is complete, and only then.
 * Throws StaleTokenError where it must start again from the beginning: what `onPage` has taken must be thrown away then.
 */
export async function walk(source: Source, query: Query, deps: RetryDeps, onPage: OnPage): Promise<number> {
  try {
    return await walkOnce(source, query, deps, onPage);
  } catch (error) {
    if (!(error instanceof WindowTooLargeError)) throw error;
    const { from, to } = query.arrival;
    const middle = Math.floor((from + to) / 2);
    if (middle === from) throw error;
    deps.log.debug({ from, to, error: error.message }, 'too much for one query; halving it');
    const first = await walk(source, { ...query, arrival: { from, to: middle } }, deps, onPage);
    return first + (await walk(source, { ...query, arrival: { from: middle, to } }, deps, onPage));
  }
}

async function walkOnce(source: Source, query: Query, deps: RetryDeps, onPage: OnPage): Promise<number> {
  const seen = new Set<string>();
  const fetch = (token: string | undefined) =>
    callProvider('page', () => source.fetchPage(query, token, deps.signal), deps);
  let pages = 0;
  let coming = fetch(undefined);
  for (;;) {
    const page = await coming;
    pages++;
    deps.log.debug({ records: page.records.length, bytes: page.bytes }, 'page');
    const { next } = page;
    if (next !== undefined) {
      if (seen.has(next)) throw new StaleTokenError('the service gave a page token twice: the walk would not end');
      seen.add(next);
      coming = fetch(next);
      coming.catch(() => undefined); // awaited at the top of the loop, unless this page fails first
    }
    await onPage(page);
    if (next === undefined) return pages;
  }
}

/** How often a walk starts again before it counts as failed. */
const MOST_RESTARTS = 4;

/** Runs `attempt` again when its walk lost its place. `attempt` starts from nothing each time. */
export async function restarting<T>(attempt: () => Promise<T>, deps: Pick<RetryDeps, 'log'>): Promise<T> {
  for (let restarts = 1; ; restarts++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof StaleTokenError)) throw error;
      if (restarts > MOST_RESTARTS)
        throw new TransientError(`the page walk lost its place ${restarts} times: ${error.message}`, { cause: error });
      deps.log.warn({ restarts, error: error.message }, 'the page walk starts again; nothing lost');
    }
  }
}
