// Options of redaction: which paths of which objects, and whether users become pseudonyms.

import * as z from 'zod';

/** One step into a body: a member by name, any member, any element. */
export type Step = { readonly name: string } | 'any-member' | 'any-element';

/** `data.*`, `spec.containers[*].env[*].value`, `metadata.annotations["example.com/a.b"]` as steps; undefined if the text is none. */
export function parsePath(text: string): readonly Step[] | undefined {
  const steps: Step[] = [];
  const step = /\.?(?:([^.[\]"*\s]+)|(\*)|(\[\*\])|\[("(?:[^"\\]|\\.)*")\])/y;
  while (step.lastIndex < text.length) {
    // a dot stands between steps, not before the first, and not before a bracket
    const dot = text[step.lastIndex] === '.';
    const found = step.exec(text);
    if (found === null) return undefined;
    const bracket = found[3] !== undefined || found[4] !== undefined;
    if (dot !== (steps.length > 0 && !bracket)) return undefined;
    if (found[2] !== undefined) steps.push('any-member');
    else if (found[3] !== undefined) steps.push('any-element');
    else if (found[4] !== undefined) steps.push({ name: JSON.parse(found[4]) as string });
    else steps.push({ name: found[1]! });
  }
  return steps.length === 0 ? undefined : steps;
}

const path = z.string().transform((text, context) => {
  const steps = parsePath(text);
  if (steps !== undefined) return steps;
  context.addIssue({
    code: 'custom',
    message: `expected a path such as data.*, spec.containers[*].env[*].value or metadata.annotations["a.b/c"], found "${text}"`,
  });
  return z.NEVER;
});

export const redactSchema = z.strictObject({
  /** Values to leave out of request and response bodies. */
  paths: z
    .array(
      z.strictObject({
        /** API group, '' = core; absent = any. */
        group: z.string().optional(),
        /** Plural name as in URLs; absent = any. */
        resource: z.string().min(1).optional(),
        /** From the object on; for lists and Tables the same path counts in each item. */
        path,
      }),
    )
    .default([]),
  /** User names become `hmac:` and 32 hex digits, the same for the same name and key. */
  users: z
    .strictObject({
      /** Whoever has it can find out who a pseudonym is, by trying names: keep it out of the config file. */
      key: z.string().min(32, { error: 'a key has at least 32 characters; openssl rand -hex 32 makes one' }),
      /** Also `system:` users: nodes, controllers, service accounts. */
      system: z.boolean().optional(),
    })
    .optional(),
});

export type RedactConfig = z.infer<typeof redactSchema>;
