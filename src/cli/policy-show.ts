// `auditkeep policy show`: prints a built-in policy, to read it or to begin one's own with.

import { ConfigError, EXIT } from '../errors.ts';
import type { Run } from './io.ts';
import { BUILT_IN_NAMES, builtInText } from './policy-file.ts';

export const policyShow: Run = async (cli, name = '') => {
  const text = builtInText(name);
  if (text === undefined)
    throw new ConfigError(`"${name}" is no built-in policy`, { hint: `there are ${BUILT_IN_NAMES.join(', ')}` });
  await cli.out.write(text);
  return EXIT.done;
};
