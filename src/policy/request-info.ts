// RequestInfo: what the API server knows of a request before it handles it, from method and URL or from an exported Event.

import { type AuditEvent, beginOf, endOf, fieldValue } from '../event.ts';
import { remembered } from './remembered.ts';
import { readPath, type RequestPath, unescapePercent } from './request-path.ts';
import { asksForWatch, nameFromQuery, readQuery } from './selectors.ts';

/** What a policy rule can see of a request. */
export interface Attributes {
  /** null: authentication failed. */
  readonly user: User | null;
  readonly verb: string;
  readonly namespace: string;
  readonly name: string;
  readonly resource: string;
  readonly subresource: string;
  readonly apiGroup: string;
  readonly resourceRequest: boolean;
  readonly path: string;
}

export interface User {
  readonly username: string;
  readonly groups: readonly string[];
}

/** RequestInfo of a request line. */
export interface RequestInfo extends RequestPath {
  readonly verb: string;
}

const VERBS: Readonly<Record<string, string>> = {
  POST: 'create',
  GET: 'get',
  HEAD: 'get',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

/** Path and query of a request URI as Go's server takes them apart; undefined for one that it would refuse. The path is decoded. */
function splitUri(uri: string): { path: string; query: string } | undefined {
  if (uri === '' || /[\x00-\x1f\x7f]/.test(uri)) return undefined;
  if (uri === '*') return { path: '*', query: '' };
  const at = uri.indexOf('?');
  const query = at < 0 ? '' : uri.slice(at + 1);
  let raw = at < 0 ? uri : uri.slice(0, at);
  if (!raw.startsWith('/')) {
    const scheme = /^([A-Za-z][-+.A-Za-z0-9]*):(.*)$/s.exec(raw);
    if (scheme === null) return undefined;
    // without a slash behind the scheme there is no path at all
    if (!scheme[2]!.startsWith('/')) return { path: '', query };
    raw = scheme[2]!.replace(/^\/\/[^/]*/, '');
  }
  const path = unescapePercent(raw);
  return path === undefined ? undefined : { path, query };
}

/** RequestInfo of a request line, as kube-apiserver derives it; undefined for a URL that no HTTP server would accept. */
export function requestInfo(method: string, url: string): RequestInfo | undefined {
  const uri = splitUri(url);
  if (uri === undefined) return undefined;
  const path = readPath(uri.path);
  if (!path.resourceRequest || path.bare) return { ...path, verb: method.toLowerCase() };
  let verb = path.verbPrefix !== '' ? path.verbPrefix : Object.hasOwn(VERBS, method) ? VERBS[method]! : '';
  let name = path.name;
  if (name === '' && verb === 'get') {
    const query = readQuery(uri.query);
    verb = asksForWatch(query) ? 'watch' : 'list';
    name = nameFromQuery(query);
  }
  if (name === '' && verb === 'delete') verb = 'deletecollection';
  return { ...path, verb, name };
}

/** Paths kept at most, and the longest URI of which one is kept. */
const KEEP = 2000;
const LONGEST_KEPT = 512;
/** As readPath: the same few leases, endpoints and lists are asked for over and over. */
const readKnownPath = remembered(KEEP, readPath);

const NAMELESS_READS = new Set(['get', 'list', 'watch']);

/** Quick test: most lists have no field selector. Its own name may be spelled with escapes. */
function mayName(query: string): boolean {
  return query !== '' && (query.includes('fieldSelector') || /(?:^|&)[^=&]*%/.test(query));
}

/** Attributes from an Event's `requestURI` and `verb`. undefined where the URI says nothing. */
export function attributesFromUri(uri: string, verb: string, user: User | null): Attributes | undefined {
  const split = splitUri(uri);
  if (split === undefined) return undefined;
  const path = uri.length > LONGEST_KEPT ? readPath(split.path) : readKnownPath(split.path);
  let name = path.name;
  if (name === '' && path.resourceRequest && path.verbPrefix === '' && NAMELESS_READS.has(verb) && mayName(split.query))
    name = nameFromQuery(readQuery(split.query));
  return {
    user,
    verb,
    namespace: path.namespace,
    name,
    resource: path.resource,
    subresource: path.subresource,
    apiGroup: path.apiGroup,
    resourceRequest: path.resourceRequest,
    path: path.path,
  };
}

/** The same from `objectRef`, for an Event whose URI is missing or broken. Handlers complete objectRef from the body, so its name is not always that of the request. */
function attributesFromObject(event: AuditEvent, user: User | null): Attributes {
  const ref = fieldValue(event, 'objectRef') as Readonly<Record<string, unknown>> | undefined;
  const text = (key: string) => (typeof ref?.[key] === 'string' ? ref[key] : '');
  return {
    user,
    verb: event.verb,
    namespace: text('namespace'),
    name: text('name'),
    resource: text('resource'),
    subresource: text('subresource'),
    apiGroup: text('apiGroup'),
    resourceRequest: ref !== undefined,
    path: '',
  };
}

/** requestURI as text. Most are plain ASCII, which is read at a fraction of the cost. */
function uriOf(event: AuditEvent): string {
  const { line } = event;
  const from = beginOf(event, 'requestURI') + 1;
  const to = endOf(event, 'requestURI') - 1;
  for (let i = from; i < to; i++) {
    const c = line[i]!;
    if (c === 0x5c || c > 0x7e) return JSON.parse(line.toString('utf8', from - 1, to + 1)) as string;
  }
  return line.toString('latin1', from, to);
}

/**
 * What the policy saw when the request of this Event arrived. From requestURI and verb, never from objectRef where there is a URI;
 * the user is `user`, never `impersonatedUser`, and none at all where neither name nor groups are given. Never throws.
 * @param user where it was read already
 */
export function attributesOf(event: AuditEvent, user: User | null = userOf(event)): Attributes {
  return attributesFromUri(uriOf(event), event.verb, user) ?? attributesFromObject(event, user);
}

/** The authenticated user of an Event; null where authentication failed. */
export function userOf(event: AuditEvent): User | null {
  const user = fieldValue(event, 'user') as { username?: unknown; groups?: unknown } | undefined;
  const username = typeof user?.username === 'string' ? user.username : '';
  const groups = Array.isArray(user?.groups) ? user.groups.filter((group) => typeof group === 'string') : [];
  return username === '' && groups.length === 0 ? null : { username, groups };
}
