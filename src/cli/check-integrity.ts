// Checks what sealing and verifying need: key, verifiers, memory of this machine, anchor.

import { stat } from 'node:fs/promises';
import { codeOf } from '../archive/store/file-errors.ts';
import type { Store } from '../archive/store/store.ts';
import { type IntegrityOptions, stateFolder } from '../config.ts';
import { checkMissingFolder, writableFolder } from './check-folder.ts';
import { counted, fail, failed, ok, type Point, type Report, reportOf, warn } from './check-point.ts';
import { openSigner, trustedOf } from './integrity-of.ts';

/** No checkpoint has this form, so the signature is good for nothing. */
const TRIAL = 'auditkeep check\n';

export interface IntegrityDeps {
  readonly integrity: IntegrityOptions;
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
  /** Opens the anchor. */
  open(url: string): Promise<Store>;
}

export async function checkIntegrity(deps: IntegrityDeps): Promise<Report> {
  const points = [await keyPoint(deps), ...verifierPoints(deps), await statePoint(deps), ...(await anchorPoints(deps))];
  return reportOf('integrity', deps.integrity.key ?? '(no key)', points);
}

async function keyPoint({ integrity, signal }: IntegrityDeps): Promise<Point> {
  const { key } = integrity;
  if (key === undefined)
    return warn(
      'key',
      'integrity.key is not set: the log is built, but not signed, and "auditkeep verify" will exit 5',
      'auditkeep keygen --name acme.example/audit, then set integrity.key; docs/integrity.md',
    );
  try {
    const signer = await openSigner(integrity);
    await signer!.sign(TRIAL);
    const { name, keyId } = signer!.verifier;
    const open = key.startsWith('awskms://') ? 0 : (await stat(key)).mode & 0o007;
    if (open !== 0)
      return warn('key', `${name}+${keyId} can sign, but every user of this host may read ${key}`, `chmod 600 ${key}`);
    return ok('key', `${name}+${keyId} can sign`);
  } catch (error) {
    return failed('key', error, signal);
  }
}

function verifierPoints({ integrity, signal }: IntegrityDeps): Point[] {
  try {
    const trusted = trustedOf(integrity);
    return trusted.length === 0 ? [] : [ok('verifiers', `${counted(trusted.length, 'public key')} trusted`)];
  } catch (error) {
    return [failed('verifiers', error, signal)];
  }
}

async function statePoint({ integrity, env }: IntegrityDeps): Promise<Point> {
  const folder = integrity.state ?? stateFolder(env);
  const why = 'it remembers the newest checkpoint, so that a log that was cut is noticed';
  if (folder === undefined)
    return warn('state', `no folder is known for what this machine saw last: ${why}`, 'set integrity.state, or HOME');
  try {
    const there = await writableFolder(folder);
    return ok('state', there === folder ? `${folder} can be written` : `${folder} can be made when it is needed`);
  } catch (error) {
    return fail(
      'state',
      `${folder} can't be written (${codeOf(error) ?? (error as Error).message}): ${why}`,
      'set integrity.state to a folder that this user may write; verify --no-state remembers nothing',
    );
  }
}

async function anchorPoints({ integrity, signal, open }: IntegrityDeps): Promise<Point[]> {
  const { anchor } = integrity;
  if (anchor === undefined) return [];
  const inBucket = anchor.startsWith('s3://');
  const missing = inBucket ? undefined : await checkMissingFolder('anchor', anchor, 'integrity.anchor', signal);
  if (missing !== undefined) return [missing];
  let store: Store | undefined;
  try {
    store = await open(anchor);
    await store.list('checkpoints/')[Symbol.asyncIterator]().next();
    return [ok('anchor', `${anchor} answers and may be listed (writing isn't tried: what goes there stays)`)];
  } catch (error) {
    return [failed('anchor', error, signal)];
  } finally {
    await store?.close();
  }
}
