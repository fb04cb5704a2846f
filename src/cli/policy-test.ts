// `auditkeep policy test`: what a policy would keep of measured traffic, rule by rule, and what a month of it costs.

import { EXIT } from '../errors.ts';
import { advise } from '../policy/advice.ts';
import type { LoadedPolicy } from '../policy/load.ts';
import type { Policy } from '../policy/policy.ts';
import { formatTime } from '../time.ts';
import type { Cli, Run } from './io.ts';
import { formatBytes, formatCount, table } from './output.ts';
import { LEAST_SPAN, MONTH, monthlyCost, PRICES, STORAGE_CLASSES, type StorageClass } from './policy-cost.ts';
import { type EventOptions, type EventSource, inWords, noEvents, withEvents } from './policy-events.ts';
import { openPolicy } from './policy-file.ts';
import { createTrial, type IdleRule, type TrialResult } from './policy-trial.ts';
import { ruleInWords } from './policy-words.ts';

export interface TestOptions extends EventOptions {
  lenient?: boolean;
}

/** Exit code 0 whatever the policy keeps; 2 for an invalid policy, 1 where there was no event to try it on. */
export const policyTest: Run<TestOptions> = async (cli, name = '', ...files) => {
  const loaded = await openPolicy(name, cli.options.lenient === true);
  return withEvents(cli, files, async (source) => {
    const trial = createTrial(loaded.policy, source.rules);
    for await (const read of source.events) trial.add(read);
    const result = trial.result();
    if (result.total.events === 0) throw noEvents(source);
    const advice = advise(loaded.policy, { groups: result.unknownGroups ? 'unknown' : 'known' });
    const report = { name, source, loaded, result, advice, month: monthOf(result) };
    if (cli.options.output === 'json') await cli.out.json(asJson(report));
    else await print(cli, report);
    return EXIT.done;
  });
};

interface Report {
  readonly name: string;
  readonly source: EventSource;
  readonly loaded: LoadedPolicy;
  readonly result: TrialResult;
  readonly advice: readonly string[];
  readonly month: Month | undefined;
}

/** What a month of such traffic comes to: bytes compressed, US dollars for keeping it for a month. */
interface Month {
  readonly before: { readonly bytes: number; readonly cost: Readonly<Record<StorageClass, number>> };
  readonly after: { readonly bytes: number; readonly cost: Readonly<Record<StorageClass, number>> };
}

function monthOf({ first, last, total, ratio }: TrialResult): Month | undefined {
  if (last - first < LEAST_SPAN) return undefined;
  const months = (last - first) / MONTH;
  const side = (content: number, compressed: number) => {
    const bytes = Math.round((content * compressed) / months);
    return { bytes, cost: monthlyCost(bytes) };
  };
  return { before: side(total.bytes, ratio.before), after: side(total.keptBytes, ratio.after) };
}

function asJson({ name, source, loaded, result, advice, month }: Report): object {
  const { total, rules, idle, guarded, first, last, ratio } = result;
  const none = rules.at(-1)!;
  return {
    policy: name,
    source: source.name,
    from: formatTime(first),
    to: formatTime(last),
    ...total,
    compressedBytes: Math.round(total.bytes * ratio.before),
    compressedKeptBytes: Math.round(total.keptBytes * ratio.after),
    rules: rules.slice(0, -1).map((rule, i) => ({ ...rule, level: loaded.policy.rules[i]!.level })),
    noRule: { events: none.events, bytes: none.bytes },
    idle,
    guarded,
    notEvents: source.notEvents,
    ...(month !== undefined && {
      month: { ...month, prices: { region: PRICES.region, asOf: PRICES.asOf, currency: 'USD' } },
    }),
    advice,
    ignored: loaded.ignored,
  };
}

const percent = (part: number, whole: number) => `${whole === 0 ? '0' : ((100 * part) / whole).toFixed(1)} %`;

async function print(cli: Cli, { name, source, loaded, result, advice, month }: Report): Promise<void> {
  const { total, ratio, first, last, guarded } = result;
  const say = (text = '') => cli.out.line(text);
  const others = inWords(source.notEvents);
  if (others !== '') cli.tell(`${source.name}: ${others} were left out`);
  for (const text of loaded.ignored) cli.tell(`${name}: ignored, as kube-apiserver does: ${text}`);
  for (const text of advice) cli.tell(`${name}: ${text}`);

  await say(`policy ${name} on ${source.name}`);
  await say(`${formatCount(total.events)} events, ${formatTime(first)} to ${formatTime(last)}`);
  await say();
  for (const line of ruleTable(loaded.policy, result)) await say(line);
  await say();
  for (const line of result.idle.map(idleInWords)) await say(line);
  if (guarded > 0)
    await say(`${formatCount(guarded)} events lose bodies to the secrets guard, where the policy would keep them`);
  for (const { rule, undecided, unattained } of result.rules) {
    if (undecided > 0)
      await say(
        `rules[${rule}]: undecided for ${formatCount(undecided)} events: groups are unknown, the highest level is kept`,
      );
    if (unattained > 0)
      await say(`rules[${rule}]: asks for more than the source recorded in ${formatCount(unattained)} events`);
  }

  await say();
  const size = (bytes: number, compression: number) =>
    `${formatBytes(bytes)} (about ${formatBytes(bytes * compression)} compressed)`;
  await say(`before  ${formatCount(total.events)} events, ${size(total.bytes, ratio.before)}`);
  await say(
    `after   ${formatCount(total.keptEvents)} events (${percent(total.keptEvents, total.events)}), ${size(total.keptBytes, ratio.after)}: ${percent(total.keptBytes, total.bytes)} of the bytes`,
  );
  await say();
  if (month === undefined) await say('no estimate for a month: the events span less than a minute');
  else for (const line of monthTable(month)) await say(line);
}

function ruleTable(policy: Policy, { rules, total }: TrialResult): string[] {
  const head = ['rule', 'level', '>events', '>bytes', '>kept', '>kept bytes', 'for'];
  const row = (name: string, level: string, one: TrialResult['total'], words: string) => [
    name,
    level,
    formatCount(one.events),
    formatBytes(one.bytes),
    formatCount(one.keptEvents),
    formatBytes(one.keptBytes),
    words,
  ];
  const none = rules.at(-1)!;
  return table([
    head,
    ...policy.rules.map((rule, i) => row(`rules[${i}]`, rule.level, rules[i]!, ruleInWords(rule))),
    ...(none.events > 0 ? [row('no rule', 'None', none, 'what no rule matches')] : []),
    row('all', '', total, ''),
  ]);
}

function idleInWords({ rule, shadowedBy, takenBy }: IdleRule): string {
  if (shadowedBy !== undefined)
    return `rules[${rule}] can never decide: rules[${shadowedBy}], which comes first, matches all that it matches`;
  const takers = Object.entries(takenBy).map(([by, n]) => `rules[${by}] (${formatCount(n)})`);
  if (takers.length === 0) return `rules[${rule}] matches none of these events`;
  return `rules[${rule}] decides on none of these events: those it matches are taken by ${takers.join(', ')}`;
}

const dollars = (amount: number) => (amount < 0.01 && amount > 0 ? '<0.01' : amount.toFixed(2));

function monthTable({ before, after }: Month): string[] {
  return [
    `a month of such traffic, compressed: ${formatBytes(before.bytes)} before, ${formatBytes(after.bytes)} after; keeping that costs, US$ a month (estimate:`,
    `storage at ${PRICES.region} list prices of ${PRICES.asOf}, without requests, retrieval and minimum durations)`,
    ...table([
      ['storage class', '>before', '>after'],
      ...STORAGE_CLASSES.map((name) => [name, dollars(before.cost[name]), dollars(after.cost[name])]),
    ]).map((line) => `  ${line}`),
  ];
}
