// AWS KMS on loopback, as far as signing needs it: GetPublicKey and Sign over AWS JSON 1.1, Ed25519 and ECDSA P-256.

import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface KmsEmulator {
  readonly url: string;
  /** Adds a key under an alias; gives its ARN. */
  addKey(alias: string, spec: 'ECC_NIST_EDWARDS25519' | 'ECC_NIST_P256'): string;
  setEnabled(alias: string, enabled: boolean): void;
  /** The next calls fail with this error of the service. */
  failNext(times: number, type: string, status: number): void;
  /** What was asked, in order. */
  readonly calls: readonly { readonly action: string; readonly algorithm?: string; readonly messageType?: string }[];
  close(): Promise<void>;
}

interface Key {
  readonly arn: string;
  readonly spec: string;
  readonly algorithms: readonly string[];
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  enabled: boolean;
}

/** KMS takes longer messages only as digests. */
const RAW_LIMIT = 4096;

class Refusal extends Error {
  readonly status: number;
  override readonly name: string;
  constructor(name: string, message: string, status = 400) {
    super(message);
    this.name = name;
    this.status = status;
  }
}

export async function startKms(): Promise<KmsEmulator> {
  const keys = new Map<string, Key>();
  const calls: { action: string; algorithm?: string; messageType?: string }[] = [];
  let failures: { type: string; status: number }[] = [];

  function find(id: unknown): Key {
    const found = [...keys].find(
      ([alias, key]) => id === `alias/${alias}` || id === key.arn || id === key.arn.split('/')[1],
    );
    if (found === undefined) throw new Refusal('NotFoundException', `Alias or key ${String(id)} is not found.`);
    if (!found[1].enabled) throw new Refusal('DisabledException', `${found[1].arn} is disabled.`);
    return found[1];
  }

  function answer(action: string, input: Record<string, unknown>): object {
    const key = find(input['KeyId']);
    if (action === 'GetPublicKey')
      return {
        KeyId: key.arn,
        KeySpec: key.spec,
        KeyUsage: 'SIGN_VERIFY',
        SigningAlgorithms: key.algorithms,
        PublicKey: key.publicKey.export({ format: 'der', type: 'spki' }).toString('base64'),
      };
    if (action !== 'Sign') throw new Refusal('UnknownOperationException', action);
    const algorithm = String(input['SigningAlgorithm']);
    const message = Buffer.from(String(input['Message']), 'base64');
    const type = input['MessageType'] ?? 'RAW';
    if (!key.algorithms.includes(algorithm))
      throw new Refusal('InvalidKeyUsageException', `${algorithm} is incompatible with key spec ${key.spec}.`);
    if (type !== 'RAW') throw new Refusal('ValidationException', 'this stand-in signs raw messages only');
    if (message.length < 1 || message.length > RAW_LIMIT)
      throw new Refusal(
        'ValidationException',
        `1 validation error detected: 'message' must have length at most ${RAW_LIMIT}`,
      );
    const digest = algorithm === 'ECDSA_SHA_256' ? 'sha256' : null;
    return {
      KeyId: key.arn,
      SigningAlgorithm: algorithm,
      Signature: sign(digest, message, key.privateKey).toString('base64'),
    };
  }

  const server = createServer((request, response) => {
    void (async () => {
      const send = (status: number, body: object) => {
        response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' });
        response.end(JSON.stringify(body));
      };
      try {
        const action = String(request.headers['x-amz-target'] ?? '').replace('TrentService.', '');
        const input = JSON.parse(await bodyOf(request)) as Record<string, unknown>;
        calls.push({
          action,
          ...(input['SigningAlgorithm'] !== undefined && { algorithm: String(input['SigningAlgorithm']) }),
          ...(input['MessageType'] !== undefined && { messageType: String(input['MessageType']) }),
        });
        if (!String(request.headers.authorization ?? '').startsWith('AWS4-HMAC-SHA256 '))
          throw new Refusal('MissingAuthenticationTokenException', 'Missing Authentication Token');
        const failure = failures.shift();
        if (failure !== undefined) throw new Refusal(failure.type, 'as asked for', failure.status);
        send(200, answer(action, input));
      } catch (error) {
        const refusal = error instanceof Refusal ? error : new Refusal('SerializationException', String(error));
        send(refusal.status, { __type: refusal.name, message: refusal.message });
      }
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    addKey(alias, spec) {
      const ed = spec === 'ECC_NIST_EDWARDS25519';
      const pair = ed ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const arn = `arn:aws:kms:eu-central-1:123456789012:key/${crypto.randomUUID()}`;
      const algorithms = ed ? ['ED25519_SHA_512', 'ED25519_PH_SHA_512'] : ['ECDSA_SHA_256'];
      keys.set(alias, { arn, spec, algorithms, ...pair, enabled: true });
      return arn;
    },
    setEnabled(alias, enabled) {
      keys.get(alias)!.enabled = enabled;
    },
    failNext(times, type, status) {
      failures = Array.from({ length: times }, () => ({ type, status }));
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
