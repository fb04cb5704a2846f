// Calls of Google's REST APIs with the credentials that the config names, one call for one call: no retries of its own (docs/decisions/0007-gke-transport.md).

import { type ClusterSettings, collectBytes } from '../../src/provider.ts';
import { type Attempt, classifyAnswer, classifyCredentials, classifyNetwork } from './classify.ts';
import type { GkeOptions } from './options.ts';

/** Reading logs, and asking what one may do and which audit logs are on. */
const SCOPES = [
  'https://www.googleapis.com/auth/logging.read',
  'https://www.googleapis.com/auth/cloud-platform.read-only',
];

const HOSTS = {
  logging: 'https://logging.googleapis.com',
  resourcemanager: 'https://cloudresourcemanager.googleapis.com',
} as const;

export interface ApiCall extends Attempt {
  readonly api: keyof typeof HOSTS;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: unknown;
}

export interface ApiAnswer {
  /** In memory for `giveMemory`. */
  readonly body: Buffer;
  /** Bytes as they were before they were unpacked aren't known to fetch: these are the unpacked ones. */
  readonly bytes: number;
}

type Headers = () => Promise<Iterable<[string, string]>>;

async function openAuth(options: GkeOptions): Promise<Headers> {
  const { GoogleAuth, Impersonated } = await import('google-auth-library');
  const auth = new GoogleAuth({
    scopes: SCOPES,
    ...(options.credentialsFile !== undefined && { keyFilename: options.credentialsFile }),
  });
  const own = await auth.getClient();
  if (options.quotaProject !== undefined) own.quotaProjectId = options.quotaProject;
  if (options.impersonate === undefined) return async () => (await own.getRequestHeaders()).entries();
  const other = new Impersonated({
    sourceClient: own,
    targetPrincipal: options.impersonate,
    targetScopes: SCOPES,
    lifetime: 3600,
  });
  return async () => (await other.getRequestHeaders()).entries();
}

/** Waits for what knows no signal, but not longer than the signal allows. */
export async function unlessAborted<T>(waiting: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([waiting, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function bodyOf({ body, headers }: Response): Promise<Buffer> {
  if (body === null) return Buffer.alloc(0);
  return collectBytes(body as AsyncIterable<Uint8Array>, headers.get('content-length'));
}

/** @param onDate called with the Date header of every answer, errors included, milliseconds since the epoch */
export function createClient(options: GkeOptions, settings: ClusterSettings, onDate: (date: number) => void) {
  let auth: Promise<Headers> | undefined;

  async function credentials(): Promise<Iterable<[string, string]>> {
    if (settings.auth === 'none') return [];
    try {
      // a failure is not kept: the next call looks again
      auth ??= openAuth(options).catch((error: unknown) => {
        auth = undefined;
        throw error;
      });
      return await (
        await auth
      )();
    } catch (error) {
      throw classifyCredentials(error);
    }
  }

  return {
    /** @throws the classes of the contract; the reason of `signal` when it fires */
    async call(what: ApiCall, signal: AbortSignal): Promise<ApiAnswer> {
      signal.throwIfAborted();
      const limited = AbortSignal.any([signal, AbortSignal.timeout(options.timeout)]);
      try {
        // looking up credentials knows no signal
        const headers = new Headers([...(await unlessAborted(credentials(), limited))]);
        if (what.body !== undefined) headers.set('content-type', 'application/json');
        const response = await fetch(`${settings.endpoint ?? HOSTS[what.api]}${what.path}`, {
          method: what.method,
          headers,
          signal: limited,
          redirect: 'error',
          ...(what.body !== undefined && { body: JSON.stringify(what.body) }),
        });
        const date = Date.parse(response.headers.get('date') ?? '');
        if (!Number.isNaN(date)) onDate(date);
        const body = await bodyOf(response);
        if (response.status === 200) return { body, bytes: body.length };
        throw classifyAnswer({ status: response.status, retryAfter: response.headers.get('retry-after'), body }, what);
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        throw classifyNetwork(error, what);
      }
    },
  };
}

export type Client = ReturnType<typeof createClient>;
