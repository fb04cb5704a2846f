// Verifier keys (`name+id+base64`): who may have signed. Ed25519, ECDSA P-256, and cosigning witnesses.

import { createPublicKey, hash, type KeyObject, verify } from 'node:crypto';
import { ConfigError } from '../errors.ts';
import { fromBase64, toBase64 } from './base64.ts';

/** Signature types of C2SP signed-note. */
export const KEY_TYPE = { ed25519: 0x01, ecdsa: 0x02, cosignature: 0x04 } as const;
export type KeyType = (typeof KEY_TYPE)[keyof typeof KEY_TYPE];

/** DER of SubjectPublicKeyInfo for Ed25519, before the 32 bytes of the key. */
const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex');

/** A public key that checks signatures of notes. */
export interface Verifier {
  readonly name: string;
  /** Four bytes, as hex. */
  readonly keyId: string;
  readonly type: KeyType;
  /** The text form. */
  readonly vkey: string;
  verify(text: string, signature: Buffer): boolean;
  /** Witnesses: when they signed, milliseconds since the epoch. */
  signedAt?(signature: Buffer): number;
}

/** A key name: not empty, no spaces, no plus sign, no control characters. */
export const isKeyName = (name: string): boolean =>
  name !== '' && name.isWellFormed() && !/[\s+\u0000-\u001f\u007f\u0085]/u.test(name);

/** Key id: over name, type and key; for ECDSA over the key alone. */
export function keyIdOf(name: string, type: KeyType, key: Buffer): string {
  const over = type === KEY_TYPE.ecdsa ? key : Buffer.concat([Buffer.from(`${name}\n`), Buffer.from([type]), key]);
  return hash('sha256', over, 'hex').slice(0, 8);
}

/** `name+id+base64(type ‖ key)`. @param key 32 bytes for Ed25519, DER (SPKI) for ECDSA */
export function encodeVkey(name: string, type: KeyType, key: Buffer): string {
  return `${name}+${keyIdOf(name, type, key)}+${toBase64(Buffer.concat([Buffer.from([type]), key]))}`;
}

/** Type and raw form of a public key. Throws ConfigError for kinds that notes don't have. */
export function rawPublicKey(key: KeyObject): { readonly type: KeyType; readonly key: Buffer } {
  const der = key.export({ format: 'der', type: 'spki' });
  if (key.asymmetricKeyType === 'ed25519') return { type: KEY_TYPE.ed25519, key: der.subarray(ED25519_SPKI.length) };
  if (key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1')
    return { type: KEY_TYPE.ecdsa, key: der };
  throw new ConfigError(`a key of kind ${key.asymmetricKeyType ?? 'unknown'} can't sign the log`, {
    hint: 'use Ed25519 (auditkeep keygen makes one) or ECDSA on P-256',
  });
}

/** Reads a verifier key. Throws ConfigError, which says what is wrong with it. */
export function parseVkey(text: string): Verifier {
  const bad = (why: string) =>
    new ConfigError(`"${text.slice(0, 120)}" is no verifier key: ${why}`, {
      hint: 'expected name+8 hex digits+base64, as "auditkeep keygen" prints it',
    });
  const [name = '', keyId = '', ...rest] = text.split('+');
  // base64 has plus signs of its own
  const bytes = fromBase64(rest.join('+'));
  if (!isKeyName(name) || !/^[0-9a-f]{8}$/.test(keyId)) throw bad('name or id is missing');
  if (bytes === undefined || bytes.length < 2) throw bad('its key is not base64');
  const type = bytes[0] as KeyType;
  const raw = Buffer.from(bytes.subarray(1));
  if (!Object.values(KEY_TYPE).includes(type)) throw bad(`keys of type ${bytes[0]} are not supported`);
  if (keyIdOf(name, type, raw) !== keyId) throw bad('its id does not belong to name and key');
  let key: KeyObject;
  try {
    const der = type === KEY_TYPE.ecdsa ? raw : Buffer.concat([ED25519_SPKI, raw]);
    if (type !== KEY_TYPE.ecdsa && raw.length !== 32) throw bad('an Ed25519 key has 32 bytes');
    key = createPublicKey({ key: der, format: 'der', type: 'spki' });
    if (type === KEY_TYPE.ecdsa && rawPublicKey(key).type !== KEY_TYPE.ecdsa) throw bad('it is not on P-256');
  } catch (error) {
    throw error instanceof ConfigError ? error : bad('the key itself can’t be read');
  }
  return verifierOf(name, keyId, type, text, key);
}

function verifierOf(name: string, keyId: string, type: KeyType, vkey: string, key: KeyObject): Verifier {
  const base = { name, keyId, type, vkey };
  if (type === KEY_TYPE.ecdsa)
    return { ...base, verify: (text, signature) => quietly(() => verify('sha256', Buffer.from(text), key, signature)) };
  if (type === KEY_TYPE.ed25519)
    return { ...base, verify: (text, signature) => quietly(() => verify(null, Buffer.from(text), key, signature)) };
  return {
    ...base,
    verify: (text, signature) =>
      signature.length === 72 &&
      quietly(() => verify(null, Buffer.from(cosigned(text, signature.readBigUInt64BE())), key, signature.subarray(8))),
    signedAt: (signature) => Number(signature.readBigUInt64BE()) * 1000,
  };
}

/** What a witness signs: the time in seconds, then the note's text. */
export const cosigned = (text: string, seconds: bigint): string => `cosignature/v1\ntime ${seconds}\n${text}`;

// a signature that isn't even well-formed is a wrong one
function quietly(check: () => boolean): boolean {
  try {
    return check();
  } catch {
    return false;
  }
}
