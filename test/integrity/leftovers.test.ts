// What killed runs may leave in a good archive is told as such; the same names with other contents are not.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { sha256Hex } from '../../src/archive/hash.ts';
import { type Archive, copyOf, sealedArchive } from './sealed.ts';
import { codesOf, verifyFolder } from './verifying.ts';

let good: Archive;
beforeAll(async () => {
  good = await sealedArchive();
});

const POLICY = 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- {level: None}\n';
const POLICY_KEY = `policies/${sha256Hex(Buffer.from(POLICY))}.yaml`;
const MARK = '{"format":1,"by":"auditkeep 1.0.0"}\n';

it.each([
  ['a mark', 'ids/cluster=one/open_20260622T010000Z_b9f4c848edca4236.json', MARK, 'run-mark'],
  ['a policy that no window was committed under', POLICY_KEY, POLICY, 'policy-unused'],
])('%s', async (_, key, text, code) => {
  const verifyWith = async (path: string, content: string) => {
    const directory = copyOf(good.directory);
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), content);
    return verifyFolder(directory, { now: good.now, verifiers: [good.signer.verifier] });
  };
  const report = await verifyWith(key, text);
  expect(report).toMatchObject({ findings: [], exitCode: 0 });
  expect(report.notices).toMatchObject([{ code, message: expect.stringContaining(key) as string }]);
  const other = await verifyWith(key, `${text}# ${'x'.repeat(200)}`);
  expect(codesOf(other)).toEqual(['tampered unlisted']);
  expect(codesOf(await verifyWith(key.replace(/(\.[a-z]+)$/, 'g$1'), text))).toEqual(['tampered unlisted']);
});
