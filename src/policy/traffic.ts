// Volume by user, verb and resource, and what a policy would leave of it: from counts, without the events.

import { type AuditEvent, beginOf, endOf, type Field, fieldValue } from '../event.ts';
import { userReader } from './groups.ts';
import { compileMatcher } from './match.ts';
import { type Policy, POLICY_LEVELS } from './policy.ts';
import { attributesOf, type Attributes } from './request-info.ts';

/** Requests that are alike for a policy. */
export interface TrafficRow {
  /** All nodes are one user, `system:node:*`. No name: that is all a row knows of the object. */
  readonly request: Attributes;
  readonly stage: string;
  readonly events: number;
  /** Of them, those refused (401 or 403). */
  readonly refused: number;
  /** Lines with their ends, by the level they would be recorded at: none, Metadata, Request, as they are. */
  readonly bytes: readonly [0, number, number, number];
}

/** Rows kept at most; beyond, users become `(others)`. */
const MAX_ROWS = 50_000;

function memberBytes(event: AuditEvent, field: Field): number {
  const from = beginOf(event, field);
  // name, quotes, colon and comma belong to it
  return from < 0 ? 0 : endOf(event, field) - from + field.length + 4;
}

function isRefused(event: AuditEvent): boolean {
  const status = fieldValue(event, 'responseStatus') as { code?: unknown } | undefined;
  return status?.code === 401 || status?.code === 403;
}

/** Counts events into rows. */
export function trafficCounter(groups: 'known' | 'unknown'): { add(event: AuditEvent): void; rows(): TrafficRow[] } {
  const readUser = userReader(groups);
  const found = new Map<string, { row: Omit<TrafficRow, 'events' | 'refused' | 'bytes'>; sums: number[] }>();
  return {
    add(event) {
      const asked = attributesOf(event, readUser(event));
      let user = asked.user;
      if (user?.username.startsWith('system:node:')) user = { ...user, username: 'system:node:*' };
      const path = asked.resourceRequest ? '' : asked.path;
      const keyOf = (username: string | undefined) =>
        JSON.stringify([
          username,
          asked.verb,
          asked.namespace,
          asked.apiGroup,
          asked.resource,
          asked.subresource,
          path,
          event.stage,
        ]);
      let key = keyOf(user?.username);
      if (!found.has(key) && found.size >= MAX_ROWS) {
        if (user !== null) user = { username: '(others)', groups: [] };
        key = keyOf(user?.username);
      }
      let entry = found.get(key);
      if (entry === undefined) {
        entry = { row: { request: { ...asked, user, name: '', path }, stage: event.stage }, sums: [0, 0, 0, 0, 0] };
        found.set(key, entry);
      }
      const all = event.line.length + 1;
      const request = all - memberBytes(event, 'responseObject');
      const metadata = request - memberBytes(event, 'requestObject');
      for (const [i, n] of [1, isRefused(event) ? 1 : 0, metadata, request, all].entries()) entry.sums[i]! += n;
    },
    rows() {
      return [...found.values()].map(({ row, sums }) => {
        const [events, refused, metadata, request, all] = sums as [number, number, number, number, number];
        return { ...row, events, refused, bytes: [0, metadata, request, all] };
      });
    },
  };
}

/** What a rule does to the traffic that it decides on. */
export interface RuleVolume {
  readonly events: number;
  readonly bytes: number;
  readonly keptEvents: number;
  readonly keptBytes: number;
}

/**
 * What a policy would leave of the rows: by rule, the last entry for requests that no rule matches. resourceNames can't be told from
 * rows, and managedFields are not taken off: the bytes are an estimate from above.
 */
export function measure(policy: Policy, rows: readonly TrafficRow[]): RuleVolume[] {
  const matcher = compileMatcher(policy);
  const sums = [...policy.rules, null].map(() => ({ events: 0, bytes: 0, keptEvents: 0, keptBytes: 0 }));
  for (const row of rows) {
    const decision = matcher.decide(row.request);
    const sum = sums[decision.rule < 0 ? policy.rules.length : decision.rule]!;
    sum.events += row.events;
    sum.bytes += row.bytes[3];
    if (decision.level === 'None' || decision.omitStages.has(row.stage as 'Panic')) continue;
    sum.keptEvents += row.events;
    sum.keptBytes += row.bytes[POLICY_LEVELS.indexOf(decision.level) as 0 | 1 | 2 | 3];
  }
  return sums;
}
