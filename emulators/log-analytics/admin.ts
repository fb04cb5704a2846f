// The emulator's controls over HTTP, for tests that run it as a process of its own: POST /_admin/<what> with a JSON body.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { createInterface } from 'node:readline';
import type { LogAnalyticsEmulator } from './server.ts';
import type { RowInput } from './tables.ts';

const BATCH = 1000;

/** Lines of a RowInput each, read as they come: they may be more than memory should hold twice. */
async function putRows(emulator: LogAnalyticsEmulator, request: IncomingMessage, query: URLSearchParams) {
  const workspace = query.get('workspace') ?? '';
  const table = query.get('table') ?? '';
  let rows: RowInput[] = [];
  let accepted = 0;
  const flush = () => {
    emulator.putRows(workspace, table, rows);
    accepted += rows.length;
    rows = [];
  };
  for await (const line of createInterface({ input: request, crlfDelay: Infinity })) {
    if (line === '') continue;
    rows.push(JSON.parse(line) as RowInput);
    if (rows.length === BATCH) flush();
  }
  flush();
  return { accepted };
}

async function json(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
}

/**
 * `workspaces`, `tables` ({workspace, name, plan, retentionInDays, without}), `rows?workspace=…&table=…` (NDJSON), `clock` ({set} or {advance}),
 * `diagnostic-settings` ({resource, settings}), `faults` (an order, or {clear: true}), `latency` ({ms}), `limits`, `permissions` ({permissions}),
 * `statistics` ({reset}).
 */
export async function handleAdmin(
  emulator: LogAnalyticsEmulator,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '', 'http://localhost');
  const what = url.pathname.slice('/_admin/'.length);
  let status = 200;
  let result: unknown = {};
  try {
    if (what === 'rows') result = await putRows(emulator, request, url.searchParams);
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
function control(emulator: LogAnalyticsEmulator, what: string, body: Record<string, unknown>): unknown {
  if (what === 'workspaces') return emulator.createWorkspace(body as never);
  if (what === 'tables') return emulator.createTable(String(body['workspace']), String(body['name']), body);
  if (what === 'diagnostic-settings')
    return emulator.setDiagnosticSettings(String(body['resource']), body['settings'] as never);
  if (what === 'latency') return emulator.setLatency(Number(body['ms']));
  if (what === 'limits') return emulator.setLimits(body);
  if (what === 'permissions') return emulator.allowOnly(body['permissions'] as never);
  if (what === 'faults') return body['clear'] === true ? emulator.clearFaults() : emulator.fail(body as never);
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
