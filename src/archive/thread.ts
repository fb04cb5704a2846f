// A worker thread that answers requests in their order.

import { Worker } from 'node:worker_threads';
import { AuditkeepError } from '../errors.ts';

/** What asks and what answers agree on the types; the thread answers each request that was sent, and none that was told. */
export interface Thread<Request, Answer> {
  /** What waits for an answer: the sum of what those requests cost. */
  readonly load: number;
  /** The thread ended: nothing sent from now on is answered. */
  readonly gone: boolean;
  /** @param cost its share of `load`, in whatever unit the callers agree on */
  send(request: Request, cost: number): Promise<Answer>;
  /** A request without answer. */
  tell(request: Request): void;
}

/**
 * Starts a thread: some 20 ms and 10 MB. It doesn't keep the process alive while it has nothing to do.
 * @param file its module
 * @param what what it does, for the error that all requests get when it ends: `packs parts`
 */
export function startThread<Request, Answer>(file: URL, what: string): Thread<Request, Answer> {
  const worker = new Worker(file, {
    // content lies in shared memory or goes over as it is, so the heap stays small
    resourceLimits: { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 16 },
    execArgv: [],
  });
  const waiting: { cost: number; resolve: (answer: Answer) => void; reject: (error: Error) => void }[] = [];
  let load = 0;
  let gone: Error | undefined;
  const fail = (why: string, cause?: Error) => {
    // an error is followed by the exit
    gone ??= new AuditkeepError(`the thread that ${what} ended: ${why}; what it had in hand is not committed`, {
      ...(cause !== undefined && { cause }),
      hint: 'run again, the next run goes on from the ledger; if it happens again, give the process more memory',
    });
    for (const one of waiting.splice(0)) one.reject(gone);
  };
  worker.on('message', (answer: Answer) => {
    const { cost, resolve } = waiting.shift()!;
    load -= cost;
    resolve(answer);
    if (waiting.length === 0) worker.unref();
  });
  worker.on('error', (error) => fail(error.message, error));
  worker.on('exit', (code) => fail(`exit code ${code}`));
  worker.unref();
  return {
    get load() {
      return load;
    },
    get gone() {
      return gone !== undefined;
    },
    send: (request, cost) =>
      new Promise((resolve, reject) => {
        // nobody would answer
        if (gone !== undefined) throw gone;
        if (waiting.length === 0) worker.ref();
        waiting.push({ cost, resolve, reject });
        load += cost;
        worker.postMessage(request);
      }),
    tell: (request) => worker.postMessage(request),
  };
}
