// The table of what each cloud gives says what the code does.

import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { eventFields } from '../../docs/build-event-fields.ts';

it('docs/event-fields.md is what docs/build-event-fields.ts writes: run it after a change of a provider', async () => {
  const written = readFileSync(new URL('../../docs/event-fields.md', import.meta.url), 'utf8');
  expect(written).toBe(await eventFields());
});
