// What ordered faults do to a good answer.

import type { FaultKind } from './fault.ts';

/** Changes a good answer as ordered. */
export function spoil(kind: FaultKind | undefined, body: Buffer, sent: unknown): Buffer {
  if (kind === 'cut-body') return body.subarray(0, Math.floor(body.length * 0.6));
  if (kind === 'not-json') return Buffer.from('<html><body>Bad gateway</body></html>');
  const changes: readonly (FaultKind | undefined)[] = [
    'repeat-token',
    'missing-receive-timestamp',
    'missing-insert-id',
    'other-cluster',
  ];
  if (!changes.includes(kind)) return body;
  const page = JSON.parse(body.toString()) as { entries?: Record<string, unknown>[]; nextPageToken?: unknown };
  if (kind === 'repeat-token') page.nextPageToken = sent;
  const victim = page.entries?.[Math.floor(page.entries.length / 2)];
  if (kind === 'missing-receive-timestamp') delete victim?.['receiveTimestamp'];
  if (kind === 'missing-insert-id') delete victim?.['insertId'];
  const { labels } = (victim?.['resource'] ?? {}) as { labels?: Record<string, string> };
  if (kind === 'other-cluster' && labels !== undefined) labels['cluster_name'] = 'another';
  return Buffer.from(JSON.stringify(page));
}
