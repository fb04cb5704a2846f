// Whether the API server can read a label selector: where it can't, it takes no name from the field selector either.

const NAME = '[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?';
const LABEL_VALUE = new RegExp(`^(?:${NAME})?$`);
const LABEL_KEY = new RegExp(`^(?:([^/]*)/)?${NAME}$`);
const SUBDOMAIN = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;

/** A DNS-1123 subdomain of at most 253 characters. */
export function isSubdomain(text: string): boolean {
  return text.length <= 253 && SUBDOMAIN.test(text);
}

/** An integer of 64 bits, as Go's ParseInt takes it. */
export function isInt64(text: string): boolean {
  if (!/^[+-]?\d+$/.test(text)) return false;
  const value = BigInt(text.replace('+', ''));
  return value === BigInt.asIntN(64, value);
}

function isLabelKey(text: string | undefined): boolean {
  const match = text === undefined ? null : LABEL_KEY.exec(text);
  return match !== null && (match[1] === undefined || isSubdomain(match[1]));
}

/** Words, operators and punctuation. A NUL behind a token parts it from the next, elsewhere it ends the text. */
function tokens(selector: string): string[] {
  const token = /[ \t\r\n]*(==|!=|[=!(),<>]|[^=!(),<> \t\r\n\0]+)\0?/y;
  const found: string[] = [];
  for (let match = token.exec(selector); match !== null; match = token.exec(selector)) found.push(match[1]!);
  return found;
}

const isWord = (token: string | undefined) => token !== undefined && !/^[=!(),<>]/.test(token);

/** Values of `in` and `notin` from the opening parenthesis on, and where they end. */
function readList(all: readonly string[], from: number): { values: string[]; next: number } | undefined {
  if (all[from] !== '(') return undefined;
  const values: string[] = [];
  for (let i = from + 1; ; i++) {
    const word = isWord(all[i]);
    if (word) values.push(all[i++]!);
    if (all[i] === ')') return { values, next: i + 1 };
    if (all[i] !== ',') return undefined;
  }
}

/** The operator and values of a requirement, and where they end. */
function readValues(all: readonly string[], from: number): { values: string[]; next: number } | undefined {
  const operator = all[from]!;
  const next = from + 1;
  if (operator === 'in' || operator === 'notin') return readList(all, next);
  if (!['=', '==', '!=', '<', '>'].includes(operator)) return undefined;
  const missing = next >= all.length || all[next] === ',';
  const value = missing ? '' : all[next]!;
  if (!missing && !isWord(value)) return undefined;
  if ((operator === '<' || operator === '>') && !isInt64(value)) return undefined;
  return { values: [value], next: missing ? next : next + 1 };
}

/** Reads a selector such as `app=web,tier in (a, b),!old`; false where the API server would refuse it. */
export function isLabelSelector(selector: string): boolean {
  const all = tokens(selector);
  for (let i = 0; i < all.length; i++) {
    const negated = all[i] === '!';
    if (negated) i++;
    if (!isWord(all[i]) || !isLabelKey(all[i])) return false;
    i++;
    if (i < all.length && all[i] !== ',') {
      const read = negated ? undefined : readValues(all, i);
      if (read === undefined || !read.values.every((value) => LABEL_VALUE.test(value))) return false;
      i = read.next;
    }
    if (i >= all.length) return true;
    // a comma must be followed by another requirement
    if (all[i] !== ',' || i + 1 >= all.length) return false;
  }
  return true;
}
