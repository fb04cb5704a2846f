// Provider `eks`: audit events of Amazon EKS clusters, from CloudWatch Logs.

import type { Provider } from '../../src/provider.ts';
import { decode } from './decode.ts';
import { readExport } from './export.ts';
import { optionsSchema, type EksOptions } from './options.ts';
import { connect } from './source.ts';

export type { EksOptions } from './options.ts';

export const provider: Provider<EksOptions> = { name: 'eks', options: optionsSchema, connect, decode, readExport };
