import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../src/errors.ts';
import { fromBase64 } from '../../src/integrity/base64.ts';
import { checkpointText, encodeCheckpoint, parseCheckpoint } from '../../src/integrity/checkpoint.ts';
import { checkNote, encodeNote, parseNote } from '../../src/integrity/note.ts';
import { generateKey, signerFromPem } from '../../src/integrity/signer.ts';
import { parseVkey } from '../../src/integrity/vkey.ts';

// the published test vector of golang.org/x/mod/sumdb/note
const VKEY = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k';
const SIGNED = `This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
`;

describe('signed notes', () => {
  it('verify the published vector', () => {
    const note = parseNote(Buffer.from(SIGNED))!;
    expect(note.text).toBe('This is an example message.\n');
    expect(checkNote(note, [parseVkey(VKEY)]).good).toHaveLength(1);
    expect(encodeNote(note).toString()).toBe(SIGNED);
  });

  it('don’t verify with any byte changed', () => {
    const bytes = Buffer.from(SIGNED);
    for (let at = 0; at < bytes.length; at++)
      for (const flip of [1, 4, 32, 128]) {
        const changed = Buffer.from(bytes);
        changed[at]! ^= flip;
        const note = parseNote(changed);
        expect(note !== undefined && checkNote(note, [parseVkey(VKEY)]).good.length > 0).toBe(false);
      }
  });

  it('ignore unknown keys, and tell wrong signatures of known ones', () => {
    const key = signerFromPem(generateKey('a.example').pem, undefined, 'test');
    const other = signerFromPem(generateKey('a.example').pem, undefined, 'test');
    const note = parseNote(Buffer.from(SIGNED))!;
    expect(checkNote(note, [key.verifier])).toMatchObject({ good: [], bad: [], unknown: ['example.com/foo+530d903a'] });
    const forged = {
      text: note.text,
      signatures: [{ name: key.verifier.name, keyId: key.verifier.keyId, signature: Buffer.alloc(64, 7) }],
    };
    expect(checkNote(forged, [key.verifier]).bad).toEqual([key.verifier]);
    expect(checkNote(forged, [other.verifier]).bad).toEqual([]);
  });

  it('are split at the last empty line', async () => {
    const key = signerFromPem(generateKey('a.example').pem, undefined, 'test');
    const text = 'one\n\n— not a signature\n\ntwo\n';
    const signature = await key.sign(text);
    const bytes = encodeNote({ text, signatures: [{ ...key.verifier, signature }] });
    expect(parseNote(bytes)!.text).toBe(text);
    expect(checkNote(parseNote(bytes)!, [key.verifier]).good).toHaveLength(1);
  });

  it('are refused when malformed', () => {
    for (const bad of [
      '',
      'text',
      'text\n',
      'a\n\n- foo AAAAAAA=\n',
      'a\n\n— foo\n',
      'a\n\n— f+o AAAAAAA=\n',
      'a\r\n\n— foo AAAAAAA=\n',
    ])
      expect(parseNote(Buffer.from(bad))).toBeUndefined();
    expect(parseNote(Buffer.from([0xff, 0x0a, 0x0a]))).toBeUndefined();
    const many = `a\n\n${'— foo AAAAAAA=\n'.repeat(101)}`;
    expect(parseNote(Buffer.from(many))).toBeUndefined();
    expect(parseNote(Buffer.from(`a\n\n${'— foo AAAAAAA=\n'.repeat(16)}`))!.signatures).toHaveLength(16);
  });
});

describe('verifier keys', () => {
  it('of ECDSA P-256 have ids over the key alone, and verify', async () => {
    const pem = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'pem', type: 'pkcs8' });
    const [a, b] = ['a.example', 'b.example'].map((name) => signerFromPem(pem as string, name, 'test'));
    expect(a!.verifier.keyId).toBe(b!.verifier.keyId);
    const signature = await a!.sign('text\n');
    expect(parseVkey(a!.verifier.vkey).verify('text\n', signature)).toBe(true);
    expect(parseVkey(a!.verifier.vkey).verify('texu\n', signature)).toBe(false);
  });

  it('say what is wrong with them', () => {
    for (const bad of [
      '',
      'name',
      'name+12345678',
      VKEY.replace('530d903a', '530d903b'),
      `${VKEY}x`,
      VKEY.replace('Aeky', 'Aekz'),
    ])
      expect(() => parseVkey(bad), bad).toThrow(ConfigError);
  });

  it('never show what stands in a key file', () => {
    const secret = 'c2VjcmV0IGtleSBtYXRlcmlhbA==';
    const broken = `-----BEGIN PRIVATE KEY-----\n${secret}\n-----END PRIVATE KEY-----\n`;
    try {
      signerFromPem(broken, undefined, 'key.pem');
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError);
      expect(`${String(error)}${(error as Error).stack}${String((error as Error).cause)}`).not.toContain(secret);
    }
  });
});

describe('checkpoints', () => {
  it('give back what was written', () => {
    const root = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((b) => Buffer.from(b));
    fc.assert(
      fc.property(fc.nat(), root, (size, hash) => {
        const checkpoint = { origin: 'example.com/log', size, root: hash };
        expect(parseCheckpoint(encodeCheckpoint(checkpoint, []))).toMatchObject(checkpoint);
      }),
    );
  });

  it('are refused with leading zeros, short roots or another spelling of base64', () => {
    const good = checkpointText({ origin: 'a', size: 10, root: Buffer.alloc(32) });
    expect(parseCheckpoint(Buffer.from(good))).toBeDefined();
    for (const [from, to] of [
      ['10', '010'],
      ['10', '-1'],
      ['10', '1e1'],
      ['AAA=', 'AAB='],
      ['AAAA', ''],
      ['a\n', '\n'],
    ])
      expect(parseCheckpoint(Buffer.from(good.replace(from!, to!))), to).toBeUndefined();
    expect(fromBase64('AB==')).toBeUndefined();
    expect(fromBase64('AA==')).toEqual(Buffer.of(0));
  });
});
