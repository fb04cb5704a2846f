// What ordered faults do to an answer.

import { ServiceFault, type FaultKind } from './fault.ts';

/** Throws the answer that was ordered instead of a good one. `denied` throws the refusal of this very call. */
export function serviceFault(kind: FaultKind | undefined, denied: () => void): void {
  if (kind === 'error-500') throw new ServiceFault(500, 'InternalFailure', 'ordered');
  if (kind === 'error-503') throw new ServiceFault(503, 'ServiceUnavailableException', 'ordered');
  if (kind === 'throttle') throw new ServiceFault(400, 'ThrottlingException', 'Rate exceeded');
  if (kind === 'expire-token')
    throw new ServiceFault(400, 'InvalidParameterException', 'The specified nextToken is invalid.');
  if (kind === 'access-denied') denied();
  if (kind === 'expired-credentials')
    throw new ServiceFault(400, 'ExpiredTokenException', 'The security token included in the request is expired');
  if (kind === 'unknown-key')
    throw new ServiceFault(
      400,
      'UnrecognizedClientException',
      'The security token included in the request is invalid.',
    );
}

/** Changes a good answer as ordered. */
export function spoil(kind: FaultKind | undefined, body: Buffer, sent: unknown): Buffer {
  if (kind === 'cut-body') return body.subarray(0, Math.floor(body.length * 0.6));
  if (kind === 'not-json') return Buffer.from('<html><body>Bad gateway</body></html>');
  if (!['repeat-token', 'wrong-stream', 'missing-ingestion-time', 'missing-event-id'].includes(kind ?? '')) return body;
  const page = JSON.parse(body.toString()) as { events: Record<string, unknown>[]; nextToken?: unknown };
  if (kind === 'repeat-token') page.nextToken = sent;
  const victim = page.events[Math.floor(page.events.length / 2)];
  if (kind === 'wrong-stream' && victim !== undefined) victim['logStreamName'] = 'kube-apiserver-0123456789abcdef';
  if (kind === 'missing-ingestion-time') delete victim?.['ingestionTime'];
  if (kind === 'missing-event-id') delete victim?.['eventId'];
  return Buffer.from(JSON.stringify(page));
}
