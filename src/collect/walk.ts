// The page walk of one query: page by page, the next one fetched while the last is worked on; halves what is too large.

import { StaleTokenError, TransientError, WindowTooLargeError } from '../errors.ts';
import type { Page, Query, Source, Span } from '../provider.ts';
import { callProvider, type RetryDeps } from './retry.ts';

/** Called for one page at a time, in order within each part of the query. Nothing is held back: the next page waits until it resolves. */
export type OnPage = (page: Page) => Promise<void>;

/** With so many pages of a walk in hand there is enough to do: the next ones are asked for when these are done. */
const ENOUGH_IN_HAND = 2;
/** The same for bytes of pages, over all walks of the run: what waits any longer only takes memory. */
const ENOUGH_BYTES = 8 << 20;

/** Bytes of pages that have come and are not done with, over all walks of a run. */
export interface Hand {
  bytes: number;
}

/** Runs work as soon as one more page walk may run. */
export type InSlot = <T>(work: () => Promise<T>) => Promise<T>;

/** The walk over one query, which may become several: what the service finds too large is halved, and stays halved when the walk starts again. */
export interface Walk {
  /**
   * Walks all pages. Resolves with their number when the walk is complete, and only then.
   * Throws StaleTokenError where it must start again from the beginning: what `onPage` has taken must be thrown away then.
   */
  run(onPage: OnPage): Promise<number>;
}

export interface WalkDeps {
  readonly reading: RetryDeps;
  /** Pieces of the query that are walked side by side where the source knows how; one when absent. */
  readonly pieces?: number;
  /** The whole walk takes one place of it. */
  readonly reads?: InSlot;
  /** Shared with the other walks of the run. */
  readonly hand?: Hand;
}

export function createWalk(source: Source, query: Query, deps: WalkDeps): Walk {
  const { reading, pieces: most = 1, reads = (work) => work(), hand = { bytes: 0 } } = deps;
  const pieces = most > 1 ? source.pieces?.(query, most) : undefined;
  // pages that are there, and wait or are worked on
  let inHand = 0;
  const ahead: Ahead = { hand, mayAsk: () => inHand < ENOUGH_IN_HAND && hand.bytes < ENOUGH_BYTES };
  const strands = (pieces ?? [query]).map((piece) => createStrand(source, piece, reading, ahead));
  return { run: (onPage) => reads(() => runStrands(strands, onPage, (change) => void (inHand += change))) };
}

/** How far a walk may ask ahead. */
interface Ahead {
  readonly hand: Hand;
  readonly mayAsk: () => boolean;
}

/**
 * Runs strands side by side. Their pages are worked on one at a time, and in a fixed order, one of each strand in turn, whichever comes
 * first: the same log must give the same parts, so that a run finds what one before it had put (rule 9).
 * @param onHand one page more or less is there
 */
async function runStrands(strands: readonly Walk[], onPage: OnPage, onHand: (change: 1 | -1) => void): Promise<number> {
  let failed: { readonly error: unknown } | undefined;
  let turn = 0;
  const alive = new Set(strands.keys());
  const waiting = new Map<number, () => void>();
  const pass = () => {
    do turn = (turn + 1) % strands.length;
    while (alive.size > 0 && !alive.has(turn));
    waiting.get(turn)?.();
    waiting.delete(turn);
  };
  const inTurn =
    (strand: number): OnPage =>
    async (page) => {
      onHand(1);
      try {
        if (turn !== strand) await new Promise<void>((resolve) => waiting.set(strand, resolve));
        if (failed !== undefined) throw failed.error;
        await onPage(page);
      } catch (error) {
        failed ??= { error };
        throw error;
      } finally {
        onHand(-1);
        pass();
      }
    };
  const walked = await Promise.all(
    strands.map(async (strand, i) => {
      try {
        return await strand.run(inTurn(i));
      } catch (error) {
        failed ??= { error };
        return 0;
      } finally {
        alive.delete(i);
        if (turn === i) pass();
      }
    }),
  );
  if (failed !== undefined) throw (failed as { error: unknown }).error;
  return walked.reduce((sum, pages) => sum + pages, 0);
}

/** One piece of a query, page after page. */
function createStrand(source: Source, query: Query, deps: RetryDeps, ahead: Ahead): Walk {
  const queries: Query[] = [query];

  /** Puts the two halves of a query in its place. Throws the error itself where there is nothing left to halve. */
  function halve(i: number, error: WindowTooLargeError): void {
    const { arrival } = queries[i]!;
    const middle = Math.floor((arrival.from + arrival.to) / 2);
    if (middle === arrival.from) throw error;
    deps.log.debug({ ...arrival, error: error.message }, 'too much for one query; halving it');
    const half = (from: number, to: number) => ({ ...queries[i]!, arrival: { from, to } });
    queries.splice(i, 1, half(arrival.from, middle), half(middle, arrival.to));
  }

  return {
    async run(onPage) {
      let pages = 0;
      for (let i = 0; i < queries.length;) {
        let taken = 0;
        try {
          await walkOnce(source, queries[i]!, deps, ahead, async (page) => {
            taken++;
            await onPage(queries.length === 1 ? page : within(page, queries[i]!.arrival));
          });
          pages += taken;
          i++;
        } catch (error) {
          if (!(error instanceof WindowTooLargeError)) throw error;
          halve(i, error);
          // pages of the whole were taken already, and the halves would bring their records again
          if (taken > 0) throw new StaleTokenError('a query proved too large on the way', { cause: error });
        }
      }
      return pages;
    },
  };
}

/** A page may hold records outside of what was asked for; those of the other half would come twice. */
function within(page: Page, { from, to }: Span): Page {
  return { ...page, records: page.records.filter(({ arrival }) => from <= arrival && arrival < to) };
}

/** A page that was asked for. */
interface Coming {
  readonly page: Promise<Page>;
  /** Nothing else is left to do than to wait for it. */
  awaited: boolean;
  /** The page after it, where the source knew its token before the page itself was ready. */
  after?: { readonly token: string; readonly coming: Coming };
}

async function walkOnce(
  source: Source,
  query: Query,
  deps: RetryDeps,
  { hand, mayAsk }: Ahead,
  onPage: OnPage,
): Promise<void> {
  let held = 0;
  let over = false;
  const hold = (bytes: number) => {
    if (over) return;
    held += bytes;
    hand.bytes += bytes;
  };
  const seen = new Set<string>();
  function ask(token: string | undefined): Coming {
    // not for a page that has to wait itself: pages would pile up
    const onNext = (next: string) => {
      if (coming.awaited && coming.after === undefined && mayAsk() && !seen.has(next))
        coming.after = { token: next, coming: ask(next) };
    };
    const page = callProvider('page', () => source.fetchPage(query, token, deps.signal, onNext), deps);
    // awaited in the loop, unless the page before it fails first
    page.then(
      ({ bytes }) => hold(bytes),
      () => undefined,
    );
    const coming: Coming = { page, awaited: false };
    return coming;
  }
  try {
    let coming = ask(undefined);
    for (;;) {
      coming.awaited = true;
      const page = await coming.page;
      deps.log.debug({ records: page.records.length, bytes: page.bytes }, 'page');
      const { next } = page;
      const guess = coming.after;
      let following = guess?.token === next ? guess?.coming : undefined;
      // nobody will look at that page
      if (following === undefined)
        guess?.coming.page.then(
          ({ bytes }) => hold(-bytes),
          () => undefined,
        );
      if (next !== undefined) {
        if (seen.has(next)) throw new StaleTokenError('the service gave a page token twice: the walk would not end');
        seen.add(next);
        if (mayAsk()) following ??= ask(next);
      }
      await onPage(page);
      page.release?.();
      hold(-page.bytes);
      if (next === undefined) return;
      coming = following ?? ask(next);
    }
  } finally {
    // what was asked for and never looked at
    hold(-held);
    over = true;
  }
}

/** How often a walk starts again before it counts as failed. */
const MOST_RESTARTS = 4;

/** Runs `attempt` again when its walk lost its place. `attempt` starts from nothing each time. */
export async function restarting<T>(attempt: () => Promise<T>, deps: Pick<RetryDeps, 'log'>): Promise<T> {
  for (let restarts = 0; ;) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof StaleTokenError)) throw error;
      // halving comes to an end by itself
      if (!(error.cause instanceof WindowTooLargeError)) restarts++;
      if (restarts > MOST_RESTARTS)
        throw new TransientError(`the page walk lost its place ${restarts} times: ${error.message}`, { cause: error });
      deps.log.warn({ restarts, error: error.message }, 'the page walk starts again; nothing lost');
    }
  }
}
