// Text of a policy file → plain values, by the rules of the API server's YAML reader: YAML 1.1, first document only, JSON when it begins with a brace.

import { isAlias, isMap, isScalar, isSeq, parseAllDocuments, type Document, type Node, Scalar } from 'yaml';
import { elements, skipSpace, skipValue, walkObject } from '../json.ts';

/** Objects are Maps: `__proto__` is a name like any other. */
export type Plain = string | number | boolean | null | readonly Plain[] | ReadonlyMap<string, Plain>;

export interface ReadText {
  readonly value: Plain;
  /** Members that are given more than once, as dotted paths. The last one counts. */
  readonly repeated: readonly string[];
}

/** Why the text can't be read. */
export class NotReadable extends Error {
  override readonly name = 'NotReadable';
}

/** As deep as any policy may be nested, and as many values as its aliases may come to. */
const MAX_DEPTH = 100;
const MAX_VALUES = 100_000;

const BOOLEAN = /^(?:(y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON)|n|N|no|No|NO|false|False|FALSE|off|Off|OFF)$/;
const NULL = /^(?:~|null|Null|NULL|)$/;
const NUMBER =
  /^[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|\.[0-9_]+(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?)$/;
const SPECIAL_NUMBER = /^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;

export function join(path: string, step: string | number): string {
  if (typeof step === 'number') return `${path}[${step}]`;
  return path === '' ? step : `${path}.${step}`;
}

/** A scalar without quotes and tag means what YAML 1.1 says it means. */
function resolvePlain(text: string): Plain {
  if (NULL.test(text)) return null;
  const boolean = BOOLEAN.exec(text);
  if (boolean !== null) return boolean[1] !== undefined;
  // which number doesn't matter: no member of a policy is one
  if (NUMBER.test(text)) return Number(text.replaceAll('_', ''));
  if (SPECIAL_NUMBER.test(text)) return Number.NaN;
  return text;
}

function readScalar(node: Scalar, path: string): Plain {
  const text = String(node.value ?? '');
  const tag = node.tag?.replace(/^tag:yaml\.org,2002:/, '');
  if (tag === 'binary') return Buffer.from(text, 'base64').toString('utf8');
  if (tag === 'str') return text;
  if (tag === undefined) return node.type === Scalar.PLAIN || node.type === undefined ? resolvePlain(text) : text;
  const value = resolvePlain(text);
  const kinds: Readonly<Record<string, boolean>> = {
    null: value === null,
    bool: typeof value === 'boolean',
    int: typeof value === 'number',
    float: typeof value === 'number',
  };
  if (tag in kinds && !kinds[tag]) throw new NotReadable(`${path}: "${text}" is no ${tag}`);
  return value;
}

/** Lines whose indentation is mended at most. */
const MAX_MENDED = 200;

/**
 * The first document. YAML 1.1 readers don't mind how lines are indented between brackets; the parser does, so such lines are moved
 * to the right until it agrees.
 */
function parseFirst(text: string): Document.Parsed | undefined {
  const lines = text.split('\n');
  for (let mended = 0; ; mended++) {
    const [document] = parseAllDocuments(lines.join('\n'), {
      version: '1.1',
      schema: 'failsafe',
      uniqueKeys: false,
      logLevel: 'silent',
    }) as Document.Parsed[];
    const error = document?.errors[0];
    const line = error?.linePos?.[0].line;
    const isIndent = error?.code === 'BAD_INDENT' && error.message.startsWith('Flow');
    if (!isIndent || line === undefined || mended === MAX_MENDED) return document;
    lines[line - 1] = ' '.repeat(MAX_DEPTH) + lines[line - 1];
  }
}

function readYaml(text: string): ReadText {
  const document = parseFirst(text);
  if (document === undefined) return { value: null, repeated: [] };
  const [error] = document.errors;
  if (error !== undefined) throw new NotReadable(`not valid YAML: ${error.message.split('\n')[0]!.replace(/:$/, '')}`);
  const repeated: string[] = [];
  let values = 0;

  const read = (node: Node | null, path: string, depth: number): Plain => {
    if (depth > MAX_DEPTH || ++values > MAX_VALUES)
      throw new NotReadable(`${path}: too deep or too large for a policy`);
    if (node === null) return null;
    if (isAlias(node)) {
      const target = node.resolve(document);
      if (target === undefined) throw new NotReadable(`${path}: unknown anchor "${node.source}"`);
      return read(target, path, depth + 1);
    }
    if (isScalar(node)) return readScalar(node, path);
    if (isSeq(node)) return node.items.map((item, i) => read(item as Node | null, join(path, i), depth + 1));
    if (!isMap(node)) throw new NotReadable(`${path}: neither a scalar, a list nor a mapping`);
    const map = new Map<string, Plain>();
    const set = (key: string, value: Plain) => {
      if (map.has(key)) repeated.push(join(path, key));
      map.set(key, value);
    };
    for (const pair of node.items) {
      const key = pair.key as Node | null;
      const value = read(pair.value as Node | null, join(path, keyText(key, path)), depth + 1);
      if (isScalar(key) && key.value === '<<' && key.type === Scalar.PLAIN) {
        // of several, the earlier ones win
        for (const merged of (Array.isArray(value) ? value : [value]).toReversed()) {
          if (!(merged instanceof Map)) throw new NotReadable(`${path}: "<<" takes a mapping or a list of mappings`);
          for (const [name, item] of merged as Map<string, Plain>) set(name, item);
        }
      } else set(keyText(key, path), value);
    }
    return map;
  };
  return { value: read(document.contents as Node | null, '', 0), repeated };
}

function keyText(key: Node | null, path: string): string {
  const value = isScalar(key) ? readScalar(key, path) : null;
  if (value === null) throw new NotReadable(`${path === '' ? 'the file' : path}: a member name must be text`);
  return String(value);
}

function readJson(text: string): ReadText {
  const bytes = Buffer.from(text);
  const from = skipSpace(bytes, 0, bytes.length);
  const end = skipValue(bytes, from, bytes.length);
  if (end < 0 || skipSpace(bytes, end, bytes.length) !== bytes.length)
    throw new NotReadable('not valid JSON (a file that begins with a brace is read as JSON)');
  const repeated: string[] = [];
  const read = (i: number, to: number, path: string, depth: number): Plain => {
    if (depth > MAX_DEPTH) throw new NotReadable(`${path}: too deep for a policy`);
    if (bytes[i] === 0x5b) return elements(bytes, i, to).map(([a, b], k) => read(a, b, join(path, k), depth + 1));
    if (bytes[i] !== 0x7b) return JSON.parse(bytes.toString('utf8', i, to)) as Plain;
    const map = new Map<string, Plain>();
    walkObject(bytes, i, to, (nameFrom, nameTo, a, b) => {
      const name = JSON.parse(bytes.toString('utf8', nameFrom - 1, nameTo + 1)) as string;
      if (map.has(name)) repeated.push(join(path, name));
      map.set(name, read(a, b, join(path, name), depth + 1));
      return 0;
    });
    return map;
  };
  return { value: read(from, end, '', 0), repeated };
}

/** Line ends of YAML 1.1 that newer readers don't know: what is a comment to the one would be a rule to the other. */
const OLD_LINE_END = /[\u0085\u2028\u2029]/;

/** Reads the text of a policy file. Throws NotReadable with what is wrong. */
export function readText(text: string): ReadText {
  if (/^\s*\{/.test(text) && !text.startsWith('\ufeff')) return readJson(text);
  const odd = OLD_LINE_END.exec(text);
  if (odd !== null) {
    const code = odd[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, '0');
    throw new NotReadable(
      `the character U+${code} ends a line in YAML 1.1 and in newer readers doesn't; write it as an escape in quotes`,
    );
  }
  return readYaml(text.replace(/^\ufeff/, '').replace(/\r\n?/g, '\n'));
}
