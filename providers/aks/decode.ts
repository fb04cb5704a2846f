// One record → Event: rows of Log Analytics tables, records of storage accounts and Event Hubs, plain Events.

import type { Decoded, ProviderRecord } from '../../src/provider.ts';
import { decodeAuditRow, type Row } from './audit-row.ts';
import { CATEGORIES, type AksOptions } from './options.ts';
import { rawText } from './raw-member.ts';

/** The API server never writes it so, but a writer on the way may: `\/` is `/` in JSON. */
const ESCAPED_SLASH = 'audit.k8s.io\\/v1';

/** The text that a record holds as an Event, cut or not. */
function eventText(log: string): Decoded {
  let text = log.endsWith('\n') ? log.trimEnd() : log;
  if (text.includes(ESCAPED_SLASH)) text = text.replace(/\\(.)/gs, (pair, c: string) => (c === '/' ? '/' : pair));
  return { event: Buffer.from(text) };
}

const isAuditCategory = (name: unknown) => CATEGORIES.some((category) => category === name);

/** Is this category read by this cluster? Without options (`decode` of a file) both are. */
function isWanted(category: unknown, options: AksOptions | undefined): boolean {
  if (!isAuditCategory(category)) return false;
  const wanted = options?.category ?? 'auto';
  return wanted === 'auto' || wanted === category;
}

function isOtherCluster(id: unknown, options: AksOptions | undefined): boolean {
  return options !== undefined && typeof id === 'string' && id.toLowerCase() !== options.resource.toLowerCase();
}

/** Columns that don't fit into AzureDiagnostics any more are members of AdditionalFields. */
function spilled(fields: unknown, content: Buffer): Decoded | undefined {
  let parsed = fields;
  if (typeof fields === 'string' && fields !== '') {
    try {
      parsed = JSON.parse(fields);
    } catch {
      return undefined;
    }
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  const { log_s, log } = parsed as { log_s?: unknown; log?: unknown };
  for (const [name, value] of [
    ['log_s', log_s],
    ['log', log],
  ] as const) {
    if (typeof value === 'string' && value !== '') return eventText(value);
    if (typeof value !== 'object' || value === null) continue;
    const text =
      typeof fields === 'string' ? rawText(Buffer.from(fields), [name]) : rawText(content, ['AdditionalFields', name]);
    if (text !== undefined) return { event: text };
  }
  return undefined;
}

/** A row of AzureDiagnostics. Other categories carry klog text, and are told by their name: a cut audit record doesn't parse either. */
function decodeDiagnosticsRow(row: Row, content: Buffer, options: AksOptions | undefined): Decoded {
  if (!isWanted(row['Category'], options)) return { skip: 'other-category' };
  const log = row['log_s'];
  if (typeof log === 'string' && log !== '') return eventText(log);
  return spilled(row['AdditionalFields'], content) ?? { reject: 'no-log' };
}

/** A record as it lies in a storage account or comes from an Event Hub. */
function decodeEnvelope(record: Row, content: Buffer, options: AksOptions | undefined): Decoded {
  if (!isWanted(record['category'], options)) return { skip: 'other-category' };
  const properties = record['properties'];
  const log = typeof properties === 'object' && properties !== null ? (properties as Row)['log'] : undefined;
  if (typeof log === 'string' && log !== '') return eventText(log);
  if (typeof log !== 'object' || log === null) return { reject: 'no-log' };
  // already parsed on the way; its text has never been seen by JSON.parse
  const text = rawText(content, ['properties', 'log']);
  return text === undefined ? { reject: 'not-json' } : { event: text };
}

const ROW_CATEGORY: Readonly<Record<string, string>> = { AKSAudit: 'kube-audit', AKSAuditAdmin: 'kube-audit-admin' };

/**
 * Skips `other-category` and `other-cluster`; rejects `not-json`, `truncated` (the record itself is cut), `not-an-object`, `no-log`,
 * `unknown-form`, `bad-column`, and what a scan of the Event says.
 */
export function decode(record: ProviderRecord, options?: AksOptions): Decoded {
  const { content } = record;
  let row: Row;
  try {
    row = JSON.parse(content.toString('utf8')) as Row;
  } catch {
    // a plain Event that was cut is still an Event's beginning; the scan says what is wrong with it
    return /^\s*\{\s*"kind"/.test(content.toString('latin1', 0, 64)) ? { event: content } : { reject: 'not-json' };
  }
  if (typeof row !== 'object' || row === null || Array.isArray(row)) return { reject: 'not-an-object' };
  const table = row['Type'];
  if (isOtherCluster(row['_ResourceId'] ?? row['ResourceId'] ?? row['resourceId'], options))
    return { skip: 'other-cluster' };
  if (row['AuditId'] !== undefined) {
    const category = ROW_CATEGORY[String(table ?? 'AKSAudit')];
    if (!isWanted(category, options)) return { skip: 'other-category' };
    return decodeAuditRow(row, (name) => rawText(content, [name])?.toString('utf8'));
  }
  if (row['Category'] !== undefined) return decodeDiagnosticsRow(row, content, options);
  if (row['category'] !== undefined) return decodeEnvelope(row, content, options);
  if (row['kind'] !== undefined) return { event: content };
  return { reject: 'unknown-form' };
}
