// Lines of real API servers for the tests of scanner and salvage, and a line to vary.

import fc from 'fast-check';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

/** The lines of a text, without line ends. */
export function linesOf(text: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  let from = 0;
  for (;;) {
    const to = text.indexOf(0x0a, from);
    if (to < 0) return lines;
    lines.push(text.subarray(from, to));
    from = to + 1;
  }
}

/** Small lines of kube-apiserver 1.34, one of each kind: stages, verbs, bodies of all types, odd names. */
export const REAL_LINES = linesOf(readFileSync(join(import.meta.dirname, 'fixtures', 'events.ndjson')));

/** Full logs of API servers, which lie beside the repository where it is developed. */
const LOGS = join(import.meta.dirname, '..', '..', 'shared', 'data', 'apiserver');
export const HAVE_LOGS = existsSync(LOGS);

/** Path of each log of single events. */
export function logFiles(): string[] {
  return readdirSync(LOGS)
    .filter((name) => name.endsWith('.ndjson.gz') && !name.includes('webhook'))
    .map((name) => join(LOGS, name));
}

export function readLog(path: string): Buffer[] {
  return linesOf(gunzipSync(readFileSync(path)));
}

/** A complete event as the members' raw texts, to be varied. */
export function members(): Record<string, string> {
  return {
    kind: '"Event"',
    apiVersion: '"audit.k8s.io/v1"',
    level: '"RequestResponse"',
    auditID: '"5d0c2f6e-7a0b-4a54-8f3c-0b9a3f7a2b11"',
    stage: '"ResponseComplete"',
    requestURI: '"/api/v1/namespaces/shop/pods/web-0?timeout=10s"',
    verb: '"update"',
    user: '{"username":"alice","groups":["dev","system:authenticated"]}',
    sourceIPs: '["10.0.0.7"]',
    userAgent: '"kubectl/v1.34.4 (linux/amd64) kubernetes/abc"',
    objectRef: '{"resource":"pods","namespace":"shop","name":"web-0","apiVersion":"v1"}',
    responseStatus: '{"metadata":{},"code":200}',
    requestObject: '{"kind":"Pod","n":12345678901234567890,"f":1.50}',
    responseObject: '{"kind":"Pod","spec":{}}',
    requestReceivedTimestamp: '"2026-06-22T10:00:00.000123Z"',
    stageTimestamp: '"2026-06-22T10:00:00.012999Z"',
    annotations: '{"authorization.k8s.io/decision":"allow"}',
  };
}

/** One line of these members, in their order. */
export function lineOf(raw: Record<string, string>): Buffer {
  return Buffer.from(
    `{${Object.entries(raw)
      .map(([name, text]) => `"${name}":${text}`)
      .join(',')}}`,
  );
}

/** Instants of the years that the scanner knows by heart, as Date and as MicroTime. */
export const microTimes = fc
  .tuple(
    fc.date({ min: new Date('2000-01-01'), max: new Date('2099-12-31T23:59:59.999Z'), noInvalidDate: true }),
    fc.nat({ max: 999 }),
  )
  .map(([date, micros]) => ({ date, text: date.toISOString().replace('Z', `${String(micros).padStart(3, '0')}Z`) }));
