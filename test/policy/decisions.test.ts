import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../src/errors.ts';
import { LEVELS, STAGES } from '../../src/event.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import { lower } from '../../src/policy/lower.ts';
import { compileMatcher, type Decision } from '../../src/policy/match.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { type Attributes, requestInfo } from '../../src/policy/request-info.ts';
import { eventOf, fixture, hasShared, makeEvent, readLines, SHARED } from './lines.ts';

interface Expected {
  level: string;
  omitStages: string[];
  omitManagedFields: boolean;
}

interface PolicyFile {
  policy: string;
  lenient?: boolean | null;
  error?: string | null;
  requests?: Attributes[];
  decisions?: Expected[];
}

const told = ({ level, omitStages, omitManagedFields }: Decision): Expected => ({
  level,
  omitStages: STAGES.filter((stage) => omitStages.has(stage)),
  omitManagedFields,
});

/** The policy of a case, which is written as an object. */
const load = (policy: object, lenient = false) =>
  loadPolicy(JSON.stringify({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', ...policy }), { lenient });

const readFiles = (path: string) => readLines(path).map((line) => JSON.parse(line.toString('utf8')) as PolicyFile);

function checkDecisions(file: PolicyFile): number {
  const { policy, ignored } = loadPolicy(file.policy, { lenient: true });
  expect(ignored.length > 0, file.policy).toBe(file.lenient === true);
  const matcher = compileMatcher(policy);
  for (const [i, request] of file.requests!.entries()) {
    const expected = { request, policy: file.policy, ...file.decisions![i]! };
    expect({ request, policy: file.policy, ...told(matcher.decide(request)) }).toEqual(expected);
    // with all groups known, nothing is left open
    expect(matcher.candidates(request).at(-1)).toBeDefined();
  }
  return file.requests!.length;
}

function checkLoad(file: PolicyFile): void {
  if (file.error !== null) {
    for (const lenient of [true, false])
      expect(() => loadPolicy(file.policy, { lenient }), file.policy).toThrow(ConfigError);
    return;
  }
  checkDecisions(file);
  if (file.lenient === true) expect(() => loadPolicy(file.policy), file.policy).toThrow(ConfigError);
  else expect(loadPolicy(file.policy).ignored).toEqual([]);
}

describe.each([
  ['samples', fixture(''), false],
  ['all data', `${SHARED}data/`, !hasShared],
])("decisions of Kubernetes' own evaluator: %s", (_name, folder, missing) => {
  it.skipIf(missing)('on random policies', () => {
    const files = readFiles(`${folder}policy-decisions.ndjson.gz`);
    expect(files.map(checkDecisions).reduce((a, b) => a + b)).toBeGreaterThan(500);
  });

  it.skipIf(missing)('on whether a file loads, and what it then means', () => {
    const files = readFiles(`${folder}policy-load.ndjson.gz`);
    files.forEach(checkLoad);
    expect(files.filter((file) => file.error !== null).length).toBeGreaterThan(50);
  });
});

describe("cases of Kubernetes' own tests", () => {
  const cases = JSON.parse(readFileSync(fixture('policy-cases.json'), 'utf8'));

  it.each<{ id: string; request: string; rules: string[]; policyOmitStages: string[] } & Record<string, never>>(
    cases.policyMatching,
  )('$id', (one) => {
    const rules = one.rules.map((rule) => cases.rules[rule]);
    const matcher = compileMatcher(load({ rules, omitStages: one.policyOmitStages }).policy);
    const decision = told(matcher.decide(cases.requests[one.request]));
    expect(decision.level).toBe(one['expectedLevel']);
    expect(new Set(decision.omitStages)).toEqual(new Set(one['expectedOmitStages']));
  });

  it.each(cases.derived as (Record<string, never> & { policy: Partial<Policy> })[])(
    'derived: $name',
    ({ policy, request, ...expected }) => {
      // some hold what the loader refuses, such as a group glob, to show that it would mean nothing
      const empty = load({ rules: [{ level: 'None', resources: [{}] }] }).policy;
      const rules = policy.rules!.map((rule) => ({
        ...empty.rules[0]!,
        ...rule,
        resources: (rule.resources ?? []).map((group) => ({ ...empty.rules[0]!.resources[0]!, ...group })),
      }));
      const decision = told(compileMatcher({ ...empty, ...policy, rules }).decide(request!));
      expect({ ...decision, omitStages: new Set(decision.omitStages) }).toEqual({
        level: expected['expectedLevel'],
        omitStages: new Set(expected['expectedOmitStages']),
        omitManagedFields: expected['expectedOmitManagedFields'],
      });
    },
  );

  it.each(cases.unionStages as Record<'a' | 'b' | 'expected', string[] | null>[])('stages of $a and $b', (one) => {
    const { policy } = load({ omitStages: one.a, rules: [{ level: 'Request', omitStages: one.b }] });
    expect(compileMatcher(policy).decisions[0]!.omitStages).toEqual(new Set(one.expected));
  });

  it.each(cases.omitManagedFields as { name: string; policy: object; request: object; expected: boolean }[])(
    '$name',
    ({ policy, request, expected }) => {
      const asked = { ...cases.requests.namespaced, ...request };
      expect(compileMatcher(load(policy).policy).decide(asked).omitManagedFields).toBe(expected);
    },
  );

  it.each(cases.validation as { name: string; policy: object; valid: boolean }[])('$name', ({ policy, valid }) => {
    // the validator takes a policy without rules, the loader doesn't
    const whole = { rules: [{ level: 'None' }], ...policy };
    if (valid) expect(load(whole).policy.rules.length).toBeGreaterThan(0);
    else expect(() => load(whole)).toThrow(ConfigError);
  });

  it.each(cases.loader as { name: string; yaml: string; ok: boolean; expectedPolicy?: { rules: object[] } }[])(
    '$name',
    ({ yaml, ok, expectedPolicy }) => {
      if (!ok) return expect(() => loadPolicy(yaml)).toThrow(ConfigError);
      expect(loadPolicy(yaml).policy).toEqual(load(expectedPolicy!).policy);
    },
  );

  it.each(cases.requestInfo as Record<string, string>[])('$method $url', (expected) => {
    // selectors are for authorization only, no rule can see them
    const { method, url, ...rest } = expected;
    for (const key of ['label', 'fieldSelector', 'labelSelector']) delete rest[key];
    expect(requestInfo(method!, url!)).toMatchObject(rest);
  });

  it.each(cases.levelResponse as Record<string, never>[])('$name', (one) => {
    if (one['level'] === 'None') return;
    const event = makeEvent({ responseObject: { kind: one['responseObjectKind'] } });
    const lowered = JSON.parse(
      lower(
        event,
        LEVELS.find((level) => level === one['level'])!,
      ).toString(),
    );
    expect('responseObject' in lowered).toBe(one['expectResponseObject']);
  });

  it.each(cases.managedFieldsRemoval as { name: string; kind: string; input: object; output: object }[])(
    'managed fields: $name',
    ({ kind, input, output }) => {
      const type = { kind, apiVersion: kind === 'Table' ? 'meta.k8s.io/v1' : 'v1' };
      const event = makeEvent({ responseObject: { ...type, ...input } });
      const line = lower(event, 'RequestResponse', { omitManagedFields: true });
      expect(JSON.parse(eventOf(line).line.toString()).responseObject).toEqual({ ...type, ...output });
    },
  );
});
