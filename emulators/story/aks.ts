// Audit lines as AKS would show them: rows of AKSAudit, of AzureDiagnostics, and records of a storage account or an Event Hub.

import { generateDay, type StoryOptions } from './index.ts';
import { type Random, seeded } from './random.ts';

/** A row by column: datetimes with seven fraction digits, dynamic values as JSON text. */
export type AksRow = Readonly<Record<string, string | null>>;

/** Bytes that a dynamic column of AKSAudit holds; bodies over it are replaced. */
const COLUMN_BYTES = 32_768;
/** Bytes that log_s of AzureDiagnostics holds; what is over it is cut. */
const LOG_BYTES = 32_766;
const TOO_BIG = '"skipped-too-big-size-object"';

/** Where a cluster's records come from. */
export interface AksOrigin {
  /** Resource id of the cluster. */
  readonly resource: string;
  /** API server pod. */
  readonly pod: string;
}

/** Names of an Event's members and the text of their values. */
function members(line: string): Map<string, string> {
  const found = new Map<string, string>();
  let at = line.indexOf('{') + 1;
  while (line[at] === '"') {
    const nameTo = endOfString(line, at);
    const from = nameTo + 1;
    const to = endOfValue(line, from);
    found.set(JSON.parse(line.slice(at, nameTo)) as string, line.slice(from, to));
    at = to + 1;
  }
  return found;
}

/** Lines of an API server have no white space between values. */
function endOfString(line: string, from: number): number {
  let i = from + 1;
  while (line[i] !== '"') i += line[i] === '\\' ? 2 : 1;
  return i + 1;
}

function endOfValue(line: string, from: number): number {
  let depth = 0;
  for (let i = from; ;) {
    const c = line[i]!;
    if (c === '"') {
      i = endOfString(line, i);
    } else {
      if (c === '{' || c === '[') depth++;
      if (depth > 0 && (c === '}' || c === ']')) depth--;
      i++;
    }
    const next = line[i];
    if (depth === 0 && (next === ',' || next === '}' || next === ']' || next === undefined)) return i;
  }
}

const text = (json: string | undefined): string => (json === undefined ? '' : (JSON.parse(json) as string));
/** Seven fraction digits, as a datetime column has them. */
const ticks = (json: string | undefined): string => text(json).replace(/(\.\d{6})Z$/, '$10Z');
const fits = (json: string | undefined): string | null =>
  json === undefined ? null : Buffer.byteLength(json) > COLUMN_BYTES ? TOO_BIG : json;

/** The line as a row of AKSAudit or AKSAuditAdmin. Impersonation has no column and is lost. */
export function toAuditRow(line: string, { resource, pod }: AksOrigin): AksRow {
  const event = members(line);
  return {
    TimeGenerated: ticks(event.get('stageTimestamp')),
    _ResourceId: resource.toLowerCase(),
    PodName: pod,
    Level: text(event.get('level')),
    AuditId: text(event.get('auditID')),
    Stage: text(event.get('stage')),
    RequestUri: text(event.get('requestURI')),
    Verb: text(event.get('verb')),
    User: event.get('user') ?? null,
    SourceIps: event.get('sourceIPs') ?? null,
    UserAgent: text(event.get('userAgent')),
    ObjectRef: event.get('objectRef') ?? null,
    ResponseStatus: event.get('responseStatus') ?? null,
    RequestObject: fits(event.get('requestObject')),
    ResponseObject: fits(event.get('responseObject')),
    RequestReceivedTime: ticks(event.get('requestReceivedTimestamp')),
    StageReceivedTime: ticks(event.get('stageTimestamp')),
    Annotations: event.get('annotations') ?? null,
  };
}

/** Cuts at a number of bytes, never inside of a character. */
function cut(log: string, bytes: number): string {
  if (Buffer.byteLength(log) <= bytes) return log;
  let end = bytes;
  const all = Buffer.from(log);
  while ((all[end]! & 0xc0) === 0x80) end--;
  return all.toString('utf8', 0, end);
}

/** The line as a row of AzureDiagnostics; `spilled`: its columns didn't fit into the table any more. */
export function toDiagnosticsRow(
  line: string,
  { resource, pod }: AksOrigin,
  { category = 'kube-audit', spilled = false }: { category?: string; spilled?: boolean } = {},
): AksRow {
  const event = members(line);
  const log = cut(`${line}\n`, LOG_BYTES);
  return {
    TimeGenerated: ticks(event.get('stageTimestamp')),
    _ResourceId: resource.toLowerCase(),
    Category: category,
    OperationName: 'Microsoft.ContainerService/managedClusters/diagnosticLogs/Read',
    ...(spilled
      ? { AdditionalFields: JSON.stringify({ log_s: log, pod_s: pod, stream_s: 'stdout' }) }
      : { log_s: log, pod_s: pod, stream_s: 'stdout' }),
  };
}

/** The line as one line of PT1H.json, or one record of an Event Hub body. */
export function toEnvelope(line: string, { resource, pod }: AksOrigin, category = 'kube-audit'): string {
  const time = text(members(line).get('stageTimestamp'));
  return JSON.stringify({
    category,
    operationName: 'Microsoft.ContainerService/managedClusters/diagnosticLogs/Read',
    properties: { pod, log: `${line}\n`, stream: 'stdout' },
    resourceId: resource.toUpperCase(),
    serviceBuild: 'na',
    time: time.replace('Z', '000Z'),
  });
}

export interface AksDayOptions extends StoryOptions {
  readonly origin: AksOrigin;
  /** `AKSAudit` (default) or `AzureDiagnostics`. */
  readonly table?: 'AKSAudit' | 'AzureDiagnostics';
  /** Share of rows that can be found only hours after they arrived. Default 0. */
  readonly late?: number;
  /** Longest delay of a late one, milliseconds. Default 12 h, as long as Azure tries to take rows in. */
  readonly lateUpTo?: number;
}

/** What a table gets: the `RowInput` of the emulator. */
export interface AksDayRow {
  readonly columns: AksRow;
  /** What ingestion_time() tells, milliseconds since the epoch: rows come in by batches. */
  readonly ingested: number;
  readonly visibleAt: number;
  /** The Event as the API server wrote it. */
  readonly line: string;
}

/** Names that belong to another cloud → those of this one. They stand in URIs as well, behind an escaped `=`. */
const NAMES: readonly (readonly [RegExp, string])[] = [
  [/arn:aws:sts::\d+:assumed-role\/[\w-]+\/([^"\\/ ]+)/g, '$1@acme.example'],
  [/arn:aws:iam::\d+:(?:role|user)\/(?:[\w-]+\/)*([\w.-]+)/g, '$1@acme.example'],
  [/\bip-\d+-(\d+)-(\d+)-(\d+)\.[a-z0-9-]+\.compute\.internal/g, 'aks-pool1-$1-vmss$2-$3'],
  [/(?<=\b|%3D)aws-load-balancer-controller\b/g, 'ingress-appgw-controller'],
  [/\belbv2\.k8s\.aws\b/g, 'appgw.ingress.k8s.io'],
  [/(?<=\b|%3D)aws-node\b/g, 'azure-cns'],
  [/\beks-metrics-aggregator\b/g, 'aks-metrics-aggregator'],
  [/(?<=\b|%3D)ebs-csi-node\b/g, 'csi-azuredisk-node'],
  [/\bebs\.csi\.aws\.com\b/g, 'disk.csi.azure.com'],
  [/\d{12}\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com/g, 'acme.azurecr.io'],
  [/"uid":"aws-iam-authenticator:[^"]*",/g, ''],
  [/latest%2Fmeta-data%2Fiam%2Fsecurity-credentials%2F/g, 'metadata%2Fidentity%2Foauth2%2Ftoken'],
];

/** What EKS's authenticator tells of a user, and nobody else. */
const EKS_EXTRA = /"(?:accessKeyId|arn|canonicalArn|principalId|sessionName)":\[[^\]]*\],?/g;

function translate(line: string): string | undefined {
  // access of people to EKS is a ConfigMap; here it is Entra
  if (line.includes('"aws-auth"')) return undefined;
  let text = line;
  const user = members(text).get('user');
  if (user !== undefined && user.includes('"arn":')) {
    const plain = user
      .replace(EKS_EXTRA, '')
      .replace(',}', '}')
      .replace(/,?"extra":\{\}/, '');
    text = text.replace(`"user":${user}`, () => `"user":${plain}`);
  }
  for (const [from, to] of NAMES) text = text.replace(from, to);
  return text;
}

const minutes = (random: Random) => random.between(45_000, 240_000);

/** The story of `generateDay` as rows of a table, in order of event time: the same people do the same things. */
export function* dayOfAksRows(options: AksDayOptions): Generator<AksDayRow> {
  const { origin, table = 'AKSAudit', late = 0, lateUpTo = 12 * 3_600_000, ...story } = options;
  const random = seeded(options.seed, `delivery/${origin.resource}`);
  let batch = { until: Number.NEGATIVE_INFINITY, ingested: 0, visibleAt: 0 };
  for (const { line, time } of generateDay(story)) {
    const text = translate(line.toString('utf8'));
    if (text === undefined) continue;
    if (time >= batch.until) {
      const until = time + random.between(5_000, 30_000);
      const ingested = until + minutes(random);
      const wait = random.chance(late) ? random.between(3_600_000, Math.max(3_600_000, lateUpTo)) : minutes(random);
      batch = { until, ingested, visibleAt: ingested + wait };
    }
    const columns = table === 'AKSAudit' ? toAuditRow(text, origin) : toDiagnosticsRow(text, origin);
    yield { columns, ingested: batch.ingested, visibleAt: batch.visibleAt, line: text };
  }
}
