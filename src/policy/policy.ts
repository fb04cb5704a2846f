// The audit Policy of audit.k8s.io/v1, as rules are evaluated: defaults filled in, nothing absent but omitManagedFields of a rule.

import type { Level, Stage } from '../event.ts';

/** None: no event at all. */
export const POLICY_LEVELS = ['None', 'Metadata', 'Request', 'RequestResponse'] as const;
export type PolicyLevel = 'None' | Level;

export interface GroupResources {
  /** '' is the core group, `*` every group. */
  readonly group: string;
  readonly resources: readonly string[];
  readonly resourceNames: readonly string[];
}

export interface PolicyRule {
  readonly level: PolicyLevel;
  readonly users: readonly string[];
  readonly userGroups: readonly string[];
  readonly verbs: readonly string[];
  readonly resources: readonly GroupResources[];
  readonly namespaces: readonly string[];
  readonly nonResourceURLs: readonly string[];
  readonly omitStages: readonly Stage[];
  /** undefined: as the policy says. */
  readonly omitManagedFields: boolean | undefined;
}

export interface Policy {
  readonly omitStages: readonly Stage[];
  readonly omitManagedFields: boolean;
  readonly rules: readonly PolicyRule[];
}
