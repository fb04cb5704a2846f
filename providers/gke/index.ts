// Provider `gke`: audit events of Google Kubernetes Engine clusters, from Cloud Logging.

import type { Provider } from '../../src/provider.ts';
import { decode } from './decode.ts';
import { readExport } from './export.ts';
import { type GkeOptions, optionsSchema } from './options.ts';
import { connect } from './source.ts';

export type { GkeOptions } from './options.ts';

export const provider: Provider<GkeOptions> = { name: 'gke', options: optionsSchema, connect, decode, readExport };
