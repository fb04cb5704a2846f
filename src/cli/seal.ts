// `auditkeep seal`, and what `collect` does at its end: adds what is new in the ledger to the signed log.

import { EXIT } from '../errors.ts';
import { seal as runSeal, type Sealed } from '../integrity/seal.ts';
import { parseVkey } from '../integrity/vkey.ts';
import { toBase64 } from '../integrity/base64.ts';
import type { Log } from '../log.ts';
import { type SealSettings, withSealing } from './integrity-of.ts';
import type { Cli, Run } from './io.ts';
import { type OpenRun, withRun } from './open-run.ts';
import { formatCount } from './output.ts';

interface SealOptions {
  anchor?: string;
  announce?: string;
  origin?: string;
}

export const UNSIGNED =
  'the log is not signed: whoever can write to the archive can rewrite it. Make a key with "auditkeep keygen" and set integrity.key';

export const seal: Run<SealOptions> = (cli) =>
  withRun(cli as Cli, async (run) => {
    const { anchor, announce, origin } = cli.options;
    const integrity = { ...run.config.integrity, ...(anchor !== undefined && { anchor }) };
    const sealed = await sealRun({
      ...settingsOf(cli, run),
      integrity,
      ...(announce !== undefined && { announce: parseVkey(announce) }),
      ...(origin !== undefined && { origin }),
    });
    if (cli.options.output === 'json') await cli.out.json(sealJson(sealed));
    else await cli.out.line(inWords(sealed));
    if (sealed !== undefined && !sealed.signed) cli.tell(UNSIGNED);
    for (const why of sealed?.refused ?? []) cli.tell(`not sealed: ${why}`);
    for (const why of sealed?.unwitnessed ?? []) cli.tell(why);
    return sealCode(sealed);
  });

export const settingsOf = (cli: Cli, run: OpenRun): SealSettings => ({
  store: run.store,
  integrity: run.config.integrity,
  s3: run.config.s3,
  env: cli.env,
  log: run.log,
  signal: cli.signal,
});

/** Seals; undefined when there is nothing at all to seal. */
export const sealRun = (settings: SealSettings): Promise<Sealed | undefined> => withSealing(settings, runSeal);

/** The end of a collecting run. Gives its exit code: what was collected stays, whatever happens here. */
export async function sealAfter(settings: SealSettings, log: Log): Promise<number> {
  const sealed = await sealRun(settings);
  if (sealed === undefined) return EXIT.done;
  if (!sealed.signed) log.warn({}, UNSIGNED);
  for (const why of sealed.refused) log.error({}, `not sealed: ${why}`);
  log.info({ added: sealed.added, leaves: sealed.checkpoint.size }, 'sealed');
  return sealCode(sealed);
}

const sealCode = (sealed: Sealed | undefined): number =>
  (sealed?.refused.length ?? 0) > 0 ? EXIT.tampered : EXIT.done;

function sealJson(sealed: Sealed | undefined): object {
  if (sealed === undefined) return { added: 0, size: 0 };
  const { checkpoint, added, signed, refused, unwitnessed } = sealed;
  const { origin, size, root, note } = checkpoint;
  const signedBy = note.signatures.map(({ name, keyId }) => `${name}+${keyId}`);
  return { added, origin, size, root: toBase64(root), signed, signedBy, refused, unwitnessed };
}

function inWords(sealed: Sealed | undefined): string {
  if (sealed === undefined) return 'the ledger is empty: nothing to seal';
  const { added, checkpoint, signed } = sealed;
  const what = added === 0 ? 'nothing new' : `${formatCount(added)} new`;
  return `${what}; the log ${checkpoint.origin} has ${formatCount(checkpoint.size)} leaves, ${signed ? 'signed' : 'UNSIGNED'}, root ${toBase64(checkpoint.root)}`;
}
