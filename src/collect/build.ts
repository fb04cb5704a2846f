// What becomes of the records of one manifest: decode → guard → pack, with every record in exactly one count (rule 5).

import { type Compression, EXTENSION } from '../archive/compress.ts';
import { createDigestSet } from '../archive/digest-set.ts';
import { createFingerprintList } from '../archive/fingerprints.ts';
import { type Digest, digestOf, leafHash, sha256Hex } from '../archive/hash.ts';
import { dateOf, idsKey, type PartKind, partKey } from '../archive/keys.ts';
import type { EventPart, IdsFile, Manifest, RejectPart } from '../archive/manifest.ts';
import { createPartWriter, PART_BYTES, type PartWriter } from '../archive/part.ts';
import type { Scratch } from '../archive/spool.ts';
import type { Store } from '../archive/store/store.ts';
import { ConflictError, TamperError } from '../errors.ts';
import { type AuditEvent, fieldBytes, scanEvent } from '../event.ts';
import type { ApplyPolicy } from '../policy/apply.ts';
import type { Redactor } from '../policy/redact.ts';
import type { Decoded, ProviderRecord } from '../provider.ts';
import { cutPrefix } from '../reject-prefix.ts';
import { salvage } from '../salvage.ts';

export interface BuildDeps {
  readonly store: Store;
  readonly scratch: Scratch;
  readonly compression: Compression;
  /** Policy and secrets guard (rule 10). */
  readonly apply: ApplyPolicy;
  /** Absent: nothing is redacted. */
  readonly redact?: Redactor;
  /** Rejects keep the whole record. */
  readonly rawRejects: boolean;
  /** The records of written events are kept as well, as the provider gave them. */
  readonly keepRaw: boolean;
  /** Content bytes at which a part ends; PART_BYTES, unless a test can't wait that long. */
  readonly partBytes?: number;
  decode(record: ProviderRecord): Decoded;
}

/** The parts of a manifest that its records decide. */
export type Built = Pick<
  Manifest,
  | 'counts'
  | 'droppedByRule'
  | 'skippedByReason'
  | 'rejectedByReason'
  | 'lowered'
  | 'undecided'
  | 'unattained'
  | 'omitted'
  | 'redacted'
  | 'raw'
  | 'byLevel'
  | 'byStage'
  | 'byVerb'
  | 'parts'
  | 'rejects'
> & { readonly ids?: IdsFile };

export interface Builder {
  readonly counts: Readonly<Manifest['counts']>;
  /** Days of parts and rejects that this builder may have put, for the sweep. */
  readonly dates: ReadonlySet<string>;
  /**
   * @param fingerprint SHA-256 that the record's fingerprint is cut from: of its id, or of its content where there is none
   * @param apply the policy of the record's own window, where it isn't that of the builder (recheck)
   * @param window start of the window that the record arrived in, where a manifest answers for several: a copy in another window is none (rule 8)
   */
  add(record: ProviderRecord, fingerprint: Digest, window?: number, apply?: ApplyPolicy): void;
  /** Resolves when what was handed to thread pool and store so far is done: to be awaited page by page. */
  settle(): Promise<void>;
  /** Ends all parts and puts them. The manifest may be committed when this has resolved. */
  finish(): Promise<Built>;
  dispose(): Promise<void>;
}

/** A record's identity for rechecks (rule 4). */
export function fingerprintOf(record: ProviderRecord): Digest {
  return record.id === undefined ? leafHash(record.content) : digestOf(record.id);
}

/** HTTP methods can be anything, and with them verbs of non-resource requests: manifests list this many and count the rest together. */
const MOST_VERBS = 50;
const OTHER_VERBS = '(other)';

const TRUNCATED_SUFFIX = Buffer.from('[Truncated...]');

type Counter = Map<string, number>;
const count = (counter: Counter, key: string) => counter.set(key, (counter.get(key) ?? 0) + 1);
const sorted = (counter: Counter) => Object.fromEntries([...counter].sort(([a], [b]) => (a < b ? -1 : 1)));

interface Open {
  readonly writer: PartWriter;
  first: Staged;
  last: Staged;
}

/** An event, or what is left of one: when its stage was, and as written. */
type Staged = AuditEvent | { readonly stageTime: number; readonly text: string };

/** stageTimestamp as written. */
function stageText(event: Staged): string {
  if ('text' in event) return event.text;
  const quoted = fieldBytes(event, 'stageTimestamp')!;
  return quoted.toString('latin1', 1, quoted.length - 1);
}

/** An event's line lies in the memory of its page, and all of that would be held with it. */
function withoutLine(event: Staged): Staged {
  return 'text' in event ? event : { stageTime: event.stageTime, text: stageText(event) };
}

/** Order of stage time, to the microsecond where both are written in UTC, as the API server does. */
function isBefore(a: Staged, b: Staged): boolean {
  return a.stageTime === b.stageTime ? stageText(a) < stageText(b) : a.stageTime < b.stageTime;
}

/** @param cluster and name: of the manifest to come, they begin the names of its parts */
export function createBuilder(cluster: string, name: string, deps: BuildDeps): Builder {
  const { store, scratch, compression, partBytes = PART_BYTES } = deps;
  const counts = { received: 0, written: 0, duplicate: 0, dropped: 0, skipped: 0, rejected: 0, salvaged: 0 };
  const skippedByReason: Counter = new Map();
  const rejectedByReason: Counter = new Map();
  const droppedByRule: Counter = new Map();
  const lowered: Counter = new Map();
  const undecided: Counter = new Map();
  const unattained: Counter = new Map();
  const omitted: Counter = new Map();
  let redacted = 0;
  const byLevel: Counter = new Map();
  const byStage: Counter = new Map();
  const byVerb: Counter = new Map();
  const contents = createDigestSet(scratch);
  const ids = createFingerprintList(scratch);
  const open = new Map<string, Open>();
  const openRejects = new Map<string, PartWriter>();
  const nextNumber: Counter = new Map();
  const parts: EventPart[] = [];
  const rejects: RejectPart[] = [];
  const openRaw = new Map<string, PartWriter>();
  const raw: RejectPart[] = [];
  const dates = new Set<string>();
  let puts: Promise<void>[] = [];
  let failed: unknown;

  async function putPart(
    kind: PartKind,
    date: string,
    n: number,
    writer: PartWriter,
  ): Promise<RejectPart & { lineRoot: string }> {
    try {
      const { body, bytes, sha256, contentBytes, contentSha256, lines, lineRoot } = await writer.finish();
      const key = partKey(kind, cluster, date, name, n, sha256, EXTENSION[compression]);
      await putOnce(store, key, body, sha256);
      return { key, bytes, sha256, contentBytes, contentSha256, lines, lineRoot };
    } finally {
      await writer.dispose();
    }
  }

  function numberOf(kind: string, date: string): number {
    const key = `${kind} ${date}`;
    count(nextNumber, key);
    return nextNumber.get(key)! - 1;
  }

  // puts run beside the reading; the first failure is kept for settle() and finish()
  function start(put: Promise<void>): void {
    puts.push(put.catch((error: unknown) => void (failed ??= error)));
  }

  function seal(date: string): void {
    const { writer, first, last } = open.get(date)!;
    open.delete(date);
    const n = numberOf('events', date);
    const stages = { firstStage: stageText(first), lastStage: stageText(last) };
    start(putPart('events', date, n, writer).then((part) => void parts.push({ ...part, ...stages })));
  }

  function sealRejects(date: string): void {
    const writer = openRejects.get(date)!;
    openRejects.delete(date);
    const n = numberOf('rejects', date);
    start(putPart('rejects', date, n, writer).then(({ lineRoot: _, ...part }) => void rejects.push(part)));
  }

  function sealRaw(date: string): void {
    const writer = openRaw.get(date)!;
    openRaw.delete(date);
    const n = numberOf('raw', date);
    start(putPart('raw', date, n, writer).then(({ lineRoot: _, ...part }) => void raw.push(part)));
  }

  /** Beside the event, under its date. Line ends that stand between the tokens of a record are left out. */
  function writeRaw(record: ProviderRecord, date: string): void {
    let writer = openRaw.get(date);
    if (writer === undefined) {
      writer = createPartWriter(compression, scratch);
      openRaw.set(date, writer);
    }
    writer.add(oneLine(record.content));
    if (writer.contentBytes >= partBytes) sealRaw(date);
  }

  function write(event: AuditEvent, leaf: Digest): void {
    let part = open.get(event.date);
    if (part === undefined) {
      part = { writer: createPartWriter(compression, scratch), first: event, last: event };
      open.set(event.date, part);
      dates.add(event.date);
    }
    if (isBefore(event, part.first)) part.first = event;
    if (isBefore(part.last, event)) part.last = event;
    part.writer.add(event.line, leaf);
    count(byLevel, event.level);
    count(byStage, event.stage);
    count(byVerb, byVerb.size < MOST_VERBS || byVerb.has(event.verb) ? event.verb : OTHER_VERBS);
    if (part.writer.contentBytes >= partBytes) seal(event.date);
  }

  /** @param text what the provider took for the Event; its beginning is kept */
  function reject(record: ProviderRecord, reason: string, text = record.content): void {
    counts.rejected++;
    count(rejectedByReason, reason);
    const date = dateOf(record.arrival);
    let writer = openRejects.get(date);
    if (writer === undefined) {
      writer = createPartWriter(compression, scratch);
      openRejects.set(date, writer);
      dates.add(date);
    }
    writer.add(rejectLine(record, reason, text, deps.rawRejects));
    if (writer.contentBytes >= partBytes) sealRejects(date);
  }

  /** What could be saved of a cut record stands in the parts as well (rule 5). */
  function rejectCut(record: ProviderRecord, reason: string, text: Buffer): void {
    reject(record, reason, text);
    const line = salvage(text, { at: record.time ?? record.arrival });
    const event = line === undefined ? undefined : scanEvent(line);
    if (event === undefined || 'not' in event) return;
    counts.salvaged++;
    write(event, leafHash(event.line));
  }

  /** A record that brings the decoder down is a reject like others, not the end of the run. */
  function decode(record: ProviderRecord): Decoded {
    try {
      return deps.decode(record);
    } catch {
      return { reject: 'decoder-failed' };
    }
  }

  return {
    counts,
    dates,
    add(record, fingerprint, window, apply = deps.apply) {
      counts.received++;
      ids.add(fingerprint);
      const decoded = decode(record);
      // a skipped record must not make an audit event of equal content a duplicate
      if ('skip' in decoded) {
        counts.skipped++;
        count(skippedByReason, decoded.skip);
        return;
      }
      const leaf = record.id === undefined ? fingerprint : leafHash(record.content);
      if (!contents.add(window === undefined ? leaf : digestOf(`${window} ${leaf}`))) {
        counts.duplicate++;
        return;
      }
      if ('reject' in decoded) {
        reject(record, decoded.reject);
        return;
      }
      const event = decoded.scan ?? scanEvent(decoded.event);
      if ('not' in event) {
        if (event.not === 'truncated' || endsTruncated(decoded.event)) rejectCut(record, 'truncated', decoded.event);
        else reject(record, event.not, decoded.event);
        return;
      }
      const applied = apply(event);
      if (applied.undecided !== undefined) count(undecided, applied.undecided);
      if (!applied.kept) {
        counts.dropped++;
        count(droppedByRule, applied.droppedBy);
        return;
      }
      if (applied.unattained !== undefined) count(unattained, applied.unattained);
      if (applied.loweredBy !== undefined) count(lowered, applied.loweredBy);
      let written = again(event, applied.line);
      if (deps.redact !== undefined) {
        const before = written.line;
        written = again(written, deps.redact(written));
        if (!written.line.equals(before)) redacted++;
      }
      if (decoded.omitted !== undefined) for (const body of decoded.omitted) count(omitted, body);
      counts.written++;
      write(written, written.line === record.content ? leaf : leafHash(written.line));
      if (deps.keepRaw) writeRaw(record, written.date);
    },
    async settle() {
      await ids.settle();
      for (const part of open.values()) {
        part.first = withoutLine(part.first);
        part.last = withoutLine(part.last);
        await part.writer.ready();
      }
      for (const writer of [...openRejects.values(), ...openRaw.values()]) await writer.ready();
      if (failed !== undefined) throw failed;
      if (puts.length > 2) {
        await Promise.all(puts);
        puts = [];
      }
      if (failed !== undefined) throw failed;
    },
    async finish() {
      // nothing more is compared, and putting needs room
      contents.dispose();
      for (const date of [...open.keys()].sort()) seal(date);
      for (const date of [...openRejects.keys()].sort()) sealRejects(date);
      for (const date of [...openRaw.keys()].sort()) sealRaw(date);
      await Promise.all(puts);
      if (failed !== undefined) throw failed;
      const byKey = (a: { key: string }, b: { key: string }) => (a.key < b.key ? -1 : 1);
      let idsFile: IdsFile | undefined;
      if (counts.received > 0) {
        const { body, sha256 } = await ids.finish();
        const key = idsKey(cluster, name, sha256);
        await putOnce(store, key, body, sha256);
        idsFile = { key, count: counts.received, sha256 };
      }
      return {
        counts: { ...counts },
        droppedByRule: sorted(droppedByRule),
        skippedByReason: sorted(skippedByReason),
        rejectedByReason: sorted(rejectedByReason),
        lowered: sorted(lowered),
        ...(undecided.size > 0 && { undecided: sorted(undecided) }),
        ...(unattained.size > 0 && { unattained: sorted(unattained) }),
        ...(omitted.size > 0 && { omitted: sorted(omitted) }),
        ...(deps.redact !== undefined && { redacted }),
        byLevel: sorted(byLevel),
        byStage: sorted(byStage),
        byVerb: sorted(byVerb),
        ...(idsFile !== undefined && { ids: idsFile }),
        parts: parts.sort(byKey),
        rejects: rejects.sort(byKey),
        ...(deps.keepRaw && { raw: raw.sort(byKey) }),
      };
    },
    async dispose() {
      contents.dispose();
      await ids.dispose();
      await Promise.all(puts);
      for (const { writer } of open.values()) await writer.dispose();
      for (const writer of [...openRejects.values(), ...openRaw.values()]) await writer.dispose();
      open.clear();
      openRejects.clear();
    },
  };
}

const LINE_END = /[\r\n]/;

/** A record on one line: JSON has line ends only between its tokens. */
function oneLine(content: Buffer): Buffer {
  const text = content.toString('latin1');
  return LINE_END.test(text) ? Buffer.from(text.replace(/[\r\n]+/g, ''), 'latin1') : content;
}

/** The event of a line that policy or redaction made from it. */
function again(event: AuditEvent, line: Buffer): AuditEvent {
  if (line === event.line) return event;
  const scanned = scanEvent(line);
  if ('not' in scanned) throw new Error(`policy or redaction made a line that is no Event: ${scanned.not}`);
  return scanned;
}

function endsTruncated(content: Buffer): boolean {
  return content.subarray(-TRUNCATED_SUFFIX.length).equals(TRUNCATED_SUFFIX);
}

/**
 * Puts an object whose name holds its hash. If it is there already (an earlier attempt), the stored bytes must be the same:
 * throws TamperError if they aren't.
 */
export async function putOnce(
  store: Store,
  key: string,
  body: Parameters<Store['put']>[1],
  sha256: string,
): Promise<void> {
  try {
    await store.put(key, body, { ifAbsent: true, sha256 });
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    const head = await store.head(key);
    const stored = head?.sha256 ?? (await storedSha256(store, key));
    if (stored !== sha256)
      throw new TamperError(`${store.url}: ${key} exists with other bytes (SHA-256 ${stored ?? 'unknown'})`, {
        cause: error,
        hint: 'the name of a part holds the hash of its bytes, so something else wrote it: keep it for the investigation, then move it away',
      });
  }
}

async function storedSha256(store: Store, key: string): Promise<string | undefined> {
  const found = await store.get(key);
  return found === undefined ? undefined : sha256Hex(found.bytes);
}

/** One line of rejects/: what is known of the record, and as much of it as may be kept (rule 10). */
function rejectLine(record: ProviderRecord, reason: string, found: Buffer, raw: boolean): Buffer {
  const kept = raw ? record.content : cutPrefix(found);
  const text = kept.toString('utf8');
  const exact = Buffer.from(text).equals(kept);
  return Buffer.from(
    JSON.stringify({
      reason,
      arrival: new Date(record.arrival).toISOString(),
      ...(record.id !== undefined && { id: record.id }),
      ...(record.origin !== undefined && { origin: record.origin }),
      bytes: record.content.length,
      sha256: sha256Hex(record.content),
      ...(exact ? { content: text } : { contentBase64: kept.toString('base64') }),
      complete: kept.length === record.content.length,
    }),
  );
}
