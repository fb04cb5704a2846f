// Query of a list or watch request: whether it parses as the API server's list options, and the name its field selector asks for.

import { isInt64, isLabelSelector } from './label-selector.ts';
import { unescapePercent } from './request-path.ts';

/** First value of each parameter. As in Go: pairs with a semicolon or a broken escape are ignored. */
export function readQuery(query: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const pair of query.split('&')) {
    if (pair === '' || pair.includes(';')) continue;
    const equals = pair.indexOf('=');
    const key = unescapePercent((equals < 0 ? pair : pair.slice(0, equals)).replaceAll('+', ' '));
    const value = equals < 0 ? '' : unescapePercent(pair.slice(equals + 1).replaceAll('+', ' '));
    if (key !== undefined && value !== undefined && !found.has(key)) found.set(key, value);
  }
  return found;
}

/** Is it a watch? By any value but `0` and `false`; an empty one counts. */
export function asksForWatch(query: Map<string, string>): boolean {
  const value = query.get('watch')?.toLowerCase();
  return value !== undefined && value !== '0' && value !== 'false';
}

/** The name that `fieldSelector` fixes (`metadata.name=web`); '' where there is none, it is no path segment, or any list option can't be read. */
export function nameFromQuery(query: Map<string, string>): string {
  const selector = query.get('fieldSelector');
  if (selector === undefined || !selector.includes('metadata.name')) return '';
  const name = exactName(selector);
  if (name === undefined || name === '.' || name === '..' || /[/%]/.test(name)) return '';
  for (const key of ['limit', 'timeoutSeconds']) if (!isInt64(query.get(key) ?? '0')) return '';
  return isLabelSelector(query.get('labelSelector') ?? '') ? name : '';
}

/** undefined: the selector can't be read, or fixes no name. */
function exactName(selector: string): string | undefined {
  const names: string[] = [];
  for (const term of splitTerms(selector).sort()) {
    if (term === '') continue;
    const at = term.search(/!?=/);
    if (at < 0) return undefined;
    const operator = /^(!=|==|=)/.exec(term.slice(at))![0];
    const value = unescapeValue(term.slice(at + operator.length));
    if (value === undefined) return undefined;
    if (operator !== '!=' && term.slice(0, at) === 'metadata.name') names.push(value);
  }
  return names[0];
}

/** At commas that no backslash stands before. */
function splitTerms(selector: string): string[] {
  return selector.match(/(?:\\[^]|[^,\\]|\\$)+/g) ?? [];
}

/** Backslash escapes of a field selector's value; undefined where one is wrong or missing. */
function unescapeValue(text: string): string | undefined {
  if (!/^(?:\\[\\,=]|[^\\,=])*$/.test(text)) return undefined;
  return text.replace(/\\([\\,=])/g, '$1');
}
