// Outcome of a request: the HTTP code that a gRPC code stands for, where the response itself doesn't tell.

/** gRPC's names, by number. In old entries they stand where a message should. */
export const GRPC_NAMES: ReadonlySet<string> = new Set([
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
]);

/** By gRPC code; 0 and 2 depend on the request. ABORTED was seen for both conflicts and existing names, which are 409 alike. */
const HTTP = [0, 499, 0, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];

/** Subresources whose connection is upgraded: their success is 101, which gRPC has no code for. */
const UPGRADED = new Set(['exec', 'attach', 'portforward']);

/** The HTTP code, inferred; undefined for a number that is no gRPC code. Success of a create is 201, of anything else 200. */
export function httpCode(grpc: number, verb: string, subresource: string | undefined): number | undefined {
  const upgraded = subresource !== undefined && UPGRADED.has(subresource);
  if (grpc === 0) return upgraded ? 101 : verb === 'create' ? 201 : 200;
  if (grpc === 2) return upgraded ? 101 : 500;
  return HTTP[grpc];
}
