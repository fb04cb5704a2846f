// One request to the API server as the audit lines it leaves: member order, timestamps and escaping as Go writes them.

import type { Random } from './random.ts';

/** Who sends a request, as far as an audit line tells. Texts are JSON already. */
export interface Actor {
  /** The `user` member. */
  readonly user: string;
  /** Inside of the `userAgent` string. */
  readonly agent: string;
  /** Inside of the `sourceIPs` array. */
  readonly ips: string;
  /** Inside of the authorizer's reason when it allows. */
  readonly reason: string;
  /** Which API server instance the actor's connection ends at. */
  readonly stream: number;
}

/** The object or collection that a request is about. */
export interface Target {
  readonly group?: string;
  readonly version?: string;
  readonly resource: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly sub?: string;
  /** Name only in objectRef: creates have it from the body, not from the path. */
  readonly bodyName?: string;
}

/** A request and its answer. */
export interface Call {
  readonly level: 'Metadata' | 'Request' | 'RequestResponse';
  readonly verb: string;
  readonly actor: Actor;
  /** Absent for non-resource requests, which then have `path`. */
  readonly target?: Target;
  readonly path?: string;
  /** Query string without `?`, percent-encoded as sent. */
  readonly query?: string;
  readonly code: number;
  /** Failure answer: inside of `responseStatus` between metadata and code. */
  readonly failure?: string;
  /** Bodies as JSON text. */
  readonly request?: string;
  readonly response?: string;
  /** Annotations that sort before and after those of the authorizer, as inside of a JSON object. */
  readonly before?: string;
  readonly after?: string;
  /** The authorizer said no. */
  readonly forbidden?: boolean;
  /** `impersonatedUser` as JSON text. */
  readonly impersonated?: string;
  /** How long the request was served, microseconds. */
  readonly took: number;
  /** Long-running (watch, exec …): there is a ResponseStarted this many microseconds after it was received. */
  readonly startedAfter?: number;
  /** The policy rule keeps RequestReceived (EKS: serviceaccounts/token). */
  readonly keepsReceived?: boolean;
}

/** One audit line. */
export interface Line {
  /** stageTimestamp, microseconds since the epoch. */
  readonly at: number;
  readonly text: string;
  readonly stream: number;
}

/** Escapes JSON text as Go's encoder does: `<`, `>`, `&`, U+2028 and U+2029. */
export function goEscape(json: string): string {
  // most text has none of them, and a search is much cheaper than a replacement
  if (!/[<>&\u2028\u2029]/.test(json)) return json;
  return json.replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** A value as JSON text in Go's spelling. */
export function go(value: unknown): string {
  return goEscape(JSON.stringify(value));
}

/** The inside of a JSON string in Go's spelling. */
export function goText(text: string): string {
  return go(text).slice(1, -1);
}

// Seconds repeat: those of this minute and of the objects' creation are kept.
const seconds = new Float64Array(256).fill(Number.NaN);
const texts = new Array<string>(256).fill('');

function secondText(us: number): string {
  const second = Math.floor(us / 1e6);
  const slot = second % 256;
  if (seconds[slot] !== second) {
    seconds[slot] = second;
    texts[slot] = new Date(second * 1000).toISOString().slice(0, 19);
  }
  return texts[slot]!;
}

/** MicroTime: six fraction digits, UTC. */
export function microTime(us: number): string {
  return `${secondText(us)}.${String(us % 1_000_000).padStart(6, '0')}Z`;
}

/** metav1.Time, as in objects: whole seconds. */
export function time(us: number): string {
  return `${secondText(us)}Z`;
}

function pathOf(target: Target): string {
  const root = target.group === undefined ? '/api' : `/apis/${target.group}`;
  const namespace = target.namespace === undefined ? '' : `/namespaces/${target.namespace}`;
  const name = target.name === undefined ? '' : `/${target.name}`;
  const sub = target.sub === undefined ? '' : `/${target.sub}`;
  return `${root}/${target.version ?? 'v1'}${namespace}/${target.resource}${name}${sub}`;
}

function refOf(target: Target): string {
  const name = target.name ?? target.bodyName;
  let text = `{"resource":"${target.resource}"`;
  if (target.namespace !== undefined) text += `,"namespace":"${target.namespace}"`;
  if (name !== undefined) text += `,"name":"${goText(name)}"`;
  if (target.uid !== undefined) text += `,"uid":"${target.uid}"`;
  if (target.group !== undefined) text += `,"apiGroup":"${target.group}"`;
  text += `,"apiVersion":"${target.version ?? 'v1'}"`;
  if (target.resourceVersion !== undefined) text += `,"resourceVersion":"${target.resourceVersion}"`;
  if (target.sub !== undefined) text += `,"subresource":"${target.sub}"`;
  return text + '}';
}

/** A Go duration: `1.234567s`, `612.3ms`, `87.6µs`. */
export function goDuration(us: number): string {
  if (us >= 1e6) return `${Number((us / 1e6).toFixed(9))}s`;
  return us >= 1000 ? `${Number((us / 1000).toFixed(6))}ms` : `${Number(us.toFixed(3))}µs`;
}

/** The annotations of a request that took longer than 500 ms. */
function latency(us: number, random: Random): string {
  const write = random.between(1, 400) + random.int(1000) / 1000;
  const etcd = us * (0.2 + 0.75 * random.unit());
  return (
    `"apiserver.latency.k8s.io/etcd":"${goDuration(etcd)}","apiserver.latency.k8s.io/response-write":"${goDuration(write)}",` +
    `"apiserver.latency.k8s.io/total":"${goDuration(us + random.int(1000) / 1000)}",`
  );
}

/**
 * The lines of one request, in the order of their stages.
 * @param received when the request came in, microseconds since the epoch
 */
export function render(call: Call, received: number, auditID: string, random: Random): Line[] {
  const { actor, target } = call;
  const query = call.query === undefined ? '' : `?${call.query}`;
  const uri = goText((target === undefined ? (call.path ?? '/') : pathOf(target)) + query);
  const head = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"${call.level}","auditID":"${auditID}","stage":"`;
  const agent = actor.agent === '' ? '' : `,"userAgent":"${actor.agent}"`;
  const impersonated = call.impersonated === undefined ? '' : `,"impersonatedUser":${call.impersonated}`;
  const body =
    `","requestURI":"${uri}","verb":"${call.verb}","user":${actor.user}${impersonated},"sourceIPs":[${actor.ips}]${agent}` +
    (target === undefined ? '' : `,"objectRef":${refOf(target)}`);
  const receivedText = `,"requestReceivedTimestamp":"${microTime(received)}","stageTimestamp":"`;
  const status = `,"responseStatus":{"metadata":{}${call.failure === undefined ? '' : `,${call.failure}`},"code":${call.code}}`;
  const stream = actor.stream;

  // a failed authentication leaves one line, and no authorizer has seen it
  if (call.code === 401) {
    const at = received + call.took;
    const text = `${head}ResponseStarted${body}${status}${receivedText}${microTime(at)}"}`;
    return [{ at, text, stream }];
  }

  const lines: Line[] = [];
  const decision = call.forbidden === true ? 'forbid' : 'allow';
  const reason = call.forbidden === true ? '' : actor.reason;
  const authorizer = `"authorization.k8s.io/decision":"${decision}","authorization.k8s.io/reason":"${reason}"`;
  if (call.keepsReceived === true) {
    lines.push({ at: received, text: `${head}RequestReceived${body}${receivedText}${microTime(received)}"}`, stream });
  }
  if (call.startedAfter !== undefined) {
    const at = received + call.startedAfter;
    const text = `${head}ResponseStarted${body}${status}${receivedText}${microTime(at)}","annotations":{${authorizer}}}`;
    lines.push({ at, text, stream });
  }
  const at = received + call.took;
  const slow = call.took > 500_000 && call.startedAfter === undefined ? latency(call.took, random) : '';
  const before = call.before === undefined ? '' : `${call.before},`;
  const after = call.after === undefined ? '' : `,${call.after}`;
  const bodies =
    (call.request === undefined ? '' : `,"requestObject":${call.request}`) +
    (call.response === undefined ? '' : `,"responseObject":${call.response}`);
  const text =
    `${head}ResponseComplete${body}${status}${bodies}${receivedText}${microTime(at)}"` +
    `,"annotations":{${slow}${before}${authorizer}${after}}}`;
  lines.push({ at, text, stream });
  return lines;
}

const FAILURES = {
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  422: 'Invalid',
} as const;

/** `failure` of a Call, and the Status body that goes with it at RequestResponse. */
export function failing(
  code: keyof typeof FAILURES,
  message: string,
  target: Target,
): { failure: string; status: string; code: number } {
  const name = target.name ?? target.bodyName;
  const details: Record<string, string> = {};
  if (name !== undefined) details['name'] = name;
  if (target.group !== undefined) details['group'] = target.group;
  details['kind'] = target.resource;
  const failure = `"status":"Failure","message":${go(message)},"reason":"${FAILURES[code]}","details":${go(details)}`;
  return { failure, status: `{"kind":"Status","apiVersion":"v1","metadata":{},${failure},"code":${code}}`, code };
}

/** What the API server says when RBAC refuses. */
export function refused(user: string, verb: string, target: Target): ReturnType<typeof failing> {
  const resource = target.sub === undefined ? target.resource : `${target.resource}/${target.sub}`;
  const kind = target.group === undefined ? target.resource : `${target.resource}.${target.group}`;
  const subject = target.name === undefined ? `${kind} is` : `${kind} "${target.name}" is`;
  const scope = target.namespace === undefined ? 'at the cluster scope' : `in the namespace "${target.namespace}"`;
  const message = `${subject} forbidden: User "${user}" cannot ${verb} resource "${resource}" in API group "${target.group ?? ''}" ${scope}`;
  return failing(403, message, target);
}

export function missing(target: Target): ReturnType<typeof failing> {
  const kind = target.group === undefined ? target.resource : `${target.resource}.${target.group}`;
  return failing(404, `${kind} "${target.name ?? ''}" not found`, target);
}

/** An update on an old resourceVersion. */
export function outdated(target: Target): ReturnType<typeof failing> {
  const kind = target.group === undefined ? target.resource : `${target.resource}.${target.group}`;
  return failing(
    409,
    `Operation cannot be fulfilled on ${kind} "${target.name ?? ''}": the object has been modified; please apply your changes to the latest version and try again`,
    target,
  );
}
