// A parser for the part of KQL that auditkeep sends: pipes of where, extend, project, take, summarize and count over a table or a union.

import { ServiceFault } from './fault.ts';

export type Expression =
  | {
      readonly kind: 'literal';
      readonly type: 'string' | 'long' | 'datetime' | 'timespan' | 'bool';
      readonly value: string | number | boolean;
    }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Expression[] }
  | { readonly kind: 'binary'; readonly operator: string; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'in'; readonly left: Expression; readonly list: readonly Expression[] };

export interface Assignment {
  readonly name: string;
  readonly value: Expression;
}

export type Operator =
  | { readonly kind: 'where'; readonly condition: Expression }
  | { readonly kind: 'extend' | 'project'; readonly columns: readonly Assignment[] }
  | { readonly kind: 'take'; readonly rows: number }
  | { readonly kind: 'summarize'; readonly columns: readonly Assignment[]; readonly by: readonly Assignment[] };

export type QuerySource =
  | { readonly kind: 'table'; readonly name: string }
  | { readonly kind: 'union'; readonly fuzzy: boolean; readonly parts: readonly Pipeline[] };

export interface Pipeline {
  readonly source: QuerySource;
  readonly operators: readonly Operator[];
}

interface Token {
  readonly kind: 'name' | 'string' | 'number' | 'timespan' | 'datetime' | 'mark' | 'end';
  readonly text: string;
}

const syntax = (message: string) =>
  new ServiceFault(400, 'BadArgumentError', message, { inner: ['SyntaxError', 'SYN0002'] });

const TOKEN =
  /\s*(?:(datetime)\s*\(([^)"]*)\)|([A-Za-z_]\w*)|"((?:[^"\\\r\n]|\\.)*)"|(\d+ms\b)|(\d+)|(==|=~|!=|>=|<=|[|(),=<>]))/y;

/** Escapes of a string literal, as Kusto reads them. */
function unescape(text: string): string {
  return text.replace(/\\(u[0-9a-fA-F]{4}|.)/g, (_, escape: string) => {
    if (escape.length === 5) return String.fromCharCode(Number.parseInt(escape.slice(1), 16));
    const plain: Record<string, string> = { n: '\n', t: '\t', r: '\r', '"': '"', "'": "'", '\\': '\\' };
    if (plain[escape] === undefined) throw syntax(`unknown escape \\${escape}`);
    return plain[escape];
  });
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const from = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) {
      if (text.slice(from).trim() === '') break;
      throw syntax(`can't read the query at ${from}: ${text.slice(from, from + 20)}`);
    }
    const [, datetime, time, name, string, timespan, number, mark] = match;
    if (datetime !== undefined) tokens.push({ kind: 'datetime', text: time!.trim() });
    else if (name !== undefined) tokens.push({ kind: 'name', text: name });
    else if (string !== undefined) tokens.push({ kind: 'string', text: unescape(string) });
    else if (timespan !== undefined) tokens.push({ kind: 'timespan', text: timespan.slice(0, -2) });
    else if (number !== undefined) tokens.push({ kind: 'number', text: number });
    else tokens.push({ kind: 'mark', text: mark! });
  }
  return tokens;
}

/** Milliseconds or up to seven fraction digits → the canonical text, which sorts as time does. */
export function canonicalTime(text: string): string {
  const match = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,7}))?)?Z?$/.exec(text);
  if (match === null || Number.isNaN(Date.parse(match[1]!))) throw syntax(`not a datetime: ${text}`);
  return `${match[1]}T${match[2] ?? '00:00:00'}.${(match[3] ?? '').padEnd(7, '0')}Z`;
}

/** @throws ServiceFault 400 for what isn't in the subset */
export function parseKql(text: string): Pipeline {
  const tokens = tokenize(text);
  let at = 0;
  const peek = (): Token => tokens[at] ?? { kind: 'end', text: '' };
  const isMark = (mark: string) => peek().kind === 'mark' && peek().text === mark;
  const isWord = (word: string) => peek().kind === 'name' && peek().text === word;
  const take = (): Token => {
    const token = peek();
    at++;
    return token;
  };
  const expect = (mark: string) => {
    if (!isMark(mark)) throw syntax(`expected ${mark}, found "${peek().text}"`);
    at++;
  };
  const name = (): string => {
    if (peek().kind !== 'name') throw syntax(`expected a name, found "${peek().text}"`);
    return take().text;
  };
  const list = <T>(item: () => T): T[] => {
    const items = [item()];
    while (isMark(',')) {
      at++;
      items.push(item());
    }
    return items;
  };

  function primary(): Expression {
    const token = take();
    if (token.kind === 'string') return { kind: 'literal', type: 'string', value: token.text };
    if (token.kind === 'number') return { kind: 'literal', type: 'long', value: Number(token.text) };
    if (token.kind === 'timespan') return { kind: 'literal', type: 'timespan', value: Number(token.text) };
    if (token.kind === 'datetime') return { kind: 'literal', type: 'datetime', value: canonicalTime(token.text) };
    if (token.kind === 'mark' && token.text === '(') {
      const inner = or();
      expect(')');
      return inner;
    }
    if (token.kind !== 'name') throw syntax(`unexpected "${token.text}"`);
    if (token.text === 'true' || token.text === 'false')
      return { kind: 'literal', type: 'bool', value: token.text === 'true' };
    if (!isMark('(')) return { kind: 'name', name: token.text };
    at++;
    const args = isMark(')') ? [] : list(or);
    expect(')');
    return { kind: 'call', name: token.text, args };
  }

  function comparison(): Expression {
    const left = primary();
    const token = peek();
    if (token.kind === 'name' && token.text === 'in') {
      at++;
      expect('(');
      const values = list(primary);
      expect(')');
      return { kind: 'in', left, list: values };
    }
    if (token.kind === 'name' && ['contains', 'startswith'].includes(token.text)) {
      at++;
      return { kind: 'binary', operator: token.text, left, right: primary() };
    }
    if (token.kind !== 'mark' || !['==', '=~', '!=', '>=', '<=', '>', '<'].includes(token.text)) return left;
    at++;
    return { kind: 'binary', operator: token.text, left, right: primary() };
  }

  function joined(word: string, inner: () => Expression): Expression {
    let left = inner();
    while (isWord(word)) {
      at++;
      left = { kind: 'binary', operator: word, left, right: inner() };
    }
    return left;
  }
  const and = (): Expression => joined('and', comparison);
  const or = (): Expression => joined('or', and);

  function assignment(): Assignment {
    const next = tokens[at + 1];
    if (peek().kind === 'name' && next?.kind === 'mark' && next.text === '=') {
      const target = name();
      at++;
      return { name: target, value: or() };
    }
    const value = or();
    return { name: value.kind === 'name' ? value.name : value.kind === 'call' ? `${value.name}_` : 'Column1', value };
  }

  function operator(): Operator {
    const word = name();
    if (word === 'where') return { kind: 'where', condition: or() };
    if (word === 'extend' || word === 'project') return { kind: word, columns: list(assignment) };
    if (word === 'take' || word === 'limit') {
      if (peek().kind !== 'number') throw syntax(`${word} needs a number`);
      return { kind: 'take', rows: Number(take().text) };
    }
    if (word === 'summarize') {
      const columns = isWord('by') ? [] : list(assignment);
      if (!isWord('by')) return { kind: 'summarize', columns, by: [] };
      at++;
      return { kind: 'summarize', columns, by: list(assignment) };
    }
    throw syntax(`this emulator doesn't know the operator ${word}`);
  }

  function source(): QuerySource {
    const first = name();
    if (first !== 'union') return { kind: 'table', name: first };
    let fuzzy = false;
    if (isWord('isfuzzy')) {
      at++;
      expect('=');
      fuzzy = name() === 'true';
    }
    const part = (): Pipeline => {
      if (!isMark('(')) return { source: { kind: 'table', name: name() }, operators: [] };
      at++;
      const inner = pipeline();
      expect(')');
      return inner;
    };
    return { kind: 'union', fuzzy, parts: list(part) };
  }

  function pipeline(): Pipeline {
    const from = source();
    const operators: Operator[] = [];
    while (isMark('|')) {
      at++;
      operators.push(operator());
    }
    return { source: from, operators };
  }

  const whole = pipeline();
  if (peek().kind !== 'end') throw syntax(`unexpected "${peek().text}"`);
  return whole;
}
