// C2SP tlog-checkpoint: origin, size and root of the log, as the text of a signed note.

import { fromBase64, toBase64 } from './base64.ts';
import { encodeNote, type Note, parseNote } from './note.ts';

export const CHECKPOINT_KEY = 'log/checkpoint';

export interface Checkpoint {
  /** Names the log, wherever it lies; fixed by its first seal. */
  readonly origin: string;
  /** Leaves in the log. */
  readonly size: number;
  /** Root hash, 32 bytes. */
  readonly root: Buffer;
}

/** A checkpoint with the note that carries it. */
export interface SignedCheckpoint extends Checkpoint {
  readonly note: Note;
  /** As stored. */
  readonly bytes: Buffer;
}

export function checkpointText({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${toBase64(root)}\n`;
}

/** Reads a checkpoint's note; undefined if it is none. Extension lines are accepted and ignored, as the format asks. */
export function parseCheckpoint(bytes: Buffer): SignedCheckpoint | undefined {
  const note = parseNote(bytes, { unsigned: true });
  if (note === undefined) return undefined;
  const [origin = '', sizeText = '', rootText = '', ...extensions] = note.text.slice(0, -1).split('\n');
  const root = fromBase64(rootText);
  const size = Number(sizeText);
  if (origin === '' || !/^(0|[1-9]\d{0,15})$/.test(sizeText) || !Number.isSafeInteger(size)) return undefined;
  if (root?.length !== 32 || extensions.includes('')) return undefined;
  return { origin, size, root, note, bytes };
}

/** The stored form of a checkpoint with its signatures. */
export const encodeCheckpoint = (checkpoint: Checkpoint, signatures: Note['signatures']): Buffer =>
  encodeNote({ text: checkpointText(checkpoint), signatures });

/** `1234 leaves, root 47DEQpj8…`, for messages. */
export const describeCheckpoint = ({ size, root }: Checkpoint): string =>
  `${size} leaves, root ${toBase64(root).slice(0, 12)}…`;
