// The emulator's controls over HTTP, for tests that run it as a process of its own: POST /_admin/<what> with a JSON body.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { createInterface } from 'node:readline';
import type { EventInput } from './log-groups.ts';
import type { CloudWatchEmulator } from './server.ts';

const BATCH = 1000;

async function json(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
}

/** Lines of `{timestamp, message, …}`, read as they come: they may be more than memory should hold twice. */
async function putEvents(emulator: CloudWatchEmulator, request: IncomingMessage, query: URLSearchParams) {
  const address = {
    logGroup: query.get('logGroup') ?? '',
    ...(query.has('account') && { account: query.get('account')! }),
    ...(query.has('region') && { region: query.get('region')! }),
  };
  const stream = query.get('stream') ?? '';
  const total = { accepted: 0, refused: 0 };
  let batch: EventInput[] = [];
  const flush = () => {
    const { accepted } = emulator.putEvents(address, stream, batch);
    total.accepted += accepted;
    total.refused += batch.length - accepted;
    batch = [];
  };
  for await (const line of createInterface({ input: request, crlfDelay: Infinity })) {
    if (line === '') continue;
    batch.push(JSON.parse(line) as EventInput);
    if (batch.length === BATCH) flush();
  }
  flush();
  return total;
}

/**
 * `log-groups`, `delete-log-group`, `retention` ({logGroup, days}), `events?logGroup=…&stream=…` (NDJSON), `clock` ({set} or {advance}), `clusters`, `faults` (an order, or {clear: true}),
 * `latency` ({ms}), `limits`, `other-readers` ({perSecond, …}), `policy` ({policy}), `statistics` ({reset}).
 */
export async function handleAdmin(
  emulator: CloudWatchEmulator,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '', 'http://localhost');
  const what = url.pathname.slice('/_admin/'.length);
  let status = 200;
  let result: unknown = {};
  try {
    if (what === 'events') result = await putEvents(emulator, request, url.searchParams);
    else result = (await control(emulator, what, await json(request))) ?? {};
  } catch (error) {
    status = 400;
    result = { error: error instanceof Error ? error.message : String(error) };
  }
  const body = Buffer.from(JSON.stringify(result));
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length });
  response.end(body);
}

// the body is trusted: who may reach this port, started it
async function control(emulator: CloudWatchEmulator, what: string, body: Record<string, unknown>): Promise<unknown> {
  if (what === 'log-groups') return emulator.createLogGroup(body as never);
  if (what === 'delete-log-group') return emulator.deleteLogGroup(body as never);
  if (what === 'retention') return emulator.setRetention(body as never, body['days'] as number | undefined);
  if (what === 'clusters') return emulator.setCluster(body as never);
  if (what === 'latency') return emulator.setLatency(Number(body['ms']));
  if (what === 'limits') return emulator.setLimits(body as never);
  if (what === 'other-readers') return emulator.setOtherReaders(Number(body['perSecond']), body);
  if (what === 'policy') return emulator.allowOnly(body['policy'] as never);
  if (what === 'faults') {
    if (body['clear'] === true) emulator.clearFaults();
    else emulator.fail(body as never);
    return undefined;
  }
  if (what === 'clock') {
    if (typeof body['set'] === 'number') emulator.clock.set(body['set']);
    if (typeof body['advance'] === 'number') emulator.clock.advance(body['advance']);
    return { now: emulator.clock.now() };
  }
  if (what === 'statistics') {
    const read = emulator.statistics();
    if (body['reset'] === true) emulator.resetStatistics();
    return read;
  }
  throw new RangeError(`no such control: ${what}`);
}
