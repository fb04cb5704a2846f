import type { Run } from './io.ts';
export const plan: Run = async () => 1;
