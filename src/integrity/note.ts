// C2SP signed notes: text, signature lines, and what their keys say of them. Pure but for the signatures themselves.

import { fromBase64, toBase64 } from './base64.ts';
import { isKeyName, type Verifier } from './vkey.ts';

/** Longer notes are none: a checkpoint with a hundred signatures has less. */
const NOTE_LIMIT = 1 << 20;
const SIGNATURE_LIMIT = 100;
const DASH = '\u2014 ';

export interface NoteSignature {
  readonly name: string;
  /** Four bytes, as hex. */
  readonly keyId: string;
  readonly signature: Buffer;
}

export interface Note {
  /** With its final line end; this is what was signed. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** Reads a note; undefined if it isn't one. `unsigned`: text alone (an unsigned log's checkpoint) is taken too. */
export function parseNote(bytes: Buffer, options: { readonly unsigned?: boolean } = {}): Note | undefined {
  const whole = bytes.toString('utf8');
  if (bytes.length > NOTE_LIMIT || !Buffer.from(whole).equals(bytes)) return undefined;
  if (!whole.endsWith('\n') || /[\u0000-\u0009\u000b-\u001f]/.test(whole)) return undefined;
  const at = whole.lastIndexOf('\n\n');
  if (at < 0) return options.unsigned === true ? { text: whole, signatures: [] } : undefined;
  const lines = whole.slice(at + 2, -1).split('\n');
  if (lines.length > SIGNATURE_LIMIT) return undefined;
  const signatures = lines.map(parseSignature);
  if (signatures.some((signature) => signature === undefined)) return undefined;
  return { text: whole.slice(0, at + 1), signatures: signatures as NoteSignature[] };
}

function parseSignature(line: string): NoteSignature | undefined {
  if (!line.startsWith(DASH)) return undefined;
  const [name = '', encoded = '', ...rest] = line.slice(DASH.length).split(' ');
  const bytes = fromBase64(encoded);
  if (rest.length > 0 || !isKeyName(name) || bytes === undefined || bytes.length < 5) return undefined;
  return { name, keyId: bytes.toString('hex', 0, 4), signature: bytes.subarray(4) };
}

/** Signature lines of a witness's answer; undefined when they are none. */
export function parseSignatureLines(text: string): NoteSignature[] | undefined {
  if (!text.endsWith('\n')) return undefined;
  const signatures = text.slice(0, -1).split('\n').map(parseSignature);
  return signatures.some((signature) => signature === undefined) ? undefined : (signatures as NoteSignature[]);
}

/** The stored form. Without signatures it is the text alone. */
export function encodeNote({ text, signatures }: Note): Buffer {
  if (signatures.length === 0) return Buffer.from(text);
  const lines = signatures.map(
    ({ name, keyId, signature }) =>
      `${DASH}${name} ${toBase64(Buffer.concat([Buffer.from(keyId, 'hex'), signature]))}\n`,
  );
  return Buffer.from(`${text}\n${lines.join('')}`);
}

export interface NoteCheck {
  /** Known keys whose signatures are good. */
  readonly good: readonly Verifier[];
  /** Known keys whose signatures are not: the note must be refused. */
  readonly bad: readonly Verifier[];
  /** `name+id` of the others. */
  readonly unknown: readonly string[];
}

/** Tries each signature of a known key; a key is known by name and id together. */
export function checkNote(note: Note, verifiers: readonly Verifier[]): NoteCheck {
  const good: Verifier[] = [];
  const bad: Verifier[] = [];
  const unknown: string[] = [];
  for (const signature of note.signatures) {
    const known = verifiers.find((verifier) => verifier.name === signature.name && verifier.keyId === signature.keyId);
    if (known === undefined) unknown.push(`${signature.name}+${signature.keyId}`);
    else if (known.verify(note.text, signature.signature)) good.push(known);
    else bad.push(known);
  }
  return { good, bad, unknown };
}
