// A row of AKSAudit or AKSAuditAdmin → the Event, rebuilt from columns in the API server's order.

import { beginOf, type Decoded, endOf, type Field, scanEvent } from '../../src/provider.ts';

/** Columns by name, as the query API, az or a record of this provider has them. */
export type Row = Readonly<Record<string, unknown>>;

/** Text of a column that is an object or array in the record; undefined if it isn't there. */
export type RawColumn = (name: string) => string | undefined;

/** What AKS writes instead of a body over 32 KB. */
const TOO_BIG = 'skipped-too-big-size-object';
/** Names of bodies that AKS left out, comma-separated. */
export const OMITTED = 'auditkeep/omitted';
const INFERRED = 'auditkeep/inferred';
const OWN = 'auditkeep/';

const TIME = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|\+00:00)$/;

/** The API server's form, six fraction digits; what is below a microsecond is always zero. Other text is left for the scan to refuse. */
function microTime(value: unknown): string {
  if (typeof value !== 'string') return '';
  if (value.length === 28 && value.charCodeAt(27) === 0x5a) return `${value.slice(0, 26)}Z`;
  const match = TIME.exec(value);
  if (match === null) return value;
  return `${match[1]}.${(match[2] ?? '').slice(0, 6).padEnd(6, '0')}Z`;
}

/** JSON text of a dynamic column; undefined where it is empty or null. */
function dynamic(row: Row, name: string, raw: RawColumn): string | undefined {
  const value = row[name];
  if (value === '' || value === null || value === undefined || value === 'null') return undefined;
  return typeof value === 'string' ? value : typeof value === 'object' ? raw(name) : JSON.stringify(value);
}

/** A body is any JSON. A string that is no JSON is the body itself, which was a string. */
function body(text: string): string {
  const first = text.charCodeAt(0);
  if (first === 0x7b || first === 0x5b) return text;
  try {
    JSON.parse(text);
    return text;
  } catch {
    return JSON.stringify(text);
  }
}

/** Members of the annotations with ours added; ours can't be forged, so those that are there already go. */
function annotate(text: string | undefined, own: readonly (readonly [string, string])[]): string | undefined {
  if (own.length === 0 && (text === undefined || !text.includes(OWN))) return text;
  let members: [string, unknown][] = [];
  try {
    members = Object.entries(JSON.parse(text ?? '{}') as object);
  } catch {
    return text;
  }
  const kept = members.filter(([name]) => !name.startsWith(OWN));
  return kept.length + own.length === 0
    ? undefined
    : `{${[...kept, ...own].map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`;
}

/**
 * Impersonation and authentication metadata aren't in the table, and stay absent. `kind` and `apiVersion` are constants of the table.
 * A failed authentication has an empty user; where the column is empty, `{}` is written and `auditkeep/inferred` says so.
 */
export function decodeAuditRow(row: Row, raw: RawColumn): Decoded {
  const members: [Field, string][] = [];
  const add = (field: Field, text: string | undefined) => {
    if (text !== undefined) members.push([field, text]);
  };
  const text = (field: Field, name: string, evenEmpty = false) => {
    const value = row[name];
    if (typeof value === 'string' && (value !== '' || evenEmpty)) members.push([field, JSON.stringify(value)]);
  };
  const own: [string, string][] = [];
  const omitted: Field[] = [];
  const addBody = (field: Field, name: string) => {
    const found = dynamic(row, name, raw);
    if (found === TOO_BIG || found === `"${TOO_BIG}"`) omitted.push(field);
    else if (found !== undefined) members.push([field, body(found)]);
  };
  members.push(['kind', '"Event"'], ['apiVersion', '"audit.k8s.io/v1"']);
  text('level', 'Level');
  text('auditID', 'AuditId');
  text('stage', 'Stage');
  text('requestURI', 'RequestUri');
  text('verb', 'Verb', true);
  const user = dynamic(row, 'User', raw);
  if (user === undefined) own.push([INFERRED, 'user']);
  add('user', user ?? '{}');
  add('sourceIPs', dynamic(row, 'SourceIps', raw));
  text('userAgent', 'UserAgent');
  add('objectRef', dynamic(row, 'ObjectRef', raw));
  add('responseStatus', dynamic(row, 'ResponseStatus', raw));
  addBody('requestObject', 'RequestObject');
  addBody('responseObject', 'ResponseObject');
  if (omitted.length > 0) own.push([OMITTED, omitted.join(',')]);
  add('requestReceivedTimestamp', `"${microTime(row['RequestReceivedTime'])}"`);
  add('stageTimestamp', `"${microTime(row['StageReceivedTime'])}"`);
  add('annotations', annotate(dynamic(row, 'Annotations', raw), own.sort()));

  let line = '';
  for (const [name, value] of members) line += `${line === '' ? '{' : ','}"${name}":${value}`;
  const event = Buffer.from(`${line}}`);
  const scan = scanEvent(event);
  // a column whose text is more than one value could bring in members: then they don't stand side by side any more
  if (!('not' in scan)) {
    let end = 0;
    for (const [name] of members) {
      const from = beginOf(scan, name);
      if (from < 0) return { reject: 'wrong-type' };
      if (from !== end + name.length + 4) return { reject: 'bad-column' };
      end = endOf(scan, name);
    }
    if (end !== event.length - 1) return { reject: 'bad-column' };
  }
  return omitted.length > 0 ? { event, scan, omitted } : { event, scan };
}
