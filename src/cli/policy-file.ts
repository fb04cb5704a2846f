// The policy that a command line names: a built-in one, or a file.

import { readFile } from 'node:fs/promises';
import { ConfigError } from '../errors.ts';
import { BUILT_IN_POLICIES } from '../policy/built-in/index.ts';
import { noPolicy } from '../policy/chosen.ts';
import { type LoadedPolicy, loadPolicy } from '../policy/load.ts';

/** No sensible policy is longer; a log given in its place is told apart early. */
const MAX_BYTES = 4 << 20;

/** Text of the built-in policy `name`, or of `none`. */
export function builtInText(name: string): string | undefined {
  return name === 'none' ? noPolicy.text : BUILT_IN_POLICIES.get(name);
}

/** Names that the config takes as well. */
export const BUILT_IN_NAMES: readonly string[] = ['none', ...BUILT_IN_POLICIES.keys()];

/**
 * Loads a policy by name or from a file. Throws ConfigError with all mistakes of it.
 * @param name a name of BUILT_IN_NAMES, or a path (`./default` is a file)
 */
export async function openPolicy(name: string, lenient: boolean): Promise<LoadedPolicy> {
  return loadPolicy(builtInText(name) ?? (await readText(name)), { lenient, name });
}

async function readText(file: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const what = code === 'ENOENT' ? 'no such file' : `can't be read: ${(error as Error).message}`;
    throw new ConfigError(`policy ${file}: ${what}`, {
      cause: error,
      hint: `name a Policy file, or one of ${BUILT_IN_NAMES.join(', ')}`,
    });
  }
  if (bytes.length > MAX_BYTES) throw new ConfigError(`policy ${file} has ${bytes.length} bytes: that is no policy`);
  return bytes.toString('utf8');
}
