// Verifies a directory in a test, as the command line would.

import { noLastSeen } from '../../src/integrity/last-seen.ts';
import { verify, type VerifyInput, type VerifyReport } from '../../src/integrity/verify.ts';
import { DEFAULT_SETTINGS } from '../../src/integrity/verify-coverage.ts';
import { folderStore } from './sealed.ts';

export async function verifyFolder(
  directory: string,
  over: Partial<VerifyInput> & Pick<VerifyInput, 'now'>,
): Promise<VerifyReport> {
  return verify({
    store: folderStore(directory),
    verifiers: [],
    lastSeen: noLastSeen,
    mode: 'deep',
    settings: () => DEFAULT_SETTINGS,
    parallel: 4,
    holdsHashes: false,
    signal: new AbortController().signal,
    ...over,
  });
}

/** `tampered sealed-differs`, each once, sorted. */
export const codesOf = (report: VerifyReport): string[] =>
  [...new Set(report.findings.map(({ severity, code }) => `${severity} ${code}`))].sort();
