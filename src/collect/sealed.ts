// What was sealed is never collected again: a window whose manifest the log names, and the ledger lacks, was taken away.

import { clusterKey, dayStart, DAY, manifestKey, recheckName, windowName } from '../archive/keys.ts';
import { TamperError } from '../errors.ts';
import type { Span } from '../provider.ts';
import type { Plan, Scan } from './plan.ts';

const lost = (key: string): TamperError =>
  new TamperError(`${key} was sealed and is gone; it is not collected again`, {
    hint: `restore ${key} and what it lists from a copy or earlier versions of the objects; "auditkeep verify" names all that is missing`,
  });

/** An outcome that is a failure. */
export interface Refused {
  readonly name: string;
  readonly span: Span;
  readonly error: TamperError;
}

/** Throws TamperError when a cluster was begun before, as the log knows, and its cluster.json is gone. */
export function checkBegun(cluster: string, sealed: ReadonlySet<string>): void {
  if (sealed.has(clusterKey(cluster))) throw lost(clusterKey(cluster));
}

/** The plan without what was sealed already, and a failure for each of these. The rest of a split scan stays as it was. */
export function withoutSealed(
  plan: Plan,
  cluster: string,
  sealed: ReadonlySet<string>,
): { readonly plan: Plan; readonly refused: readonly Refused[] } {
  const refused: Refused[] = [];
  const scans: Scan[] = [];
  for (const scan of plan.scans) {
    let windows: Scan['windows'][number][] = [];
    const flush = () => {
      if (windows.length > 0) scans.push({ ...scan, windows });
      windows = [];
    };
    for (const span of scan.windows) {
      const name = windowName(span);
      if (!sealed.has(manifestKey(cluster, name))) {
        windows.push(span);
        continue;
      }
      // a scan reads consecutive windows
      flush();
      refused.push({ name, span, error: lost(manifestKey(cluster, name)) });
    }
    flush();
  }
  const rechecks = plan.rechecks.filter((date) => {
    const name = recheckName(date);
    if (!sealed.has(manifestKey(cluster, name))) return true;
    const span = { from: dayStart(date), to: dayStart(date) + DAY };
    refused.push({ name, span, error: lost(manifestKey(cluster, name)) });
    return false;
  });
  return { plan: { ...plan, scans, rechecks }, refused };
}
