// The EKS provider against the CloudWatch emulator.

import { providerContract } from './contract.ts';
import { startEks } from './eks-harness.ts';

providerContract({ name: 'eks', start: startEks });
