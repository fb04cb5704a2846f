// One line of rejects/: what is known of a record that could not be decoded, and as much of it as may be kept (rule 10).

import { sha256Hex } from '../archive/hash.ts';
import type { ProviderRecord } from '../provider.ts';
import { cutPrefix } from './reject-prefix.ts';

/**
 * @param found what the provider took for the Event; its beginning is kept
 * @param raw keep the whole record instead
 */
export function rejectLine(record: ProviderRecord, reason: string, found: Buffer, raw: boolean): Buffer {
  const kept = raw ? record.content : cutPrefix(found);
  const text = kept.toString('utf8');
  const exact = Buffer.from(text).equals(kept);
  return Buffer.from(
    JSON.stringify({
      reason,
      arrival: new Date(record.arrival).toISOString(),
      ...(record.id !== undefined && { id: record.id }),
      ...(record.origin !== undefined && { origin: record.origin }),
      bytes: record.content.length,
      sha256: sha256Hex(record.content),
      ...(exact ? { content: text } : { contentBase64: kept.toString('base64') }),
      complete: kept.length === record.content.length,
    }),
  );
}
