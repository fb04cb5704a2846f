import type { Run } from './io.ts';
export const status: Run = async () => 1;
