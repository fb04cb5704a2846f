// The proof of one event, to be checked offline: a C2SP tlog-proof of its manifest, with the way from the event to the manifest in `extra`.

import { sha256Hex } from '../archive/hash.ts';
import { decodeManifest, type Manifest } from '../archive/manifest.ts';
import { fromBase64, toBase64 } from './base64.ts';
import { parseCheckpoint, type SignedCheckpoint } from './checkpoint.ts';
import { encodeEntry } from './entry.ts';
import { createFindings, type Findings } from './findings.ts';
import { checkNote } from './note.ts';
import { hashLeaf, rootFromInclusion } from './tree.ts';
import { KEY_TYPE, type Verifier } from './vkey.ts';

const HEADER = 'c2sp.org/tlog-proof@v1';
const FORMAT = 'auditkeep-event@v1';
const LIMIT = 64 << 20;

export interface EventProof {
  /** The line as it stands in the part, without its end. */
  readonly event: Buffer;
  readonly part: string;
  /** Number of the line in the part, from 0. */
  readonly line: number;
  /** From the line's leaf to the part's line root. */
  readonly linePath: readonly Buffer[];
  readonly manifestKey: string;
  /** As stored. */
  readonly manifest: Buffer;
  /** Number of the manifest's leaf in the log. */
  readonly index: number;
  readonly path: readonly Buffer[];
  readonly checkpoint: SignedCheckpoint;
}

/** The stored form: text, of which everything but `extra` is what any tlog-proof tool reads. */
export function encodeProof(proof: EventProof): Buffer {
  const extra = {
    format: FORMAT,
    event: toBase64(proof.event),
    part: proof.part,
    line: proof.line,
    linePath: proof.linePath.map(toBase64),
    manifestKey: proof.manifestKey,
    manifest: toBase64(proof.manifest),
  };
  const lines = [
    HEADER,
    `extra ${toBase64(Buffer.from(JSON.stringify(extra)))}`,
    `index ${proof.index}`,
    ...proof.path.map(toBase64),
    '',
    '',
  ];
  return Buffer.concat([Buffer.from(lines.join('\n')), proof.checkpoint.bytes]);
}

/** Reads a proof; undefined if it is none. */
export function parseProof(bytes: Buffer): EventProof | undefined {
  if (bytes.length > LIMIT) return undefined;
  const at = bytes.indexOf('\n\n');
  const [header, extraLine = '', indexLine = '', ...hashes] = bytes
    .subarray(0, Math.max(at, 0))
    .toString('utf8')
    .split('\n');
  const index = /^index (0|[1-9]\d{0,15})$/.exec(indexLine)?.[1];
  const checkpoint = parseCheckpoint(bytes.subarray(at + 2));
  const path = hashesOf(hashes);
  if (at < 0 || header !== HEADER || index === undefined || checkpoint === undefined || path === undefined)
    return undefined;
  try {
    const json = fromBase64(/^extra (\S+)$/.exec(extraLine)?.[1] ?? '')?.toString('utf8');
    const extra = JSON.parse(json ?? '') as Record<string, unknown>;
    const { part, line, manifestKey, linePath } = extra;
    const event = typeof extra['event'] === 'string' ? fromBase64(extra['event']) : undefined;
    const manifest = typeof extra['manifest'] === 'string' ? fromBase64(extra['manifest']) : undefined;
    const steps = Array.isArray(linePath) ? hashesOf(linePath.map(String)) : undefined;
    if (extra['format'] !== FORMAT || typeof part !== 'string' || typeof manifestKey !== 'string') return undefined;
    if (typeof line !== 'number' || event === undefined || manifest === undefined || steps === undefined)
      return undefined;
    return { event, part, line, linePath: steps, manifestKey, manifest, index: Number(index), path, checkpoint };
  } catch {
    return undefined;
  }
}

function hashesOf(texts: readonly string[]): Buffer[] | undefined {
  const hashes = texts.map(fromBase64);
  return hashes.every((hash) => hash?.length === 32) ? (hashes as Buffer[]) : undefined;
}

export interface CheckedProof {
  readonly findings: Findings;
  /** The manifest that the proof carries; absent when it can't be read. */
  readonly manifest?: Manifest;
  readonly signedBy: readonly string[];
}

/** Follows the proof from the event to the signature. Needs nothing but the proof and the key. */
export function checkProof(proof: EventProof, verifiers: readonly Verifier[]): CheckedProof {
  const findings = createFindings();
  const { checkpoint } = proof;
  let manifest: Manifest | undefined;
  try {
    manifest = decodeManifest(proof.manifest);
  } catch {
    findings.tampered('manifest-damaged', 'the manifest in the proof is none');
  }
  const part = manifest?.parts.find(({ key }) => key === proof.part);
  if (manifest !== undefined && part === undefined)
    findings.tampered('part-unlisted', `the manifest does not list ${proof.part}`);
  if (part !== undefined) {
    const root = rootFromInclusion(hashLeaf(proof.event), proof.line, part.lines, proof.linePath);
    if (root?.toString('hex') !== part.lineRoot)
      findings.tampered('event-differs', 'the event does not lead to the line root of its part');
  }
  if (manifest !== undefined && proof.manifestKey !== `ledger/cluster=${manifest.cluster}/${manifest.name}.json`)
    findings.tampered('manifest-differs', `the manifest calls itself ${manifest.cluster}/${manifest.name}`);
  const leaf = hashLeaf(encodeEntry({ key: proof.manifestKey, sha256: sha256Hex(proof.manifest) }));
  if (rootFromInclusion(leaf, proof.index, checkpoint.size, proof.path)?.equals(checkpoint.root) !== true)
    findings.tampered('manifest-differs', 'the manifest does not lead to the root of the checkpoint');
  const keys = verifiers.filter((key) => key.type !== KEY_TYPE.cosignature);
  const { good, bad } = checkNote(checkpoint.note, verifiers);
  const signers = checkpoint.note.signatures.map(({ name, keyId }) => `${name}+${keyId}`).join(', ');
  if (bad.length > 0) findings.tampered('signature-wrong', 'the signature of the checkpoint is wrong');
  else if (signers === '') findings.unverifiable('unsigned', 'the checkpoint in the proof is not signed');
  else if (keys.length === 0)
    findings.unverifiable('no-key', `the checkpoint is signed by ${signers}, and no key was given (--key)`);
  else if (!good.some((key) => keys.includes(key)))
    findings.unverifiable('key-unknown', `the checkpoint is signed by ${signers}, and by none of the given keys`);
  return { findings, ...(manifest !== undefined && { manifest }), signedBy: good.map((key) => key.vkey) };
}
