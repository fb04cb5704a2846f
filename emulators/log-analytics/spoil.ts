// What ordered faults do to a good result.

import type { FaultKind } from './fault.ts';
import type { Result } from './kql-run.ts';

/** Changes the result as ordered. */
export function spoil(kind: FaultKind | undefined, { columns, rows }: Result): Result {
  const names = columns.map(({ name }) => name);
  const change = (name: string, value: string | null): Result => {
    const at = names.indexOf(name);
    if (at < 0 || rows.length === 0) return { columns, rows };
    return { columns, rows: rows.map((row, i) => (i > 0 ? row : row.toSpliced(at, 1, value))) };
  };
  if (kind === 'null-ingestion-time') return change('Arrival', '');
  if (kind === 'other-cluster')
    return change(
      '_ResourceId',
      '/subscriptions/0/resourcegroups/x/providers/microsoft.containerservice/managedclusters/other',
    );
  if (kind === 'other-category') return change('Category', 'kube-apiserver');
  return { columns, rows };
}
