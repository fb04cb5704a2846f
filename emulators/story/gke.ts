// The same day as Cloud Logging holds it: Events written down as GKE's LogEntries, with all that this form loses.

import { generateDay, type StoryOptions } from './index.ts';
import { type Random, seeded } from './random.ts';

export interface GkeCluster {
  readonly project: string;
  readonly location: string;
  readonly cluster: string;
}

type Json = Record<string, unknown>;

/** An Event as far as an entry is made of it. */
interface Event {
  readonly auditID: string;
  readonly stage: string;
  readonly requestURI: string;
  readonly verb: string;
  readonly user?: { readonly username?: string; readonly extra?: Readonly<Record<string, readonly string[]>> };
  readonly impersonatedUser?: { readonly username?: string };
  readonly sourceIPs?: readonly string[];
  readonly userAgent?: string;
  readonly objectRef?: {
    readonly resource?: string;
    readonly namespace?: string;
    readonly name?: string;
    readonly apiGroup?: string;
    readonly apiVersion?: string;
    readonly subresource?: string;
  };
  readonly responseStatus?: { readonly code?: number; readonly message?: string };
  readonly requestObject?: unknown;
  readonly responseObject?: unknown;
  readonly stageTimestamp: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

const GRPC: Readonly<Record<number, number>> = {
  400: 3,
  401: 16,
  403: 7,
  404: 5,
  409: 10,
  422: 3,
  429: 8,
  499: 1,
  500: 13,
  501: 12,
  503: 14,
  504: 4,
};
const UPGRADED = new Set(['exec', 'attach', 'portforward']);
const READS = new Set(['get', 'list', 'watch']);
const CREDENTIAL_ID = 'authentication.kubernetes.io/credential-id';
const COMMAND = 'command.gke.io/command';

const groupOf = (ref: NonNullable<Event['objectRef']>) => ref.apiGroup ?? 'core';

function reversed(group: string): string {
  return group.includes('.') ? group.split('.').reverse().join('.') : `io.k8s.${group}`;
}

function namesOf({ objectRef: ref, verb, requestURI }: Event): { method: string; resource: string } {
  if (ref === undefined) return { method: `io.k8s.${verb}`, resource: requestURI.split('?')[0]!.slice(1) };
  const sub = ref.subresource === undefined ? '' : `.${ref.subresource}`;
  const method = `${reversed(groupOf(ref))}.${ref.apiVersion}.${ref.resource}${sub}.${verb}`;
  const path = [groupOf(ref), ref.apiVersion];
  // a namespace lies in itself, but its own path says so only once
  if (ref.namespace !== undefined && ref.resource !== 'namespaces') path.push('namespaces', ref.namespace);
  path.push(ref.resource);
  if (ref.name !== undefined) path.push(ref.name);
  if (ref.subresource !== undefined) path.push(ref.subresource);
  return { method, resource: path.join('/') };
}

/** A Struct: no order of keys, and every number a double. Only objects can be one. */
function struct(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(struct);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, struct(inner)]),
  );
}

function typeOf(body: Json): string {
  const { apiVersion, kind } = body;
  if (typeof apiVersion !== 'string' || typeof kind !== 'string') return 'k8s.io/Patch';
  const [version, group] = apiVersion.split('/').reverse() as [string, string | undefined];
  const name = group === undefined ? 'core.k8s.io' : group.includes('.') ? group : `${group}.k8s.io`;
  return `${name}/${version}.${kind}`;
}

function bodyOf(value: unknown): Json | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const body = struct(value) as Json;
  return { '@type': typeOf(body), ...body };
}

function statusOf({ responseStatus, objectRef, stage }: Event): Json {
  const { code = 200, message } = responseStatus ?? {};
  const upgraded = code === 101 && UPGRADED.has(objectRef?.subresource ?? '');
  const grpc = upgraded ? 2 : stage === 'Panic' ? 13 : code < 400 ? 0 : (GRPC[code] ?? 2);
  if (grpc === 0) return {};
  return { code: grpc, ...(upgraded ? { message: 'UNKNOWN' } : message !== undefined && { message }) };
}

/** Requests that are recorded when they begin and when they end. */
function isLong({ verb, objectRef }: Event): boolean {
  return verb === 'watch' || ['attach', 'exec', 'log', 'portforward', 'proxy'].includes(objectRef?.subresource ?? '');
}

function operationOf(event: Event): Json {
  const operation = { id: event.auditID, producer: 'k8s.io' };
  if (event.responseStatus?.code !== 401 && isLong(event))
    return event.stage === 'ResponseStarted' ? { ...operation, first: true } : { ...operation, last: true };
  return { ...operation, first: true, last: true };
}

/** What an exec runs: the URI is not recorded, but its command is, as newer entries have it. Empty for others. */
function commandOf({ objectRef, requestURI }: Event): string {
  if (objectRef?.subresource !== 'exec') return '';
  return new URLSearchParams(requestURI.split('?')[1]).getAll('command').join(' ');
}

/** Fraction digits of a MicroTime as proto3's JSON has them, or fewer: zeros at the end are left out. */
const shortTime = (text: string) => text.replace(/\.?0+Z$/, 'Z');

/**
 * One Event as GKE writes it; undefined for RequestReceived, which GKE doesn't record.
 * @param receiveTimestamp RFC 3339, up to nine digits
 */
export function logEntryOf(
  line: Buffer | string,
  { project, location, cluster }: GkeCluster,
  receiveTimestamp: string,
): Json | undefined {
  const event = JSON.parse(line.toString('utf8')) as Event;
  if (event.stage === 'RequestReceived') return undefined;
  const { method, resource } = namesOf(event);
  const request = bodyOf(event.requestObject);
  const response = bodyOf(event.responseObject);
  const credential = event.user?.extra?.[CREDENTIAL_ID]?.[0];
  const isRead = READS.has(event.verb) || event.objectRef === undefined;
  const granted = (event.responseStatus?.code ?? 200) < 400;
  const [callerIp] = event.sourceIPs ?? [];
  const { username } = event.user ?? {};
  const impersonated = event.impersonatedUser?.username;
  const command = commandOf(event);
  const labels = {
    ...event.annotations,
    ...(credential !== undefined && { [CREDENTIAL_ID]: credential }),
    ...(command !== '' && { [COMMAND]: command }),
  };
  return {
    insertId: event.auditID,
    ...(Object.keys(labels).length > 0 && { labels }),
    logName: `projects/${project}/logs/cloudaudit.googleapis.com%2F${isRead ? 'data_access' : 'activity'}`,
    operation: operationOf(event),
    protoPayload: {
      '@type': 'type.googleapis.com/google.cloud.audit.AuditLog',
      authenticationInfo: {
        ...(username !== undefined && { principalEmail: username }),
        ...(impersonated !== undefined && { authoritySelector: impersonated }),
      },
      authorizationInfo: [{ ...(granted && { granted }), permission: method, resource }],
      methodName: method,
      ...(request !== undefined && { request }),
      requestMetadata: {
        ...(callerIp !== undefined && { callerIp }),
        ...(event.userAgent !== undefined && { callerSuppliedUserAgent: event.userAgent }),
      },
      resourceName: resource,
      ...(response !== undefined && { response }),
      serviceName: 'k8s.io',
      status: statusOf(event),
    },
    receiveTimestamp,
    resource: { labels: { cluster_name: cluster, location, project_id: project }, type: 'k8s_cluster' },
    timestamp: shortTime(event.stageTimestamp),
  };
}

export interface LogEntryOptions extends Omit<StoryOptions, 'cluster'> {
  readonly cluster: GkeCluster;
  /** Share of entries that are received longer than an hour after their time. Default 0. */
  readonly late?: number;
  /** Longest delay of a late one, milliseconds. Default 12 h. */
  readonly lateUpTo?: number;
}

export interface DayLogEntry {
  readonly entry: Json;
  /** Milliseconds since the epoch, rounded down. */
  readonly time: number;
  readonly received: number;
  readonly note?: 'late';
}

/** Names that belong to another cloud → those of this one. */
const NAMES: readonly (readonly [RegExp, string])[] = [
  [/arn:aws:sts::\d+:assumed-role\/[\w-]+\/([^"\\/ ]+)/g, '$1@acme.example'],
  [/arn:aws:iam::\d+:(?:role|user)\/(?:[\w-]+\/)*([\w.-]+)/g, '$1@acme.example'],
  [/\baws-load-balancer-controller\b/g, 'gce-ingress-controller'],
  [/\belbv2\.k8s\.aws\b/g, 'ingress-gce'],
  [/\baws-node\b/g, 'anetd'],
  [/\beks-metrics-aggregator\b/g, 'gke-metrics-aggregator'],
  [/\bebs-csi-node\b/g, 'pdcsi-node'],
  [/\bebs\.csi\.aws\.com\b/g, 'pd.csi.storage.gke.io'],
  [/\d{12}\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com/g, 'europe-docker.pkg.dev/acme-images'],
  [/latest%2Fmeta-data%2Fiam%2Fsecurity-credentials%2F/g, 'computeMetadata%2Fv1%2Finstance%2Fservice-accounts%2F'],
];

/** GKE records no bodies of these. */
const BODILESS = new Set(['secrets', 'configmaps', 'leases']);

function translate(text: string, cluster: string): string | undefined {
  // access of people to EKS is a ConfigMap; here it is IAM
  if (text.includes('"aws-auth"')) return undefined;
  let line = text.replace(
    /\bip-(\d+)-(\d+)-(\d+)-(\d+)\.[a-z0-9-]+\.compute\.internal/g,
    (_, ...octets: string[]) =>
      `gke-${cluster}-pool-1-${octets
        .slice(0, 4)
        .map((n) => Number(n).toString(16).padStart(2, '0'))
        .join('')}-node`,
  );
  for (const [from, to] of NAMES) line = line.replace(from, to);
  const event = JSON.parse(line) as {
    objectRef?: { resource?: string };
    requestObject?: unknown;
    responseObject?: unknown;
  };
  if (!BODILESS.has(event.objectRef?.resource ?? '')) return line;
  delete event.requestObject;
  delete event.responseObject;
  return JSON.stringify(event);
}

function delay(random: Random, late: boolean, lateUpTo: number): number {
  if (late) return random.between(3_600_000, Math.max(3_600_000, lateUpTo));
  return Math.min(240_000, Math.round(random.skewed(1500, 1.1)) + 120);
}

/** The story of `generateDay` in entries, in order of their time: the same people do the same things. receiveTimestamps are not in order. */
export function* dayOfLogEntries(options: LogEntryOptions): Generator<DayLogEntry> {
  const { cluster, late = 0, lateUpTo = 12 * 3_600_000, ...story } = options;
  const random = seeded(options.seed, `delivery/${cluster.project}/${cluster.cluster}`);
  const account = { name: cluster.cluster, account: '111122223333', region: cluster.location };
  for (const { line, time } of generateDay({ ...story, cluster: account })) {
    const isLate = random.chance(late);
    const received = time + delay(random, isLate, lateUpTo);
    const nanos = String(random.int(1_000_000)).padStart(6, '0');
    const text = translate(line.toString('utf8'), cluster.cluster);
    const receiveTimestamp = new Date(received).toISOString().replace('Z', `${nanos}Z`);
    const entry = text === undefined ? undefined : logEntryOf(text, cluster, receiveTimestamp);
    if (entry !== undefined) yield { entry, time, received, ...(isLate && { note: 'late' as const }) };
  }
}
