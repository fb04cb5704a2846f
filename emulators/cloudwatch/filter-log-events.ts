// FilterLogEvents: which events a page holds, and the tokens that lead from page to page.

import { createHash } from 'node:crypto';
import { ServiceFault } from './fault.ts';
import { indexAfter, retainedFrom, sort, type LogGroup, type Position, type StoredEvent } from './log-groups.ts';

/** 1 MB of message bytes. The service's own count isn't documented; PutLogEvents' 26 bytes an event are not added. */
const PAGE_BYTES = 1_048_576;
const PAGE_EVENTS = 10_000;
const TOKEN_LIFE = 24 * 3_600_000;

export interface FilterRequest {
  logGroupName?: string;
  logGroupIdentifier?: string;
  logStreamNames?: string[];
  logStreamNamePrefix?: string;
  startTime?: number;
  endTime?: number;
  filterPattern?: string;
  nextToken?: string;
  limit?: number;
  startFromHead?: boolean;
}

export interface PageRules {
  /** Event time that one call searches, milliseconds: longer queries give pages that are not full, or empty. */
  readonly searchSpan: number;
  /** For faults on order. */
  readonly empty?: boolean;
}

export interface FilterPage {
  readonly events: readonly StoredEvent[];
  readonly next: string | undefined;
}

const invalid = (message: string) => new ServiceFault(400, 'InvalidParameterException', message);

/** A token is good only for the query that it came from; the limit may change. */
function digest(group: LogGroup, r: FilterRequest): string {
  const { account, region, name } = group;
  const query = [account, region, name, r.logStreamNames, r.logStreamNamePrefix, r.startTime, r.endTime];
  return createHash('sha256').update(JSON.stringify(query)).digest('hex').slice(0, 32);
}

interface Token {
  readonly query: string;
  readonly position: Position;
  readonly issued: number;
  /** Makes each page's token another one, also where the walk didn't move on. */
  readonly page: number;
}

const encode = (token: Token) => Buffer.from(JSON.stringify(token)).toString('base64url');

function decode(text: string): Token {
  try {
    const token = JSON.parse(Buffer.from(text, 'base64url').toString()) as Token;
    if (encode(token) === text && Array.isArray(token.position)) return token;
  } catch {
    // not one of ours
  }
  throw invalid('The specified nextToken is invalid.');
}

function check(r: FilterRequest): void {
  const wholeTime = (n: number | undefined) => n === undefined || (Number.isInteger(n) && n >= 0);
  if (r.logStreamNames !== undefined && r.logStreamNamePrefix !== undefined)
    throw invalid('logStreamNames and logStreamNamePrefix may not be used together.');
  if (r.logStreamNames !== undefined && (r.logStreamNames.length < 1 || r.logStreamNames.length > 100))
    throw invalid('logStreamNames must have between 1 and 100 names.');
  if (!wholeTime(r.startTime) || !wholeTime(r.endTime)) throw invalid('startTime and endTime must not be negative.');
  if (r.startTime !== undefined && r.endTime !== undefined && r.startTime > r.endTime)
    throw invalid('endTime must not be before startTime.');
  if (r.limit !== undefined && !(Number.isInteger(r.limit) && r.limit >= 1 && r.limit <= PAGE_EVENTS))
    throw invalid(`limit must be between 1 and ${PAGE_EVENTS}.`);
  if (r.filterPattern !== undefined && r.filterPattern !== '') throw invalid('This emulator knows no filter patterns.');
  if (r.startFromHead === false) throw invalid('This emulator reads from the head only.');
}

/**
 * One page: at most 1 MB of messages (at least one event), 10,000 events or `limit`; both time bounds inclusive; only what the
 * clock lets be found. A full page always has a token, so the last page may be empty. Positions, not offsets, carry the
 * walk: events that become visible in the middle of it move nothing.
 */
export function filterPage(group: LogGroup, request: FilterRequest, now: number, rules: PageRules): FilterPage {
  check(request);
  sort(group);
  const { startTime = 0, endTime = Number.MAX_SAFE_INTEGER, limit = PAGE_EVENTS } = request;
  const query = digest(group, request);
  let position: Position = [startTime - 1, Number.MAX_SAFE_INTEGER, 0];
  let page = 0;
  if (request.nextToken !== undefined) {
    const token = decode(request.nextToken);
    if (token.query !== query) throw invalid('The specified nextToken is invalid for this request.');
    if (now - token.issued >= TOKEN_LIFE) throw invalid('The specified nextToken has expired.');
    ({ position } = token);
    page = token.page + 1;
  }
  const tokenAt = (p: Position) => encode({ query, position: p, issued: now, page });
  if (rules.empty === true) return { events: [], next: tokenAt(position) };

  const streams = request.logStreamNames === undefined ? undefined : new Set(request.logStreamNames);
  const prefix = request.logStreamNamePrefix ?? '';
  const retained = retainedFrom(group, now);
  const found: StoredEvent[] = [];
  let bytes = 0;
  // the search can't reach further than there are events, whatever the query says
  const last = Math.min(endTime, Math.max(now, group.events.at(-1)?.timestamp ?? 0));
  const first = Math.max(position[0], Math.min(last, group.creationTime - 14 * 86_400_000));
  const reach = first + rules.searchSpan;
  for (let i = indexAfter(group, position); i < group.events.length; i++) {
    const event = group.events[i]!;
    if (event.timestamp > endTime || event.timestamp > reach) break;
    if (event.visibleAt > now || event.timestamp < retained) continue;
    if (streams === undefined ? !event.stream.startsWith(prefix) : !streams.has(event.stream)) continue;
    if (found.length > 0 && bytes + event.size > PAGE_BYTES)
      return { events: found, next: tokenAt(positionOf(found.at(-1)!)) };
    found.push(event);
    bytes += event.size;
    if (found.length === limit) return { events: found, next: tokenAt(positionOf(event)) };
  }
  if (reach < last) return { events: found, next: tokenAt([reach, Number.MAX_SAFE_INTEGER, 0]) };
  return { events: found, next: undefined };
}

function positionOf(event: StoredEvent): Position {
  return [event.timestamp, event.ingestionTime, event.order];
}
