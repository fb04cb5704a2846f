// Every query that the AKS provider sends, checked by Kusto's own language service against the tables as Microsoft documents them.

import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseKql } from '../../emulators/log-analytics/kql-parse.ts';
import { SCHEMAS } from '../../emulators/log-analytics/tables.ts';
import {
  answerColumns,
  BUCKETS,
  countQuery,
  dropsQuery,
  type Feed,
  FEEDS,
  feedsQuery,
  pageQuery,
  probeQuery,
  quote,
} from '../../providers/aks/kql.ts';
import { optionsSchema, TABLES } from '../../providers/aks/options.ts';
import { RESOURCE, WORKSPACE } from './aks-harness.ts';

interface List<T> {
  readonly Count: number;
  getItem(i: number): T;
}
interface Code {
  GetDiagnostics(): List<{ readonly Severity: string; readonly Code: string; readonly Message: string }>;
  readonly ResultType: { readonly Columns: List<{ readonly Name: string; readonly Type: { readonly Name: string } }> };
}
interface Language {
  readonly KustoCode: { ParseAndAnalyze(text: string, globals: unknown): Code };
  readonly GlobalState: { readonly Default: { WithDatabase(database: unknown): unknown } };
  readonly Symbols: {
    readonly TableSymbol: { From(schema: string): { WithName(name: string): unknown } };
    readonly DatabaseSymbol: { readonly ctor: new (name: string, members: unknown[]) => unknown };
  };
}

// the package is a script that leaves its classes in the global object
const require = createRequire(import.meta.url);
require('@kusto/language-service-next/bridge.min.js');
require('@kusto/language-service-next/Kusto.Language.Bridge.min.js');
const { KustoCode, GlobalState, Symbols } = (globalThis as unknown as { Kusto: { Language: Language } }).Kusto.Language;

const items = <T>(list: List<T>): T[] => Array.from({ length: list.Count }, (_, i) => list.getItem(i));

/** The workspace with these tables; `without`: columns that it never got. */
function workspace(tables: readonly string[], without: readonly string[] = []): unknown {
  const symbols = tables.map((name) => {
    const columns = Object.entries(SCHEMAS[name]!).filter(([column]) => !without.includes(column));
    return Symbols.TableSymbol.From(`(${columns.map(([c, type]) => `${c}: ${type}`).join(', ')})`).WithName(name);
  });
  return GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor('workspace', symbols));
}

function analyze(text: string, globals: unknown) {
  const code = KustoCode.ParseAndAnalyze(text, globals);
  return {
    problems: items(code.GetDiagnostics()).map((d) => `${d.Severity} ${d.Code} ${d.Message}`),
    columns: items(code.ResultType.Columns).map((c) => `${c.Name}: ${c.Type.Name}`),
  };
}

const arrival = { from: Date.parse('2026-06-22T10:00:00Z'), to: Date.parse('2026-06-22T11:00:00Z') };
const times = { from: arrival.from - 3 * 86_400_000, to: arrival.to + 86_400_000 };
const piece = (feed: Feed, from = 0, to = BUCKETS) => ({ feed, arrival, buckets: { from, to } });

describe('the queries of the AKS provider', () => {
  const all = workspace(TABLES);

  for (const feed of FEEDS) {
    it(`${feed.table}, ${feed.category}: whole pieces, hash buckets, counts`, () => {
      for (const query of [
        pageQuery(piece(feed), RESOURCE, times, 4000),
        pageQuery(piece(feed, 5, 17), RESOURCE, times, 4000),
      ]) {
        const { problems, columns } = analyze(query, all);
        expect(problems).toEqual([]);
        // the client would cut a datetime to milliseconds and parse what is dynamic
        expect(columns).toEqual(answerColumns(feed.table).map((name) => `${name}: string`));
      }
      const counted = analyze(countQuery(piece(feed), RESOURCE, times, 3600), all);
      expect(counted).toEqual({ problems: [], columns: ['Slot: string', 'Rows: long'] });
    });
  }

  it('AzureDiagnostics without the columns of AKS, which spilled or never came', () => {
    const bare = workspace(TABLES, ['log_s', 'pod_s', 'AdditionalFields']);
    const feed = { table: 'AzureDiagnostics', category: 'kube-audit' } as const;
    expect(analyze(pageQuery(piece(feed, 0, 5), RESOURCE, times, 10), bare).problems).toEqual([]);
  });

  it('looking for tables: those that are missing are a warning, not an error', () => {
    const found = analyze(feedsQuery(RESOURCE, times, arrival), all);
    expect(found).toEqual({ problems: [], columns: ['Feed: string', 'Rows: long'] });
    expect(analyze(probeQuery(TABLES), all).problems).toEqual([]);
    expect(analyze(probeQuery(['AKSAudit']), all).problems).toEqual([]);
    for (const query of [feedsQuery(RESOURCE, times, arrival), probeQuery(TABLES)]) {
      const { problems } = analyze(query, workspace(['AKSAudit']));
      expect(problems).toHaveLength(2);
      for (const problem of problems) expect(problem).toMatch(/^Warning KS205/);
    }
  });

  it('looking for dropped rows', () => {
    expect(analyze(dropsQuery(times), workspace(['Operation']))).toEqual({
      problems: [],
      columns: ['At: string', 'Detail: string'],
    });
  });

  it('the checker itself finds what is wrong', () => {
    const feed = FEEDS[0]!;
    const query = pageQuery(piece(feed), RESOURCE, times, 4000);
    expect(analyze(query.replace('AuditId', 'AuditID'), all).problems).not.toEqual([]);
    expect(analyze(query, workspace(['AzureDiagnostics'])).problems).not.toEqual([]);
  });

  it('a resource id can not inject, whatever it holds', () => {
    const hostile = ['x" or true or "', 'x\\', 'x\n| take 1', "x'", '\u2028" | union *', '";//', 'a"b\\"c'];
    for (const text of hostile) {
      const { problems, columns } = analyze(pageQuery(piece(FEEDS[0]!), text, times, 10), all);
      expect(problems).toEqual([]);
      expect(columns).toHaveLength(answerColumns('AKSAudit').length);
    }
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const literal = quote(text);
        expect(literal).not.toMatch(/[\r\n\u2028]/);
        const parsed = parseKql(`AKSAudit | where Verb == ${literal}`).operators[0];
        expect(parsed).toMatchObject({ condition: { right: { kind: 'literal', type: 'string', value: text } } });
      }),
    );
    for (const text of hostile)
      expect(optionsSchema.safeParse({ workspace: WORKSPACE, resource: RESOURCE + text }).success).toBe(false);
  });
});
