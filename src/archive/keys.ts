// Names of everything in the archive (docs/archive-format.md): keys to parts, and back again.

import type { Span } from '../provider.ts';

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

/** Kinds of data objects that lie under a date; fingerprints don't. `raw`: records as the provider gave them, where asked for. */
export type PartKind = 'events' | 'rejects' | 'raw';

/** What a cluster may be called: a folder name that can't leave its prefix and needs no escaping anywhere. */
export const CLUSTER_NAME = /^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$/;

/** `20260622T100000Z`. Window bounds are whole seconds. */
export function compactTime(time: number): string {
  return new Date(time).toISOString().replace(/[-:]|\.\d{3}/g, '');
}

/** The inverse of compactTime; NaN if the text is none. */
export function parseCompactTime(text: string): number {
  const m = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  const time = m === null ? Number.NaN : Date.parse(`${m[1]}-${m[2]}-${m[3]}T${m[4]}:${m[5]}:${m[6]}Z`);
  // Date.parse takes 30 February for 2 March
  return Number.isNaN(time) || compactTime(time) !== text ? Number.NaN : time;
}

/** `2026-06-22` of a time. */
export function dateOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

/** Midnight UTC of `2026-06-22`. */
export function dayStart(date: string): number {
  return Date.parse(`${date}T00:00:00Z`);
}

/** Name of a window's manifest: `20260622T100000Z_20260622T110000Z`. */
export function windowName(span: Span): string {
  return `${compactTime(span.from)}_${compactTime(span.to)}`;
}

/** Name of a day's recheck: `20260622_recheck`; of a second one (rare: docs/decisions/0003) `20260622_recheck2`. */
export function recheckName(date: string, round = 1): string {
  return `${date.replaceAll('-', '')}_recheck${round === 1 ? '' : round}`;
}

export type ManifestName =
  | { readonly kind: 'window'; readonly name: string; readonly span: Span }
  | { readonly kind: 'recheck'; readonly name: string; readonly date: string; readonly round: number };

/** Reads a manifest's name; undefined if it is none. */
export function parseManifestName(name: string): ManifestName | undefined {
  const recheck = /^(\d{4})(\d\d)(\d\d)_recheck([2-9]|[1-9]\d)?$/.exec(name);
  if (recheck !== null) {
    const date = `${recheck[1]}-${recheck[2]}-${recheck[3]}`;
    if (Number.isNaN(dayStart(date)) || dateOf(dayStart(date)) !== date) return undefined;
    return { kind: 'recheck', name, date, round: recheck[4] === undefined ? 1 : Number(recheck[4]) };
  }
  const [a, b, ...rest] = name.split('_');
  const span = { from: parseCompactTime(a ?? ''), to: parseCompactTime(b ?? '') };
  return rest.length === 0 && span.from < span.to ? { kind: 'window', name, span } : undefined;
}

export const ledgerPrefix = (cluster: string): string => `ledger/cluster=${cluster}/`;
export const clusterKey = (cluster: string): string => `${ledgerPrefix(cluster)}cluster.json`;
export const manifestKey = (cluster: string, name: string): string => `${ledgerPrefix(cluster)}${name}.json`;
/** A backfill before the cluster's first window adds its own obligation. */
export const startKey = (cluster: string, span: Span): string =>
  `${ledgerPrefix(cluster)}start_${windowName(span)}.json`;

/** Span of a start file's key, undefined for other keys of the ledger. */
export function parseStartKey(key: string): Span | undefined {
  const m = /^ledger\/[^/]+\/start_([^/]+)\.json$/.exec(key);
  const name = m?.[1] === undefined ? undefined : parseManifestName(m[1]);
  return name?.kind === 'window' ? name.span : undefined;
}

/** Manifest name of a ledger key, undefined for cluster.json, starts and strangers. */
export function manifestOfLedgerKey(key: string): ManifestName | undefined {
  // not in a folder below: a copy that someone keeps there commits nothing
  const m = /^ledger\/[^/]+\/([^/]+)\.json$/.exec(key);
  return m?.[1] === undefined ? undefined : parseManifestName(m[1]);
}

export const datePrefix = (kind: PartKind, cluster: string, date: string): string =>
  `${kind}/cluster=${cluster}/date=${date}/`;
export const idsPrefix = (cluster: string): string => `ids/cluster=${cluster}/`;
export const policyKey = (sha256: string): string => `policies/${sha256}.yaml`;

/** Key of a part: `n` counts the parts of one manifest and date from 0; `hash` is the SHA-256 (hex) of the stored bytes, of which 16 digits are used. */
export function partKey(
  kind: PartKind,
  cluster: string,
  date: string,
  manifest: string,
  n: number,
  hash: string,
  extension: string,
): string {
  return `${datePrefix(kind, cluster, date)}${manifest}_${n}_${hash.slice(0, 16)}.ndjson.${extension}`;
}

/** The day under which a part or reject lies. */
export const dateOfKey = (key: string): string => /\/date=(\d{4}-\d\d-\d\d)\//.exec(key)?.[1] ?? '';

export const idsKey = (cluster: string, manifest: string, hash: string): string =>
  `${idsPrefix(cluster)}${manifest}_${hash.slice(0, 16)}.bin`;

/**
 * Key of the mark of a run (docs/archive-format.md). It sorts behind all fingerprints of the cluster, so that every sweep comes
 * across it without a listing of its own.
 * @param time when the run put it, milliseconds since the epoch
 * @param token makes it the run's own
 */
export const markKey = (cluster: string, time: number, token: string): string =>
  `${idsPrefix(cluster)}open_${compactTime(time)}_${token}.json`;

/** When the mark of a run was put, milliseconds since the epoch; undefined for other keys. */
export function parseMarkKey(key: string): number | undefined {
  const m = /^ids\/[^/]+\/open_(\d{8}T\d{6}Z)_[0-9a-f]+\.json$/.exec(key);
  const time = m === null ? Number.NaN : parseCompactTime(m[1]!);
  return Number.isNaN(time) ? undefined : time;
}

/** Which manifest a data object belongs to, by its name; undefined for strangers. */
export function manifestOfDataKey(key: string): ManifestName | undefined {
  const m =
    /^(?:events|rejects|raw)\/[^/]+\/date=[^/]+\/([^/]+?)_\d+_[0-9a-f]{16}\.ndjson\.(?:gz|zst)$/.exec(key) ??
    /^ids\/[^/]+\/([^/]+?)_[0-9a-f]{16}\.bin$/.exec(key);
  return m?.[1] === undefined ? undefined : parseManifestName(m[1]);
}
