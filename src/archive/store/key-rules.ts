// What a key may be, and the order of keys: the same for a bucket and a directory.

import { ConfigError } from '../../errors.ts';

/** Temporary files of the directory store lie here; no key may begin with it. */
export const TEMPORARY = '.tmp';

/** Why a key can't be used, or undefined. A prefix may be empty and may end anywhere. */
function fault(key: string, isPrefix: boolean): string | undefined {
  if (key.includes('\0')) return 'holds a NUL character';
  if (key.startsWith('/')) return 'begins with "/"';
  if (!key.isWellFormed()) return 'is no valid Unicode';
  const segments = key.split('/');
  const last = isPrefix ? segments.pop()! : '';
  if (segments.includes('')) return isPrefix || key !== '' ? 'has an empty segment' : 'is empty';
  if ([...segments, last].some((segment) => segment === '.' || segment === '..')) return 'has a segment "." or ".."';
  if (segments[0] === TEMPORARY) return `begins with ${TEMPORARY}/, which is for temporary files`;
  return undefined;
}

/** Throws ConfigError for keys that would leave the archive or mean different things to different stores. */
export function checkKey(key: string): void {
  const why = fault(key, false);
  if (why !== undefined) throw new ConfigError(`the key ${JSON.stringify(key)} ${why}`);
}

export function checkPrefix(prefix: string): void {
  const why = fault(prefix, true);
  if (why !== undefined) throw new ConfigError(`the prefix ${JSON.stringify(prefix)} ${why}`);
}

/** UTF-16 code units in the order of the UTF-8 bytes they stand for: surrogates come last. */
const rank = (unit: number): number => (unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800);

/** Byte order of keys (S3 lists in it). JavaScript's own order differs beyond U+FFFF. */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}
