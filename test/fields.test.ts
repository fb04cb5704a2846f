// docs/fields.md is what docs/fields.ts makes today: a change of a decoder shows in the documentation.

import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { fieldsDocument } from '../docs/fields.ts';

it('docs/fields.md is up to date (if not: node docs/fields.ts)', () => {
  const text = fieldsDocument();
  expect(text).toBe(readFileSync(new URL('../docs/fields.md', import.meta.url), 'utf8'));
  // EKS and audit.log hand out the very Event
  expect(text).toMatch(/\| `requestObject` \| exact \| exact \|/);
});
