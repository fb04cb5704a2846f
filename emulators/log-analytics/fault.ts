// What can go wrong: errors as the service names them, and faults that a test orders.

/** An answer other than 200. `inner` are the codes inside of the error, from the outside in. */
export class ServiceFault extends Error {
  override readonly name = 'ServiceFault';
  readonly status: number;
  readonly code: string;
  readonly inner: readonly string[];
  /** Seconds for Retry-After. */
  readonly retryAfter: number | undefined;

  constructor(
    status: number,
    code: string,
    message: string,
    { inner = [], retryAfter }: { inner?: readonly string[]; retryAfter?: number } = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.inner = inner;
    this.retryAfter = retryAfter;
  }
}

/** The body of an error answer. */
export function faultBody({ code, message, inner }: ServiceFault): object {
  let innererror: object | undefined;
  for (const name of inner.toReversed())
    innererror = { code: name, message, ...(innererror !== undefined && { innererror }) };
  return {
    error: {
      message,
      code,
      correlationId: '00000000-0000-0000-0000-000000000000',
      ...(innererror !== undefined && { innererror }),
    },
  };
}

/** A name that the query doesn't know: SEM0100. */
export const semantic = (message: string, code = 'SEM0100') =>
  new ServiceFault(400, 'BadArgumentError', message, { inner: ['SemanticError', code] });

export const FAULT_KINDS = [
  /** 500. */
  'error-500',
  /** 503. */
  'error-503',
  /** 504: the query took too long. */
  'timeout',
  /** 429 with Retry-After, beside what the limits do. */
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
  /** 200 with half of the rows and an `error` member. */
  'partial',
  /** One row has no ingestion time. */
  'null-ingestion-time',
  /** One row is said to be of another cluster. */
  'other-cluster',
  /** One row of AzureDiagnostics is said to be klog text of another category. */
  'other-category',
  /** 403 InsufficientAccessError. */
  'access-denied',
  /** 401 InvalidTokenError. */
  'expired-token',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** An order: the next `times` calls after the first `skip` of them fail so. */
export interface FaultOrder {
  readonly kind: FaultKind;
  /** `query` (default) or `management`. */
  readonly action?: 'query' | 'management';
  readonly skip?: number;
  /** Default 1; null is for ever. */
  readonly times?: number | null;
}

/** Faults on order, in the order in which they were given. */
export function createFaults() {
  let orders: (FaultOrder & { skipped: number; done: number })[] = [];
  return {
    order(fault: FaultOrder): void {
      if (!FAULT_KINDS.includes(fault.kind)) throw new RangeError(`no such fault: ${fault.kind}`);
      orders.push({ ...fault, skipped: 0, done: 0 });
    },
    clear(): void {
      orders = [];
    },
    /** The fault that this call gets, if one is due. */
    take(action: 'query' | 'management'): FaultKind | undefined {
      for (const o of orders) {
        if ((o.action ?? 'query') !== action) continue;
        if (o.times !== null && o.done >= (o.times ?? 1)) continue;
        if (o.skipped < (o.skip ?? 0)) {
          o.skipped++;
          continue;
        }
        o.done++;
        return o.kind;
      }
      return undefined;
    },
  };
}

/** Kinds that are an answer of their own. */
export const FAULTS: Partial<Record<FaultKind, ServiceFault>> = {
  'error-500': new ServiceFault(500, 'InternalServerError', 'ordered'),
  'error-503': new ServiceFault(503, 'ServiceUnavailable', 'ordered'),
  timeout: new ServiceFault(504, 'GatewayTimeout', 'The query took too long', { inner: ['GatewayTimeout'] }),
  throttle: new ServiceFault(429, 'ThrottledError', 'ordered', { retryAfter: 1 }),
  'access-denied': new ServiceFault(
    403,
    'InsufficientAccessError',
    'The provided credentials have insufficient access to perform the requested operation',
  ),
  'expired-token': new ServiceFault(
    401,
    'InvalidTokenError',
    'The provided authentication is not valid for this resource',
  ),
};
