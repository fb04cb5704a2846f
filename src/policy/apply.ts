// A policy applied to one event: dropped, lowered, or written byte for byte as it came.

import { type AuditEvent, type Level, LEVELS } from '../event.ts';
import { userReader } from './groups.ts';
import { isSecretEvent, withoutSecrets } from './guard.ts';
import { lower } from './lower.ts';
import { compileMatcher, type Decision } from './match.ts';
import { type Policy, POLICY_LEVELS } from './policy.ts';
import { attributesOf } from './request-info.ts';

/** What became of an event. The names in it are keys of the manifest's counts. */
export type Applied =
  | {
      readonly kept: false;
      /** `rules[3]`, `rules[3].omitStages`, `omitStages`, or `no rule`. */
      readonly droppedBy: string;
      readonly undecided?: string;
    }
  | {
      readonly kept: true;
      /** The event's own buffer when nothing changed. */
      readonly line: Buffer;
      /** As it stands in the line. */
      readonly level: Level;
      /** Only where the line changed: `secrets` (the guard), `rules[3]`, `rules[3].omitManagedFields`, `omitManagedFields`. */
      readonly loweredBy?: string;
      /** The first rule of which nobody knows whether it matches, where that makes a difference: the highest level was kept. */
      readonly undecided?: string;
      /** The rule asks for more than the source recorded. */
      readonly unattained?: string;
    };

export interface PolicyOptions {
  /** `keep`: bodies of Secrets and tokens stay. */
  readonly secrets: 'redact' | 'keep';
  /** `unknown`: the source doesn't tell the groups of users (GKE). */
  readonly groups: 'known' | 'unknown';
  /** `policy`: a rule or stage filter may drop Panic events too, as on the API server. */
  readonly panics: 'keep' | 'policy';
}

export type ApplyPolicy = (event: AuditEvent) => Applied;

/** What a policy says of one event, Panic events and unknown groups considered. */
export interface Verdict {
  readonly decision: Decision;
  /** Why it is dropped; undefined: it is kept. */
  readonly droppedBy: string | undefined;
  /** The most that is kept; never more than the event has. */
  readonly level: Level;
  /** The first rule in doubt, where that makes a difference. */
  readonly undecided: string | undefined;
}

const rank = (level: Level | 'None') => POLICY_LEVELS.indexOf(level);

// made once: for some policies each event has one
const ruleNames: string[] = [];

/** Name of the rule that a decision comes from, as it stands in counts. */
export function ruleName(rule: number): string {
  return rule < 0 ? 'no rule' : (ruleNames[rule] ??= `rules[${rule}]`);
}

/** Prepares the decisions on the events of one cluster. The guard has no part in them. */
export function judge(
  policy: Policy,
  options: Pick<PolicyOptions, 'groups' | 'panics'>,
): (event: AuditEvent) => Verdict {
  const matcher = compileMatcher(policy);
  const readUser = userReader(options.groups);
  const policyStages = new Set(policy.omitStages);

  const outcome = (decision: Decision, event: AuditEvent): Verdict => {
    const isPanic = event.stage === 'Panic' && options.panics === 'keep';
    let droppedBy: string | undefined;
    if (!isPanic) {
      if (decision.level === 'None') droppedBy = ruleName(decision.rule);
      else if (policyStages.has(event.stage)) droppedBy = 'omitStages';
      else if (decision.omitStages.has(event.stage)) droppedBy = `${ruleName(decision.rule)}.omitStages`;
    }
    const wanted = decision.level === 'None' ? 'Metadata' : decision.level;
    const level = rank(wanted) < rank(event.level) ? wanted : event.level;
    return { decision, droppedBy, level, undecided: undefined };
  };

  if (options.groups === 'known')
    return (event) => outcome(matcher.decide(attributesOf(event, readUser(event))), event);
  return (event) => {
    const candidates = matcher.candidates(attributesOf(event, readUser(event)));
    let chosen = outcome(candidates.at(-1)!, event);
    let undecided: string | undefined;
    for (const other of candidates.slice(0, -1)) {
      const possible = outcome(other, event);
      if (isSame(possible, chosen)) continue;
      undecided ??= ruleName(candidates[0]!.rule);
      if (keepsMore(possible, chosen)) chosen = possible;
    }
    return undecided === undefined ? chosen : { ...chosen, undecided };
  };
}

/**
 * Prepares a policy for the events of one cluster. The function is to be called for every event, in any order; it keeps nothing
 * but caches of users and paths, so equal events always come to the same end. Never throws.
 * @param policy undefined: every event is kept, only the guard works
 */
export function policyFor(policy: Policy | undefined, options: PolicyOptions): ApplyPolicy {
  if (policy === undefined) {
    if (options.secrets === 'keep') return unchanged;
    return (event) => (isSecretEvent(event) ? finish(event, withoutSecrets(event), 'secrets', {}) : unchanged(event));
  }
  const verdictOn = judge(policy, options);
  const carryOut = executor(policy, options);
  return (event) => carryOut(event, verdictOn(event));
}

const NOTHING = {};

/** Makes of an event what its verdict says, with the guard. */
export function executor(
  policy: Policy,
  options: Pick<PolicyOptions, 'secrets'>,
): (event: AuditEvent, verdict: Verdict) => Applied {
  const guarded = options.secrets === 'redact';
  const isSecret = guarded ? isSecretEvent : () => false;
  return (event, { decision, droppedBy, level, undecided }) => {
    if (droppedBy !== undefined) return { kept: false, droppedBy, ...(undecided !== undefined && { undecided }) };
    const unattained = rank(decision.level) > rank(event.level) ? ruleName(decision.rule) : undefined;
    const more =
      undecided === undefined && unattained === undefined
        ? NOTHING
        : { ...(undecided !== undefined && { undecided }), ...(unattained !== undefined && { unattained }) };
    // at Metadata there is nothing left for the guard but annotations, which withoutSecrets looks at
    if (level === 'Metadata' ? guarded : isSecret(event))
      return finish(event, withoutSecrets(event), level === 'Metadata' ? ruleName(decision.rule) : 'secrets', more);
    const { omitManagedFields } = decision;
    if (level === event.level && !omitManagedFields)
      return more === NOTHING ? unchanged(event) : { kept: true, line: event.line, level, ...more };
    const line = lower(event, level, { omitManagedFields });
    const own = policy.rules[decision.rule]?.omitManagedFields !== undefined;
    const fields = own ? `${ruleName(decision.rule)}.omitManagedFields` : 'omitManagedFields';
    return finish(event, line, level === event.level ? fields : ruleName(decision.rule), more, level);
  };
}

function unchanged(event: AuditEvent): Applied {
  return { kept: true, line: event.line, level: event.level };
}

function finish(event: AuditEvent, line: Buffer, loweredBy: string, more: object, level: Level = LEVELS[0]): Applied {
  return { kept: true, line, level, ...(line !== event.line && { loweredBy }), ...more };
}

function isSame(a: Verdict, b: Verdict): boolean {
  if (a.droppedBy !== undefined || b.droppedBy !== undefined)
    return (a.droppedBy === undefined) === (b.droppedBy === undefined);
  return a.level === b.level && a.decision.omitManagedFields === b.decision.omitManagedFields;
}

function keepsMore(a: Verdict, b: Verdict): boolean {
  if (a.droppedBy !== undefined || b.droppedBy !== undefined)
    return a.droppedBy === undefined && b.droppedBy !== undefined;
  if (a.level !== b.level) return rank(a.level) > rank(b.level);
  return !a.decision.omitManagedFields && b.decision.omitManagedFields;
}
