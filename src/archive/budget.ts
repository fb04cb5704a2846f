// The byte budget of a run (rule 12): one number for pages, fingerprints and open parts of all windows in hand.

/** Counts bytes in memory. Who is refused writes to a temporary file instead. */
export interface Budget {
  readonly limit: number;
  readonly used: number;
  /** Takes `bytes` if they still fit. */
  take(bytes: number): boolean;
  /** Takes `bytes` whether they fit or not: what can't be spilled, such as the page in hand. */
  force(bytes: number): void;
  give(bytes: number): void;
  /** Resolves when `bytes` would fit, or when nothing at all is taken. Takes nothing. */
  room(bytes: number, signal: AbortSignal): Promise<void>;
}

export function createBudget(limit: number): Budget {
  let used = 0;
  let waiting: { bytes: number; go: () => void }[] = [];
  const fits = (bytes: number) => used + bytes <= limit || used === 0;
  return {
    limit,
    get used() {
      return used;
    },
    take(bytes) {
      if (used + bytes > limit) return false;
      used += bytes;
      return true;
    },
    force(bytes) {
      used += bytes;
    },
    give(bytes) {
      used -= bytes;
      const ready = waiting.filter((one) => fits(one.bytes));
      waiting = waiting.filter((one) => !ready.includes(one));
      for (const one of ready) one.go();
    },
    async room(bytes, signal) {
      while (!fits(bytes)) {
        signal.throwIfAborted();
        await new Promise<void>((resolve, reject) => {
          const abort = () => {
            waiting = waiting.filter((one) => one !== entry);
            reject(signal.reason);
          };
          const entry = {
            bytes,
            go: () => {
              signal.removeEventListener('abort', abort);
              resolve();
            },
          };
          signal.addEventListener('abort', abort, { once: true });
          waiting.push(entry);
        });
      }
    },
  };
}
