// The AKS provider against the Log Analytics emulator.

import { providerContract } from './contract.ts';
import { startAks } from './aks-harness.ts';

providerContract({ name: 'aks, AKSAudit', start: (times) => startAks(times, 'AKSAudit') });
providerContract({ name: 'aks, AzureDiagnostics', start: (times) => startAks(times, 'AzureDiagnostics') });
