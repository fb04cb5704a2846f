// A policy tried on events: what each rule decides and leaves, and why rules that never decide don't.

import type { AuditEvent } from '../event.ts';
import { executor, judge, type PolicyOptions, type Verdict } from '../policy/apply.ts';
import { userReader } from '../policy/groups.ts';
import { compileMatcher } from '../policy/match.ts';
import type { Policy } from '../policy/policy.ts';
import { attributesOf } from '../policy/request-info.ts';
import { shadowsOf } from '../policy/shadow.ts';
import { compressionSample } from './policy-cost.ts';
import type { ReadEvent } from './policy-events.ts';

/** Bytes are those of lines with their ends, uncompressed. */
export interface Volume {
  events: number;
  bytes: number;
  keptEvents: number;
  keptBytes: number;
}

export interface RuleTrial extends Volume {
  /** Position in the policy; -1: no rule matched. */
  readonly rule: number;
  /** Kept, with less than they had. */
  lowered: number;
  /** Kept at the highest level that may apply, since groups are unknown; counted at the first rule in doubt. */
  undecided: number;
  /** The rule asks for more than the source recorded. */
  unattained: number;
}

/** Why a rule never decided. */
export interface IdleRule {
  readonly rule: number;
  /** This earlier rule matches everything that it matches: no traffic can change it. */
  readonly shadowedBy?: number;
  /** Events that it matches, by the earlier rule that decided on them; empty: it matched none. */
  readonly takenBy: Readonly<Record<number, number>>;
}

export interface TrialResult {
  readonly total: Volume;
  /** One entry a rule, then that of events no rule matched. */
  readonly rules: readonly RuleTrial[];
  readonly idle: readonly IdleRule[];
  /** Kept events that lost bodies to the secrets guard alone. */
  readonly guarded: number;
  /** First and last stageTimestamp, milliseconds since the epoch. */
  readonly first: number;
  readonly last: number;
  /** Compressed bytes for each byte of content, before and after. */
  readonly ratio: { readonly before: number; readonly after: number };
  /** Some events tell no groups of their users. */
  readonly unknownGroups: boolean;
}

const newVolume = (): Volume => ({ events: 0, bytes: 0, keptEvents: 0, keptBytes: 0 });

/** Takes events one by one; holds counts and samples, no events. */
export function createTrial(policy: Policy, options: Pick<PolicyOptions, 'secrets' | 'panics'>) {
  const judges = {
    known: judge(policy, { groups: 'known', panics: options.panics }),
    unknown: judge(policy, { groups: 'unknown', panics: options.panics }),
  };
  const carryOut = executor(policy, options);
  const rules: RuleTrial[] = [...policy.rules.keys(), -1].map((rule) => ({
    rule,
    ...newVolume(),
    lowered: 0,
    undecided: 0,
    unattained: 0,
  }));
  const at = (rule: number) => rules[rule < 0 ? rules.length - 1 : rule]!;
  const byName = new Map(rules.map((one) => [one.rule < 0 ? 'no rule' : `rules[${one.rule}]`, one]));
  const total = newVolume();
  const samples = { before: compressionSample(), after: compressionSample() };
  const wouldTake = createIdleRules(policy);
  let guarded = 0;
  let first = Infinity;
  let last = -Infinity;
  let unknownGroups = false;

  return {
    add({ event, groups }: ReadEvent): void {
      const verdict = judges[groups](event);
      const own = at(verdict.decision.rule);
      const applied = carryOut(event, verdict);
      const size = event.line.length + 1;
      for (const volume of [own, total]) {
        volume.events++;
        volume.bytes += size;
        if (!applied.kept) continue;
        volume.keptEvents++;
        volume.keptBytes += applied.line.length + 1;
      }
      samples.before.add(event.line);
      if (applied.kept) {
        samples.after.add(applied.line);
        if (applied.loweredBy === 'secrets') guarded++;
        if (applied.loweredBy !== undefined) own.lowered++;
        if (applied.unattained !== undefined) own.unattained++;
      }
      if (verdict.undecided !== undefined) byName.get(verdict.undecided)!.undecided++;
      if (groups === 'unknown') unknownGroups = true;
      first = Math.min(first, event.stageTime);
      last = Math.max(last, event.stageTime);
      wouldTake.add(event, verdict);
    },
    result: (): TrialResult => ({
      total,
      rules,
      idle: wouldTake.result(),
      guarded,
      first,
      last,
      ratio: { before: samples.before.ratio(), after: samples.after.ratio() },
      unknownGroups,
    }),
  };
}

/** Watches the rules that have not decided yet: which events would be theirs, and who takes them. */
function createIdleRules(policy: Policy) {
  const readUser = userReader('known');
  const idle = new Map(
    policy.rules.map((rule, i) => [
      i,
      { matcher: compileMatcher({ ...policy, rules: [rule] }), takenBy: {} as Record<number, number> },
    ]),
  );
  const shadows = shadowsOf(policy);
  return {
    add(event: AuditEvent, { decision }: Verdict): void {
      idle.delete(decision.rule);
      if (idle.size === 0 || decision.rule < 0) return;
      const request = attributesOf(event, readUser(event));
      for (const [rule, { matcher, takenBy }] of idle)
        if (rule > decision.rule && matcher.decide(request).rule === 0)
          takenBy[decision.rule] = (takenBy[decision.rule] ?? 0) + 1;
    },
    result: (): IdleRule[] =>
      [...idle].map(([rule, { takenBy }]) => {
        const shadowedBy = shadows[rule];
        return { rule, ...(shadowedBy !== undefined && { shadowedBy }), takenBy };
      }),
  };
}
