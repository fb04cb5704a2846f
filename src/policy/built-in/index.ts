// Policies that `policy:` in the config can name.

import { defaultPolicy } from './default.ts';
import { productionPolicy } from './production.ts';
import { stagingPolicy } from './staging.ts';

/** Texts of the built-in policies by name; every one is a file that kube-apiserver would take. */
export const BUILT_IN_POLICIES: ReadonlyMap<string, string> = new Map([
  ['default', defaultPolicy],
  ['production', productionPolicy],
  ['staging', stagingPolicy],
]);
