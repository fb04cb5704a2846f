// Signing by AWS KMS over the wire, against the emulator.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type KmsEmulator, startKms } from '../../emulators/kms/server.ts';
import { AuthError, ConfigError, ThrottledError } from '../../src/errors.ts';
import { openKmsKey } from '../../src/integrity/kms.ts';
import { KEY_TYPE } from '../../src/integrity/vkey.ts';
import { folderStore, HOUR, sealAll, temporary } from './sealed.ts';
import { FIRST, writeWindows } from './synthetic.ts';
import { verifyFolder } from './verifying.ts';

let kms: KmsEmulator;
const before = { ...process.env };

beforeAll(async () => {
  kms = await startKms();
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' });
});
afterAll(async () => {
  process.env = before;
  await kms.close();
});

const open = (url: string, name = 'acme.example/kms') =>
  openKmsKey(url, name, { region: 'eu-central-1', endpoint: kms.url });

describe('keys in KMS', () => {
  for (const [spec, algorithm, type] of [
    ['ECC_NIST_EDWARDS25519', 'ED25519_SHA_512', KEY_TYPE.ed25519],
    ['ECC_NIST_P256', 'ECDSA_SHA_256', KEY_TYPE.ecdsa],
  ] as const)
    it(`sign the log with ${spec}, raw`, async () => {
      const arn = kms.addKey(spec, spec);
      const signer = await open(`awskms:///${arn}`);
      expect(signer.verifier.type).toBe(type);
      const directory = temporary();
      writeWindows(directory, 'one', 0, 5);
      await sealAll(folderStore(directory), { signer });
      expect(kms.calls.at(-1)).toEqual({ action: 'Sign', algorithm, messageType: 'RAW' });
      writeWindows(directory, 'one', 5, 7);
      const again = await open(`awskms://alias/${spec}`);
      expect(again.verifier.vkey).toBe(signer.verifier.vkey);
      await sealAll(folderStore(directory), { signer: again });
      const report = await verifyFolder(directory, { now: FIRST + 8 * HOUR, verifiers: [signer.verifier] });
      expect(report.findings).toEqual([]);
    });

  it('say who must act when they can’t', async () => {
    kms.addKey('off', 'ECC_NIST_EDWARDS25519');
    kms.setEnabled('off', false);
    await expect(open('awskms://alias/off')).rejects.toBeInstanceOf(ConfigError);
    await expect(open('awskms://alias/nobody')).rejects.toBeInstanceOf(ConfigError);
    await expect(open('awskms://')).rejects.toBeInstanceOf(ConfigError);
    kms.addKey('on', 'ECC_NIST_EDWARDS25519');
    kms.failNext(1, 'AccessDeniedException', 400);
    await expect(open('awskms://alias/on')).rejects.toBeInstanceOf(AuthError);
    kms.failNext(9, 'ThrottlingException', 400);
    await expect(open('awskms://alias/on')).rejects.toBeInstanceOf(ThrottledError);
    kms.failNext(1, 'KMSInternalException', 500);
    await expect(open('awskms://alias/on')).resolves.toBeDefined();
  });
});
