// What Google's APIs and the network answer → the classes of the contract, by status and error code, never by message text.

import {
  AuditkeepError,
  AuthError,
  ConfigError,
  StaleTokenError,
  ThrottledError,
  TransientError,
} from '../../src/provider.ts';

/** What was being done, for the message. */
export interface Attempt {
  /** Name of the call, `entries.list`. */
  readonly action: string;
  /** What it reads, such as `projects/acme-data`. */
  readonly resource: string;
  /** Permissions that the call needs, and a role that has them. */
  readonly permissions: string;
  readonly role: string;
  /** A page token was sent with it. */
  readonly token?: boolean;
}

/** An answer other than 200. */
export interface Refusal {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly body: Buffer;
}

interface Detail {
  readonly reason?: unknown;
  readonly metadata?: { readonly service?: unknown };
}

interface GoogleError {
  readonly status: string;
  readonly message: string;
  readonly details: readonly Detail[];
}

/** The error object of a Google API; of a proxy's page nothing is kept. */
function googleError(body: Buffer): GoogleError {
  try {
    const { error } = JSON.parse(body.toString('utf8')) as { error?: Record<string, unknown> };
    const details = Array.isArray(error?.['details']) ? (error['details'] as Detail[]) : [];
    return {
      status: String(error?.['status'] ?? ''),
      message: String(error?.['message'] ?? '')
        .split('\n')[0]!
        .slice(0, 500),
      details,
    };
  } catch {
    return { status: '', message: 'an answer that is no JSON', details: [] };
  }
}

function seconds(retryAfter: string | null): number | undefined {
  const n = Number(retryAfter ?? Number.NaN);
  return Number.isFinite(n) && n >= 0 ? n * 1000 : undefined;
}

const LATER = new Set([408, 499, 500, 502, 503, 504]);

/** The error to throw for an answer. */
export function classifyAnswer({ status, retryAfter, body }: Refusal, attempt: Attempt): AuditkeepError {
  const error = googleError(body);
  const { action, resource, permissions, role } = attempt;
  const text = `${action} on ${resource}: ${status} ${error.status}: ${error.message}`;
  const reasons = new Set(error.details.map((d) => d.reason));
  if (status === 429 || error.status === 'RESOURCE_EXHAUSTED' || reasons.has('RATE_LIMIT_EXCEEDED')) {
    const wait = seconds(retryAfter);
    return new ThrottledError(text, wait === undefined ? {} : { retryAfter: wait });
  }
  if (status === 401)
    return new AuthError(`Google doesn't accept the credentials. ${text}`, {
      hint: 'renew them (`gcloud auth application-default login`), or check the workload identity or credentialsFile of this cluster',
    });
  if (status === 403 && reasons.has('SERVICE_DISABLED')) {
    const service = error.details.find((d) => d.reason === 'SERVICE_DISABLED')?.metadata?.service;
    const api = typeof service === 'string' ? service : 'logging.googleapis.com';
    return new ConfigError(`the API ${api} is switched off. ${text}`, {
      hint: `switch it on: gcloud services enable ${api}`,
    });
  }
  if (status === 403)
    return new AuthError(`not allowed: ${text}`, {
      hint: `grant ${permissions} on ${resource}; ${role} has it (providers/gke/README.md, Permissions)`,
    });
  if (status === 404)
    return new ConfigError(`${resource} doesn't exist, or these credentials may not know of it. ${text}`, {
      hint: 'check project and resourceNames of this cluster: `gcloud projects describe <project>`, `gcloud logging buckets list`',
    });
  if (status === 400 && attempt.token === true) return new StaleTokenError(`the page token was refused: ${text}`);
  if (status === 400) return new ConfigError(`the query was refused: ${text}`);
  if (LATER.has(status) || status >= 500) return new TransientError(text);
  return new AuditkeepError(text);
}

const NETWORK = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENETUNREACH',
  'EHOSTUNREACH',
]);

/** `code` of an error or of what caused it: fetch hides it one level down. */
function codeOf(error: unknown): string {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as { code?: unknown };
    if (typeof code === 'string') return code;
  }
  return '';
}

/** For what fetch threw: no answer came, or only half of one. */
export function classifyNetwork(error: unknown, attempt: Attempt): Error {
  if (error instanceof AuditkeepError) return error;
  const code = codeOf(error);
  const text = `${attempt.action} on ${attempt.resource}: ${code || (error instanceof Error ? error.name : String(error))}`;
  const isOurs = error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AbortError');
  if (isOurs || NETWORK.has(code) || code.startsWith('UND_ERR') || code.startsWith('HPE_') || code.startsWith('Z_'))
    return new TransientError(text, { cause: error });
  if (error instanceof TypeError) return new TransientError(text, { cause: error });
  return new AuditkeepError(text, { cause: error });
}

/** For what the look-up of credentials threw. */
export function classifyCredentials(error: unknown): Error {
  const code = codeOf(error);
  const { status } = error as { status?: unknown };
  const message = (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
  if (NETWORK.has(code) || status === 429 || (typeof status === 'number' && status >= 500))
    return new TransientError(`credentials can't be had right now: ${message}`, { cause: error });
  return new AuthError(`no usable Google credentials: ${message}`, {
    cause: error,
    hint: 'give this workload an identity (GKE Workload Identity, workload identity federation), set credentialsFile, or run `gcloud auth application-default login`',
  });
}
