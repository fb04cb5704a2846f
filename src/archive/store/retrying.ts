// The one owner of retries for store calls: backoff with full jitter, and unclear puts settled by what is stored.

import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { ConflictError, ThrottledError, TransientError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { ObjectInfo, Store } from './store.ts';

export interface RetryOptions {
  readonly signal: AbortSignal;
  readonly log: Log;
  /** Waits; rejects when the signal fires. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** Tries in all, the first included. With the default 8 a call is given up after about half a minute of waiting. */
  readonly attempts?: number;
  /** Between 0 and 1, for the jitter. */
  random?(): number;
}

const FIRST_WAIT = 200;
const LONGEST_WAIT = 20_000;

/**
 * The same store, with TransientError and ThrottledError retried. All other errors pass at once; the last one passes
 * when the attempts are used up. A fired signal rejects with its reason.
 */
export function withRetries(store: Store, options: RetryOptions): Store {
  const { signal, log, sleep, attempts = 8, random = Math.random } = options;

  /** `onFault` learns of each fault that is retried. */
  const retry = async <T>(what: string, work: () => Promise<T>, onFault?: () => void): Promise<T> => {
    for (let attempt = 1; ; attempt++) {
      signal.throwIfAborted();
      try {
        return await work();
      } catch (error) {
        if (!isPassing(error) || attempt >= attempts) throw error;
        onFault?.();
        await pause(what, attempt, error);
      }
    }
  };
  const pause = async (what: string, attempt: number, error: Error): Promise<void> => {
    const asked = error instanceof ThrottledError ? (error.retryAfter ?? 0) : 0;
    const wait = Math.max(asked, random() * Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** attempt));
    log.warn({ attempt, of: attempts, waitMs: Math.round(wait), error: error.message }, `retrying ${what}`);
    await sleep(wait, signal);
  };

  const put: Store['put'] = async (key, body, putOptions) => {
    let unclear = false;
    log.debug({ key }, 'put');
    try {
      return await retry(
        `put ${key}`,
        () => store.put(key, body, putOptions),
        () => (unclear = true),
      );
    } catch (error) {
      if (!unclear || !(error instanceof ConflictError)) throw error;
      // an attempt whose answer was lost may have been the winner: the stored bytes tell
      const stored = await retry(`head ${key}`, () => store.head(key));
      if (stored === undefined) throw error;
      const sha256 = stored.sha256 ?? (await retry(`read ${key}`, () => hashOf(store, key)));
      if (sha256 !== putOptions.sha256) throw error;
      return stored.tag;
    }
  };

  const read: Store['read'] = async (key, range) => {
    const begun = await retry(`read ${key}`, async () => {
      const stream = await store.read(key, range);
      if (stream === undefined) return undefined;
      const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
      return { chunks, first: await chunks.next() };
    });
    return begun && Readable.from(rest(begun.chunks, begun.first), { objectMode: false });
  };

  /** Goes on after the last key that was handed out; progress starts a new count of attempts. */
  async function* list(prefix: string, after = ''): AsyncGenerator<ObjectInfo> {
    let last = after;
    for (let attempt = 1; ;) {
      signal.throwIfAborted();
      try {
        for await (const object of store.list(prefix, last)) {
          last = object.key;
          attempt = 1;
          yield object;
        }
        return;
      } catch (error) {
        if (!isPassing(error) || attempt >= attempts) throw error;
        await pause(`list ${prefix}`, attempt++, error);
      }
    }
  }

  return {
    url: store.url,
    get: (key) => retry(`get ${key}`, () => store.get(key)),
    read,
    head: (key) => retry(`head ${key}`, () => store.head(key)),
    put,
    ...(store.spool !== undefined && { spool: () => retry('spool', () => store.spool!()) }),
    list,
    delete: (key) => retry(`delete ${key}`, () => store.delete(key)),
    check: () => retry('check', () => store.check()),
    close: () => store.close(),
  };
}

const isPassing = (error: unknown): error is TransientError | ThrottledError =>
  error instanceof TransientError || error instanceof ThrottledError;

async function* rest(chunks: AsyncIterator<Buffer>, first: IteratorResult<Buffer>): AsyncGenerator<Buffer> {
  try {
    for (let next = first; next.done !== true; next = await chunks.next()) yield next.value;
  } finally {
    await chunks.return?.();
  }
}

async function hashOf(store: Store, key: string): Promise<string | undefined> {
  const stream = await store.read(key);
  if (stream === undefined) return undefined;
  const digest = createHash('sha256');
  for await (const chunk of stream as AsyncIterable<Buffer>) digest.update(chunk);
  return digest.digest('hex');
}
