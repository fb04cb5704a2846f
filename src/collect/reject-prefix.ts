// How much of a record that can't be decoded, and so can't be redacted, rejects/ may keep: its beginning, up to the first body.

import { nameAt, skipSpace, skipValue, walkObject } from '../json.ts';
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
 * What may be kept of a member. `scalar`: a value that is no object or array · a shape: an object of the members that it names · `each`: an
 * array of such values · `names`: an object whose members may have any name but those of bodies and webhook patches. What stands for an object or
 * array may also be its text, as in a column.
 *
 * A record that can't be decoded may be broken anywhere: where a closing bracket is lost, what follows an object seems to be part of it. So
 * nothing is taken whole, whatever its name.
 */
type Kept = 'scalar' | Shape | { readonly each: Kept } | { readonly names: Kept };
type Shape = ReadonlyMap<string, Kept>;

function shape(scalars: string, others: Readonly<Record<string, Kept>> = {}): Shape {
  return new Map([...scalars.split(' ').map((name) => [name, 'scalar'] as const), ...Object.entries(others)]);
}

const EMPTY: Shape = new Map();
const SCALARS: Kept = { each: 'scalar' };
const ANNOTATIONS: Kept = { names: 'scalar' };
/** What can't be the name of an annotation or of a user's extra, in small letters: bodies, their texts, and what holds them. */
const BODIES = new Set(
  'requestobject responseobject request response log log_s additionalfields properties data stringdata metadata servicedata protopayload jsonpayload textpayload'.split(
    ' ',
  ),
);

const USER = shape('uid username', { extra: { names: SCALARS }, groups: SCALARS });
const OBJECT_REF = shape('apiGroup apiVersion name namespace resource resourceVersion subresource uid');
const RESPONSE_STATUS = shape('apiVersion code kind message reason status', {
  details: shape('group kind name retryAfterSeconds uid', { causes: { each: shape('field message reason') } }),
  metadata: shape('continue remainingItemCount resourceVersion selfLink'),
});

const EVENT = shape([...METADATA].join(' '), {
  annotations: ANNOTATIONS,
  authenticationMetadata: shape('impersonationConstraint'),
  impersonatedUser: USER,
  objectRef: OBJECT_REF,
  responseStatus: RESPONSE_STATUS,
  sourceIPs: SCALARS,
  user: USER,
});

/** LogEntry of Cloud Logging. Left out: `request`, `response`, `metadata`, `serviceData`, and what is no part of an audit entry. */
const LOG_ENTRY = shape('insertId logName receiveTimestamp severity spanId timestamp trace traceSampled', {
  labels: ANNOTATIONS,
  operation: shape('id producer first last'),
  resource: shape('type', { labels: shape('cluster_name location project_id') }),
  protoPayload: shape('@type methodName resourceName serviceName', {
    authenticationInfo: shape('authoritySelector principalEmail principalSubject'),
    authorizationInfo: {
      each: shape('granted permission permissionType resource', { resourceAttributes: shape('name service type') }),
    },
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
  { Annotations: ANNOTATIONS, ObjectRef: OBJECT_REF, ResponseStatus: RESPONSE_STATUS, SourceIps: SCALARS, User: USER },
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
  if (content[start] === BRACE)
    return content.subarray(0, characterEnd(content, Math.min(metadataEnd(content, start), MOST)));
  const head = content.toString('latin1', 0, MOST_TEXT);
  if (LEGACY.test(head)) return content.subarray(0, characterEnd(content, Math.min(content.length, MOST_TEXT)));
  const header = KLOG_HEADER.exec(head);
  return content.subarray(0, header === null ? 0 : header[0].length);
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;
const NULL = 0x6e;
const BRACE = 0x7b;

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
  if (kept === undefined) return before;
  const first = content[from];
  if (kept === 'scalar') return first === BRACE || first === BRACKET ? before : to;
  if (first === NULL) return to;
  if (first === QUOTE) return isText(content, from, to, kept) ? to : before;
  if ('each' in kept) return first === BRACKET ? elementsEnd(content, from, to, kept.each, before) : before;
  let end = before;
  const result = walkObject(content, from, to, (nameFrom, nameTo, memberFrom, memberTo) => {
    const name = nameAt(content, nameFrom, nameTo);
    end = valueEnd(
      content,
      memberFrom,
      memberTo,
      'names' in kept ? namedFreely(name, kept.names) : kept.get(name),
      end,
    );
    return end < memberTo ? STOP : 0;
  });
  return result === to ? to : end;
}

/** A patch of a webhook holds what was changed in a body. */
function namedFreely(name: string, kept: Kept): Kept | undefined {
  return name.startsWith(PATCH) || BODIES.has(name.toLowerCase()) ? undefined : kept;
}

/** Arrays are kept whole or not at all. The text was validated before. */
function elementsEnd(content: Buffer, from: number, to: number, kept: Kept, before: number): number {
  for (let i = skipSpace(content, from + 1, to); content[i] !== CLOSING_BRACKET;) {
    const end = skipValue(content, i, to);
    if (end < 0 || valueEnd(content, i, end, kept, before) < end) return before;
    i = skipSpace(content, end, to);
    if (content[i] === COMMA) i = skipSpace(content, i + 1, to);
  }
  return to;
}

/** Is it a string that holds such a value as JSON, all of which may be kept? */
function isText(content: Buffer, from: number, to: number, kept: Kept): boolean {
  const text = Buffer.from(JSON.parse(content.toString('utf8', from, to)) as string);
  if (text.length === 0) return true;
  if (text[0] !== BRACE && text[0] !== BRACKET) return false;
  return skipValue(text, 0, text.length) === text.length && valueEnd(text, 0, text.length, kept, -1) === text.length;
}

/** The last position at or before `end` that doesn't split a character. */
function characterEnd(content: Buffer, end: number): number {
  let at = end;
  while (at > 0 && at > end - 4 && at < content.length && (content[at]! & 0xc0) === 0x80) at--;
  return at;
}
