// entries.list: which entries a page holds, and the tokens that lead from page to page.

import { createHash } from 'node:crypto';
import { ServiceFault } from './fault.ts';
import { parseFilter } from './filter.ts';
import {
  compare,
  type Position,
  type Project,
  type Projects,
  retainedFrom,
  sorted,
  type StoredEntry,
} from './projects.ts';

const TOKEN_LIFE = 24 * 3_600_000;
const DEFAULT_PAGE = 50;
const LARGEST_PAGE = 1000;

export interface ListRequest {
  readonly resourceNames?: readonly string[];
  readonly filter?: string;
  readonly orderBy?: string;
  readonly pageSize?: number;
  readonly pageToken?: string;
}

export interface ListRules {
  /** Entries that one call looks at: larger searches give pages that are not full, or empty. */
  readonly searchLimit: number;
  /** The caller lacks logging.privateLogEntries.list: such entries are left out, and nothing says so. */
  readonly hidesPrivate: boolean;
  /** For faults on order. */
  readonly empty: boolean;
}

export interface EntryPage {
  readonly entries: readonly StoredEntry[];
  readonly next: string | undefined;
}

const invalid = (message: string) => new ServiceFault(400, 'INVALID_ARGUMENT', message);

/** A part of what may be read: a project, or one of its buckets. */
interface Place {
  readonly project: Project;
  holds(entry: StoredEntry): boolean;
  /** Entries are read through a view, whose own access rules hold. */
  readonly view: boolean;
}

function missing(name: string): ServiceFault {
  return new ServiceFault(404, 'NOT_FOUND', `Resource name ${name} not found`);
}

function placesOf(projects: Projects, name: string): Place[] {
  const view = /^projects\/([^/]+)\/locations\/([^/]+)\/buckets\/([^/]+)\/views\/([^/]+)$/.exec(name);
  if (view !== null) {
    const [, id, location, bucket] = view;
    const project = projects.find(id!);
    const isOwn = bucket === '_Default' || bucket === '_Required';
    const found = isOwn ? project?.location === location : project?.buckets.has(`${location}/${bucket}`) === true;
    if (project === undefined || !found) throw missing(name);
    const holds = (entry: StoredEntry) => !isOwn || entry.isPrivate === (bucket === '_Default');
    return [{ project, holds, view: true }];
  }
  const all = (project: Project): Place => ({ project, holds: () => true, view: false });
  if (/^folders\/\d+$/.test(name)) {
    const below = projects.below(name);
    if (below === undefined) throw missing(name);
    return below.map(all);
  }
  const project = projects.find(/^projects\/([^/]+)$/.exec(name)?.[1] ?? '');
  if (project === undefined) throw missing(name);
  return [all(project)];
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
  throw invalid('page_token is invalid');
}

/** Index of the first entry behind `position`. */
function indexAfter(entries: readonly StoredEntry[], position: Position): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(entries[middle]!, position) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Entries of several projects in one order. */
function* merged(places: readonly Place[], position: Position): Generator<StoredEntry> {
  const lists = places.map(({ project, holds }) => {
    const entries = sorted(project);
    return { entries, holds, i: indexAfter(entries, position) };
  });
  for (;;) {
    let first: (typeof lists)[number] | undefined;
    for (const list of lists) {
      while (list.i < list.entries.length && !list.holds(list.entries[list.i]!)) list.i++;
      const entry = list.entries[list.i];
      if (entry === undefined) continue;
      const best = first?.entries[first.i];
      if (best === undefined || compare(entry, [best.timestamp, best.insertId, best.order]) < 0) first = list;
    }
    if (first === undefined) return;
    yield first.entries[first.i++]!;
  }
}

/**
 * One page, by timestamp and insertId; only what the clock lets be found. Positions, not offsets, carry the walk: entries that become
 * visible in the middle of it move nothing. Of entries with the same project, timestamp and insertId one answer holds only the first.
 */
export function listEntries(projects: Projects, request: ListRequest, now: number, rules: ListRules): EntryPage {
  const { resourceNames, filter = '', orderBy = 'timestamp asc', pageSize = DEFAULT_PAGE, pageToken } = request;
  if (resourceNames === undefined || resourceNames.length === 0) throw invalid('resource_names is required');
  if (resourceNames.length > 100) throw invalid('at most 100 resource_names');
  if (orderBy !== 'timestamp asc') throw invalid(`this emulator doesn't know the order ${orderBy}`);
  if (!Number.isInteger(pageSize) || pageSize < 1) throw invalid('page_size must be positive');
  const size = Math.min(pageSize, LARGEST_PAGE);
  const { matches, from, to } = parseFilter(filter);
  const seen = new Set<string>();
  const places = resourceNames
    .flatMap((name) => placesOf(projects, name))
    // a project that is named twice is read once
    .filter((p) => p.view || (!seen.has(p.project.project) && seen.add(p.project.project)));
  const query = createHash('sha256')
    .update(JSON.stringify([resourceNames, filter, orderBy]))
    .digest('hex')
    .slice(0, 32);

  let position: Position = [from, '', -1];
  let page = 0;
  if (pageToken !== undefined && pageToken !== '') {
    const token = decode(pageToken);
    if (token.query !== query) throw invalid('page_token does not match the request');
    if (now - token.issued >= TOKEN_LIFE) throw invalid('page_token has expired');
    ({ position } = token);
    page = token.page + 1;
  }
  const tokenAt = (p: Position) => encode({ query, position: p, issued: now, page });
  if (rules.empty) return { entries: [], next: tokenAt(position) };

  const found: StoredEntry[] = [];
  const keys = new Set<string>();
  let looked = 0;
  for (const entry of merged(places, position)) {
    if (entry.timestamp >= to) break;
    const at: Position = [entry.timestamp, entry.insertId, entry.order];
    if (looked++ >= rules.searchLimit) return { entries: found, next: tokenAt(position) };
    position = at;
    if (entry.visibleAt > now || (rules.hidesPrivate && entry.isPrivate)) continue;
    const project = projects.find(entry.project)!;
    if (entry.timestamp < retainedFrom(project, entry, now) || !matches(entry.fields)) continue;
    const key = `${entry.project} ${entry.timestamp} ${entry.insertId}`;
    if (keys.has(key)) continue;
    keys.add(key);
    found.push(entry);
    if (found.length === size) return { entries: found, next: tokenAt(at) };
  }
  return { entries: found, next: undefined };
}
