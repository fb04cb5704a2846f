// Registry of providers: name → lazy import, so that only the SDKs of the clusters in the config are loaded.

import type { Registry } from '../src/provider.ts';

export const registry: Registry = {
  aks: async () => (await import('./aks/index.ts')).provider,
  eks: async () => (await import('./eks/index.ts')).provider,
  gke: async () => (await import('./gke/index.ts')).provider,
  kube: async () => (await import('./kube/index.ts')).provider,
};
