// SHA-256 as the archive uses it: of stored bytes, of lines (RFC 6962 leaves) and of records (fingerprints).

import { hash } from 'node:crypto';

export function sha256Hex(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex');
}

/** Bytes of a fingerprint (rule 4). */
export const FINGERPRINT_BYTES = 12;
