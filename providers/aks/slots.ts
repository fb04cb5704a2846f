// Queries at once: the service runs five of a user, and lets the rest wait or refuses them.

const waiting = new Map<string, { busy: number; queue: (() => void)[] }>();

/** Runs `work` when fewer than `most` of this key are under way, in the order of asking. Rejects when the signal aborts first. */
export async function inSlot<T>(key: string, most: number, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  let slots = waiting.get(key);
  if (slots === undefined) waiting.set(key, (slots = { busy: 0, queue: [] }));
  const { queue } = slots;
  signal.throwIfAborted();
  if (slots.busy < most) slots.busy++;
  else
    await new Promise<void>((resolve, reject) => {
      const stop = () => {
        queue.splice(queue.indexOf(go), 1);
        reject(signal.reason as Error);
      };
      const go = () => {
        signal.removeEventListener('abort', stop);
        resolve();
      };
      signal.addEventListener('abort', stop, { once: true });
      queue.push(go);
    });
  try {
    return await work();
  } finally {
    // the slot is handed on, so nobody can slip in between
    const next = queue.shift();
    if (next !== undefined) next();
    else slots.busy--;
  }
}
