// A policy in a file of its own, as the config names it.

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** @param rules YAML of the list, a rule a line */
export function policyFile(rules: string): string {
  const file = join(mkdtempSync(join(tmpdir(), 'policy-test-')), 'policy.yaml');
  writeFileSync(file, `apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n${rules}`);
  return file;
}
