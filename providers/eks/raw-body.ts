// Takes the body of an answer before the SDK parses it: the SDK's own deserializer is several times slower (docs/decisions/0002-eks-page-parsing.md).

import type { IncomingMessage } from 'node:http';
import { collectBytes } from '../../src/provider.ts';

/** The part of an SDK middleware's result that is used. */
interface RawResult {
  response: unknown;
}
interface RawResponse {
  statusCode: number;
  headers: Record<string, string | undefined>;
  body: unknown;
}

interface Stack {
  add(
    middleware: (next: (args: never) => Promise<RawResult>) => (args: never) => Promise<RawResult>,
    options: object,
  ): void;
}

/** Calls `onDate` with the Date header of every answer, errors included. */
export function watchDate(stack: unknown, onDate: (date: number) => void): void {
  (stack as Stack).add(
    (next) => async (args) => {
      const result = await next(args);
      const date = Date.parse((result.response as RawResponse).headers['date'] ?? '');
      if (!Number.isNaN(date)) onDate(date);
      return result;
    },
    { step: 'deserialize', priority: 'low', name: 'auditkeepDate' },
  );
}

/** Hands the body of a good answer to `onBody`, in memory that is to be given back, and an empty one to the SDK. Errors stay the SDK's. */
export function takeBody(stack: unknown, onBody: (body: Buffer) => void): void {
  (stack as Stack).add(
    (next) => async (args) => {
      const result = await next(args);
      const response = result.response as RawResponse;
      if (response.statusCode === 200) {
        const body = response.body as IncomingMessage;
        onBody(await collectBytes(body, body.headers['content-length']));
        response.body = new Uint8Array(0);
      }
      return result;
    },
    { step: 'deserialize', priority: 'low', name: 'auditkeepBody' },
  );
}
