// Runs a parsed query over the rows that can be found now. Types are checked first, as the service does: unknown names are semantic errors.

import { semantic } from './fault.ts';
import { type Assignment, canonicalTime, type Expression, type Operator, type Pipeline } from './kql-parse.ts';
import { arrivedIn, type ColumnType, type StoredRow, type Workspace } from './tables.ts';

type Value = string | number | boolean | null;

/** A row on its way through the pipe: stored values, those that were added, and what ingestion_time() tells. */
interface Row {
  readonly values: Readonly<Record<string, Value>>;
  readonly ingested: string | null;
}

interface Relation {
  readonly columns: Readonly<Record<string, ColumnType>>;
  readonly rows: readonly Row[];
}

interface Compiled {
  readonly type: ColumnType;
  readonly run: (row: Row) => Value;
}

export interface RunOptions {
  readonly now: number;
  /** `timespan` of the request: bounds of TimeGenerated, both inclusive. */
  readonly timespan?: { readonly from: string; readonly to: string };
  /** Throws where the table may not be read. */
  readonly mayRead: (table: string) => void;
}

export interface Result {
  readonly columns: readonly { readonly name: string; readonly type: ColumnType }[];
  readonly rows: readonly (readonly Value[])[];
}

/** What tostring() makes of a value: of dynamic ones JSON, of dynamic strings their text. */
function toText(type: ColumnType, value: Value): string {
  if (value === null) return '';
  if (type === 'dynamic' && typeof value === 'string' && value.startsWith('"')) return JSON.parse(value) as string;
  return type === 'dynamic' && value === 'null' ? '' : String(value);
}

/** FNV-1a and a final mix: https://en.wikipedia.org/wiki/Fowler–Noll–Vo_hash_function */
function spread(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d);
  return (hash ^ (hash >>> 15)) >>> 0;
}

const YEAR_ONE = Date.parse('0001-01-01T00:00:00Z');

function binOf(time: number, length: number): string {
  const start = YEAR_ONE + Math.floor((time - YEAR_ONE) / length) * length;
  return canonicalTime(new Date(start).toISOString());
}

function call(name: string, args: readonly Expression[], columns: Relation['columns']): Compiled {
  if (name === 'column_ifexists') {
    const [column, fallback] = args;
    if (column?.kind !== 'literal' || fallback === undefined)
      throw semantic('column_ifexists needs a name and a value');
    return Object.hasOwn(columns, String(column.value))
      ? compile({ kind: 'name', name: String(column.value) }, columns)
      : compile(fallback, columns);
  }
  const [first, second] = args.map((arg) => compile(arg, columns));
  if (name === 'ingestion_time' && args.length === 0) return { type: 'datetime', run: (row) => row.ingested };
  if (name === 'isnull' && first !== undefined) return { type: 'bool', run: (row) => first.run(row) === null };
  if (name === 'tostring' && first !== undefined)
    return { type: 'string', run: (row) => toText(first.type, first.run(row)) };
  if (name === 'strcat') {
    const parts = args.map((arg) => compile(arg, columns));
    return { type: 'string', run: (row) => parts.map((part) => toText(part.type, part.run(row))).join('') };
  }
  if (name === 'bin' && first?.type === 'datetime' && second?.type === 'timespan')
    return {
      type: 'datetime',
      run: (row) => {
        const time = first.run(row);
        const length = Number(second.run(row));
        // bins are counted from year 1
        return time === null ? null : binOf(Date.parse(String(time)), length);
      },
    };
  // another function than xxHash: what counts is that it spreads rows, the same way each time
  if (name === 'hash_xxhash64' && first !== undefined && second !== undefined)
    return {
      type: 'long',
      run: (row) => spread(toText(first.type, first.run(row))) % Number(second.run(row)),
    };
  throw semantic(`Unknown function: '${name}'.`, 'SEM0260');
}

const COMPARE: Readonly<Record<string, (a: Exclude<Value, null>, b: Exclude<Value, null>) => boolean>> = {
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '=~': (a, b) => String(a).toLowerCase() === String(b).toLowerCase(),
  contains: (a, b) => String(a).toLowerCase().includes(String(b).toLowerCase()),
  startswith: (a, b) => String(a).toLowerCase().startsWith(String(b).toLowerCase()),
  '>=': (a, b) => a >= b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '<': (a, b) => a < b,
};

function compile(expression: Expression, columns: Relation['columns']): Compiled {
  if (expression.kind === 'literal') return { type: expression.type, run: () => expression.value };
  if (expression.kind === 'name') {
    const { name } = expression;
    const type = Object.hasOwn(columns, name) ? columns[name] : undefined;
    if (type === undefined) throw semantic(`Failed to resolve scalar expression named '${name}'`);
    // a string column is never null
    return { type, run: (row) => row.values[name] ?? (type === 'string' ? '' : null) };
  }
  if (expression.kind === 'call') return call(expression.name, expression.args, columns);
  if (expression.kind === 'in') {
    const left = compile(expression.left, columns);
    const list = expression.list.map((item) => compile(item, columns));
    return { type: 'bool', run: (row) => list.some((item) => item.run(row) === left.run(row)) };
  }
  const left = compile(expression.left, columns);
  const right = compile(expression.right, columns);
  const { operator } = expression;
  if (operator === '=~' && expression.right.kind === 'literal' && typeof expression.right.value === 'string') {
    const wanted = expression.right.value.toLowerCase();
    return {
      type: 'bool',
      run: (row) => {
        const value = left.run(row);
        return typeof value === 'string' && (value === wanted || value.toLowerCase() === wanted);
      },
    };
  }
  if (operator === 'and') return { type: 'bool', run: (row) => left.run(row) === true && right.run(row) === true };
  if (operator === 'or') return { type: 'bool', run: (row) => left.run(row) === true || right.run(row) === true };
  if (left.type !== right.type)
    throw semantic(`Cannot compare values of types ${left.type} and ${right.type}.`, 'SEM0064');
  const compare = COMPARE[operator]!;
  return {
    type: 'bool',
    run: (row) => {
      const a = left.run(row);
      const b = right.run(row);
      return a !== null && b !== null && compare(a, b);
    },
  };
}

function compileAll(assignments: readonly Assignment[], columns: Relation['columns']) {
  return assignments.map(({ name, value }) => ({ name, ...compile(value, columns) }));
}

function summarize(operator: Extract<Operator, { kind: 'summarize' }>, { columns, rows }: Relation): Relation {
  const by = compileAll(operator.by, columns);
  const groups = new Map<string, { keys: Value[]; rows: Row[] }>();
  if (by.length === 0) groups.set('[]', { keys: [], rows: [] });
  for (const row of rows) {
    const keys = by.map((column) => column.run(row));
    const name = JSON.stringify(keys);
    if (!groups.has(name)) groups.set(name, { keys, rows: [] });
    groups.get(name)!.rows.push(row);
  }
  const aggregates = operator.columns.map(({ name, value }) => {
    if (value.kind === 'call' && value.name === 'count') return { name, run: (group: Row[]) => group.length };
    throw semantic('this emulator aggregates with count() only', 'SEM0260');
  });
  return {
    columns: Object.fromEntries([
      ...by.map(({ name, type }) => [name, type] as const),
      ...aggregates.map(({ name }) => [name, 'long'] as const),
    ]),
    rows: [...groups.values()].map(({ keys, rows: group }) => ({
      ingested: null,
      values: Object.fromEntries([
        ...by.map(({ name }, i) => [name, keys[i]!] as const),
        ...aggregates.map(({ name, run }) => [name, run(group)] as const),
      ]),
    })),
  };
}

function apply(operator: Operator, relation: Relation): Relation {
  const { columns, rows } = relation;
  if (operator.kind === 'take') return { columns, rows: rows.slice(0, operator.rows) };
  if (operator.kind === 'summarize') return summarize(operator, relation);
  if (operator.kind === 'where') {
    const condition = compile(operator.condition, columns);
    return { columns, rows: rows.filter((row) => condition.run(row) === true) };
  }
  const added = compileAll(operator.columns, columns);
  const types = Object.fromEntries(added.map(({ name, type }) => [name, type]));
  const values = (row: Row) => Object.fromEntries(added.map(({ name, run }) => [name, run(row)]));
  return operator.kind === 'project'
    ? { columns: types, rows: rows.map((row) => ({ ingested: row.ingested, values: values(row) })) }
    : {
        columns: { ...columns, ...types },
        rows: rows.map((row) => ({ ingested: row.ingested, values: { ...row.values, ...values(row) } })),
      };
}

/** The arrivals that a condition asks for, where it says so: rows are kept in that order, so that the rest needn't be looked at. */
function arrivalsOf(expression: Expression): { from?: string; to?: string } {
  if (expression.kind !== 'binary') return {};
  const { operator, left, right } = expression;
  const isTime = (side: Expression) => side.kind === 'call' && side.name === 'ingestion_time';
  if (isTime(left) && right.kind === 'literal' && right.type === 'datetime') {
    if (operator === '>=') return { from: String(right.value) };
    return operator === '<' ? { to: String(right.value) } : {};
  }
  if (operator === 'and') return { ...arrivalsOf(left), ...arrivalsOf(right) };
  // rows without arrival are always looked at
  const orNull = operator === 'or' && left.kind === 'call' && left.name === 'isnull' && left.args.every(isTime);
  return orNull ? arrivalsOf(right) : {};
}

/** Another order each time: the service promises none. */
let turn = 0;

function rotated<T>(rows: readonly T[]): readonly T[] {
  const from = rows.length === 0 ? 0 : (turn++ * 7919) % rows.length;
  return [...rows.slice(from), ...rows.slice(0, from)];
}

function read(
  name: string,
  operators: readonly Operator[],
  workspace: Workspace,
  { now, timespan, mayRead }: RunOptions,
): Relation {
  const table = workspace.tables.get(name);
  if (table === undefined) throw semantic(`Failed to resolve table or column expression named '${name}'`);
  mayRead(name);
  if (table.plan !== 'Analytics')
    throw semantic(`Table ${name} is on the ${table.plan} plan and can't be queried here.`, 'PLAN0001');
  const oldest = new Date(now - table.retentionInDays * 86_400_000).toISOString();
  const isThere = ({ values, visibleAt }: StoredRow) => {
    const time = values['TimeGenerated']!;
    if (visibleAt > now || time < oldest) return false;
    return timespan === undefined || (time >= timespan.from && time <= timespan.to);
  };
  const arrivals: { from?: string; to?: string } = Object.assign(
    {},
    ...operators.flatMap((operator) => (operator.kind === 'where' ? arrivalsOf(operator.condition) : [])),
  );
  return { columns: table.columns, rows: rotated(arrivedIn(table, arrivals).filter(isThere)) };
}

function union(parts: readonly Relation[]): Relation {
  return {
    columns: Object.assign({}, ...parts.map(({ columns }) => columns)) as Relation['columns'],
    rows: parts.flatMap(({ rows }) => rows),
  };
}

function run({ source, operators }: Pipeline, workspace: Workspace, options: RunOptions): Relation {
  let relation: Relation;
  if (source.kind === 'table') relation = read(source.name, operators, workspace, options);
  else {
    const known = (part: Pipeline) =>
      !source.fuzzy || part.source.kind !== 'table' || workspace.tables.has(part.source.name);
    const parts = source.parts.filter(known);
    if (parts.length === 0) throw semantic('Failed to resolve any of the tables of the union');
    relation = union(parts.map((part) => run(part, workspace, options)));
  }
  return operators.reduce((before, operator) => apply(operator, before), relation);
}

/** @throws ServiceFault for names, functions and types that don't fit */
export function runKql(pipeline: Pipeline, workspace: Workspace, options: RunOptions): Result {
  const { columns, rows } = run(pipeline, workspace, options);
  const list = Object.entries(columns).map(([name, type]) => ({ name, type }));
  return { columns: list, rows: rows.map(({ values }) => list.map(({ name }) => values[name] ?? null)) };
}
