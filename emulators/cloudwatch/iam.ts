// Access control: an IAM policy document, and whether it allows an action on a resource.

export interface Statement {
  readonly Effect: 'Allow' | 'Deny';
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Sid?: string;
}

/** A policy document as it stands in the docs; conditions are not understood and refused. */
export interface PolicyDocument {
  readonly Version?: string;
  readonly Statement: Statement | readonly Statement[];
}

const list = <T>(value: T | readonly T[]): readonly T[] => (Array.isArray(value) ? value : [value as T]);

function matches(pattern: string, text: string, ignoreCase: boolean): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, ignoreCase ? 'is' : 's').test(text);
}

/** Deny wins over Allow; what no statement names is refused. */
export function allows(policy: PolicyDocument, action: string, resource: string): boolean {
  let allowed = false;
  for (const statement of list<Statement>(policy.Statement)) {
    const unknown = Object.keys(statement).find((key) => !['Sid', 'Effect', 'Action', 'Resource'].includes(key));
    if (unknown !== undefined) throw new RangeError(`this emulator doesn't understand ${unknown} in a policy`);
    const hit =
      list(statement.Action).some((pattern) => matches(pattern, action, true)) &&
      list(statement.Resource).some((pattern) => matches(pattern, resource, false));
    if (hit && statement.Effect === 'Deny') return false;
    if (hit) allowed = true;
  }
  return allowed;
}
