// The queries, as KQL text. Whatever comes from the config passes through `quote`.

import type { Span } from '../../src/provider.ts';
import type { Category, Table } from './options.ts';

/** A table and the category that is read from it. */
export interface Feed {
  readonly table: Table;
  readonly category: Category;
}

/** All feeds there can be, the preferred one first. */
export const FEEDS: readonly Feed[] = [
  { table: 'AKSAudit', category: 'kube-audit' },
  { table: 'AzureDiagnostics', category: 'kube-audit' },
  { table: 'AKSAuditAdmin', category: 'kube-audit-admin' },
  { table: 'AzureDiagnostics', category: 'kube-audit-admin' },
];

export const feedName = ({ table, category }: Feed): string => `${table}/${category}`;

/** Hash values that a tick of rows is spread over when it must be split. */
export const BUCKETS = 65_536;

/** What one query asks for: arrivals, and of them the rows whose hash lies in `[from, to)` of BUCKETS. */
export interface Piece {
  readonly feed: Feed;
  readonly arrival: Span;
  readonly buckets: { readonly from: number; readonly to: number };
}

/** A KQL string literal. Quotes, backslashes and control characters can't end it. */
export function quote(text: string): string {
  return `"${text.replace(
    /["\\\u0000-\u001f\u007f\u0085\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )}"`;
}

/** Milliseconds since the epoch as a KQL literal. */
export const datetime = (time: number): string => `datetime(${new Date(time).toISOString()})`;

type ColumnType = 'string' | 'datetime' | 'dynamic';

/** Columns of AKSAudit and AKSAuditAdmin that are read, in the order in which a record holds them. */
const AUDIT_COLUMNS: readonly (readonly [string, ColumnType])[] = [
  ['TimeGenerated', 'datetime'],
  ['_ResourceId', 'string'],
  ['PodName', 'string'],
  ['Level', 'string'],
  ['AuditId', 'string'],
  ['Stage', 'string'],
  ['RequestUri', 'string'],
  ['Verb', 'string'],
  ['User', 'dynamic'],
  ['SourceIps', 'dynamic'],
  ['UserAgent', 'string'],
  ['ObjectRef', 'dynamic'],
  ['ResponseStatus', 'dynamic'],
  ['RequestObject', 'dynamic'],
  ['ResponseObject', 'dynamic'],
  ['RequestReceivedTime', 'datetime'],
  ['StageReceivedTime', 'datetime'],
  ['Annotations', 'dynamic'],
];

/** Columns of AzureDiagnostics. Those that other resources bring in may not exist, or have spilled into AdditionalFields. */
const DIAGNOSTICS_COLUMNS: readonly (readonly [string, string])[] = [
  ['TimeGenerated', 'tostring(TimeGenerated)'],
  ['_ResourceId', '_ResourceId'],
  ['Category', 'Category'],
  ['pod_s', 'tostring(column_ifexists("pod_s", ""))'],
  ['log_s', 'tostring(column_ifexists("log_s", ""))'],
  ['AdditionalFields', 'tostring(column_ifexists("AdditionalFields", ""))'],
];

/** Name in a record and KQL expression. All are strings: the client would cut datetimes and parse dynamic values. */
function columnsOf(table: Table): readonly (readonly [string, string])[] {
  if (table === 'AzureDiagnostics') return DIAGNOSTICS_COLUMNS;
  return AUDIT_COLUMNS.map(([name, type]) => [name, type === 'string' ? name : `tostring(${name})`] as const);
}

/** Names of the columns of an answer: the arrival, then those of a record. */
export function answerColumns(table: Table): string[] {
  return ['Arrival', ...columnsOf(table).map(([name]) => name)];
}

/** TimeGenerated is what the service indexes by; `ingestion_time()` decides. A null one is let through, to be noticed. */
function selection(resource: string, times: Span, arrival: Span): string[] {
  return [
    `| where TimeGenerated >= ${datetime(times.from)} and TimeGenerated < ${datetime(times.to)}`,
    `| where _ResourceId =~ ${quote(resource)}`,
    `| where isnull(ingestion_time()) or (ingestion_time() >= ${datetime(arrival.from)} and ingestion_time() < ${datetime(arrival.to)})`,
  ];
}

/** The rows of a piece, at most `rows` of them: an answer with as many is not whole. */
export function pageQuery(piece: Piece, resource: string, times: Span, rows: number): string {
  const { feed, arrival, buckets } = piece;
  const columns = columnsOf(feed.table);
  const lines = [feed.table, ...selection(resource, times, arrival)];
  if (feed.table === 'AzureDiagnostics') lines.push(`| where Category == ${quote(feed.category)}`);
  if (buckets.from > 0 || buckets.to < BUCKETS) {
    const row = `strcat(${columns.map(([, expression]) => expression).join(', ')})`;
    lines.push(
      `| extend Bucket = hash_xxhash64(${row}, ${BUCKETS})`,
      `| where Bucket >= ${buckets.from} and Bucket < ${buckets.to}`,
    );
  }
  const projected = columns.map(([name, expression]) => (name === expression ? name : `${name} = ${expression}`));
  lines.push(`| project Arrival = tostring(ingestion_time()), ${projected.join(', ')}`, `| take ${rows}`);
  return lines.join('\n');
}

/** How many rows of a piece arrived in each slot of `length` milliseconds; slots without rows are left out. */
export function countQuery({ feed, arrival }: Piece, resource: string, times: Span, length: number): string {
  const lines = [feed.table, ...selection(resource, times, arrival)];
  if (feed.table === 'AzureDiagnostics') lines.push(`| where Category == ${quote(feed.category)}`);
  lines.push(`| summarize Rows = count() by Slot = tostring(bin(ingestion_time(), ${length}ms))`);
  return lines.join('\n');
}

/** Which feeds have rows of this cluster that arrived in a span. Tables that don't exist are left out. */
export function feedsQuery(resource: string, times: Span, arrival: Span): string {
  const count = (table: Table, category: string, filter: readonly string[] = []) =>
    [
      table,
      ...selection(resource, times, arrival),
      ...filter,
      `| summarize Rows = count() by Feed = strcat(${quote(`${table}/`)}, ${category})`,
    ].join(' ');
  return [
    'union isfuzzy=true',
    `(${count('AKSAudit', quote('kube-audit'))}),`,
    `(${count('AKSAuditAdmin', quote('kube-audit-admin'))}),`,
    `(${count('AzureDiagnostics', 'Category', ['| where Category in ("kube-audit", "kube-audit-admin")'])})`,
  ].join('\n');
}

/** No rows: only tells whether the tables, or one of several, can be queried. */
export function probeQuery(tables: readonly Table[]): string {
  if (tables.length === 1) return `${tables[0]} | project TimeGenerated | take 0`;
  return `union isfuzzy=true ${tables.map((table) => `(${table} | project TimeGenerated)`).join(', ')} | take 0`;
}

/** What the workspace said of rows that it didn't take in: at the daily cap, or over its rate. It warns at 80 % of the rate too, when nothing is lost yet. */
export function dropsQuery(times: Span): string {
  return [
    'Operation',
    `| where TimeGenerated >= ${datetime(times.from)} and TimeGenerated < ${datetime(times.to)}`,
    '| where Detail contains "OverQuota" or Detail startswith "The data ingestion volume rate crossed the threshold"',
    '| project At = tostring(TimeGenerated), Detail',
    '| take 1000',
  ].join('\n');
}
