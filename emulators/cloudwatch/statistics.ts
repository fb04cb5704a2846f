// What the emulator was asked and how it answered.

export type Outcome = 'ok' | 'throttled' | 'denied' | 'failed';

export interface Call {
  /** Milliseconds on the machine's steady clock. */
  readonly at: number;
  readonly account: string;
  readonly region: string;
  /** With the service: `logs:FilterLogEvents`. */
  readonly action: string;
  readonly resource: string;
  readonly outcome: Outcome;
}

export interface Statistics {
  /** By action, such as `logs:FilterLogEvents`. */
  readonly actions: Readonly<Record<string, Readonly<Record<Outcome, number>> & { readonly calls: number }>>;
  /** Answered events and bytes of FilterLogEvents. */
  readonly events: number;
  readonly bytes: number;
  /** Most calls within any second, by action, refused ones included. */
  readonly busiestSecond: Readonly<Record<string, number>>;
  /** Milliseconds from the first to the last call, by action. */
  readonly span: Readonly<Record<string, number>>;
}

const KEPT = 1_000_000;

export function createStatistics() {
  let calls: Call[] = [];
  let events = 0;
  let bytes = 0;
  return {
    call(call: Call): void {
      if (calls.length < KEPT) calls.push(call);
    },
    page(n: number, size: number): void {
      events += n;
      bytes += size;
    },
    calls: (): readonly Call[] => calls,
    reset(): void {
      calls = [];
      events = 0;
      bytes = 0;
    },
    read(): Statistics {
      const actions: Record<string, Record<Outcome, number> & { calls: number }> = {};
      const busiestSecond: Record<string, number> = {};
      const span: Record<string, number> = {};
      const times = new Map<string, number[]>();
      for (const { action, outcome, at } of calls) {
        const of = (actions[action] ??= { calls: 0, ok: 0, throttled: 0, denied: 0, failed: 0 });
        of.calls++;
        of[outcome]++;
        if (!times.has(action)) times.set(action, []);
        times.get(action)!.push(at);
      }
      for (const [action, list] of times) {
        list.sort((a, b) => a - b);
        let from = 0;
        let most = 0;
        for (let i = 0; i < list.length; i++) {
          while (list[i]! - list[from]! >= 1000) from++;
          most = Math.max(most, i - from + 1);
        }
        busiestSecond[action] = most;
        span[action] = list.at(-1)! - list[0]!;
      }
      return { actions, events, bytes, busiestSecond, span };
    },
  };
}
