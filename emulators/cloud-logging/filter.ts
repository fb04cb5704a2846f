// The Logging query language, as much of it as auditkeep writes: comparisons joined by AND, with lists of values. All else is refused.

import { ServiceFault } from './fault.ts';
import { nanoTime } from './nano-time.ts';

/** Fields of an entry that a filter may name, as text; times in the form of nanoTime. */
export type Fields = ReadonlyMap<string, string>;

export type Filter = (fields: Fields) => boolean;

const invalid = (message: string) => new ServiceFault(400, 'INVALID_ARGUMENT', `Unparseable filter: ${message}`);

const FIELD =
  /^(resource\.type|resource\.labels\.[a-z_]+|protoPayload\.(serviceName|methodName|resourceName)|logName|insertId|receiveTimestamp|timestamp)$/;
const TIMES = new Set(['receiveTimestamp', 'timestamp']);

type Token = { readonly kind: 'word' | 'operator' | 'string'; readonly text: string };

function tokenize(filter: string): Token[] {
  const tokens: Token[] = [];
  let rest = filter;
  while ((rest = rest.trimStart()) !== '') {
    const match = /^"(?:[^"\\]|\\.)*"|^(?:>=|<=|!=|[=<>()])|^[A-Za-z_][A-Za-z0-9_.]*/s.exec(rest);
    if (match === null) throw invalid(`syntax error at "${rest.slice(0, 20)}"`);
    const [found] = match;
    rest = rest.slice(found.length);
    if (found.startsWith('"')) tokens.push({ kind: 'string', text: unescape(found.slice(1, -1)) });
    else tokens.push({ kind: /^\w/.test(found) ? 'word' : 'operator', text: found });
  }
  return tokens;
}

function unescape(inside: string): string {
  return inside.replace(/\\(x[0-9a-fA-F]{2}|.)/gs, (_, what: string) => {
    if (what.length === 3) return String.fromCharCode(Number.parseInt(what.slice(1), 16));
    if (what !== '"' && what !== '\\') throw invalid(`unknown escape \\${what}`);
    return what;
  });
}

/** Text is compared without regard to case, as the service does. */
function comparison(field: string, operator: string, values: readonly string[]): Filter {
  if (TIMES.has(field)) {
    const bound = nanoTime(values[0]!);
    if (values.length !== 1 || bound === undefined) throw invalid(`${field} is compared with one timestamp`);
    const test: Record<string, (at: string) => boolean> = {
      '>=': (at) => at >= bound,
      '>': (at) => at > bound,
      '<=': (at) => at <= bound,
      '<': (at) => at < bound,
    };
    const passes = test[operator];
    if (passes === undefined) throw invalid(`this emulator doesn't know ${operator} for ${field}`);
    return (fields) => passes(fields.get(field) ?? '');
  }
  if (operator !== '=') throw invalid(`this emulator doesn't know ${operator} for ${field}`);
  const wanted = new Set(values.map((value) => value.toLowerCase()));
  return (fields) => wanted.has(fields.get(field)?.toLowerCase() ?? '\0');
}

/** Reads a filter. Throws ServiceFault (400) for what the service, or this emulator, doesn't understand. */
export function parseFilter(filter: string): { readonly matches: Filter; readonly from: string; readonly to: string } {
  if (filter.length > 20_000) throw invalid('longer than 20,000 characters');
  const tokens = tokenize(filter);
  const parts: Filter[] = [];
  // bounds of `timestamp`, so that a search needn't look at everything
  let from = '';
  let to = '~';
  let i = 0;
  const next = (kind: Token['kind'], text?: string): string => {
    const token = tokens[i++];
    if (token?.kind !== kind || (text !== undefined && token.text !== text))
      throw invalid(`expected ${text ?? kind}, found ${token?.text ?? 'the end'}`);
    return token.text;
  };
  while (i < tokens.length) {
    if (parts.length > 0) next('word', 'AND');
    const field = next('word');
    if (!FIELD.test(field)) throw invalid(`this emulator doesn't know the field ${field}`);
    const operator = next('operator');
    const values: string[] = [];
    if (tokens[i]?.text === '(' && tokens[i]?.kind === 'operator') {
      i++;
      values.push(next('string'));
      while (tokens[i]?.kind === 'word' && tokens[i]?.text === 'OR') {
        i++;
        values.push(next('string'));
      }
      next('operator', ')');
    } else values.push(next('string'));
    parts.push(comparison(field, operator, values));
    if (field === 'timestamp' && operator === '>=') from = nanoTime(values[0]!)!;
    if (field === 'timestamp' && operator === '<') to = nanoTime(values[0]!)!;
  }
  return { matches: (fields) => parts.every((part) => part(fields)), from, to };
}
