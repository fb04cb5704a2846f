// Sealing: what is new in the ledger becomes leaves of the signed log. Any number of sealers may run, and die, at any time.

import { randomBytes } from 'node:crypto';
import pLimit from 'p-limit';
import { sha256Hex } from '../archive/hash.ts';
import type { Store } from '../archive/store/store.ts';
import { AuditkeepError, AuthError, ConflictError, TamperError } from '../errors.ts';
import type { Log as Logger } from '../log.ts';
import { putAnchor } from './anchor.ts';
import {
  CHECKPOINT_KEY,
  checkpointText,
  encodeCheckpoint,
  parseCheckpoint,
  type SignedCheckpoint,
} from './checkpoint.ts';
import { checkOld, checkUnshrunken, compareAll, type GuardInput } from './guard.ts';
import { checkNote, type NoteSignature } from './note.ts';
import { newEntries, nextBatch, type PendingInput } from './pending.ts';
import { batchKey, type Log, logOf, putOnce, readCheckpoint, readEntries, type StoredCheckpoint } from './read-log.ts';
import { bundleBytes, newTiles, partialPrefix, TILE_WIDTH, tileBytes, tileKey } from './tiles.ts';
import { rootOf } from './tree.ts';
import { announcements, handoverKey } from './trust.ts';
import type { Verifier } from './vkey.ts';
import { cosign, type Witness } from './witness.ts';

/** Without a signer the log is built all the same, but nobody vouches for it. */
export interface SealInput extends GuardInput, PendingInput {
  readonly witnesses: readonly Witness[];
  readonly signal: AbortSignal;
  /** Told after each published checkpoint. */
  onProgress?(sealed: number, open: number): void;
}

export interface Sealed {
  readonly checkpoint: SignedCheckpoint;
  /** Leaves that this run added. */
  readonly added: number;
  readonly signed: boolean;
  /** Ledger files that can't be sealed, with the reason; exit 4. */
  readonly refused: readonly string[];
  /** Witnesses that did not answer, with the reason. */
  readonly unwitnessed: readonly string[];
}

/**
 * Seals what the ledger has and the log lacks. Throws TamperError when log and ledger contradict each other: nothing is
 * signed then. Nothing is signed twice differently: the entries that follow a size are fixed by a create-only batch.
 */
export async function seal(input: SealInput): Promise<Sealed | undefined> {
  let added = 0;
  const unwitnessed = new Set<string>();
  for (let lost = 0; ;) {
    input.signal.throwIfAborted();
    const step = await sealStep(input, unwitnessed);
    if (step === 'lost') {
      if (++lost >= 50) throw new ConflictError('other runs keep sealing this log; nothing is lost, run again later');
      continue;
    }
    added += step.added;
    if (step.more) continue;
    if (step.checkpoint === undefined) {
      if (step.refused.length === 0) return undefined;
      throw new TamperError(`nothing can be sealed: ${step.refused.join('; ')}`);
    }
    if (input.anchor !== undefined) await putAnchor(input.anchor, step.checkpoint);
    await remember(input, step.checkpoint);
    return {
      checkpoint: step.checkpoint,
      added,
      signed: input.signer !== undefined,
      refused: step.refused,
      unwitnessed: [...unwitnessed],
    };
  }
}

/** What this machine remembers guards later seals; this one is done already. */
async function remember({ lastSeen, store, log }: SealInput, checkpoint: SignedCheckpoint): Promise<void> {
  try {
    await lastSeen.remember(store.url, checkpoint);
  } catch (error) {
    const hint = error instanceof AuditkeepError ? error.hint : undefined;
    log.warn(
      { error: (error as Error).message, ...(hint !== undefined && { hint }) },
      'sealed, but this machine could not note the checkpoint it saw',
    );
  }
}

interface Step {
  readonly checkpoint?: SignedCheckpoint;
  readonly added: number;
  readonly more: boolean;
  readonly refused: readonly string[];
}

async function sealStep(input: SealInput, unwitnessed: Set<string>): Promise<Step | 'lost'> {
  const { store, signer, log } = input;
  const stored = await readCheckpoint(store);
  const size = stored?.checkpoint.size ?? 0;
  const raw = await readEntries(store, size);
  const old = logOf(raw, store.url);
  if (stored !== undefined && !rootOf(old.tree).equals(stored.checkpoint.root))
    throw new TamperError(`${store.url}: the entries of the log do not give the root of its checkpoint`, {
      hint: 'the log was rewritten, so nothing was signed; "auditkeep verify" shows where',
    });
  const trusted = await checkOld(input, stored, old);
  const vouched = signer === undefined || (stored !== undefined && isSignedBy(stored.checkpoint, [signer.verifier]));
  if (stored !== undefined && signer !== undefined && !isSignedBy(stored.checkpoint, trusted))
    await compareAll(store, old);
  if ((await checkUnshrunken(input, stored?.checkpoint, old)) === 'moved') return 'lost';
  // before a new key overwrites the checkpoint by which the old one vouches for it
  await finishAnnouncements(store, old, stored?.checkpoint);

  const { fresh, refused } = await newEntries(input, old);
  const batch = await nextBatch(input, old, size, fresh);
  if (batch.length === 0 && (vouched || stored === undefined)) {
    return { ...(stored !== undefined && { checkpoint: stored.checkpoint }), added: 0, more: false, refused };
  }
  const all = [...raw, ...batch];
  const next = logOf(all, store.url);
  await writeTiles(store, all, next, size);
  const checkpoint = await publish(input, stored, next, unwitnessed);
  if (checkpoint === undefined) return 'lost';
  await finishAnnouncements(store, next, checkpoint);
  if (input.anchor !== undefined) await putAnchor(input.anchor, checkpoint);
  await remember(input, checkpoint);
  await removePartials(store, size, next.tree.size, log);
  const more = fresh.length > batch.length || (await store.get(batchKey(next.tree.size))) !== undefined;
  input.onProgress?.(next.tree.size, Math.max(0, fresh.length - batch.length));
  return { checkpoint, added: batch.length, more, refused };
}

const isSignedBy = (checkpoint: SignedCheckpoint, keys: readonly Verifier[]): boolean =>
  checkNote(checkpoint.note, keys).good.length > 0;

async function writeTiles(store: Store, raw: readonly Buffer[], log: Log, from: number): Promise<void> {
  const limit = pLimit(8);
  await Promise.all(
    newTiles(from, raw.length).map((tile) =>
      limit(() => {
        const first = tile.index * TILE_WIDTH;
        const bytes =
          tile.level === 'entries'
            ? bundleBytes(raw.slice(first, first + tile.width))
            : tileBytes(log.tree, tile.level, tile.index, tile.width);
        return putOnce(store, tileKey(tile), bytes, 'application/octet-stream');
      }),
    ),
  );
}

/** Signs and publishes; undefined when another run was first. */
async function publish(
  input: SealInput,
  stored: StoredCheckpoint | undefined,
  next: Log,
  unwitnessed: Set<string>,
): Promise<SignedCheckpoint | undefined> {
  const { store, signer } = input;
  const origin = stored?.checkpoint.origin ?? input.newOrigin;
  const checkpoint = { origin, size: next.tree.size, root: rootOf(next.tree) };
  const text = checkpointText(checkpoint);
  const signatures: NoteSignature[] = [];
  if (signer !== undefined) {
    const signature = await signer.sign(text);
    if (!signer.verifier.verify(text, signature))
      throw new AuditkeepError(`the signature that ${signer.verifier.name} gave is wrong; nothing was published`);
    signatures.push({ name: signer.verifier.name, keyId: signer.verifier.keyId, signature });
    const own = parseCheckpoint(encodeCheckpoint(checkpoint, signatures))!;
    for (const witness of input.witnesses) {
      try {
        signatures.push(await cosign(witness, own, next.tree, input.signal));
      } catch (error) {
        if (!(error instanceof AuditkeepError)) throw error;
        unwitnessed.add(error.message);
        input.log.warn({ error: error.message }, 'a witness did not cosign; the checkpoint is published without it');
      }
    }
  }
  const bytes = encodeCheckpoint(checkpoint, signatures);
  try {
    await store.put(CHECKPOINT_KEY, bytes, {
      sha256: sha256Hex(bytes),
      contentType: 'text/plain; charset=utf-8',
      ...(stored === undefined ? { ifAbsent: true } : { ifMatch: stored.tag }),
    });
  } catch (error) {
    if (error instanceof ConflictError) return undefined;
    throw error;
  }
  return parseCheckpoint(bytes)!;
}

/** Keeps the checkpoint by which the present key vouches for an announced one. */
async function finishAnnouncements(store: Store, log: Log, checkpoint: SignedCheckpoint | undefined): Promise<void> {
  if (checkpoint === undefined || checkpoint.note.signatures.length === 0) return;
  for (const { keyId } of announcements(log)) {
    const key = handoverKey(keyId);
    if ((await store.head(key)) !== undefined) continue;
    try {
      await store.put(key, checkpoint.bytes, {
        ifAbsent: true,
        sha256: sha256Hex(checkpoint.bytes),
        contentType: 'text/plain; charset=utf-8',
      });
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
    }
  }
}

/** Partial tiles whose full tile exists serve nobody any more (C2SP allows this). Where the role may not delete they stay. */
async function removePartials(store: Store, from: number, size: number, log: Logger): Promise<void> {
  const stale: string[] = [];
  for (const level of ['entries', 0, 1, 2, 3] as const) {
    const unit = level === 'entries' ? 1 : TILE_WIDTH ** level;
    const full = Math.floor(size / unit / TILE_WIDTH);
    const before = Math.floor(from / unit / TILE_WIDTH);
    // the newest full one too: who made it full may have died before this
    for (const index of new Set([before, full - 1]))
      if (index >= 0 && index < full)
        for await (const { key } of store.list(partialPrefix(level, index))) stale.push(key);
  }
  try {
    for (const key of stale) await store.delete(key);
  } catch (error) {
    if (!(error instanceof AuthError)) throw error;
    log.debug({ left: stale.length }, 'this role may not remove partial tiles; they harm nobody');
  }
}

/** A name that no other log has. It names the log wherever its files go, so it is no address. */
export const newOrigin = (): string => `auditkeep.log/${randomBytes(8).toString('hex')}`;
