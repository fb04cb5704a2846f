// A witness on loopback that keeps to C2SP tlog-witness: one checkpoint a log, and a cosignature only for logs that grew.

import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseCheckpoint, type SignedCheckpoint } from '../../src/integrity/checkpoint.ts';
import { checkNote } from '../../src/integrity/note.ts';
import { checkConsistency } from '../../src/integrity/tree.ts';
import { cosigned, encodeVkey, KEY_TYPE, parseVkey, rawPublicKey, type Verifier } from '../../src/integrity/vkey.ts';

export interface WitnessServer {
  readonly url: string;
  readonly verifier: Verifier;
  /** Status codes that were answered. */
  readonly answers: readonly number[];
  close(): Promise<void>;
}

export async function startWitness(origin: string, log: Verifier): Promise<WitnessServer> {
  const { privateKey } = generateKeyPairSync('ed25519');
  const name = 'witness.example/w1';
  const vkey = encodeVkey(name, KEY_TYPE.cosignature, rawPublicKey(createPublicKey(privateKey)).key);
  const verifier = parseVkey(vkey);
  const answers: number[] = [];
  let latest: SignedCheckpoint | undefined;

  function answer(body: Buffer): { status: number; text: string; type?: string } {
    const at = body.indexOf('\n\n');
    const [first = '', ...hashes] = body.subarray(0, at).toString().split('\n');
    const old = Number(/^old (\d+)$/.exec(first)?.[1]);
    const checkpoint = parseCheckpoint(body.subarray(at + 2));
    if (at < 0 || Number.isNaN(old) || checkpoint === undefined) return { status: 400, text: '' };
    if (checkpoint.origin !== origin) return { status: 404, text: '' };
    if (checkNote(checkpoint.note, [log]).good.length === 0) return { status: 403, text: '' };
    if (old > checkpoint.size) return { status: 400, text: '' };
    const known = latest?.size ?? 0;
    if (old !== known) return { status: 409, text: `${known}\n`, type: 'text/x.tlog.size' };
    const proof = hashes.map((hash) => Buffer.from(hash, 'base64'));
    const grown =
      old === 0 ? proof.length === 0 : checkConsistency(old, latest!.root, checkpoint.size, checkpoint.root, proof);
    if (!grown) return { status: old === checkpoint.size ? 409 : 422, text: '' };
    latest = checkpoint;
    const seconds = BigInt(Math.floor(Date.now() / 1000));
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(seconds);
    const signature = sign(null, Buffer.from(cosigned(checkpoint.note.text, seconds)), privateKey);
    const bytes = Buffer.concat([Buffer.from(verifier.keyId, 'hex'), time, signature]);
    return { status: 200, text: `\u2014 ${name} ${bytes.toString('base64')}\n` };
  }

  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { status, text, type } =
        request.url === '/w/add-checkpoint'
          ? answer(Buffer.concat(chunks))
          : { status: 404, text: '', type: undefined };
      answers.push(status);
      response.writeHead(status, { 'content-type': type ?? 'text/plain' });
      response.end(text);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/w`,
    verifier,
    answers,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
