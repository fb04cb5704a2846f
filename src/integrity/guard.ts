// What must hold before anything is signed: the stored log is ours, and neither older nor other than what was seen of it.

import pLimit from 'p-limit';
import { sha256Hex } from '../archive/hash.ts';
import type { Store } from '../archive/store/store.ts';
import { ConfigError, TamperError } from '../errors.ts';
import { latestAnchor } from './anchor.ts';
import { describeCheckpoint, type SignedCheckpoint } from './checkpoint.ts';
import type { Log as Logger } from '../log.ts';
import type { LastSeen } from './last-seen.ts';
import { checkNote } from './note.ts';
import { type Log, PARALLEL, readCheckpoint, type StoredCheckpoint } from './read-log.ts';
import type { Signer } from './signer.ts';
import { rootOf } from './tree.ts';
import { announcements, trustedKeys } from './trust.ts';
import type { Verifier } from './vkey.ts';

export interface GuardInput {
  readonly store: Store;
  readonly signer?: Signer;
  readonly verifiers: readonly Verifier[];
  readonly anchor?: Store;
  readonly lastSeen: LastSeen;
  /** Name of a log that doesn't exist yet. */
  readonly newOrigin: string;
  readonly log: Logger;
}

/** May this run continue the stored log? Gives the keys that count. */
export async function checkOld(
  input: GuardInput,
  stored: StoredCheckpoint | undefined,
  old: Log,
): Promise<readonly Verifier[]> {
  const { store, signer } = input;
  const pinned = [...(signer === undefined ? [] : [signer.verifier]), ...input.verifiers];
  if (stored === undefined) return pinned;
  const { checkpoint } = stored;
  const trusted = await trustedKeys(store, old, checkpoint.origin, pinned);
  const { good, bad } = checkNote(checkpoint.note, trusted);
  if (bad.length > 0)
    throw new TamperError(`${store.url}: the checkpoint's signature by ${bad[0]!.name}+${bad[0]!.keyId} is wrong`);
  if (checkpoint.note.signatures.length === 0) return trusted;
  if (signer === undefined)
    throw new ConfigError(`${store.url}: its log is signed, and no key is configured to sign with`, {
      hint: 'set integrity.key; what was collected stays, and the next seal adds it',
    });
  if (good.length > 0) return trusted;
  // our key may have been announced by the one that signed last, which the config need not know
  const signers = checkpoint.note.signatures.map((signature) => `${signature.name}+${signature.keyId}`).join(', ');
  const handed = announcements(old).some(({ keyId }) => keyId === signer.verifier.keyId);
  throw new TamperError(
    `${store.url}: its log was signed by ${signers}, not by ${signer.verifier.name}+${signer.verifier.keyId}`,
    {
      hint: handed
        ? 'add the vkey of the old key to integrity.verifiers: it vouches for the new one'
        : 'sign with that key, announce the new one first (auditkeep seal --announce VKEY), or name the old one in integrity.verifiers',
    },
  );
}

/**
 * The log must not be older than, or other than, what was seen of it before. `moved`: another sealer has published since this log was
 * read, so what looks newer than the archive is only newer than this reading.
 */
export async function checkUnshrunken(
  input: GuardInput,
  stored: SignedCheckpoint | undefined,
  old: Log,
): Promise<'same' | 'moved'> {
  const { store, anchor, lastSeen } = input;
  const was = await lastSeen.origin(store.url);
  if (was !== undefined && stored?.origin !== was)
    input.log.error(
      { was, is: stored?.origin ?? 'gone' },
      'this archive had another log before: if it was not begun anew on purpose, restore log/ from a copy or earlier versions',
    );
  const origin = stored?.origin ?? input.newOrigin;
  const earlier: [string, SignedCheckpoint | undefined][] = [
    ['this machine has seen', await lastSeen.checkpoint(origin)],
    [`the anchor ${anchor?.url} holds`, anchor && (await latestAnchor(anchor, origin))],
  ];
  for (const [who, seen] of earlier) {
    if (seen === undefined) continue;
    if (seen.size <= old.tree.size && rootOf(old.tree, seen.size).equals(seen.root)) continue;
    if (seen.size > old.tree.size && ((await readCheckpoint(store))?.checkpoint.size ?? 0) >= seen.size) return 'moved';
    const how = seen.size > old.tree.size ? 'was cut or rolled back' : 'was rewritten';
    throw new TamperError(
      `${store.url}: the log ${how}: ${who} ${describeCheckpoint(seen)}, the archive has ${old.tree.size} leaves`,
      { hint: 'nothing was signed; restore log/checkpoint and the log’s files from a copy or earlier versions' },
    );
  }
  return 'same';
}

/** Before a key signs what was not signed before: is everything that the log names still so? */
export async function compareAll(store: Store, log: Log): Promise<void> {
  const limit = pLimit(PARALLEL);
  await Promise.all(
    log.entries.map(({ key, sha256 }) =>
      limit(async () => {
        const found = await store.get(key);
        if (found === undefined || sha256Hex(found.bytes) !== sha256)
          throw new TamperError(`${store.url}: ${key} is not what the unsigned log says, so the log is not signed`);
      }),
    ),
  );
}
