// Runs a command line inside the test's process, with streams and a clock of its own.

import { PassThrough, Readable, Writable } from 'node:stream';
import { registry as realRegistry } from '../../providers/index.ts';
import { main } from '../../src/cli/main.ts';
import type { Registry } from '../../src/provider.ts';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliWorld {
  readonly stdin?: Buffer | string | Readable;
  readonly env?: NodeJS.ProcessEnv;
  readonly now?: number;
  readonly signal?: AbortSignal;
  readonly registry?: Registry;
  readonly stdout?: Writable;
  readonly stderr?: Writable;
}

/** A stream that keeps what it got. */
export function sink(tty = false): Writable & { text(): string; bytes(): Buffer } {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(Buffer.from(chunk));
      done();
    },
  });
  const bytes = () => Buffer.concat(chunks);
  return Object.assign(stream, {
    bytes,
    text: () => bytes().toString('utf8'),
    ...(tty && { isTTY: true, columns: 100 }),
  });
}

/** @param argv as typed after `auditkeep` */
export async function runCli(argv: readonly string[], world: CliWorld = {}): Promise<Ran> {
  const stdout = sink();
  const stderr = sink();
  const { stdin = '' } = world;
  const code = await main({
    argv,
    env: world.env ?? {},
    stdin: stdin instanceof Readable ? stdin : new PassThrough().end(stdin),
    stdout: world.stdout ?? stdout,
    stderr: world.stderr ?? stderr,
    signal: world.signal ?? new AbortController().signal,
    now: () => world.now ?? Date.parse('2026-06-22T10:20:30Z'),
    registry: world.registry ?? realRegistry,
  });
  return { code, stdout: stdout.text(), stderr: stderr.text() };
}

/** One Event line as an API server writes it. */
export function eventLine(id: string, over: Record<string, unknown> = {}): string {
  return JSON.stringify({
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'Metadata',
    auditID: id,
    stage: 'ResponseComplete',
    requestURI: '/api/v1/namespaces/shop/pods?limit=500',
    verb: 'list',
    user: { username: 'kim', groups: ['system:authenticated'] },
    sourceIPs: ['10.0.0.1'],
    userAgent: 'kubectl/v1.34.0',
    objectRef: { resource: 'pods', namespace: 'shop', apiVersion: 'v1' },
    responseStatus: { metadata: {}, code: 200 },
    requestReceivedTimestamp: '2026-06-22T10:00:00.000001Z',
    stageTimestamp: '2026-06-22T10:00:00.000123Z',
    annotations: { 'authorization.k8s.io/decision': 'allow' },
    ...over,
  });
}
