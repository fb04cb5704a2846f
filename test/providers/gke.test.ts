// The GKE provider against the Cloud Logging emulator.

import { providerContract } from './contract.ts';
import { startGke } from './gke-harness.ts';

providerContract({ name: 'gke', start: startGke, burst: 2100 });
