// Pages of a window from Log Analytics, and what Azure says of the cluster's audit log.

import {
  AuditkeepError,
  giveMemory,
  TransientError,
  type ClusterSettings,
  type Horizon,
  type Page,
  type Query,
  type Source,
  type SourceDeps,
  type Span,
  type Visible,
} from '../../src/provider.ts';
import { type Attempt, classifyAnswer, classifyError } from './classify.ts';
import { type Answer, createClients } from './client.ts';
import {
  advance,
  begin,
  type Cursor,
  formatCursor,
  parseCursor,
  pieceAt,
  shrink,
  slotLength,
  split,
} from './cursor.ts';
import {
  answerColumns,
  BUCKETS,
  countQuery,
  type Feed,
  feedName,
  FEEDS,
  feedsQuery,
  pageQuery,
  probeQuery,
} from './kql.ts';
import { dropNotes, TABLE as DROPS } from './drops.ts';
import type { AksOptions } from './options.ts';
import { readRows, toRecords } from './page.ts';
import { createSetup } from './setup.ts';
import { inSlot } from './slots.ts';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
/** Azure sets TimeGenerated to the time of arrival where it is more than 2 days older or 1 day ahead. */
const LATENESS = 3 * DAY;
const MAX_AHEAD = DAY;
/** Share of `pageRows` that a piece is planned to have: rows may come in between counting and reading, if only few so long after. */
const PLANNED = 0.9;

/** Seconds that the service counts calls in: any 30 of them. */
const PERIOD = 30;
/** Calls that may be caught up on at once … */
const BURST = 3;
/** … and calls that are left unused, as those before may be on their way for longer: one refused costs a pause and a slower pace for seconds. */
const UNUSED = 2.5;

/** The service's own time-out begins before ours, so that it can say that a query took too long. Seconds. */
const waitOf = (timeout: number) => Math.max(1, Math.min(600, Math.floor(timeout / 1000) - 20));

/** Feeds that the options allow. One alone needs no looking. */
export function allowedFeeds({ table, category }: AksOptions): Feed[] {
  return FEEDS.filter(
    (f) => (table === 'auto' || f.table === table) && (category === 'auto' || f.category === category),
  );
}

/** @throws nothing: connections and SDKs come with the first call */
export function connect(settings: ClusterSettings, options: AksOptions, deps: SourceDeps): Source {
  const clients = createClients(options, settings, deps.onServerDate);
  const { workspace, azure, cloud } = options;
  const resource = options.resource.toLowerCase();
  const feeds = allowedFeeds(options);
  const who = settings.auth === 'none' ? 'none' : `${azure.tenantId ?? ''}:${azure.clientId ?? azure.credential}`;
  const quotaKey = `azure:${cloud}:${settings.endpoint ?? ''}:${who}:query`;
  const most = Math.max(1, Math.floor(options.pageRows * PLANNED));
  let closed = false;

  /** Runs one call with the signal and the errors of the contract. */
  async function call<T>(attempt: Attempt, signal: AbortSignal, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (closed) throw new AuditkeepError(`${attempt.action} after close`);
    signal.throwIfAborted();
    const timeout = AbortSignal.timeout(options.timeout);
    const either = AbortSignal.any([signal, timeout]);
    let stop = () => {};
    try {
      // neither looking up credentials nor a torn zipped body hears the signal, so it is also waited for here
      const aborted = new Promise<never>((_, reject) => {
        stop = () => reject(either.reason as Error);
        either.addEventListener('abort', stop, { once: true });
      });
      return await Promise.race([run(either), aborted]);
    } catch (error) {
      if (timeout.aborted && !signal.aborted)
        throw new TransientError(`${attempt.action} in ${attempt.resource}: no answer within ${options.timeout} ms`);
      throw classifyError(error, attempt, signal);
    } finally {
      either.removeEventListener('abort', stop);
    }
  }

  const bounds = ({ arrival, lateness }: Query): Span => ({
    from: Math.max(0, arrival.from - lateness),
    to: arrival.to + MAX_AHEAD,
  });

  const attemptOf = (table: string): Attempt => ({
    action: `query ${table}`,
    resource: `workspace ${workspace}`,
    permission: `Microsoft.OperationalInsights/workspaces/query/read and …/query/${table}/read on the workspace`,
  });

  const ask = (table: string, text: string, times: Span, signal: AbortSignal): Promise<Answer> =>
    inSlot(quotaKey, options.queriesAtOnce, signal, () =>
      call(attemptOf(table), signal, (either) => clients.query(text, times, waitOf(options.timeout), either)),
    );

  /** A query that is no page has no slot of the limiter yet. */
  async function askBeside(table: string, text: string, times: Span, signal: AbortSignal): Promise<Answer> {
    await deps.takeSlot?.(signal);
    return ask(table, text, times, signal);
  }

  /** The feeds that a window is read from, where the config leaves it open. */
  async function chooseFeeds(query: Query, signal: AbortSignal): Promise<{ feeds: Feed[]; bytes: number }> {
    const times = bounds(query);
    const answer = await ask('the audit tables', feedsQuery(resource, times, query.arrival), times, signal);
    if (answer.status !== 200)
      throw classifyAnswer(answer, attemptOf('the audit tables')) ?? new TransientError('counting rows took too long');
    const read = readRows(answer.body, ['Feed', 'Rows']);
    if ('tooMuch' in read) throw new TransientError(`counting rows: ${read.tooMuch}`);
    const counts = [...read.rows];
    giveMemory(answer.body);
    const withRows = feeds.filter((feed) => counts.some(([name, rows]) => name === feedName(feed) && Number(rows) > 0));
    const whole = withRows.filter(({ category }) => category === 'kube-audit');
    return { feeds: whole.length > 0 ? whole : withRows, bytes: answer.body.length };
  }

  let probed = false;

  /** Is there such a table? Asked once, so that a wrong config fails before the first window does. */
  async function probe(signal: AbortSignal): Promise<void> {
    if (probed) return;
    const tables = [...new Set(feeds.map(({ table }) => table))];
    const now = { from: deps.now() - MINUTE, to: deps.now() };
    const answer = await askBeside(tables.join(', '), probeQuery(tables), now, signal);
    if (answer.status !== 200)
      throw classifyAnswer(answer, attemptOf(tables[0]!)) ?? new TransientError('looking for the tables took too long');
    probed = true;
  }

  /** A page that only counts: the piece that comes next is too large for one answer. */
  async function countPiece(query: Query, cursor: Cursor, signal: AbortSignal): Promise<Page> {
    const piece = pieceAt(cursor);
    const { table } = piece.feed;
    const times = bounds(query);
    const answer = await ask(table, countQuery(piece, resource, times, slotLength(cursor)), times, signal);
    let slots: { at: number; rows: number }[] = [];
    if (answer.status === 200) {
      const read = readRows(answer.body, ['Slot', 'Rows']);
      if ('rows' in read)
        slots = Array.from(read.rows, ([slot, rows]) => ({ at: Date.parse(String(slot)), rows: Number(rows) }));
      if (slots.some(({ at, rows }) => Number.isNaN(at) || !(rows >= 0)))
        throw new TransientError(`counting rows of ${table}: the answer holds slots without time or number`);
    } else {
      // where even counting takes too long, the piece is halved
      const error = classifyAnswer(answer, attemptOf(table));
      if (error !== undefined) throw error;
    }
    giveMemory(answer.body);
    return { records: [], bytes: answer.body.length, next: formatCursor(split(cursor, slots)) };
  }

  async function readPiece(query: Query, cursor: Cursor, signal: AbortSignal): Promise<Page> {
    if (cursor.ends[0]!.count) return countPiece(query, cursor, signal);
    const piece = pieceAt(cursor);
    const { table } = piece.feed;
    const times = bounds(query);
    const answer = await ask(table, pageQuery(piece, resource, times, options.pageRows), times, signal);
    let tooMuch = 'the query took too long';
    let fewer = true;
    if (answer.status === 200) {
      const read = readRows(answer.body, answerColumns(table));
      if (!('tooMuch' in read) && read.count < options.pageRows) {
        const { records, memory } = toRecords(read, answer.body, table, piece.arrival);
        giveMemory(answer.body);
        const next = advance(cursor, query.arrival);
        return {
          records,
          bytes: answer.body.length,
          ...(next !== undefined && { next: formatCursor(next) }),
          release: () => giveMemory(memory),
        };
      }
      fewer = 'tooMuch' in read;
      tooMuch = 'tooMuch' in read ? read.tooMuch : `more than ${options.pageRows - 1} rows`;
    } else {
      const error = classifyAnswer(answer, attemptOf(table));
      if (error !== undefined) throw error;
    }
    // nothing of it is used: an answer that was cut doesn't say where
    giveMemory(answer.body);
    const next = shrink(cursor, fewer);
    if (next === undefined) throw cannotSplit(table, cursor, tooMuch, answer.status);
    deps.log.debug({ table, arrival: piece.arrival, tooMuch }, 'too much for one query; asking for less');
    return { records: [], bytes: answer.body.length, next: formatCursor(next) };
  }

  function cannotSplit(table: string, { at }: Cursor, tooMuch: string, status: number): Error {
    const where = `${table}, arrival ${new Date(at).toISOString()}: ${tooMuch}`;
    if (status === 504) return new TransientError(where);
    return new AuditkeepError(`${where}, though only one millisecond and one hash value of ${BUCKETS} was asked for`, {
      hint: 'thousands of rows are the same in every column, or the service cuts whatever is asked: try the query of the manifest in the portal, raise pageRows, or read the storage account',
    });
  }

  const setup = createSetup(options, clients, feeds, call);

  return {
    settle: 15 * MINUTE,
    lateness: { first: LATENESS, recheck: LATENESS, max: 30 * DAY },
    reads: 'exact',
    bounds,

    quota() {
      const most = options.callsPerSecond * PERIOD;
      const perSecond = Math.max(most - BURST - UNUSED, most / 2) / PERIOD;
      return Promise.resolve({ key: quotaKey, perSecond, burst: BURST });
    },

    describe(query) {
      const shown =
        feeds.length === 1
          ? pageQuery(
              { feed: feeds[0]!, arrival: query.arrival, buckets: { from: 0, to: BUCKETS } },
              resource,
              bounds(query),
              options.pageRows,
            )
          : feedsQuery(resource, bounds(query), query.arrival);
      return { action: 'query', workspace, resource, tables: feeds.map(feedName).join(','), kql: shown };
    },

    identity: () => Promise.resolve(`azure:${workspace.toLowerCase()}:${resource}`),

    async horizon(signal): Promise<Horizon> {
      await probe(signal);
      if (options.retention !== undefined)
        return { at: deps.now() - options.retention, because: 'retention', retention: options.retention };
      const retentions = (await setup.plans(signal)).flatMap(({ retention }) => retention ?? []);
      if (retentions.length === 0) return { because: 'unknown' };
      const retention = Math.max(...retentions);
      return { at: deps.now() - retention, because: 'retention', retention };
    },

    async visible(signal): Promise<Visible> {
      const sources = feeds.map((feed) => `${workspace}/${feedName(feed)}`);
      const list = await setup.settings(signal);
      const dropped = await dropNotes(deps.now(), attemptOf(DROPS), signal, (text, times) =>
        askBeside(DROPS, text, times, signal),
      );
      if ('unknown' in list) {
        const unknown = `the diagnostic settings couldn't be asked: ${list.unknown}`;
        return { sources, logging: 'unknown', notes: [unknown, ...dropped] };
      }
      return { sources, logging: setup.own(list).length > 0 ? 'on' : 'off', notes: [...setup.notes(list), ...dropped] };
    },

    async fetchPage(query, token, signal): Promise<Page> {
      const { arrival } = query;
      if (token !== undefined) return readPiece(query, parseCursor(token, arrival), signal);
      if (feeds.length === 1) return readPiece(query, begin(feeds, arrival, most), signal);
      const chosen = await chooseFeeds(query, signal);
      if (chosen.feeds.length === 0) return { records: [], bytes: chosen.bytes };
      return { records: [], bytes: chosen.bytes, next: formatCursor(begin(chosen.feeds, arrival, most)) };
    },

    close() {
      closed = true;
      return Promise.resolve();
    },
  };
}
