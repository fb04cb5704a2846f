// One record of an audit.log → Event: the line itself, or the item of an EventList with the kind that the list implies.

import { type Decoded, type ProviderRecord, type ScanResult, scanEvent } from '../../src/provider.ts';

/** Longest line that is read as one, bytes. Of a longer one the first `KEPT` bytes are kept. */
export const MAX_LINE = 16 << 20;
export const KEPT = 1 << 20;

const ITEM_HEAD = Buffer.from('{"kind":"Event","apiVersion":"audit.k8s.io/v1",');
/** Items that are no object, an empty one, or begin with the members that others lack. */
const HAS_KIND = /^(?!\{)|^\{\s*("kind"|"apiVersion"|\}|$)/;
const LEGACY = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)) AUDIT: /;

/** Marks at the end of a record's origin: the parts of its story that its content doesn't tell. */
const TOO_LONG = / length=\d+$/;
const ITEM = /\[\d+\]( of another version)?$/;

/** How origins are written; decode reads them again. */
export const origins = {
  line: (path: string, offset: number) => `${path}:${offset}`,
  tooLong: (path: string, offset: number, length: number) => `${path}:${offset} length=${length}`,
  item: (path: string, offset: number, index: number, apiVersion: string) =>
    `${path}:${offset}[${index}]${apiVersion === '' || apiVersion === 'audit.k8s.io/v1' ? '' : ' of another version'}`,
};

/** Time of a line of `--audit-log-format=legacy`, milliseconds rounded down; NaN if the line is none. */
export function legacyTime(line: Buffer): number {
  const match = LEGACY.exec(line.toString('latin1', 0, 64));
  if (match === null) return Number.NaN;
  // Date.parse takes at most three fraction digits for certain
  return Date.parse(match[1]!.replace(/(\.\d{3})\d+/, '$1'));
}

function isBlank(content: Buffer): boolean {
  for (const c of content) if (c !== 0x20 && c !== 0x09 && c !== 0x0d) return false;
  return true;
}

/** White space outside of strings, which JSON doesn't need; line ends can't stand anywhere else. */
function onOneLine(json: Buffer): Buffer {
  if (!json.includes(0x0a) && !json.includes(0x0d)) return json;
  const out = Buffer.allocUnsafe(json.length);
  let to = 0;
  let string = false;
  for (let i = 0; i < json.length; i++) {
    const c = json[i]!;
    if (string) {
      if (c === 0x5c && i + 1 < json.length) out[to++] = json[i++]!;
      else if (c === 0x22) string = false;
    } else if (c === 0x22) string = true;
    else if (c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09) continue;
    out[to++] = json[i]!;
  }
  return out.subarray(0, to);
}

/**
 * The Event that an item of an EventList is, and its time in milliseconds (NaN if it is none). API servers write items without
 * kind and apiVersion, since the list has them; they are put first, where the server writes them in a log. All other bytes
 * stay, but for the white space of printed JSON.
 */
export function itemEvent(content: Buffer): { event: Buffer; scan: ScanResult; time: number } {
  let event = onOneLine(content);
  let scan: ScanResult | undefined;
  if (!HAS_KIND.test(event.toString('latin1', 0, 40))) {
    const whole = Buffer.concat([ITEM_HEAD, event.subarray(1)]);
    scan = scanEvent(whole);
    // the item has them somewhere else
    if ('not' in scan && scan.not === 'repeated-member') scan = undefined;
    else event = whole;
  }
  scan ??= scanEvent(event);
  return { event, scan, time: 'not' in scan ? Number.NaN : scan.stageTime };
}

/** Pure. Reasons of its own: skip `blank`; reject `legacy-format`, `too-long`, `wrong-api-version`. */
export function decode(record: ProviderRecord): Decoded {
  const { content, scan, origin = '' } = record;
  if (scan !== undefined && !('not' in scan)) return { event: content, scan };
  if (TOO_LONG.test(origin)) return { reject: 'too-long' };
  if (isBlank(content)) return { skip: 'blank' };
  const item = ITEM.exec(origin);
  if (item !== null) {
    if (item[1] !== undefined) return { reject: 'wrong-api-version' };
    const { event, scan: found } = itemEvent(content);
    return 'not' in found ? { reject: found.not } : { event, scan: found };
  }
  if (!Number.isNaN(legacyTime(content))) return { reject: 'legacy-format' };
  return scan === undefined ? { event: content } : { reject: scan.not };
}
