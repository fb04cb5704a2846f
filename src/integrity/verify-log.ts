// Verification of the log itself: every file in log/, the tree, the signature, and agreement with what was seen elsewhere.

import pLimit from 'p-limit';
import { sha256Hex } from '../archive/hash.ts';
import type { ObjectInfo, Store } from '../archive/store/store.ts';
import { TamperError } from '../errors.ts';
import { formatTime } from '../time.ts';
import { CHECKPOINT_KEY, parseCheckpoint, type SignedCheckpoint } from './checkpoint.ts';
import type { Findings } from './findings.ts';
import { checkNote } from './note.ts';
import { BATCH_PREFIX, type Log, logOf, PARALLEL, parseBatch, parseBatchKey, readBundles } from './read-log.ts';
import { bundleBytes, newTiles, parseTileKey, TILE_WIDTH, type Tile, tileBytes, tileKey } from './tiles.ts';
import { rootOf } from './tree.ts';
import { announcements, handoverKey, trustedKeys, vkeyKey } from './trust.ts';
import { checkAgreement, type Elsewhere, findCheckpoint } from './verify-agreement.ts';
import { KEY_TYPE, type Verifier } from './vkey.ts';

export interface LogInput extends Elsewhere {
  /** Pinned keys, of signers and witnesses. */
  readonly verifiers: readonly Verifier[];
}

export interface VerifiedLog {
  readonly checkpoint: SignedCheckpoint;
  /** Leaves by key; those of the checkpoint only. */
  readonly leaves: ReadonlyMap<string, string>;
  readonly signedBy: readonly string[];
  readonly cosignedBy: readonly { readonly witness: string; readonly at: string }[];
}

/** Undefined when there is no log that could be read; the findings say why. */
export async function verifyLog(input: LogInput, findings: Findings): Promise<VerifiedLog | undefined> {
  const { store } = input;
  const files = new Map<string, ObjectInfo>();
  for await (const file of store.list('log/')) files.set(file.key, file);
  const checkpoint = await findCheckpoint(input, findings, files.size > 0);
  if (checkpoint === undefined) return undefined;
  files.delete(CHECKPOINT_KEY);

  const batches = await readBatches(store, files, findings);
  const log = await readTree(store, checkpoint, batches, findings);
  if (log === undefined) return undefined;
  await checkFiles(store, files, checkpoint.size, log, findings);
  const trusted = await checkSignature(input, checkpoint, log.own, findings);
  await checkHandovers(store, checkpoint, log.own, trusted, findings);
  await checkAgreement(input, checkpoint, log.own, trusted, findings);
  const { good } = checkNote(checkpoint.note, trusted);
  return {
    checkpoint,
    leaves: new Map(log.own.entries.map(({ key, sha256 }) => [key, sha256])),
    signedBy: good.filter((key) => key.type !== KEY_TYPE.cosignature).map((key) => key.vkey),
    cosignedBy: checkpoint.note.signatures.flatMap(({ name, keyId, signature }) => {
      const witness = good.find((key) => key.signedAt !== undefined && key.name === name && key.keyId === keyId);
      return witness === undefined ? [] : [{ witness: witness.vkey, at: formatTime(witness.signedAt!(signature)) }];
    }),
  };
}

interface Batch {
  readonly from: number;
  readonly entries: readonly Buffer[];
}

async function readBatches(
  store: Store,
  files: Map<string, ObjectInfo>,
  findings: Findings,
): Promise<Map<number, Batch>> {
  const batches = new Map<number, Batch>();
  const limit = pLimit(PARALLEL);
  await Promise.all(
    [...files.keys()]
      .filter((key) => key.startsWith(BATCH_PREFIX))
      .map((key) =>
        limit(async () => {
          const from = parseBatchKey(key);
          if (from === undefined) return;
          files.delete(key);
          const entries = parseBatch((await store.get(key))?.bytes ?? Buffer.alloc(0));
          if (entries === undefined) findings.tampered('batch-damaged', `${key} is not a batch of entries`, { key });
          else batches.set(from, { from, entries });
        }),
      ),
  );
  return batches;
}

interface Trees {
  /** Of the checkpoint. */
  readonly own: Log;
  /** With the batches beyond it that a dead or running sealer left. */
  readonly beyond: Log;
  readonly raw: readonly Buffer[];
  /** Sizes that were published, in order. */
  readonly sizes: readonly number[];
  /** Sizes beyond the checkpoint, in order. */
  readonly laterSizes: readonly number[];
}

/** All entries, from bundles and batches; each must say the same. */
async function readTree(
  store: Store,
  { size, root }: SignedCheckpoint,
  batches: Map<number, Batch>,
  findings: Findings,
): Promise<Trees | undefined> {
  const { entries, faults } = await readBundles(store, size);
  for (const { key, missing } of faults)
    findings.tampered(missing ? 'tile-missing' : 'tile-damaged', `${key} is ${missing ? 'gone' : 'damaged'}`, { key });
  const sizes: number[] = [];
  let at = 0;
  for (let batch = batches.get(0); batch !== undefined && at < size; batch = batches.get(at)) {
    for (const [i, entry] of batch.entries.entries()) entries[at + i] ??= entry;
    if (batch.entries.some((entry, i) => at + i < size && !entry.equals(entries[at + i]!)))
      findings.tampered('batch-differs', `the batch at ${at} is not what the log holds there`);
    batches.delete(at);
    at += batch.entries.length;
    sizes.push(at);
  }
  if (at !== size) findings.tampered('batch-missing', `the batches of the log lead to ${at} leaves instead of ${size}`);
  const raw = entries.slice(0, size);
  if (raw.includes(undefined)) {
    findings.tampered('log-unreadable', 'entries of the log are lost, so the archive can’t be compared with it');
    return undefined;
  }
  // what a sealer left that died before its checkpoint, or is at work right now
  const later: Buffer[] = [];
  const laterSizes: number[] = [];
  for (let batch = batches.get(size); batch !== undefined; batch = batches.get(size + later.length)) {
    batches.delete(size + later.length);
    later.push(...batch.entries);
    laterSizes.push(size + later.length);
    findings.incomplete(
      'seal-unfinished',
      `a seal of ${batch.entries.length} files was begun and not finished: seal again`,
    );
  }
  for (const from of batches.keys())
    findings.tampered('batch-unlisted', `there is a batch at ${from}, where no seal ended`);
  try {
    const own = logOf(raw as Buffer[], store.url);
    if (!rootOf(own.tree).equals(root)) {
      findings.tampered('root-differs', 'the entries of the log do not give the root of its checkpoint');
      return undefined;
    }
    const all = [...(raw as Buffer[]), ...later];
    return { own, beyond: later.length === 0 ? own : logOf(all, store.url), raw: all, sizes, laterSizes };
  } catch (error) {
    if (!(error instanceof TamperError)) throw error;
    findings.tampered('entry-damaged', error.message);
    return undefined;
  }
}

/** Each tile of each published size is there and right, and nothing else is. */
async function checkFiles(
  store: Store,
  files: Map<string, ObjectInfo>,
  size: number,
  { own, beyond, raw, sizes, laterSizes }: Trees,
  findings: Findings,
): Promise<void> {
  const required = new Map<string, Tile>();
  let before = 0;
  for (const published of sizes.at(-1) === size ? sizes : [...sizes.filter((s) => s < size), size]) {
    for (const tile of newTiles(before, published)) required.set(tileKey(tile), tile);
    before = published;
  }
  const unfinished = new Set(laterSizes.flatMap((later, i) => newTiles(laterSizes[i - 1] ?? size, later).map(tileKey)));
  const isFull = ({ level, index }: Tile) =>
    (index + 1) * TILE_WIDTH <= Math.floor(size / (level === 'entries' ? 1 : TILE_WIDTH ** level));
  const known = new Set<string>([...announcements(own).flatMap(({ keyId }) => [vkeyKey(keyId), handoverKey(keyId)])]);
  const limit = pLimit(PARALLEL);
  await Promise.all(
    [...files.keys()].map((key) =>
      limit(async () => {
        const tile = parseTileKey(key);
        const wanted = required.delete(key);
        if (tile === undefined || !(wanted || unfinished.has(key))) {
          if (known.has(key)) return;
          if (/^log\/keys\/[0-9a-f]{8}\.vkey$/.test(key))
            findings.incomplete('seal-unfinished', `${key} was announced and never sealed: seal --announce it again`, {
              key,
            });
          else findings.tampered('unlisted', `${key} belongs to nothing in the log`, { key });
          return;
        }
        const bytes = (await store.get(key))?.bytes;
        const should =
          tile.level === 'entries'
            ? bundleBytes(raw.slice(tile.index * TILE_WIDTH, tile.index * TILE_WIDTH + tile.width))
            : tileBytes(beyond.tree, tile.level, tile.index, tile.width);
        if (bytes?.equals(should) !== true)
          findings.tampered('tile-differs', `${key} is not what the tree demands`, { key });
      }),
    ),
  );
  for (const [key, tile] of required) {
    // removed once the full tile was there, as the format allows
    if (tile.width < TILE_WIDTH && isFull(tile)) continue;
    findings.tampered('tile-missing', `${key} is gone`, { key });
  }
}

async function checkSignature(
  { store, verifiers }: LogInput,
  checkpoint: SignedCheckpoint,
  log: Log,
  findings: Findings,
): Promise<readonly Verifier[]> {
  const signers = checkpoint.note.signatures.map(({ name, keyId }) => `${name}+${keyId}`).join(', ');
  const pinned = verifiers.filter((key) => key.type !== KEY_TYPE.cosignature);
  const witnesses = verifiers.filter((key) => key.type === KEY_TYPE.cosignature);
  const trusted = await trustedKeys(store, log, checkpoint.origin, pinned);
  const { good, bad } = checkNote(checkpoint.note, [...trusted, ...witnesses]);
  for (const { name, keyId } of bad)
    findings.tampered('signature-wrong', `the checkpoint's signature by ${name}+${keyId} is wrong`, {
      key: CHECKPOINT_KEY,
    });
  if (signers === '')
    findings.unverifiable('unsigned', 'the log is not signed: whoever can write to the archive can rewrite it');
  else if (pinned.length === 0)
    findings.unverifiable(
      'no-key',
      `the log is signed by ${signers}, and no key to check it with was given (--key, integrity.verifiers)`,
    );
  else if (!good.some((key) => trusted.includes(key)) && bad.length === 0)
    findings.unverifiable('key-unknown', `the log is signed by ${signers}, and by none of the given keys`);
  for (const witness of witnesses)
    if (!good.includes(witness))
      findings.notice('not-cosigned', `witness ${witness.name}+${witness.keyId} did not cosign this checkpoint`);
  return [...trusted, ...witnesses];
}

/** Each announced key has a checkpoint by which an older key vouches for it. */
async function checkHandovers(
  store: Store,
  checkpoint: SignedCheckpoint,
  log: Log,
  trusted: readonly Verifier[],
  findings: Findings,
): Promise<void> {
  for (const { keyId, index, sha256 } of announcements(log)) {
    const [vkey, note] = await Promise.all([store.get(vkeyKey(keyId)), store.get(handoverKey(keyId))]);
    if (vkey === undefined || sha256Hex(vkey.bytes) !== sha256)
      findings.tampered('key-differs', `${vkeyKey(keyId)} is not the key that the log names`, { key: vkeyKey(keyId) });
    const key = handoverKey(keyId);
    if (note === undefined) {
      findings.incomplete('handover-missing', `${key} is missing: seal again with the key that announced it`, { key });
      continue;
    }
    const handover = parseCheckpoint(note.bytes);
    const sound =
      handover !== undefined &&
      handover.origin === checkpoint.origin &&
      handover.size > index &&
      handover.size <= log.tree.size &&
      rootOf(log.tree, handover.size).equals(handover.root);
    const { good, bad } = sound ? checkNote(handover.note, trusted) : { good: [], bad: [] };
    if (!sound || bad.length > 0)
      findings.tampered('handover-differs', `${key} is not a checkpoint of this log`, { key });
    else if (good.length === 0 && trusted.length > 0)
      findings.notice('handover-unknown', `${keyId} was announced by a key that was not given`);
  }
}
