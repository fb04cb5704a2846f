// Temporary folders for tests of what spills.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { createBudget } from '../../src/archive/budget.ts';
import { createScratch, type Scratch } from '../../src/archive/spool.ts';

/** A scratch with a budget of so many bytes; removed when the test is over. */
export function scratchOf(bytes: number): Scratch & { readonly directory: string } {
  const directory = mkdtempSync(join(tmpdir(), 'scratch-test-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return { ...createScratch(directory, createBudget(bytes)), directory };
}

/** A scratch whose files can't be written. */
export function brokenScratch(): Scratch {
  return createScratch('/nonexistent/folder', createBudget(0));
}

/** What a run with such a scratch says. */
export const UNKEPT = expect.objectContaining({
  message: expect.stringMatching(/temporary file.*: ENOENT$/) as string,
  hint: expect.stringContaining('TMPDIR') as string,
}) as Error;
