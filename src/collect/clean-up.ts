// The end of a run: strays are removed, its own and those of killed ones, of which their marks tell (docs/decisions/0012).

import { randomBytes } from 'node:crypto';
import { DAY, dateOf, type ManifestName, markKey, parseMarkKey } from '../archive/keys.ts';
import { sha256Hex } from '../archive/hash.ts';
import { holds, type Ledger } from '../archive/ledger.ts';
import type { Manifest } from '../archive/manifest.ts';
import type { Store } from '../archive/store/store.ts';
import { scopesOfDates, scopesSince, sweep } from '../archive/sweep.ts';
import { AuthError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Clock } from './clock.ts';

/** A mark this old, milliseconds, is that of a run that was killed: others are renewed. */
const DEAD_AFTER = DAY;
const RENEWED_AFTER = DEAD_AFTER / 2;
/** What has waited for so long for its manifest, milliseconds, belongs to no window that is planned. */
const GIVEN_UP_AFTER = 30 * DAY;

/** Says in the archive that this run puts what no later recheck would find if it was killed. */
export interface Mark {
  /** What was marked: nothing, or one key, or more where the run lasted long. */
  readonly keys: ReadonlySet<string>;
  /** Resolves when a mark is durable. To be awaited before each such thing is put; the first call puts it, later ones renew it. */
  put(): Promise<void>;
}

export function createMark(cluster: string, store: Store, clock: Clock, version: string): Mark {
  const keys = new Set<string>();
  let last: { readonly at: number; readonly put: Promise<unknown> } | undefined;
  return {
    keys,
    async put() {
      const at = clock.host();
      if (last === undefined || at - last.at > RENEWED_AFTER) {
        const key = markKey(cluster, at, randomBytes(8).toString('hex'));
        keys.add(key);
        const body = Buffer.from(`${JSON.stringify({ format: 1, by: version })}\n`);
        const options = { ifAbsent: true, sha256: sha256Hex(body), contentType: 'application/json' };
        last = { at, put: store.put(key, body, options) };
      }
      const { put } = last;
      try {
        await put;
      } catch (error) {
        // what comes later may try again
        if (last?.put === put) last = undefined;
        throw error;
      }
    },
  };
}

export interface CleanUpDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly ledger: Ledger;
  /** Manifests this run holds. */
  readonly manifests: ReadonlyMap<string, Manifest>;
  /** Days whose folders this run wrote to. */
  readonly touched: ReadonlySet<string>;
  readonly mark: Mark;
  /** Everything that this run began is committed. */
  readonly complete: boolean;
}

/**
 * Removes strays of the days this run wrote to and of the last two days, where a run may have been killed before it did so itself;
 * and all strays of the cluster as long as the mark of another run stands.
 */
export async function cleanUp(cluster: string, deps: CleanUpDeps): Promise<void> {
  const { store, clock, log, ledger, manifests, mark } = deps;
  const days = [...new Set([...ledger.windows.values()].map((span) => dateOf(span.from)))].sort();
  const recent = days.at(-2) ?? days.at(-1);
  if (recent === undefined) return;
  const sweeping = {
    store,
    cluster,
    isCommitted: (name: ManifestName) => holds(ledger, name) || manifests.has(name.name),
    known: (name: string) => manifests.get(name),
    log,
  };
  const older = [...deps.touched].filter((date) => date < recent);
  const scopes = [...scopesSince(cluster, recent), ...scopesOfDates(cluster, older)];
  const { marks } = await sweep(scopes, { ...sweeping, opens: 'no others' });
  const others = [...new Set(marks)].filter((key) => !mark.keys.has(key));
  if (others.length > 0) {
    log.info({ cluster, marks: others }, 'a run was broken off or is at work: looking for what it left behind');
    const { waiting } = await sweep(scopesSince(cluster, ''), { ...sweeping, opens: 'rechecks' });
    // what waits for its manifest may be a stray when that comes
    const before = clock.host() - (waiting === 0 ? DEAD_AFTER : GIVEN_UP_AFTER);
    for (const key of others) if (parseMarkKey(key)! < before) await removeMark(key, store);
  }
  if (deps.complete) for (const key of mark.keys) await removeMark(key, store);
}

async function removeMark(key: string, store: Store): Promise<void> {
  try {
    await store.delete(key);
  } catch (error) {
    // such a role removes no strays either
    if (!(error instanceof AuthError)) throw error;
  }
}
