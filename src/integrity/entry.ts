// Leaves of the log: the line `<key> <sha256 of its bytes>` for each file that the ledger rests on.

import { clusterKey, manifestOfLedgerKey, parseStartKey } from '../archive/keys.ts';

export interface Entry {
  /** Key of the file in the archive. */
  readonly key: string;
  /** SHA-256 of its bytes, hex. */
  readonly sha256: string;
}

/** Vkeys that an older key announced lie here. */
export const KEYS_PREFIX = 'log/keys/';

/** What kind of file a leaf may name; undefined for all others. */
export type EntryKind = 'manifest' | 'cluster' | 'start' | 'key';

export function entryKind(key: string): EntryKind | undefined {
  if (/^log\/keys\/[0-9a-f]{8}\.vkey$/.test(key)) return 'key';
  const cluster = clusterOfKey(key);
  if (cluster === undefined) return undefined;
  if (key === clusterKey(cluster)) return 'cluster';
  const name = manifestOfLedgerKey(key);
  // one spelling a manifest: a key that only looks like one must not pass
  if (name !== undefined) return key === `ledger/cluster=${cluster}/${name.name}.json` ? 'manifest' : undefined;
  return parseStartKey(key) === undefined ? undefined : 'start';
}

/** Cluster of a key `…/cluster=<name>/…`; undefined where there is none. */
export function clusterOfKey(key: string): string | undefined {
  return /^[a-z]+\/cluster=([^/]+)\//.exec(key)?.[1];
}

export const encodeEntry = ({ key, sha256 }: Entry): Buffer => Buffer.from(`${key} ${sha256}`);

/** Reads a leaf; undefined when it is none of ours. */
export function parseEntry(bytes: Buffer): Entry | undefined {
  const m = /^([^ \n]+) ([0-9a-f]{64})$/.exec(bytes.toString('utf8'));
  if (m === null || !encodeEntry({ key: m[1]!, sha256: m[2]! }).equals(bytes)) return undefined;
  return entryKind(m[1]!) === undefined ? undefined : { key: m[1]!, sha256: m[2]! };
}
