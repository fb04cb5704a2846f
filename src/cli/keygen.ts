// `auditkeep keygen`: makes a signing key and prints its public half.

import { open } from 'node:fs/promises';
import { AuditkeepError, ConfigError, EXIT } from '../errors.ts';
import { DEFAULT_NAME, generateKey } from '../integrity/signer.ts';
import type { Run } from './io.ts';

interface KeygenOptions {
  out: string;
  name?: string;
}

export const keygen: Run<KeygenOptions> = async (cli) => {
  const { out, name } = cli.options;
  const { pem, vkey } = generateKey(name ?? DEFAULT_NAME);
  try {
    // never over another key, and readable by its owner alone from the first moment
    const file = await open(out, 'wx', 0o600);
    try {
      await file.writeFile(pem);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST')
      throw new ConfigError(`${out} exists already; it was not touched`, { hint: 'name another file with --out' });
    throw new AuditkeepError(`the key can't be written to ${out}: ${(error as Error).message}`, { cause: error });
  }
  if (cli.options.output === 'json') await cli.out.json({ key: out, vkey });
  else await cli.out.line(vkey);
  cli.tell(
    `the private key is in ${out}: set integrity.key to it where sealing runs, and nowhere else.\nThe line above is its public half: give it to whoever verifies (integrity.verifiers, or verify --key).`,
  );
  return EXIT.done;
};
