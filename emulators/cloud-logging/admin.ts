// The emulator's controls over HTTP, for tests that run it as a process of its own: POST /_admin/<what> with a JSON body.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { createInterface } from 'node:readline';
import type { EntryInput } from './projects.ts';
import type { CloudLoggingEmulator } from './server.ts';

const BATCH = 1000;

async function json(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
}

/** Lines of `{entry, visibleAt?}`, read as they come: they may be more than memory should hold twice. */
async function putEntries(emulator: CloudLoggingEmulator, request: IncomingMessage, project: string) {
  let accepted = 0;
  let batch: EntryInput[] = [];
  const flush = () => {
    accepted += emulator.putEntries(project, batch);
    batch = [];
  };
  for await (const line of createInterface({ input: request, crlfDelay: Infinity })) {
    if (line === '') continue;
    batch.push(JSON.parse(line) as EntryInput);
    if (batch.length === BATCH) flush();
  }
  flush();
  return { accepted };
}

/**
 * `projects`, `buckets`, `folders`, `retention` ({project, days}), `data-access` ({project, types}), `entries?project=…` (NDJSON),
 * `clock` ({set} or {advance}), `faults` (an order, or {clear: true}), `latency` ({ms}), `calls-per-minute` ({limit}),
 * `other-readers` ({perMinute}), `permissions` ({permissions}), `statistics` ({reset}).
 */
export async function handleAdmin(
  emulator: CloudLoggingEmulator,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '', 'http://localhost');
  const what = url.pathname.slice('/_admin/'.length);
  let status = 200;
  let result: unknown = {};
  try {
    if (what === 'entries') result = await putEntries(emulator, request, url.searchParams.get('project') ?? '');
    else result = control(emulator, what, await json(request)) ?? {};
  } catch (error) {
    status = 400;
    result = { error: error instanceof Error ? error.message : String(error) };
  }
  const body = Buffer.from(JSON.stringify(result));
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length });
  response.end(body);
}

// the body is trusted: who may reach this port, started it
function control(emulator: CloudLoggingEmulator, what: string, body: Record<string, unknown>): unknown {
  const project = String(body['project']);
  if (what === 'projects') return emulator.createProject(body as never);
  if (what === 'buckets') return emulator.createBucket(body as never);
  if (what === 'folders') return emulator.putFolder(body as never);
  if (what === 'retention') return emulator.setRetention(project, Number(body['days']));
  if (what === 'data-access') return emulator.setDataAccess(project, body['types'] as readonly string[]);
  if (what === 'latency') return emulator.setLatency(Number(body['ms']));
  if (what === 'calls-per-minute') return emulator.setCallsPerMinute(body['limit'] as number | undefined);
  if (what === 'other-readers') return emulator.setOtherReaders(Number(body['perMinute']));
  if (what === 'permissions') return emulator.allowOnly(body['permissions'] as readonly string[] | undefined);
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
