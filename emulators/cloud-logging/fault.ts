// What can go wrong: errors as Google's APIs write them, and faults that a test orders.

/** An answer other than 200: `status` is the HTTP code, `code` Google's name of it. */
export class ServiceFault extends Error {
  override readonly name = 'ServiceFault';
  readonly status: number;
  readonly code: string;
  /** `reason` of the ErrorInfo that comes with it. */
  readonly reason: string | undefined;

  constructor(status: number, code: string, message: string, reason?: string) {
    super(message);
    this.status = status;
    this.code = code;
    this.reason = reason;
  }
}

export const FAULT_KINDS = [
  /** 500 INTERNAL. */
  'error-500',
  /** 503 UNAVAILABLE. */
  'error-503',
  /** 429 RESOURCE_EXHAUSTED without Retry-After, beside what the quota does. */
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
  /** No entries, and a token that goes on from the same place. */
  'empty-page',
  /** One entry lacks its receiveTimestamp. */
  'missing-receive-timestamp',
  /** One entry lacks its insertId. */
  'missing-insert-id',
  /** One entry is of another cluster of the project. */
  'other-cluster',
  /** 403 PERMISSION_DENIED. */
  'permission-denied',
  /** 403 with the reason SERVICE_DISABLED. */
  'api-disabled',
  /** 401 UNAUTHENTICATED: the access token is over. */
  'expired-credentials',
  /** 401 UNAUTHENTICATED: no such token. */
  'unknown-credentials',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** An order: the next `times` calls of `action` after the first `skip` of them fail so. */
export interface FaultOrder {
  readonly kind: FaultKind;
  /** Default `entries.list`; `*` is any. */
  readonly action?: string;
  readonly skip?: number;
  /** Default 1; null is for ever. */
  readonly times?: number | null;
  /** Hits only each n-th of the calls. */
  readonly every?: number;
}

/** Faults on order, in the order in which they were given. */
export function createFaults() {
  let orders: (FaultOrder & { seen: number; done: number })[] = [];
  return {
    order(fault: FaultOrder): void {
      if (!FAULT_KINDS.includes(fault.kind)) throw new RangeError(`no such fault: ${fault.kind}`);
      orders.push({ ...fault, seen: 0, done: 0 });
    },
    clear(): void {
      orders = [];
    },
    /** The fault that this call gets, if one is due. */
    take(action: string, hasToken: boolean): FaultKind | undefined {
      for (const o of orders) {
        if ((o.action ?? 'entries.list') !== action && o.action !== '*') continue;
        if ((o.kind === 'repeat-token' || o.kind === 'expire-token') && !hasToken) continue;
        if (o.times !== null && o.done >= (o.times ?? 1)) continue;
        o.seen++;
        if (o.seen <= (o.skip ?? 0) || (o.seen - (o.skip ?? 0) - 1) % (o.every ?? 1) !== 0) continue;
        o.done++;
        return o.kind;
      }
      return undefined;
    },
  };
}

/** The fault as an error answer, where it is one. */
export function faultAnswer(kind: FaultKind | undefined): ServiceFault | undefined {
  if (kind === 'error-500') return new ServiceFault(500, 'INTERNAL', 'Internal error encountered.');
  if (kind === 'error-503') return new ServiceFault(503, 'UNAVAILABLE', 'The service is currently unavailable.');
  if (kind === 'throttle')
    return new ServiceFault(
      429,
      'RESOURCE_EXHAUSTED',
      "Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute'.",
      'RATE_LIMIT_EXCEEDED',
    );
  if (kind === 'expire-token') return new ServiceFault(400, 'INVALID_ARGUMENT', 'page_token is invalid or expired');
  if (kind === 'permission-denied')
    return new ServiceFault(403, 'PERMISSION_DENIED', 'The caller does not have permission', 'IAM_PERMISSION_DENIED');
  if (kind === 'api-disabled')
    return new ServiceFault(
      403,
      'PERMISSION_DENIED',
      'Cloud Logging API has not been used in this project.',
      'SERVICE_DISABLED',
    );
  if (kind === 'expired-credentials' || kind === 'unknown-credentials')
    return new ServiceFault(
      401,
      'UNAUTHENTICATED',
      'Request had invalid authentication credentials.',
      'ACCESS_TOKEN_EXPIRED',
    );
  return undefined;
}
