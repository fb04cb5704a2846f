// `auditkeep policy explain`: for each event, which rule decides, why none before it does, and what becomes of the event.

import { EXIT } from '../errors.ts';
import { type AuditEvent, fieldBytes, FIELDS, scanEvent } from '../event.ts';
import { type Applied, executor, judge, ruleName, type Verdict } from '../policy/apply.ts';
import { explain, type Explanation } from '../policy/explain.ts';
import { userReader } from '../policy/groups.ts';
import type { Policy } from '../policy/policy.ts';
import { attributesOf, type Attributes } from '../policy/request-info.ts';
import type { Cli, Run } from './io.ts';
import { inWords, noEvents, type ReadEvent, withEvents } from './policy-events.ts';
import { openPolicy } from './policy-file.ts';

interface ExplainOptions {
  lenient?: boolean;
}

/** Exit code 0 if every record was an event, 3 if some were none. */
export const policyExplain: Run<ExplainOptions> = async (cli, name = '', file = '-') => {
  const { policy, ignored } = await openPolicy(name, cli.options.lenient === true);
  for (const text of ignored) cli.tell(`${name}: ignored, as kube-apiserver does: ${text}`);
  return withEvents(cli as Cli, [file], async (source) => {
    const explainOne = explainer(policy, source.rules);
    let events = 0;
    for await (const read of source.events) {
      const one = explainOne(read);
      if (cli.options.output === 'json') await cli.out.json(asJson(one));
      else await print(cli, policy, one, events > 0);
      events++;
      if (cli.out.closed) break;
    }
    if (events === 0) throw noEvents(source);
    const others = inWords(source.notEvents);
    if (others === '') return EXIT.done;
    cli.tell(`${source.name}: ${others} were left out`);
    return EXIT.incomplete;
  });
};

interface Explained {
  readonly event: AuditEvent;
  readonly request: Attributes;
  readonly verdict: Verdict;
  readonly explanation: Explanation;
  readonly applied: Applied;
  /** Members that go, and those that change. */
  readonly removed: readonly string[];
  readonly changed: readonly string[];
}

function explainer(policy: Policy, rules: { secrets: 'redact' | 'keep'; panics: 'keep' | 'policy' }) {
  const judges = {
    known: judge(policy, { groups: 'known', panics: rules.panics }),
    unknown: judge(policy, { groups: 'unknown', panics: rules.panics }),
  };
  const users = { known: userReader('known'), unknown: userReader('unknown') };
  const carryOut = executor(policy, rules);
  return ({ event, groups }: ReadEvent): Explained => {
    const verdict = judges[groups](event);
    const applied = carryOut(event, verdict);
    const request = attributesOf(event, users[groups](event));
    const explanation = explain(policy, request, groups);
    return { event, request, verdict, explanation, applied, ...difference(event, applied) };
  };
}

function difference(event: AuditEvent, applied: Applied): { removed: string[]; changed: string[] } {
  const after = applied.kept && applied.line !== event.line ? scanEvent(applied.line) : undefined;
  if (after === undefined || 'not' in after) return { removed: [], changed: [] };
  const removed: string[] = [];
  const changed: string[] = [];
  for (const field of FIELDS) {
    const before = fieldBytes(event, field);
    if (before === undefined) continue;
    const now = fieldBytes(after, field);
    if (now === undefined) removed.push(field);
    else if (!now.equals(before)) changed.push(field);
  }
  return { removed, changed };
}

function idOf(event: AuditEvent): string {
  return JSON.parse(fieldBytes(event, 'auditID')!.toString('utf8')) as string;
}

function asJson({ event, request, verdict, explanation, applied, removed, changed }: Explained): object {
  return {
    auditID: idOf(event),
    stage: event.stage,
    recordedLevel: event.level,
    request,
    rule: verdict.decision.rule,
    level: verdict.decision.level,
    rules: explanation.rules,
    kept: applied.kept,
    ...(applied.kept
      ? {
          keptLevel: applied.level,
          ...(applied.loweredBy !== undefined && { loweredBy: applied.loweredBy }),
          removed,
          changed,
          ...(applied.unattained !== undefined && { unattained: applied.unattained }),
        }
      : { droppedBy: applied.droppedBy }),
    ...(applied.undecided !== undefined && { undecided: applied.undecided }),
  };
}

function target({ resourceRequest, resource, subresource, apiGroup, namespace, name, path }: Attributes): string {
  if (!resourceRequest) return path;
  return [
    `${resource}${subresource === '' ? '' : `/${subresource}`}`,
    ...(apiGroup === '' ? [] : [`of ${apiGroup}`]),
    ...(name === '' ? [] : [`"${name}"`]),
    ...(namespace === '' ? [] : [`in ${namespace}`]),
  ].join(' ');
}

async function print(cli: Cli, policy: Policy, one: Explained, further: boolean): Promise<void> {
  const { event, request, verdict, explanation } = one;
  const say = (text = '') => cli.out.line(text);
  if (further) await say();
  const who = request.user === null ? 'nobody (authentication failed)' : request.user.username;
  await say(`${idOf(event)}  ${event.stage}: ${request.verb} ${target(request)} by ${who}`);
  for (const { rule, matches, because } of explanation.rules) {
    const head = `  rules[${rule}] ${policy.rules[rule]!.level}`;
    if (matches === true) await say(`${head}: matches`);
    else if (matches === 'unknown')
      await say(`${head}: matches if the user is in one of its groups, which the source doesn't tell`);
    else await say(`${head}: ${because.join('; ')}`);
  }
  await say(`  ${decisionInWords(verdict)}`);
  await say(`  ${fateInWords(one)}`);
}

function decisionInWords({ decision, undecided }: Verdict): string {
  const by =
    decision.rule < 0 ? 'no rule matches: level None' : `decided by rules[${decision.rule}]: level ${decision.level}`;
  return undecided === undefined ? by : `${by}, the most that may apply; ${undecided} is in doubt`;
}

function fateInWords({ event, verdict, applied, removed, changed }: Explained): string {
  if (!applied.kept) {
    const why =
      applied.droppedBy === ruleName(verdict.decision.rule)
        ? ''
        : ` by ${applied.droppedBy}, which names the stage ${event.stage}`;
    return `dropped${why}`;
  }
  const more = applied.unattained === undefined ? '' : '; the source did not record more';
  if (applied.loweredBy === undefined) return `kept byte for byte, at ${applied.level}${more}`;
  const parts = [
    ...(removed.length > 0 ? [`without ${removed.join(', ')}`] : []),
    ...(changed.length > 0 ? [`${changed.join(', ')} changed`] : []),
  ];
  const by = applied.loweredBy === 'secrets' ? 'the secrets guard' : applied.loweredBy;
  return `kept at ${applied.level} (recorded at ${event.level}), ${parts.join('; ')}: by ${by}${more}`;
}
