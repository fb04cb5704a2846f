// Signing keys in files: made by keygen, read by seal. Keys in AWS KMS are in kms.ts.

import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { ConfigError } from '../errors.ts';
import { encodeVkey, isKeyName, parseVkey, rawPublicKey, type Verifier } from './vkey.ts';

/** Who signs the log. */
export interface Signer {
  /** Its public half. */
  readonly verifier: Verifier;
  /** Signature over a note's text. Throws AuthError, ThrottledError, TransientError or ConfigError where a service signs. */
  sign(text: string): Promise<Buffer>;
}

export const DEFAULT_NAME = 'auditkeep';
/** Stands before the key in its file, so that the name goes where the key goes. */
const NAME_LINE = /^auditkeep key name: (\S+)$/m;

/** A new Ed25519 key: file content (PKCS#8 PEM behind a line with its name) and verifier key. Throws ConfigError for bad names. */
export function generateKey(name: string): { readonly pem: string; readonly vkey: string } {
  checkName(name);
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const { type, key } = rawPublicKey(publicKey);
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
  return { pem: `auditkeep key name: ${name}\n${pem}`, vkey: encodeVkey(name, type, key) };
}

export function checkName(name: string): void {
  if (!isKeyName(name))
    throw new ConfigError(`"${name}" is no key name: it must have no spaces and no plus sign`, {
      hint: 'a name such as acme.example/audit tells this log from all others',
    });
}

/** Reads a private key file (PKCS#8 PEM: Ed25519, or ECDSA on P-256). Throws ConfigError; never quotes the file. */
export async function openKeyFile(path: string, name: string | undefined): Promise<Signer> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new ConfigError(`integrity.key: ${path} can't be read (${code})`, {
      cause: error,
      hint: 'make a key with "auditkeep keygen --out FILE", or name another',
    });
  }
  return signerFromPem(text, name, path);
}

/** @param where for messages */
export function signerFromPem(text: string, name: string | undefined, where: string): Signer {
  const pem = /-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*-----END [A-Z ]*PRIVATE KEY-----/.exec(text)?.[0];
  let key: KeyObject;
  try {
    if (pem === undefined) throw new Error('no PEM block');
    key = createPrivateKey(pem);
  } catch {
    // the parser's own words could quote the file
    throw new ConfigError(`integrity.key: ${where} holds no private key that can be read`, {
      hint: 'expected PKCS#8 PEM without a passphrase, as "auditkeep keygen" writes it',
    });
  }
  const own = name ?? NAME_LINE.exec(text)?.[1] ?? DEFAULT_NAME;
  checkName(own);
  const raw = rawPublicKey(createPublicKey(key));
  const verifier = parseVkey(encodeVkey(own, raw.type, raw.key));
  const algorithm = key.asymmetricKeyType === 'ed25519' ? null : 'sha256';
  return { verifier, sign: async (signed) => sign(algorithm, Buffer.from(signed), key) };
}
