import type { Run } from './io.ts';
export const collect: Run = async () => 1;
export const backfill: Run = async () => 1;
