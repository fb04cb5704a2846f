// Cosignatures of a witness (C2SP tlog-witness): someone else confirms that the log only grows.

import { AuditkeepError, TransientError } from '../errors.ts';
import { toBase64 } from './base64.ts';
import type { SignedCheckpoint } from './checkpoint.ts';
import { type NoteSignature, parseSignatureLines } from './note.ts';
import { consistencyProof, type Tree } from './tree.ts';
import type { Verifier } from './vkey.ts';

export interface Witness {
  /** Submission prefix, without `/add-checkpoint`. */
  readonly url: string;
  readonly verifier: Verifier;
}

const TIMEOUT = 10_000;

/**
 * Asks for a cosignature. `tree` is that of the checkpoint. Throws TransientError when the witness can't be reached, and
 * AuditkeepError when it refuses, with what its answer means.
 */
export async function cosign(
  witness: Witness,
  checkpoint: SignedCheckpoint,
  tree: Tree,
  signal: AbortSignal,
): Promise<NoteSignature> {
  let older = 0;
  for (let attempt = 0; attempt < 3; attempt++) {
    const proof = consistencyProof(tree, older, checkpoint.size);
    const body = `old ${older}\n${proof.map((hash) => `${toBase64(hash)}\n`).join('')}\n${checkpoint.bytes.toString('utf8')}`;
    const answer = await post(`${witness.url}/add-checkpoint`, body, signal);
    if (answer.status === 200) return accept(witness, checkpoint, answer.text);
    const size = /^(0|[1-9]\d{0,15})\n$/.exec(answer.text)?.[1];
    if (answer.status !== 409 || size === undefined) throw refusal(witness, answer.status);
    older = Number(size);
    if (older > checkpoint.size)
      throw new AuditkeepError(
        `witness ${witness.url} has seen ${older} leaves of this log, more than ${checkpoint.size}`,
        {
          hint: 'the log was cut or an old copy of it was restored; run "auditkeep verify" before anything else',
        },
      );
  }
  throw refusal(witness, 409);
}

async function post(url: string, body: string, signal: AbortSignal): Promise<{ status: number; text: string }> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      body,
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)]),
    });
    return { status: response.status, text: (await response.text()).slice(0, 100_000) };
  } catch (error) {
    signal.throwIfAborted();
    throw new TransientError(`witness ${url} can't be reached (${(error as Error).message})`, { cause: error });
  }
}

function accept(witness: Witness, { note }: SignedCheckpoint, text: string): NoteSignature {
  const { name, keyId } = witness.verifier;
  const own = parseSignatureLines(text)?.find((line) => line.name === name && line.keyId === keyId);
  if (own !== undefined && witness.verifier.verify(note.text, own.signature)) return own;
  throw new AuditkeepError(`witness ${witness.url} answered without a good cosignature of ${name}+${keyId}`, {
    hint: 'check integrity.witness.key',
  });
}

const MEANING: Readonly<Record<number, string>> = {
  403: 'it does not trust the key that signs this log',
  404: 'it does not know the origin of this log',
  409: 'it has seen another log of this origin',
  422: 'it does not accept the consistency proof',
};

const refusal = (witness: Witness, status: number): AuditkeepError =>
  new AuditkeepError(`witness ${witness.url} refused the checkpoint: ${MEANING[status] ?? `status ${status}`}`, {
    hint: 'the checkpoint is published without its cosignature',
  });
