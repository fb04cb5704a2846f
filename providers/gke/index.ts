// Provider `gke`: audit events of Google Kubernetes Engine clusters, from Cloud Logging.

import type { Provider } from '../../src/provider.ts';
import { decode } from './decode.ts';
import { readExport } from './export.ts';
import { type GkeOptions, optionsSchema } from './options.ts';
import { connect } from './source.ts';

export type { GkeOptions } from './options.ts';

export const provider: Provider<GkeOptions> = {
  name: 'gke',
  // Cloud Logging names the user and nothing else of them
  groups: 'unknown',
  options: optionsSchema,
  // the form loses too much to be left behind by everybody
  keepsRaw: (options) => options.keepRaw,
  connect,
  decode,
  readExport,
};
