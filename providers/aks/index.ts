// Provider `aks`: audit events of Azure Kubernetes Service, from Log Analytics; records of storage accounts and Event Hubs as files.

import type { Provider } from '../../src/provider.ts';
import { decode } from './decode.ts';
import { readExport } from './export.ts';
import { optionsSchema, type AksOptions } from './options.ts';
import { connect } from './source.ts';

export type { AksOptions } from './options.ts';

export const provider: Provider<AksOptions> = { name: 'aks', options: optionsSchema, connect, decode, readExport };
