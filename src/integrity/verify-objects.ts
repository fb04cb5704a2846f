// Verification of what lies in the archive: everything a manifest lists is there and unchanged, and nothing else is.

import { hash } from 'node:crypto';
import pLimit from 'p-limit';
import { sha256Hex, FINGERPRINT_BYTES } from '../archive/hash.ts';
import { manifestKey, manifestOfDataKey, parseMarkKey, policyKey } from '../archive/keys.ts';
import { type EventPart, type IdsFile, partsOf, type RejectPart } from '../archive/manifest.ts';
import type { ObjectInfo, Store } from '../archive/store/store.ts';
import { type Checked, checkPart } from './check-part.ts';
import { clusterOfKey } from './entry.ts';
import type { Findings } from './findings.ts';
import type { ClusterLedger, Scope } from './verify-ledger.ts';
import { inScope } from './verify-ledger.ts';

/** fast: existence and sizes (and hashes where the store holds them) · normal: contents that are new since the last good run · deep: all contents. */
export type Mode = 'fast' | 'normal' | 'deep';

/** Objects that were read and found good, as hashes over key, expected content and the store's change mark. */
export type Memory = Set<string>;

export interface ObjectsInput {
  readonly store: Store;
  readonly ledgers: ReadonlyMap<string, ClusterLedger>;
  readonly scope: Scope;
  readonly mode: Mode;
  readonly memory: Memory;
  /** Gets what this run found good, as it goes on: it stays when the run is stopped. */
  readonly fresh: Memory;
  /** Parts in work at a time. */
  readonly parallel: number;
  readonly signal: AbortSignal;
  /** The store answers `head` from a hash that it holds: cheap. */
  readonly holdsHashes: boolean;
  /** After each listed object, with its size and the number of all of them. */
  onObject(bytes: number, total: number): void;
}

export interface ObjectsReport {
  /** Listed objects that are there with the right size. */
  readonly objects: number;
  /** Of these, read to the last byte in this run. */
  readonly read: number;
  /** Of these, read by an earlier run and unchanged since, as far as the store tells. */
  readonly remembered: number;
  readonly bytesRead: number;
  readonly contentBytes: number;
}

type Listed =
  | { readonly kind: 'part'; readonly part: EventPart | RejectPart }
  | { readonly kind: 'ids'; readonly ids: IdsFile }
  | { readonly kind: 'policy'; readonly sha256: string };

const sizeOf = (listed: Listed): number | undefined =>
  listed.kind === 'part' ? listed.part.bytes : listed.kind === 'ids' ? listed.ids.count * FINGERPRINT_BYTES : undefined;

const sha256Of = (listed: Listed): string =>
  listed.kind === 'part' ? listed.part.sha256 : listed.kind === 'ids' ? listed.ids.sha256 : listed.sha256;

/** Compares the archive's listing with what the manifests list, and reads what the mode asks for. */
export async function verifyObjects(input: ObjectsInput, findings: Findings): Promise<ObjectsReport> {
  const { store, signal, mode } = input;
  const { listed, strays } = listedObjects(input.ledgers, findings);
  const limit = pLimit(mode === 'fast' ? 32 : input.parallel);
  const memory = input.fresh;
  const report = { objects: 0, read: 0, remembered: 0, bytesRead: 0, contentBytes: 0 };
  const total = listed.size;
  const orphans: ObjectInfo[] = [];
  const tasks = new Set<Promise<void>>();
  for await (const object of listOutsideLog(store)) {
    signal.throwIfAborted();
    const entry = listed.get(object.key);
    if (entry === undefined) {
      judgeUnlisted(object, input, strays, findings, orphans);
      continue;
    }
    listed.delete(object.key);
    if (sizeOf(entry) !== undefined && sizeOf(entry) !== object.size) {
      findings.tampered(
        'object-differs',
        `${object.key} has ${object.size} bytes instead of ${sizeOf(entry)}`,
        about(object.key),
      );
      continue;
    }
    report.objects++;
    const mark = markOf(object, entry);
    if (mode === 'normal' && mark !== undefined && input.memory.has(mark)) {
      memory.add(mark);
      report.remembered++;
      input.onObject(object.size, total);
      continue;
    }
    if (mode === 'fast' && !input.holdsHashes && entry.kind !== 'policy') {
      input.onObject(object.size, total);
      continue;
    }
    const task = limit(async () => {
      const { problems, bytes, contentBytes } = await check(input, object.key, entry);
      for (const problem of problems)
        findings.tampered('object-differs', `${object.key}: ${problem}`, about(object.key));
      if (bytes > 0) report.read++;
      report.bytesRead += bytes;
      report.contentBytes += contentBytes;
      if (problems.length === 0 && mark !== undefined && mode !== 'fast') memory.add(mark);
      input.onObject(object.size, total);
    }).finally(() => tasks.delete(task));
    tasks.add(task);
    if (tasks.size >= 1024) await Promise.race(tasks);
  }
  await Promise.all(tasks);
  for (const [key] of listed)
    findings.tampered(
      'object-missing',
      `${key} is listed by a manifest and gone: restore it from a copy or an earlier version`,
      about(key),
    );
  await judgeOrphans(orphans, input, findings);
  return report;
}

const about = (key: string) => {
  const cluster = clusterOfKey(key);
  return { key, ...(cluster !== undefined && { cluster }) };
};

/** All objects that manifests in scope list, and the strays they own up to. */
function listedObjects(ledgers: ReadonlyMap<string, ClusterLedger>, findings: Findings) {
  const listed = new Map<string, Listed>();
  const strays = new Set<string>();
  const add = (key: string, entry: Listed) => {
    if (listed.has(key)) findings.tampered('listed-twice', `${key} is listed by two manifests`, about(key));
    listed.set(key, entry);
  };
  for (const { manifests } of ledgers.values())
    for (const { manifest } of manifests.values()) {
      for (const part of partsOf(manifest)) add(part.key, { kind: 'part', part });
      if (manifest.ids !== undefined) add(manifest.ids.key, { kind: 'ids', ids: manifest.ids });
      for (const key of manifest.strays ?? []) strays.add(key);
      const policy = policyKey(manifest.made.policySha256);
      if (!listed.has(policy)) listed.set(policy, { kind: 'policy', sha256: manifest.made.policySha256 });
    }
  return { listed, strays };
}

/** Everything but ledger/ and log/, which have been verified by then. */
async function* listOutsideLog(store: Store): AsyncGenerator<ObjectInfo> {
  // "0" is the character after "/": beyond all keys of the folder
  for (const [after, end] of [
    ['', 'ledger/'],
    ['ledger0', 'log/'],
    ['log0', undefined],
  ] as const)
    for await (const object of store.list('', after)) {
      // also where the folder is missing: an archive that was never sealed has no log/
      if (end !== undefined && object.key >= end) break;
      yield object;
    }
}

function markOf({ key, size, stamp }: ObjectInfo, entry: Listed): string | undefined {
  if (stamp === undefined) return undefined;
  return hash('sha256', `${key}\n${sha256Of(entry)}\n${size}\n${stamp}`, 'base64url').slice(0, 16);
}

async function check(input: ObjectsInput, key: string, entry: Listed): Promise<Checked> {
  const { store, mode, signal } = input;
  if (entry.kind === 'part' && mode !== 'fast') return checkPart(store, entry.part, signal);
  const gone = { bytes: 0, contentBytes: 0, problems: ['it is gone'] };
  if (mode === 'fast' && entry.kind !== 'policy') {
    const head = await store.head(key);
    if (head === undefined) return gone;
    const differs = head.sha256 !== undefined && head.sha256 !== sha256Of(entry);
    return {
      bytes: 0,
      contentBytes: 0,
      problems: differs ? [`its SHA-256 is ${head.sha256} instead of ${sha256Of(entry)}`] : [],
    };
  }
  const bytes = (await store.get(key))?.bytes;
  if (bytes === undefined) return gone;
  const sha256 = sha256Hex(bytes);
  const problems = sha256 === sha256Of(entry) ? [] : [`its SHA-256 is ${sha256} instead of ${sha256Of(entry)}`];
  return { bytes: bytes.length, contentBytes: bytes.length, problems };
}

/** Written once to see that nothing can be written twice. */
const PROBE = '.probe/create-only';
const PROBE_SIZE = 100;
/** The mark of a run says no more than its version. */
const MARK_SIZE = 200;

const POLICY_KEY = /^policies\/[0-9a-f]{64}\.yaml$/;

function judgeUnlisted(
  object: ObjectInfo,
  { ledgers, scope }: ObjectsInput,
  strays: ReadonlySet<string>,
  findings: Findings,
  orphans: ObjectInfo[],
): void {
  const { key } = object;
  const cluster = clusterOfKey(key);
  if (cluster !== undefined && !scope.isWanted(cluster)) return;
  if (key === PROBE && object.size < PROBE_SIZE) return;
  if (parseMarkKey(key) !== undefined && object.size < MARK_SIZE) {
    findings.notice(
      'run-mark',
      `${key}: a collect is at work, or was broken off; what that left behind, the next collect removes`,
    );
    return;
  }
  const name = manifestOfDataKey(key);
  const isData = /^(events|rejects|raw)\/cluster=[^/]+\/date=[^/]+\/[^/]+$|^ids\/cluster=[^/]+\/[^/]+$/.test(key);
  // policies of manifests out of scope
  if (POLICY_KEY.test(key)) {
    if (scope.range === undefined && scopeIsWhole(ledgers, scope)) orphans.push(object);
    return;
  }
  if (cluster === undefined || name === undefined || !isData) {
    findings.tampered('unlisted', `${key} is listed by no manifest`, { key });
    return;
  }
  const ledger = ledgers.get(cluster);
  if (strays.has(key)) findings.notice('stray', `${key} was left behind by a broken attempt; a recheck names it`);
  else if (ledger?.manifests.has(name.name) === true)
    findings.tampered('unlisted', `${key} is not listed by ${name.name}`, { key, cluster });
  else if (ledger?.names.has(name.name) === true || !inScope(name, scope.range)) return;
  else orphans.push(object);
}

// a policy may belong to a cluster that was left out
const scopeIsWhole = (ledgers: ReadonlyMap<string, ClusterLedger>, scope: Scope): boolean =>
  scope.isWanted('\0') && ledgers.size > 0;

/** A policy that no manifest names: its text is stored before the first commit under it, which may have failed. */
async function judgePolicy(key: string, store: Store, findings: Findings): Promise<void> {
  const bytes = (await store.get(key))?.bytes;
  if (bytes === undefined) return;
  if (policyKey(sha256Hex(bytes)) === key) findings.notice('policy-unused', `nothing was committed under ${key}`);
  else findings.tampered('unlisted', `${key} is listed by no manifest, and not what its name says`, { key });
}

/** Objects of manifests that don't exist, and policies that none names: of a run at work or broken off, or put there by someone. */
async function judgeOrphans(
  orphans: readonly ObjectInfo[],
  { store, ledgers }: ObjectsInput,
  findings: Findings,
): Promise<void> {
  for (const { key } of orphans) {
    if (POLICY_KEY.test(key)) {
      await judgePolicy(key, store, findings);
      continue;
    }
    const cluster = clusterOfKey(key)!;
    const name = manifestOfDataKey(key)!;
    // committed since the ledger was read
    if ((await store.head(manifestKey(cluster, name.name))) !== undefined) continue;
    const window = (ledgers.get(cluster)?.file?.windowSeconds ?? 0) * 1000;
    const possible =
      window > 0 &&
      (name.kind === 'recheck' || (name.span.from % window === 0 && name.span.to - name.span.from === window));
    if (possible)
      findings.incomplete(
        'uncommitted',
        `${key} belongs to ${name.name}, which is not committed: a run is at work, or was broken off`,
        { key, cluster },
      );
    else findings.tampered('unlisted', `${key} belongs to no window of this cluster`, { key, cluster });
  }
}
