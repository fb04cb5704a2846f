// How much of a record that can't be decoded, and so can't be redacted, rejects/ may keep: its beginning, up to the first body.

import { nameAt, skipSpace, walkObject } from '../json.ts';
import { METADATA, PATCH } from '../salvage.ts';

/** The most that is kept of a record in rejects/, bytes. */
const MOST = 4096;
/** The most that is kept of a line in the API server's legacy text format, bytes. */
const MOST_TEXT = 256;

/** `I0622 10:00:00.000000       1 controller.go:616]`: severity, time, thread and source line of a klog message. */
const KLOG_HEADER = /^[IWEF]\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ [\w./-]{1,100}:\d+\]/;
/** `2026-06-22T10:00:00.000000000Z AUDIT: id="…"`: written with --audit-log-format=legacy. */
const LEGACY = /^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d) AUDIT: id="/;

/**
 * What may be kept of a member. `any`: its value, whatever it is · `scalar`: a value that is no object or array · `annotations`: a map, or its
 * text, up to the first patch of a webhook, which holds what was changed in a body · a shape: the members that it names.
 */
type Kept = 'any' | 'scalar' | 'annotations' | Shape;
type Shape = ReadonlyMap<string, Kept>;

function shape(scalars: string, others: Readonly<Record<string, Kept>> = {}): Shape {
  return new Map([...scalars.split(' ').map((name) => [name, 'scalar'] as const), ...Object.entries(others)]);
}

const EMPTY: Shape = new Map();

const EVENT: Shape = new Map(
  [...METADATA].map((name) => [name, name === 'annotations' ? ('annotations' as const) : ('any' as const)]),
);

/** LogEntry of Cloud Logging. Left out: `request`, `response`, `metadata`, `serviceData`, and what is no part of an audit entry. */
const LOG_ENTRY = shape('insertId logName receiveTimestamp severity spanId timestamp trace traceSampled', {
  labels: 'annotations',
  operation: shape('id producer first last'),
  resource: shape('type', { labels: shape('cluster_name location project_id') }),
  protoPayload: shape('@type methodName resourceName serviceName', {
    authenticationInfo: shape('authoritySelector principalEmail principalSubject'),
    authorizationInfo: 'any',
    requestMetadata: shape('callerIp callerNetwork callerSuppliedUserAgent', {
      destinationAttributes: EMPTY,
      requestAttributes: EMPTY,
    }),
    status: shape('code message'),
  }),
});

/** Row of AKSAudit, AKSAuditAdmin or AzureDiagnostics. Left out: `RequestObject`, `ResponseObject`, `log_s`, `AdditionalFields`. */
const LOG_ROW = shape(
  '_BilledSize _IsBillable _ItemId _ResourceId _SubscriptionId _TimeReceived AuditId Category ccpNamespace_s containerID_s Level OperationName PodName pod_s ' +
    'RequestReceivedTime RequestUri Resource ResourceGroup ResourceId ResourceProvider ResourceType SourceSystem Stage ' +
    'StageReceivedTime stream_s SubscriptionId TenantId TimeGenerated Type UserAgent Verb',
  { Annotations: 'annotations', ObjectRef: 'any', ResponseStatus: 'any', SourceIps: 'any', User: 'any' },
);

/** Record of a storage account or an Event Hub. Left out: `properties.log`. */
const ENVELOPE = shape(
  'category ccpNamespace Cloud Environment operationName resourceId serviceBuild time UnderlayClass UnderlayName',
  { properties: shape('containerID pod stream') },
);

/** Names that begin a record of this shape. What may begin other objects as well is not among them. */
const BEGINNINGS: readonly (readonly [ReadonlySet<string>, Shape])[] = [
  [METADATA, EVENT],
  [new Set(['insertId', 'logName', 'protoPayload']), LOG_ENTRY],
  [new Set(LOG_ROW.keys()), LOG_ROW],
  [new Set(ENVELOPE.keys()), ENVELOPE],
];

/**
 * What rejects/ keeps of a record that can't be decoded, and so can't be redacted. At most 4 KiB, never part of a body.
 *
 * - A JSON object that begins as an Event, a LogEntry of Cloud Logging, a row of an AKS table or a record around an AKS line: up to the end of its
 *   last member before the first that is no metadata there. So it ends before bodies, before any name that such a record doesn't have (a Secret's
 *   `data`), before the first patch of a webhook among the annotations, and before what is cut or malformed.
 * - A line of the API server's legacy text format, which never holds bodies: its first 256 bytes.
 * - A klog line: its header. The message is free text and may hold anything.
 * - Anything else is dropped whole: it may be the rest of a record that was split inside a body.
 */
export function cutPrefix(content: Buffer): Buffer {
  const start = skipSpace(content, 0, content.length);
  if (content[start] === 0x7b)
    return content.subarray(0, characterEnd(content, Math.min(metadataEnd(content, start), MOST)));
  const head = content.toString('latin1', 0, MOST_TEXT);
  if (LEGACY.test(head)) return content.subarray(0, characterEnd(content, Math.min(content.length, MOST_TEXT)));
  const header = KLOG_HEADER.exec(head);
  return content.subarray(0, header === null ? 0 : header[0].length);
}

/** Ends a walk. Members before it were kept. */
const STOP = -10;

/** Position behind the last member that may be kept. */
function metadataEnd(content: Buffer, start: number): number {
  let form: Shape | undefined;
  let end = start + 1;
  walkObject(content, start, content.length, (nameFrom, nameTo, from, to) => {
    const name = nameAt(content, nameFrom, nameTo);
    form ??= BEGINNINGS.find(([names]) => names.has(name))?.[1] ?? EMPTY;
    end = valueEnd(content, from, to, form.get(name), end);
    return end < to ? STOP : 0;
  });
  return end;
}

/** Position behind what may be kept of a value: `to` if that is all of it; `before`, where what was kept so far ends, if it is nothing. */
function valueEnd(content: Buffer, from: number, to: number, kept: Kept | undefined, before: number): number {
  const first = content[from];
  const isScalar = first !== 0x7b && first !== 0x5b;
  if (kept === undefined) return before;
  if (kept === 'any') return to;
  if (kept === 'scalar') return isScalar ? to : before;
  if (first === 0x6e) return to;
  if (kept === 'annotations' && first === 0x22) return isUnpatchedText(content, from, to) ? to : before;
  let end = before;
  const result = walkObject(content, from, to, (nameFrom, nameTo, memberFrom, memberTo) => {
    const name = nameAt(content, nameFrom, nameTo);
    const inside = kept === 'annotations' ? (name.startsWith(PATCH) ? undefined : 'scalar') : kept.get(name);
    end = valueEnd(content, memberFrom, memberTo, inside, end);
    return end < memberTo ? STOP : 0;
  });
  return result === to ? to : end;
}

/** Is it a string that holds a map as JSON, as a column does, without a patch in it? */
function isUnpatchedText(content: Buffer, from: number, to: number): boolean {
  const text = Buffer.from(JSON.parse(content.toString('utf8', from, to)) as string);
  if (text.length === 0) return true;
  return text[0] === 0x7b && valueEnd(text, 0, text.length, 'annotations', -1) === text.length;
}

/** The last position at or before `end` that doesn't split a character. */
function characterEnd(content: Buffer, end: number): number {
  let at = end;
  while (at > 0 && at > end - 4 && at < content.length && (content[at]! & 0xc0) === 0x80) at--;
  return at;
}
