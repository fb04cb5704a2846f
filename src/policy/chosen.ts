// A policy as a cluster is collected under it: its text, which goes into the archive, and its rules.

import { hash } from 'node:crypto';
import { loadPolicy } from './load.ts';
import type { Policy } from './policy.ts';

export interface ChosenPolicy {
  /** `none`, the name of a built-in policy, or the file. */
  readonly name: string;
  /** Stored as `policies/<sha256>.yaml`. */
  readonly text: string;
  readonly sha256: string;
  /** Absent for `none`: every event is kept. */
  readonly policy?: Policy;
}

/** A Policy that keeps everything: what is stored for `policy: none`. */
const KEEP_ALL = `# policy: none (every event is kept as the source delivers it)
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: RequestResponse
`;

const digest = (text: string) => hash('sha256', text, 'hex');

export const noPolicy: ChosenPolicy = { name: 'none', text: KEEP_ALL, sha256: digest(KEEP_ALL) };

/** Loads a policy's text strictly. Throws ConfigError with all mistakes. */
export function chosenPolicy(name: string, text: string): ChosenPolicy {
  if (text === KEEP_ALL) return noPolicy;
  return { name, text, sha256: digest(text), policy: loadPolicy(text, { name }).policy };
}
