// What can go wrong: errors as the service names them, and faults that a test orders.

/** An answer other than 200, by the service's own error code. */
export class ServiceFault extends Error {
  override readonly name = 'ServiceFault';
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export const FAULT_KINDS = [
  /** 500 InternalFailure. */
  'error-500',
  /** 503 ServiceUnavailableException. */
  'error-503',
  /** 400 ThrottlingException, beside what the quota does. */
  'throttle',
  /** No answer, until the client gives up. */
  'hang',
  /** Headers and half of the body, then nothing more. */
  'hang-body',
  /** The connection is torn before the answer. */
  'reset',
  /** The connection is torn in the middle of the body. */
  'reset-body',
  /** 200 whose body, complete for HTTP, ends in the middle of the JSON. */
  'cut-body',
  /** 200 with a page of HTML, as a proxy gives. */
  'not-json',
  /** The token sent is given back as the next one. */
  'repeat-token',
  /** The token sent is called invalid. */
  'expire-token',
  /** No events, and a token that goes on from the same place. */
  'empty-page',
  /** One event is said to come from another stream. */
  'wrong-stream',
  /** One event lacks its ingestionTime. */
  'missing-ingestion-time',
  /** One event lacks its eventId. */
  'missing-event-id',
  /** AccessDeniedException. */
  'access-denied',
  /** ExpiredTokenException: temporary credentials are over. */
  'expired-credentials',
  /** UnrecognizedClientException: no such access key. */
  'unknown-key',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** An order: the next `times` calls of `action` after the first `skip` of them fail so. */
export interface FaultOrder {
  readonly kind: FaultKind;
  /** Default FilterLogEvents; `*` is any. */
  readonly action?: string;
  readonly skip?: number;
  /** Default 1; null is for ever. */
  readonly times?: number | null;
  /** Hits only this share of the calls, chosen by `seed`. */
  readonly rate?: number;
  readonly seed?: number;
  /** Calls without nextToken are not hit (`repeat-token` and `expire-token` never are). */
  readonly onlyWithToken?: boolean;
}

// a small generator, so that a fault run repeats exactly: https://en.wikipedia.org/wiki/Xorshift
function generator(seed: number): () => number {
  let x = (seed | 0) ^ 0x9e3779b9 || 1;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) / 2 ** 32;
  };
}

/** Faults on order, in the order in which they were given. */
export function createFaults() {
  let orders: (FaultOrder & { skipped: number; done: number; next: () => number })[] = [];
  return {
    order(fault: FaultOrder): void {
      if (!FAULT_KINDS.includes(fault.kind)) throw new RangeError(`no such fault: ${fault.kind}`);
      orders.push({ ...fault, skipped: 0, done: 0, next: generator(fault.seed ?? 1) });
    },
    clear(): void {
      orders = [];
    },
    /** The fault that this call gets, if one is due. */
    take(action: string, hasToken: boolean): FaultKind | undefined {
      for (const o of orders) {
        if ((o.action ?? 'FilterLogEvents') !== action && o.action !== '*') continue;
        const needsToken = o.onlyWithToken === true || o.kind === 'repeat-token' || o.kind === 'expire-token';
        if (needsToken && !hasToken) continue;
        if (o.times !== null && o.done >= (o.times ?? 1)) continue;
        if (o.skipped < (o.skip ?? 0)) {
          o.skipped++;
          continue;
        }
        if (o.rate !== undefined && o.next() >= o.rate) continue;
        o.done++;
        return o.kind;
      }
      return undefined;
    },
  };
}

export type Faults = ReturnType<typeof createFaults>;
