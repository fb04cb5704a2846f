// Signing keys in AWS KMS: Ed25519 or ECDSA P-256, which never leave it.

import { createPublicKey } from 'node:crypto';
import type * as Sdk from '@aws-sdk/client-kms';
import { AuditkeepError, AuthError, ConfigError, ThrottledError, TransientError } from '../errors.ts';
import { silentLog } from '../log.ts';
import { checkName, DEFAULT_NAME, type Signer } from './signer.ts';
import { encodeVkey, KEY_TYPE, parseVkey, rawPublicKey } from './vkey.ts';

export const KMS_SCHEME = 'awskms://';

export interface KmsOptions {
  readonly region?: string;
  readonly endpoint?: string;
  readonly profile?: string;
}

/**
 * @param url `awskms://<key id, ARN or alias/name>`; a third slash is allowed
 * Throws ConfigError, AuthError, ThrottledError or TransientError: it asks for the public key.
 */
export async function openKmsKey(url: string, name: string | undefined, options: KmsOptions): Promise<Signer> {
  const keyId = url.slice(KMS_SCHEME.length).replace(/^\//, '');
  if (keyId === '')
    throw new ConfigError(`integrity.key: ${url} names no key`, { hint: 'write awskms://alias/NAME or awskms://ARN' });
  const own = name ?? DEFAULT_NAME;
  checkName(own);
  const sdk = await import('@aws-sdk/client-kms');
  const region = options.region ?? /^arn:[^:]*:kms:([^:]+):/.exec(keyId)?.[1];
  const client = new sdk.KMSClient({
    // one or two calls a seal, which nothing else would repeat
    maxAttempts: 4,
    logger: silentLog,
    ...(region !== undefined && { region }),
    ...(options.endpoint !== undefined && { endpoint: options.endpoint }),
    ...(options.profile !== undefined && { profile: options.profile }),
  });
  const call = async <T>(action: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw kmsError(error, action, keyId);
    }
  };
  const { PublicKey, KeyUsage } = await call('kms:GetPublicKey', () =>
    client.send(new sdk.GetPublicKeyCommand({ KeyId: keyId })),
  );
  if (KeyUsage !== 'SIGN_VERIFY' || PublicKey === undefined)
    throw new ConfigError(`KMS key ${keyId} is not for signing (${KeyUsage ?? 'no usage'})`, {
      hint: 'create one with usage SIGN_VERIFY and spec ECC_NIST_EDWARDS25519 or ECC_NIST_P256',
    });
  const { type, key } = rawPublicKey(createPublicKey({ key: Buffer.from(PublicKey), format: 'der', type: 'spki' }));
  // RAW: KMS hashes what it must. The "PH" form of Ed25519 would be another signature than notes have.
  const algorithm: Sdk.SigningAlgorithmSpec = type === KEY_TYPE.ecdsa ? 'ECDSA_SHA_256' : 'ED25519_SHA_512';
  return {
    verifier: parseVkey(encodeVkey(own, type, key)),
    async sign(text) {
      const { Signature } = await call('kms:Sign', () =>
        client.send(
          new sdk.SignCommand({
            KeyId: keyId,
            Message: Buffer.from(text),
            MessageType: 'RAW',
            SigningAlgorithm: algorithm,
          }),
        ),
      );
      return Buffer.from(Signature ?? []);
    },
  };
}

function kmsError(error: unknown, action: string, keyId: string): Error {
  if (error instanceof AuditkeepError || !(error instanceof Error)) return error as Error;
  const { name } = error;
  const options = (hint?: string) => ({ cause: error, ...(hint !== undefined && { hint }) });
  if (name === 'NotFoundException' || name === 'InvalidArnException')
    return new ConfigError(`KMS key ${keyId} doesn't exist`, options('check integrity.key and integrity.kms.region'));
  if (
    [
      'DisabledException',
      'KMSInvalidStateException',
      'InvalidKeyUsageException',
      'UnsupportedOperationException',
    ].includes(name)
  )
    return new ConfigError(
      `KMS key ${keyId} can't be used for ${action} (${name})`,
      options('enable it, or cancel its deletion'),
    );
  if (
    /AccessDenied|UnrecognizedClient|InvalidClientToken|InvalidSignature|ExpiredToken|CredentialsProvider|TokenProvider|IncompleteSignature|MissingAuthentication/.test(
      name,
    )
  )
    return new AuthError(
      `${action} was refused for KMS key ${keyId} (${name})`,
      options(`allow ${action} in the key policy and the role`),
    );
  if (/Throttling|LimitExceeded/.test(name)) return new ThrottledError(`KMS asks to slow down (${name})`, options());
  if (name === 'Error' && /[Rr]egion/.test(error.message))
    return new ConfigError(
      'no AWS region is known for the KMS key',
      options('set integrity.kms.region, or write the ARN of the key'),
    );
  return new TransientError(`KMS failed at ${action} (${name})`, options());
}
