// The store in memory keeps the contract of real ones: what it proves about the core holds for them.

import { storeContract } from '../archive/store-contract.ts';
import { memoryStore } from './memory-store.ts';

storeContract('memory', async () => memoryStore());
