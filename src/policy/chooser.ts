// The policies that a config names, each by a built-in name or as a file.

import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { ConfigError } from '../errors.ts';
import { BUILT_IN_POLICIES } from './built-in/index.ts';
import { type ChosenPolicy, chosenPolicy, noPolicy } from './chosen.ts';

/**
 * Loads the policies that a config names, each once; what is wrong with one goes to `errors` under the option’s path.
 * @param folder relative files count from here
 */
export function policyChooser(folder: string, errors: string[]) {
  const loaded = new Map<string, Promise<ChosenPolicy | ConfigError>>();
  return async (path: string, name: string): Promise<ChosenPolicy | undefined> => {
    if (!loaded.has(name))
      loaded.set(
        name,
        choosePolicy(name, folder).catch((error: unknown) => error as ConfigError),
      );
    const found = await loaded.get(name)!;
    if (!(found instanceof Error)) return found;
    errors.push(`${path}: ${found.message.replaceAll('\n', '\n  ')}`);
    return undefined;
  };
}

async function choosePolicy(name: string, folder: string): Promise<ChosenPolicy> {
  if (name === 'none') return noPolicy;
  const builtIn = BUILT_IN_POLICIES.get(name);
  if (builtIn !== undefined) return chosenPolicy(name, builtIn);
  let bytes: Buffer;
  try {
    bytes = await readFile(resolve(folder, name));
  } catch (error) {
    throw new ConfigError(
      `"${name}" is none of none, ${[...BUILT_IN_POLICIES.keys()].join(', ')}, and no file that can be read (${(error as NodeJS.ErrnoException).code})`,
      { cause: error },
    );
  }
  return chosenPolicy(name, bytes.toString('utf8'));
}
