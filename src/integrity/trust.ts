// Whom to believe: the pinned keys, and those that a trusted key announced in the log before it was retired.

import type { Store } from '../archive/store/store.ts';
import { sha256Hex } from '../archive/hash.ts';
import { parseCheckpoint } from './checkpoint.ts';
import { entryKind, KEYS_PREFIX } from './entry.ts';
import { checkNote } from './note.ts';
import type { Log } from './read-log.ts';
import { rootOf } from './tree.ts';
import { parseVkey, type Verifier } from './vkey.ts';

export const vkeyKey = (keyId: string): string => `${KEYS_PREFIX}${keyId}.vkey`;
/** The checkpoint by which the announcing key vouches for the new one. */
export const handoverKey = (keyId: string): string => `${KEYS_PREFIX}${keyId}.note`;

export interface Announced {
  readonly keyId: string;
  readonly index: number;
  readonly sha256: string;
}

/** Keys that the log's leaves announce. */
export function announcements(log: Log): Announced[] {
  return log.entries.flatMap(({ key, sha256 }, index) =>
    entryKind(key) === 'key' ? [{ keyId: key.slice(KEYS_PREFIX.length, -'.vkey'.length), index, sha256 }] : [],
  );
}

/**
 * The pinned keys and all that follow from them: a key counts when a checkpoint that contains its announcement, and that
 * this log begins with, is signed by a key that counts.
 */
export async function trustedKeys(
  store: Store,
  log: Log,
  origin: string,
  pinned: readonly Verifier[],
): Promise<readonly Verifier[]> {
  const open = await Promise.all(announcements(log).map((announced) => readAnnounced(store, announced)));
  const trusted = [...pinned];
  for (let grown = true; grown;) {
    grown = false;
    for (const found of open) {
      if (found === undefined || trusted.some((key) => key.vkey === found.verifier.vkey)) continue;
      const { handover, index, verifier } = found;
      if (handover.origin !== origin || handover.size <= index || handover.size > log.tree.size) continue;
      if (!rootOf(log.tree, handover.size).equals(handover.root)) continue;
      if (checkNote(handover.note, trusted).good.length === 0) continue;
      trusted.push(verifier);
      grown = true;
    }
  }
  return trusted;
}

async function readAnnounced(store: Store, { keyId, index, sha256 }: Announced) {
  const [vkey, note] = await Promise.all([store.get(vkeyKey(keyId)), store.get(handoverKey(keyId))]);
  const handover = note && parseCheckpoint(note.bytes);
  if (vkey === undefined || sha256Hex(vkey.bytes) !== sha256 || handover === undefined) return undefined;
  try {
    const verifier = parseVkey(vkey.bytes.toString('utf8').trimEnd());
    return verifier.keyId === keyId ? { verifier, handover, index } : undefined;
  } catch {
    return undefined;
  }
}
