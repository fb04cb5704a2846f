// The contract between the core and a provider, and the only file of src/ that providers import.

import type * as z from 'zod';
import type { ScanResult } from './event.ts';
import type { Log } from './log.ts';

export * from './errors.ts';
export {
  type AuditEvent,
  beginOf,
  endOf,
  type Field,
  FIELDS,
  type NotAnEvent,
  type ScanResult,
  scanEvent,
  scanLines,
} from './event.ts';
export { CUT, elements, MALFORMED, nameAt, skipSpace, skipString, skipValue, walkObject } from './json.ts';
export type { Log } from './log.ts';
export { collectBytes, giveMemory, takeMemory } from './page-memory.ts';
export { parseDuration } from './time.ts';
export { instantiateWasm } from './wasm.ts';

/** A half-open span `[from, to)` in milliseconds since 1970-01-01T00:00:00Z. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** What a page walk asks for. The same query gives the same records in the same order, as far as the service allows. */
export interface Query {
  /** Arrival times that are wanted. A page may also hold records outside of it; the core leaves them to their own window. */
  readonly arrival: Span;
  /** How far an event's time may lie before its arrival, in milliseconds: the completeness claim of the window. */
  readonly lateness: number;
  /** Only records whose event time lies in this part of `bounds`: one of `pieces`. */
  readonly events?: Span;
}

/** What a provider hands out: one audit event in the provider's form, or something else from the same log. */
export interface ProviderRecord {
  /** The provider's own id of this record, unique and stable; absent where there is none (then the content identifies it). */
  readonly id?: string;
  /** When the provider's log service took the record in, milliseconds since the epoch. Decides the window. */
  readonly arrival: number;
  /** Event time as the envelope gives it, milliseconds since the epoch, if it does. Only used to salvage a cut record. */
  readonly time?: number;
  /** The record exactly as received, without line end. */
  readonly content: Buffer;
  /** Where it came from (log stream, file and offset …), for rejects. */
  readonly origin?: string;
  /** Set by a source that had to scan the content to know the arrival, to spare the second scan. Only for records whose content is the Event itself. */
  readonly scan?: ScanResult;
}

/** One answer of the service. */
export interface Page {
  readonly records: readonly ProviderRecord[];
  /** Token of the next page; absent when the walk is complete. A page may be empty and still have a next one. */
  readonly next?: string;
  /** Bytes that the answer took on the wire or on disk, for progress. */
  readonly bytes: number;
  /**
   * The walk has handed out everything whose *event time* lies before this, milliseconds since the epoch.
   * Only for progress display; absent when not known.
   */
  readonly position?: number;
  /**
   * No later page of the walk will hold a record that arrived before this, milliseconds since the epoch, as far as the source knows:
   * windows before it are packed meanwhile. If one comes all the same, the walk starts again. Not for sources with `pieces`; absent when not known.
   */
  readonly passed?: number;
  /** Called when nothing of the records is kept any more, and so may be used again what holds their content. Not called where a page failed. */
  release?(): void;
}

/** What became of one record. Reasons are stable kebab-case words; they are counted in the manifest. */
export type Decoded =
  /**
   * `event`: the Event as one line of JSON without line end; the very content where the provider hands out Events. If it is cut, the core salvages what it can from it.
   * `omitted`: names of bodies that the source had left out, as its annotation `auditkeep/omitted` lists them; absent where there are none.
   */
  | { readonly event: Buffer; readonly scan?: ScanResult; readonly omitted?: readonly string[] }
  /** Not an audit event of this cluster. */
  | { readonly skip: string }
  /** Should have been an audit event of this cluster, but can't be read. */
  | { readonly reject: string };

/** What could be seen at the time of reading (manifest, rule 11). */
export interface Visible {
  /** Logs, tables or files that are read, by the provider's own names. */
  readonly sources: readonly string[];
  /** Is audit logging switched on at the provider? `unknown` where the role may not ask. */
  readonly logging: 'on' | 'off' | 'unknown';
  /** Remarks for manifest and status, such as "kube-audit-admin has no reads". Empty when there is nothing to say. */
  readonly notes: readonly string[];
}

/** The oldest arrival that the source still holds. */
export interface Horizon {
  /** Milliseconds since the epoch; absent when the role may not ask: then nothing is ever called expired. */
  readonly at?: number;
  /** `created`: the source did not exist before, nothing was lost. `retention`: older records have been deleted. */
  readonly because: 'created' | 'retention' | 'unknown';
  /** How long a record is kept, milliseconds; absent = forever or unknown. */
  readonly retention?: number;
}

/**
 * One cluster's log at a provider. Keeps no position, sleeps never, retries never, writes nothing.
 * Every method that calls the service throws one of the classes in errors.ts:
 * AuthError, ThrottledError, TransientError, StaleTokenError (fetchPage), WindowTooLargeError (fetchPage), ConfigError
 * (the log doesn't exist, with the fix in `hint`).
 */
export interface Source {
  /**
   * Quota that calls of this source use up: sources with an equal key share one limiter. `perSecond` is the rate to keep to, `burst` the
   * calls that may go out at once after a delay of our own (default: most of a second's): what both make of the service's own period
   * must be allowed in it.
   */
  quota(): Promise<{ readonly key: string; readonly perSecond: number; readonly burst?: number }>;
  /** How long after the end of a window it may be read, milliseconds. */
  readonly settle: number;
  /** Lateness of a first read and of a recheck, milliseconds, and the most that makes sense. */
  readonly lateness: { readonly first: number; readonly recheck: number; readonly max: number };
  /**
   * `wide`: the service can't select by arrival, a query reads a wider range of event time, so one walk should serve many windows.
   * `exact`: a query answers exactly its arrival span.
   */
  readonly reads: 'wide' | 'exact';
  /** Walks are to be made one after the other, oldest first: each goes on where the one before ended, instead of at the beginning. */
  readonly inTurn?: boolean;
  /** Event-time span that a query reads, for manifest and progress. */
  bounds(query: Query): Span;
  /**
   * The query as up to `most` queries that can be walked side by side: each record of it belongs to exactly one of them. Absent where
   * pages of one query are no slower than pages of several.
   */
  pieces?(query: Query, most: number): readonly Query[];
  /** The query in the provider's own terms, for the manifest: group, prefix, filter or KQL. No secrets. */
  describe(query: Query): Readonly<Record<string, string | number>>;
  /**
   * The source's native id, the same in every run that reads the same log (`aws:123456789012:eu-central-1:/aws/eks/prod/cluster`).
   * Fixed in cluster.json: another id under the same cluster name is refused.
   */
  identity(signal: AbortSignal): Promise<string>;
  /** What the source still holds. Asked before the first window and again after each walk. */
  horizon(signal: AbortSignal): Promise<Horizon>;
  /** What can be seen now. What can't be asked is `unknown`, never an error. */
  visible(signal: AbortSignal): Promise<Visible>;
  /**
   * One page of a query; `token` is what the page before gave as `next`. May call `onNext` with the page's own `next` as soon as it
   * is known, so that the core can ask for that page while this one is still being decoded; a wrong guess only costs a call.
   */
  fetchPage(
    query: Query,
    token: string | undefined,
    signal: AbortSignal,
    onNext?: (next: string) => void,
  ): Promise<Page>;
  close(): Promise<void>;
}

/** What the core lends to a source. */
export interface SourceDeps {
  readonly log: Log;
  /** The clock, milliseconds since the epoch. */
  now(): number;
  /** To be called with the Date header of each answer, milliseconds since the epoch (rule 13). */
  onServerDate(date: number): void;
  /**
   * Waits for a slot of the source's `quota()`; rejects when the signal aborts. To be called before each call that uses up that quota
   * beside the one of `fetchPage`, which has its slot already (rule 12). Absent where nothing reads pages.
   */
  takeSlot?(signal: AbortSignal): Promise<void>;
}

/** What every cluster has, whatever the provider. */
export interface ClusterSettings {
  readonly name: string;
  readonly provider: string;
  /** Overrides of the source's own values, milliseconds. */
  readonly settle?: number;
  readonly lateness?: number;
  readonly recheckLateness?: number;
  /** Scheme, host and port of a local stand-in. */
  readonly endpoint?: string;
  /** `none`: no credentials are looked up; only allowed on loopback. */
  readonly auth?: 'none';
}

/** A provider: how records of one kind of cluster are fetched and decoded. Default export of `providers/<name>/index.ts` as `provider`. */
export interface Provider<Options = unknown> {
  readonly name: string;
  /** `unknown`: its records don't tell the groups of users, so policy rules on groups may be undecidable. */
  readonly groups?: 'known' | 'unknown';
  /** The options this provider adds to a cluster in the config. Unknown keys are errors. */
  readonly options: z.ZodType<Options>;
  /** Opens no connection yet. Called once per cluster and run. */
  connect(cluster: ClusterSettings, options: Options, deps: SourceDeps): Source;
  /** Do these options ask for the records themselves beside the Events (`raw/`)? Refused unless the config says `secrets: keep`. */
  keepsRaw?(options: Options): boolean;
  /** One record → Event. Pure: no network, no files, no clock. */
  decode(record: ProviderRecord, options: Options): Decoded;
  /** Records of a file that the cloud's own tools exported (or plain Event lines), for `auditkeep decode`. Never holds the file in memory. */
  readExport(chunks: AsyncIterable<Buffer>): AsyncIterable<ProviderRecord>;
}

/** Registry of providers: name → lazy import, so that an SDK loads only where a cluster needs it. */
export type Registry = Readonly<Record<string, () => Promise<Provider>>>;
