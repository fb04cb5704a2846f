// The log's checkpoint against what was seen of it elsewhere: by the auditor, by this machine, by the anchor.

import type { Store } from '../archive/store/store.ts';
import { TamperError } from '../errors.ts';
import { readAnchor } from './anchor.ts';
import { CHECKPOINT_KEY, describeCheckpoint, type SignedCheckpoint } from './checkpoint.ts';
import type { Findings } from './findings.ts';
import type { LastSeen } from './last-seen.ts';
import { checkNote } from './note.ts';
import { type Log, readCheckpoint } from './read-log.ts';
import { rootOf } from './tree.ts';
import type { Verifier } from './vkey.ts';

export interface Elsewhere {
  readonly store: Store;
  /** A checkpoint that the auditor kept. */
  readonly pinned?: SignedCheckpoint;
  readonly anchor?: Store;
  readonly lastSeen: LastSeen;
}

/** The checkpoint to verify; undefined where there is none, which is a finding. */
export async function findCheckpoint(
  { store, lastSeen, pinned }: Elsewhere,
  findings: Findings,
  hasFiles: boolean,
): Promise<SignedCheckpoint | undefined> {
  const was = await lastSeen.origin(store.url);
  let found;
  try {
    found = await readCheckpoint(store);
  } catch (error) {
    if (!(error instanceof TamperError)) throw error;
    findings.tampered('checkpoint-damaged', `${CHECKPOINT_KEY} is not a checkpoint`, { key: CHECKPOINT_KEY });
    return undefined;
  }
  if (found === undefined) {
    if (was !== undefined || pinned !== undefined)
      findings.incomplete(
        'log-gone',
        `the log ${was ?? pinned?.origin}, which was seen before, is gone from this archive`,
      );
    else if (hasFiles)
      findings.tampered('checkpoint-gone', 'the log has files, but no checkpoint', { key: CHECKPOINT_KEY });
    else findings.unverifiable('no-checkpoint', 'there is no signed log (log/checkpoint): run "auditkeep seal"');
    return undefined;
  }
  if (was !== undefined && was !== found.checkpoint.origin)
    findings.tampered('log-exchanged', `this archive's log was ${was} and is ${found.checkpoint.origin} now`);
  return found.checkpoint;
}

/** The log begins with everything that anyone has seen of it. */
export async function checkAgreement(
  { store, pinned, anchor, lastSeen }: Elsewhere,
  checkpoint: SignedCheckpoint,
  { tree }: Log,
  trusted: readonly Verifier[],
  findings: Findings,
): Promise<void> {
  const compare = async (who: string, seen: SignedCheckpoint) => {
    const both = `${who} has ${describeCheckpoint(seen)}; the archive has ${describeCheckpoint(checkpoint)}`;
    if (seen.origin !== checkpoint.origin)
      findings.tampered('log-exchanged', `${who} is of the log ${seen.origin}, and this is ${checkpoint.origin}`);
    else if (seen.size > tree.size) {
      // a sealer may have published while this log was read
      if (((await readCheckpoint(store))?.checkpoint.size ?? 0) >= seen.size)
        findings.notice('log-growing', 'the log grew while it was read; verify again for what is new');
      else findings.incomplete('log-shrunken', `the log was cut or rolled back: ${both}`);
    } else if (!rootOf(tree, seen.size).equals(seen.root))
      findings.tampered('log-forked', `the log was rewritten, or two were signed: ${both}`);
  };
  if (pinned !== undefined) await compare('the pinned checkpoint', pinned);
  const last = await lastSeen.checkpoint(checkpoint.origin);
  if (last !== undefined) await compare('the checkpoint that this machine saw last', last);
  if (anchor === undefined) return;
  const { checkpoints, broken } = await readAnchor(anchor, checkpoint.origin);
  for (const key of broken)
    findings.tampered('anchor-damaged', `${anchor.url}: ${key} is not a checkpoint of this log`, { key });
  for (const seen of checkpoints) {
    await compare(`the anchor ${anchor.url}`, seen);
    if (checkNote(seen.note, trusted).bad.length > 0)
      findings.tampered('anchor-damaged', `${anchor.url}: the signature of size ${seen.size} is wrong`);
  }
  const newest = checkpoints.at(-1)?.size ?? 0;
  if (newest < tree.size)
    findings.incomplete(
      'anchor-behind',
      `the anchor ${anchor.url} ends at ${newest} of ${tree.size} leaves (of ${store.url}): it was rolled back, or the last seal did not reach it; seal again`,
    );
}
