// Takes the body of an answer before the SDK parses it: the SDK's own deserializer is several times slower (docs/decisions/0002-eks-page-parsing.md).

import type { IncomingMessage } from 'node:http';
import { takeMemory } from './page-memory.ts';

/** Answers are little over 1 MB; what says more is collected as it comes. */
const LONGEST = 16 << 20;

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

/** An answer that says its length goes into memory from `takeMemory`, whoever gets it gives that back. */
async function collect(body: IncomingMessage): Promise<Buffer> {
  const length = Number(body.headers['content-length']);
  if (!(length <= LONGEST)) {
    const chunks: Buffer[] = [];
    for await (const chunk of body) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  }
  const memory = takeMemory(length);
  let filled = 0;
  // Node's parser cuts at the length that was said, and an answer that ends before is an error of the stream
  for await (const chunk of body as AsyncIterable<Buffer>) filled += chunk.copy(memory, filled);
  return memory.subarray(0, filled);
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

/** Hands the body of a good answer to `onBody` and an empty one to the SDK. Errors stay the SDK's. */
export function takeBody(stack: unknown, onBody: (body: Buffer) => void): void {
  (stack as Stack).add(
    (next) => async (args) => {
      const result = await next(args);
      const response = result.response as RawResponse;
      if (response.statusCode === 200) {
        onBody(await collect(response.body as IncomingMessage));
        response.body = new Uint8Array(0);
      }
      return result;
    },
    { step: 'deserialize', priority: 'low', name: 'auditkeepBody' },
  );
}
