// What the commands over the signed log share: keys, anchor, witnesses and memory, opened as config and options say.

import { openStore } from '../archive/store/open.ts';
import { withRetries } from '../archive/store/retrying.ts';
import type { Store } from '../archive/store/store.ts';
import { type IntegrityOptions, type S3Options, stateFolder } from '../config.ts';
import { ConfigError } from '../errors.ts';
import { type LastSeen, noLastSeen, openLastSeen } from '../integrity/last-seen.ts';
import { newOrigin, type SealInput } from '../integrity/seal.ts';
import { openKeyFile, type Signer } from '../integrity/signer.ts';
import { KEY_TYPE, parseVkey, type Verifier } from '../integrity/vkey.ts';
import type { Log } from '../log.ts';
import { setTimeout as sleep } from 'node:timers/promises';

/** The signer of the config; undefined where it names no key. */
export async function openSigner({ key, name, kms }: IntegrityOptions): Promise<Signer | undefined> {
  if (key === undefined) return undefined;
  if (!key.startsWith('awskms://')) return openKeyFile(key, name);
  const { openKmsKey } = await import('../integrity/kms.ts');
  return openKmsKey(key, name, {
    ...(kms.region !== undefined && { region: kms.region }),
    ...(kms.endpoint !== undefined && { endpoint: kms.endpoint }),
    ...(kms.profile !== undefined && { profile: kms.profile }),
  });
}

/** Keys that the config trusts, those of witnesses included. */
export function trustedOf({ verifiers, witnesses }: IntegrityOptions): Verifier[] {
  return [...verifiers.map(parseVkey), ...witnesses.map(({ key }) => witnessKey(key))];
}

function witnessKey(text: string): Verifier {
  const key = parseVkey(text);
  if (key.type === KEY_TYPE.cosignature) return key;
  throw new ConfigError(`integrity.witnesses: ${key.name}+${key.keyId} is not the key of a witness`, {
    hint: 'its bytes must begin with 0x04: ask the witness for its cosignature key',
  });
}

/** What this machine remembers of logs; nothing where no folder is known or none is wanted. */
export function openMemory(state: string | undefined, env: NodeJS.ProcessEnv): LastSeen {
  const folder = state ?? stateFolder(env);
  return folder === undefined ? noLastSeen : openLastSeen(folder);
}

/** Another archive or anchor, with retries. */
export async function openRetrying(url: string, s3: S3Options, log: Log, signal: AbortSignal): Promise<Store> {
  const opened = await openStore(url, s3, { onServerDate() {} });
  return withRetries(opened, { signal, log, sleep: (ms, stop) => sleep(ms, undefined, { signal: stop }) });
}

export interface SealSettings {
  readonly store: Store;
  readonly integrity: IntegrityOptions;
  readonly s3: S3Options;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly announce?: Verifier;
  readonly origin?: string;
}

/** Opens all that a seal needs, runs, and closes it. */
export async function withSealing<T>(settings: SealSettings, work: (input: SealInput) => Promise<T>): Promise<T> {
  const { store, integrity, s3, log, signal, announce } = settings;
  const signer = await openSigner(integrity);
  const anchor = integrity.anchor === undefined ? undefined : await openRetrying(integrity.anchor, s3, log, signal);
  try {
    return await work({
      store,
      verifiers: trustedOf(integrity).filter((key) => key.type !== KEY_TYPE.cosignature),
      newOrigin: settings.origin ?? integrity.origin ?? newOrigin(),
      witnesses: integrity.witnesses.map(({ url, key }) => ({
        url: url.replace(/\/$/, ''),
        verifier: witnessKey(key),
      })),
      lastSeen: openMemory(integrity.state, settings.env),
      log,
      signal,
      ...(signer !== undefined && { signer }),
      ...(anchor !== undefined && { anchor }),
      ...(announce !== undefined && { announce }),
    });
  } finally {
    await anchor?.close();
  }
}
