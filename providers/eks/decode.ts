// One CloudWatch record → Event. EKS hands out bare Events, so the message is the line, byte for byte.

import type { Decoded, ProviderRecord } from '../../src/provider.ts';

/** Streams of API server instances. `kube-apiserver-` alone would also match their klog text. */
export const STREAM_PREFIX = 'kube-apiserver-audit-';

/** A prefix filter has been seen to answer with other streams (opentelemetry-collector-contrib#22123), so the name is checked again. */
export function decode(record: ProviderRecord): Decoded {
  if (record.origin !== undefined && !record.origin.startsWith(STREAM_PREFIX)) return { skip: 'other-stream' };
  return { event: record.content };
}
