// Finds events in a sealed archive and builds their proofs.

import { createGunzip, createZstdDecompress } from 'node:zlib';
import { sha256Hex } from '../archive/hash.ts';
import { manifestOfLedgerKey } from '../archive/keys.ts';
import { decodeManifest, type EventPart } from '../archive/manifest.ts';
import type { Store } from '../archive/store/store.ts';
import { AuditkeepError, EXIT, TamperError } from '../errors.ts';
import type { Span } from '../provider.ts';
import { clusterOfKey, entryKind } from './entry.ts';
import type { EventProof } from './proof.ts';
import { logOf, readCheckpoint, readEntries } from './read-log.ts';
import { buildTree, hashLeaf, inclusionProof, rootOf } from './tree.ts';
import { inScope } from './verify-ledger.ts';

export interface ProveInput {
  readonly store: Store;
  /** Audit ids that are looked for. An id may belong to several events: one a stage. */
  readonly ids: ReadonlySet<string>;
  /** Whole lines that are looked for, byte for byte. */
  readonly lines: ReadonlySet<string>;
  isWanted(cluster: string): boolean;
  /** Arrival times that are searched. */
  readonly range?: Span;
  readonly signal: AbortSignal;
  onProgress?(done: number, of: number): void;
}

class NotSealedError extends AuditkeepError {
  override readonly name = 'NotSealedError';
  override readonly exitCode = EXIT.cannotVerify;
}

/** Proofs as they are found; searches all sealed parts in scope. Throws TamperError for parts that aren't what was sealed. */
export async function* prove(input: ProveInput): AsyncGenerator<EventProof & { readonly id?: string }> {
  const { store, signal } = input;
  const stored = await readCheckpoint(store);
  if (stored === undefined)
    throw new NotSealedError(`${store.url}: there is no log to prove anything with`, {
      hint: 'seal the archive first: auditkeep seal',
    });
  const { checkpoint } = stored;
  const { entries, tree } = logOf(await readEntries(store, checkpoint.size), store.url);
  if (!rootOf(tree).equals(checkpoint.root))
    throw new TamperError(`${store.url}: the entries of the log do not give the root of its checkpoint`);
  const wanted = entries.flatMap((entry, index) => {
    const name = entryKind(entry.key) === 'manifest' ? manifestOfLedgerKey(entry.key) : undefined;
    if (name === undefined || !input.isWanted(clusterOfKey(entry.key)!) || !inScope(name, input.range)) return [];
    return [{ ...entry, index }];
  });
  for (const [done, { key, sha256, index }] of wanted.entries()) {
    signal.throwIfAborted();
    input.onProgress?.(done, wanted.length);
    const manifest = (await store.get(key))?.bytes;
    if (manifest === undefined || sha256Hex(manifest) !== sha256)
      throw new TamperError(`${store.url}: ${key} is ${manifest === undefined ? 'gone' : 'not what was sealed'}`);
    for (const part of decodeManifest(manifest).parts) {
      const { found, leaves } = await search(input, part);
      if (found.length === 0) continue;
      const lines = buildTree(leaves);
      if (rootOf(lines).toString('hex') !== part.lineRoot)
        throw new TamperError(`${store.url}: ${part.key} is not what was sealed`);
      for (const { line, event, id } of found)
        yield {
          event,
          part: part.key,
          line,
          linePath: inclusionProof(lines, line),
          manifestKey: key,
          manifest,
          index,
          path: inclusionProof(tree, index),
          checkpoint,
          ...(id !== undefined && { id }),
        };
    }
  }
}

interface Found {
  readonly line: number;
  readonly event: Buffer;
  readonly id?: string;
}

async function search(
  { store, ids, lines }: ProveInput,
  part: EventPart,
): Promise<{ found: Found[]; leaves: Buffer[] }> {
  const stream = await store.read(part.key);
  if (stream === undefined) throw new TamperError(`${store.url}: ${part.key} is gone`);
  const inflate = stream.pipe(
    part.key.endsWith('.zst') ? createZstdDecompress() : createGunzip({ chunkSize: 1 << 20 }),
  );
  stream.on('error', (error: Error) => inflate.destroy(error));
  const found: Found[] = [];
  const leaves: Buffer[] = [];
  const take = (event: Buffer) => {
    const id = ids.size === 0 ? undefined : auditIdOf(event, ids);
    if (id !== undefined || (lines.size > 0 && lines.has(event.toString('utf8'))))
      found.push({ line: leaves.length, event: Buffer.from(event), ...(id !== undefined && { id }) });
    leaves.push(hashLeaf(event));
  };
  let rest = Buffer.alloc(0);
  try {
    for await (const chunk of inflate as AsyncIterable<Buffer>) {
      const content = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let at = 0;
      for (let end = content.indexOf(10); end >= 0; end = content.indexOf(10, at)) {
        take(content.subarray(at, end));
        at = end + 1;
      }
      rest = Buffer.from(content.subarray(at));
    }
  } catch (error) {
    if (error instanceof AuditkeepError) throw error;
    throw new TamperError(`${store.url}: ${part.key} can't be read: ${(error as Error).message}`, { cause: error });
  }
  return { found, leaves };
}

/** The event's own audit id, if it is one that is looked for. */
function auditIdOf(event: Buffer, ids: ReadonlySet<string>): string | undefined {
  // most lines are no match: a look at the text spares parsing them
  const mentioned = [...event.toString('latin1').matchAll(/"auditID"\s*:\s*"([^"\\]*)"/g)].some((m) => ids.has(m[1]!));
  if (!mentioned) return undefined;
  try {
    const { auditID } = JSON.parse(event.toString('utf8')) as { auditID?: unknown };
    return typeof auditID === 'string' && ids.has(auditID) ? auditID : undefined;
  } catch {
    return undefined;
  }
}
