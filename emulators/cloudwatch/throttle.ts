// The quota of calls per second that all readers of an account and region share, in real time.

/** Calls per second by action; absent = no limit. */
export type Limits = Readonly<Record<string, number>>;

/** A token bucket for each account, region and action: holds one second's calls. */
export function createThrottle(limits: Limits, now: () => number) {
  let current = limits;
  const others = new Map<string, number>();
  const buckets = new Map<string, { level: number; at: number }>();
  return {
    setLimits(next: Limits): void {
      current = next;
      buckets.clear();
    },
    /** Calls per second of `action` that other readers of this account and region make all the time. */
    setOthers(account: string, region: string, action: string, perSecond: number): void {
      others.set(`${account} ${region} ${action}`, perSecond);
    },
    /** False: the call is refused. */
    admit(account: string, region: string, action: string): boolean {
      const limit = current[action];
      if (limit === undefined) return true;
      const key = `${account} ${region} ${action}`;
      const rate = Math.max(0, limit - (others.get(key) ?? 0));
      const at = now();
      const bucket = buckets.get(key) ?? { level: Math.max(1, rate), at };
      buckets.set(key, bucket);
      bucket.level = Math.min(Math.max(1, rate), bucket.level + ((at - bucket.at) / 1000) * rate);
      bucket.at = at;
      if (bucket.level < 1) return false;
      bucket.level -= 1;
      return true;
    },
  };
}
