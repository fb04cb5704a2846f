// Lines of NDJSON files, plain or gzip, and the events in them.

import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { type AuditEvent, scanEvent } from '../../src/event.ts';

/** The folder of shared reference data beside the repository, which not everyone has. */
export const SHARED = fileURLToPath(new URL('../../../shared/', import.meta.url));
export const hasShared = existsSync(`${SHARED}data`);

const FIXTURES = fileURLToPath(new URL('fixtures/', import.meta.url));

/** Path of a file in test/policy/fixtures. */
export const fixture = (name: string) => FIXTURES + name;

export function readLines(file: string): Buffer[] {
  const raw = readFileSync(file);
  const text = file.endsWith('.gz') ? gunzipSync(raw) : raw;
  const lines: Buffer[] = [];
  for (let i = 0; i < text.length;) {
    const end = text.indexOf(0x0a, i);
    const to = end < 0 ? text.length : end;
    if (to > i) lines.push(text.subarray(i, to));
    i = to + 1;
  }
  return lines;
}

/** The line as an Event; throws where it is none. */
export function eventOf(line: Buffer | string | object): AuditEvent {
  const bytes = Buffer.isBuffer(line) ? line : Buffer.from(typeof line === 'string' ? line : JSON.stringify(line));
  const scanned = scanEvent(bytes);
  if ('not' in scanned) throw new Error(`no event (${scanned.not}): ${bytes.toString('utf8', 0, 200)}`);
  return scanned;
}

/** An Event with some members of its own; the others are those of an ordinary create. */
export function makeEvent(members: object): AuditEvent {
  return eventOf({
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'RequestResponse',
    auditID: 'c0a5b1f2-0001',
    stage: 'ResponseComplete',
    requestURI: '/api/v1/namespaces/default/pods',
    verb: 'create',
    user: { username: 'alice', groups: ['developers'] },
    sourceIPs: ['192.0.2.7'],
    responseStatus: { metadata: {}, code: 201 },
    requestReceivedTimestamp: '2026-06-22T10:00:00.000000Z',
    stageTimestamp: '2026-06-22T10:00:00.012345Z',
    ...members,
  });
}
