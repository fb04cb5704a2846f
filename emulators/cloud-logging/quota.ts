// The quota of read calls that all readers of a project share: so many a minute, and a new minute begins with all of them.

const MINUTE = 60_000;

/** @param now milliseconds of a steady clock */
export function createQuota(perMinute: number | undefined, now: () => number) {
  let limit = perMinute;
  let others = 0;
  const used = new Map<string, { readonly minute: number; calls: number }>();
  return {
    setLimit(next: number | undefined): void {
      limit = next;
      used.clear();
    },
    /** Calls a minute that other readers of the project make all the time. */
    setOthers(next: number): void {
      others = next;
    },
    /** False: the call is refused. Refused calls don't count. */
    admit(project: string): boolean {
      if (limit === undefined) return true;
      const minute = Math.floor(now() / MINUTE);
      let count = used.get(project);
      if (count?.minute !== minute) used.set(project, (count = { minute, calls: 0 }));
      if (count.calls >= limit - others) return false;
      count.calls++;
      return true;
    },
  };
}
