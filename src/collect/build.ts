// What becomes of the records of one manifest: decode → guard → pack, with every record in exactly one count (rule 5).

import { createDigestSet } from '../archive/digest-set.ts';
import { createFingerprintList } from '../archive/fingerprints.ts';
import { type Digest, digestOf, leafHash } from '../archive/hash.ts';
import { dateOf, idsKey } from '../archive/keys.ts';
import type { EventPart, IdsFile, Manifest } from '../archive/manifest.ts';
import type { PartWriter } from '../archive/part.ts';
import { StaleTokenError } from '../errors.ts';
import { type AuditEvent, scanEvent } from '../event.ts';
import type { ApplyPolicy } from '../policy/apply.ts';
import type { Redactor } from '../policy/redact.ts';
import type { Decoded, ProviderRecord } from '../provider.ts';
import { salvage } from '../salvage.ts';
import { createPartFiles, createSideFiles, type PartFilesDeps, putOnce } from './part-files.ts';
import { rejectLine } from './reject-line.ts';
import { letGo, type Stages, stageText, widen } from './stages.ts';
import { createTally, type Tallied } from './tally.ts';

export interface BuildDeps extends PartFilesDeps {
  /** Policy and secrets guard (rule 10). */
  readonly apply: ApplyPolicy;
  /** Absent: nothing is redacted. */
  readonly redact?: Redactor;
  /** Rejects keep the whole record. */
  readonly rawRejects: boolean;
  /** The records of written events are kept as well, as the provider gave them. */
  readonly keepRaw: boolean;
  decode(record: ProviderRecord): Decoded;
}

/** The parts of a manifest that its records decide. */
export type Built = Tallied & Pick<Manifest, 'counts' | 'raw' | 'parts' | 'rejects'> & { readonly ids?: IdsFile };

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
  /** To be called and awaited page by page: resolves when what was handed to threads and store has room for more. Undefined where there is nothing to wait for. */
  settle(): Promise<void> | undefined;
  /**
   * Ends all parts and puts them; the same promise each time. The manifest may be committed when this has resolved, and the walk is
   * complete. May be called before that when no more records are expected: then `add` throws StaleTokenError if one comes.
   */
  finish(): Promise<Built>;
  dispose(): Promise<void>;
}

/** A record's identity for rechecks (rule 4). */
export function fingerprintOf(record: ProviderRecord): Digest {
  return record.id === undefined ? leafHash(record.content) : digestOf(record.id);
}

/** After so many pages without a record a builder gives memory back. */
const RESTS_AFTER = 16;
/** Share of the memory budget from which on that includes what it remembers, which moves to files. */
const CROWDED = 0.6;
const TRUNCATED_SUFFIX = Buffer.from('[Truncated...]');

interface Open extends Stages {
  readonly writer: PartWriter;
}

/** @param cluster and name: of the manifest to come, they begin the names of its parts */
export function createBuilder(cluster: string, name: string, deps: BuildDeps): Builder {
  const { store, scratch } = deps;
  const counts = { received: 0, written: 0, duplicate: 0, dropped: 0, skipped: 0, rejected: 0, salvaged: 0 };
  const tally = createTally();
  let redacted = 0;
  let idle = 0;
  let finishing: Promise<Built> | undefined;
  const contents = createDigestSet(scratch);
  const ids = createFingerprintList(scratch);
  const files = createPartFiles(cluster, name, deps);
  const open = new Map<string, Open>();
  // the one written to last: nearly all events of a window are of one day
  let current: { readonly date: string; readonly part: Open } | undefined;
  const parts: EventPart[] = [];
  const rejects = createSideFiles('rejects', files);
  const raw = createSideFiles('raw', files);
  const dates = new Set<string>();

  function seal(date: string): void {
    const { writer, first, last } = open.get(date)!;
    open.delete(date);
    current = undefined;
    const stages = { firstStage: stageText(first), lastStage: stageText(last) };
    files.put('events', date, writer, (part) => void parts.push({ ...part, ...stages }));
  }

  function partOf(event: AuditEvent): Open {
    let part = open.get(event.date);
    if (part === undefined) {
      part = { writer: files.open(), first: event, last: event };
      open.set(event.date, part);
      dates.add(event.date);
    }
    current = { date: event.date, part };
    return part;
  }

  function write(event: AuditEvent, leaf: Digest): void {
    const part = current?.date === event.date ? current.part : partOf(event);
    widen(part, event);
    part.writer.add(event.line, leaf);
    tally.line(event);
    if (files.isFull(part.writer)) seal(event.date);
  }

  /** @param text what the provider took for the Event; its beginning is kept */
  function reject(record: ProviderRecord, reason: string, text = record.content): void {
    counts.rejected++;
    tally.add('rejectedByReason', reason);
    const date = dateOf(record.arrival);
    dates.add(date);
    rejects.add(date, rejectLine(record, reason, text, deps.rawRejects));
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

  async function settle(resting: boolean): Promise<void> {
    if (resting) {
      for (const part of open.values()) part.writer.rest();
      rejects.rest();
      raw.rest();
      // what it remembers makes room for others
      if (scratch.budget.used > scratch.budget.limit * CROWDED) {
        contents.rest();
        await ids.rest();
      }
    }
    await ids.settle();
    for (const part of open.values()) {
      letGo(part);
      await part.writer.ready();
    }
    await rejects.ready();
    await raw.ready();
    await files.settle();
  }

  async function finish(): Promise<Built> {
    // nothing more is compared, and putting needs room
    contents.dispose();
    for (const date of [...open.keys()].sort()) seal(date);
    rejects.seal();
    raw.seal();
    await files.end();
    const byKey = (a: { key: string }, b: { key: string }) => (a.key < b.key ? -1 : 1);
    let idsFile: IdsFile | undefined;
    if (counts.received > 0) {
      const { body, sha256 } = await ids.finish();
      const key = idsKey(cluster, name, sha256);
      await deps.beforePut?.();
      await putOnce(store, key, body, sha256);
      idsFile = { key, count: counts.received, sha256 };
    }
    return {
      counts: { ...counts },
      ...tally.end(deps.redact === undefined ? undefined : redacted),
      ...(idsFile !== undefined && { ids: idsFile }),
      parts: parts.sort(byKey),
      rejects: rejects.parts.sort(byKey),
      ...(deps.keepRaw && { raw: raw.parts.sort(byKey) }),
    };
  }

  return {
    counts,
    dates,
    add(record, fingerprint, window, apply = deps.apply) {
      if (finishing !== undefined)
        throw new StaleTokenError(`a record of ${name} came when the walk seemed to be past it`);
      idle = 0;
      counts.received++;
      ids.add(fingerprint);
      const decoded = decode(record);
      // a skipped record must not make an audit event of equal content a duplicate
      if ('skip' in decoded) {
        counts.skipped++;
        tally.add('skippedByReason', decoded.skip);
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
      if (applied.undecided !== undefined) tally.add('undecided', applied.undecided);
      if (!applied.kept) {
        counts.dropped++;
        tally.add('droppedByRule', applied.droppedBy);
        return;
      }
      if (applied.unattained !== undefined) tally.add('unattained', applied.unattained);
      if (applied.loweredBy !== undefined) tally.add('lowered', applied.loweredBy);
      let written = again(event, applied.line);
      if (deps.redact !== undefined) {
        const before = written.line;
        written = again(written, deps.redact(written));
        if (!written.line.equals(before)) redacted++;
      }
      if (decoded.omitted !== undefined) for (const body of decoded.omitted) tally.add('omitted', body);
      counts.written++;
      write(written, written.line === record.content ? leaf : leafHash(written.line));
      // beside the event, under its date
      if (deps.keepRaw) raw.add(written.date, oneLine(record.content));
    },
    settle() {
      if (finishing !== undefined) return undefined;
      // of a day's windows few get records at a time
      const pages = idle++;
      return pages > 0 && pages % RESTS_AFTER !== 0 ? undefined : settle(pages > 0);
    },
    finish: () => (finishing ??= finish()),
    async dispose() {
      await finishing?.catch(() => undefined); // whoever asked for it has the error
      contents.dispose();
      await ids.dispose();
      await files.rest();
      for (const { writer } of open.values()) await writer.dispose();
      open.clear();
      await rejects.dispose();
      await raw.dispose();
    },
  };
}

const LINE_END = /[\r\n]/;

/** A record on one line: JSON has line ends only between its tokens, and those are left out. */
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
