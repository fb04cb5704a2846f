// What Cloud Logging holds: projects with their entries in the order of a search, their buckets, folders and audit configuration.

import type { Fields } from './filter.ts';
import { nanoOf, nanoTime } from './nano-time.ts';

const DAY = 86_400_000;
const REQUIRED_DAYS = 400;

/** A LogEntry as the REST API spells it. */
export type LogEntry = Readonly<Record<string, unknown>>;

export interface EntryInput {
  /** The entry, or its JSON text (then served as it stands). */
  readonly entry: LogEntry | string;
  /** From when on a search finds it, milliseconds since the epoch; default: its receiveTimestamp. */
  readonly visibleAt?: number;
}

export interface StoredEntry {
  readonly project: string;
  /** In the form of nanoTime. */
  readonly timestamp: string;
  readonly insertId: string;
  /** Order of the puts: the last sort key. */
  readonly order: number;
  readonly visibleAt: number;
  readonly isPrivate: boolean;
  readonly fields: Fields;
  readonly json: Buffer;
}

export interface Project {
  readonly project: string;
  readonly createTime: number;
  /** Of `_Default`; `_Required` always holds 400 days. */
  retentionDays: number;
  /** Log types of Kubernetes Engine that are switched on in the project's audit configuration. */
  dataAccess: readonly string[];
  /** Location of `_Default` and `_Required`. */
  readonly location: string;
  readonly buckets: Map<string, { readonly createTime: number; retentionDays: number }>;
  entries: StoredEntry[];
  sorted: boolean;
}

export type Position = readonly [timestamp: string, insertId: string, order: number];

const text = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

export function compare(entry: StoredEntry, [timestamp, insertId, order]: Position): number {
  return text(entry.timestamp, timestamp) || text(entry.insertId, insertId) || entry.order - order;
}

export function sorted(project: Project): readonly StoredEntry[] {
  if (!project.sorted) project.entries.sort((a, b) => compare(a, [b.timestamp, b.insertId, b.order]));
  project.sorted = true;
  return project.entries;
}

/** What is older than this is gone. */
export function retainedFrom(project: Project, entry: StoredEntry, now: number): string {
  return nanoOf(now - (entry.isPrivate ? project.retentionDays : REQUIRED_DAYS) * DAY);
}

const object = (value: unknown) =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

function fieldsOf(entry: LogEntry, timestamp: string, received: string): Fields {
  const fields = new Map<string, string>();
  const set = (name: string, value: unknown) => typeof value === 'string' && fields.set(name, value);
  const resource = object(entry['resource']);
  set('resource.type', resource['type']);
  for (const [name, value] of Object.entries(object(resource['labels']))) set(`resource.labels.${name}`, value);
  const payload = object(entry['protoPayload']);
  for (const name of ['serviceName', 'methodName', 'resourceName']) set(`protoPayload.${name}`, payload[name]);
  set('logName', entry['logName']);
  set('insertId', entry['insertId']);
  fields.set('timestamp', timestamp);
  fields.set('receiveTimestamp', received);
  return fields;
}

/** All projects and folders. */
export function createProjects() {
  const projects = new Map<string, Project>();
  const folders = new Map<string, readonly string[]>();
  let order = 0;
  return {
    find: (project: string) => projects.get(project),

    /** Projects below `folders/1`. */
    below: (folder: string): readonly Project[] | undefined =>
      folders.get(folder)?.flatMap((name) => projects.get(name) ?? []),

    create(project: string, createTime: number, location = 'global'): Project {
      const old = projects.get(project);
      if (old !== undefined) return old;
      const made: Project = {
        project,
        createTime,
        location,
        retentionDays: 30,
        dataAccess: ['ADMIN_READ', 'DATA_READ', 'DATA_WRITE'],
        buckets: new Map(),
        entries: [],
        sorted: true,
      };
      projects.set(project, made);
      return made;
    },

    putFolder: (folder: string, below: readonly string[]) => void folders.set(folder, below),

    /** @param now the emulator's clock: receiveTimestamp of entries that have none */
    put(project: Project, inputs: Iterable<EntryInput>, now: number): number {
      let accepted = 0;
      for (const input of inputs) {
        const given = typeof input.entry === 'string' ? (JSON.parse(input.entry) as LogEntry) : input.entry;
        const entry = given['receiveTimestamp'] === undefined ? { ...given, receiveTimestamp: nanoOf(now) } : given;
        const timestamp = nanoTime(String(entry['timestamp']));
        const received = nanoTime(String(entry['receiveTimestamp']));
        if (timestamp === undefined || received === undefined)
          throw new RangeError('an entry needs a timestamp, and a receiveTimestamp if any in RFC 3339');
        const json = Buffer.from(
          typeof input.entry === 'string' && entry === given ? input.entry : JSON.stringify(entry),
        );
        const stored: StoredEntry = {
          project: project.project,
          timestamp,
          insertId: String(entry['insertId']),
          order: order++,
          visibleAt: input.visibleAt ?? Date.parse(received),
          isPrivate: String(entry['logName']).endsWith('%2Fdata_access'),
          fields: fieldsOf(entry, timestamp, received),
          json,
        };
        const last = project.entries.at(-1);
        if (last !== undefined && compare(last, [stored.timestamp, stored.insertId, stored.order]) > 0)
          project.sorted = false;
        project.entries.push(stored);
        accepted++;
      }
      return accepted;
    },
  };
}

export type Projects = ReturnType<typeof createProjects>;
