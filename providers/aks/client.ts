// The Azure clients of one cluster: loaded on first use, with the credentials that its config names, without retries of their own.

import { AsyncLocalStorage } from 'node:async_hooks';
import { type ClusterSettings, collectBytes, ConfigError } from '../../src/provider.ts';
import { CLOUDS } from './clouds.ts';
import type { AksOptions } from './options.ts';

/** What the service answered, whatever its status. */
export interface Answer {
  readonly status: number;
  /** Milliseconds that it asked to wait. */
  readonly retryAfter?: number;
  /** Of a query that was answered: in memory for `giveMemory`. */
  readonly body: Buffer;
}

/** The part of a credential that is used. */
interface Credential {
  getToken(
    scopes: string | string[],
    options?: { abortSignal?: AbortSignal },
  ): Promise<{ token: string; expiresOnTimestamp: number } | null>;
}

async function createCredential(options: AksOptions): Promise<Credential> {
  const identity = await import('@azure/identity');
  const { tenantId, clientId, clientSecret, certificate, credential } = options.azure;
  const authorityHost = CLOUDS[options.cloud].login;
  const tenant = tenantId === undefined ? {} : { tenantId };
  const client = clientId === undefined ? {} : { clientId };
  if (clientSecret !== undefined)
    return new identity.ClientSecretCredential(tenantId!, clientId!, clientSecret, { authorityHost });
  if (certificate !== undefined)
    return new identity.ClientCertificateCredential(tenantId!, clientId!, certificate, { authorityHost });
  if (credential === 'workload-identity')
    return new identity.WorkloadIdentityCredential({ authorityHost, ...tenant, ...client });
  if (credential === 'managed-identity') return new identity.ManagedIdentityCredential({ ...client });
  if (credential === 'environment') return new identity.EnvironmentCredential({ authorityHost });
  if (credential === 'cli') return new identity.AzureCliCredential({ ...tenant });
  return new identity.DefaultAzureCredential({
    authorityHost,
    ...tenant,
    ...(clientId !== undefined && { managedIdentityClientId: clientId, workloadIdentityClientId: clientId }),
  });
}

/** A call of the pipeline below. The client hands on neither signal nor headers: github.com/Azure/azure-sdk-for-js, logsQueryClient.ts. */
interface Call {
  readonly signal: AbortSignal;
  answer?: Answer;
}

const retryAfterOf = (value: string | null | undefined): number | undefined => {
  if (value === null || value === undefined) return undefined;
  const seconds = Number(value);
  const ms = Number.isNaN(seconds) ? Date.parse(value) - Date.now() : seconds * 1000;
  return Number.isFinite(ms) && ms > 0 ? ms : undefined;
};

async function bodyOf(response: {
  bodyAsText?: string | null;
  readableStreamBody?: NodeJS.ReadableStream;
  headers: { get(name: string): string | undefined };
}): Promise<Buffer> {
  if (response.readableStreamBody === undefined) return Buffer.from(response.bodyAsText ?? '');
  return collectBytes(
    response.readableStreamBody as unknown as AsyncIterable<Buffer>,
    response.headers.get('content-length'),
  );
}

const EMPTY = '{"tables":[]}';

async function createLogs(options: AksOptions, settings: ClusterSettings, credential: () => Promise<Credential>) {
  const { LogsQueryClient } = await import('@azure/monitor-query-logs');
  const { endpoint } = settings;
  const local = settings.auth === 'none';
  if (!local && endpoint?.startsWith('http:') === true)
    throw new ConfigError(`credentials are not sent over plain http to ${endpoint}`, {
      hint: 'use an https endpoint, or auth: none for a stand-in on this machine',
    });
  const calls = new AsyncLocalStorage<Call>();
  const onDate: { current?: (date: number) => void } = {};
  const token = local
    ? { getToken: () => Promise.resolve({ token: 'none', expiresOnTimestamp: Number.MAX_SAFE_INTEGER }) }
    : await credential();
  const { logs } = CLOUDS[options.cloud];
  const client = new LogsQueryClient(token, {
    endpoint: `${endpoint ?? logs}/v1`,
    credentials: { scopes: [`${logs}/.default`] },
    // the core is the one owner of retries
    retryOptions: { maxRetries: 0 },
    redirectOptions: { maxRetries: 0 },
    allowInsecureConnection: local,
  });
  // it refuses to send even a dummy token over http; and a proxy is not for this machine
  if (local) {
    client.pipeline.removePolicy({ name: 'bearerTokenAuthenticationPolicy' });
    client.pipeline.removePolicy({ name: 'proxyPolicy' });
  }
  client.pipeline.addPolicy({
    name: 'auditkeepAnswer',
    async sendRequest(request, next) {
      const call = calls.getStore()!;
      request.abortSignal = call.signal;
      request.streamResponseStatusCodes = new Set([200]);
      const response = await next(request);
      const retryAfter = retryAfterOf(response.headers.get('retry-after'));
      const date = response.headers.get('date');
      call.answer = {
        status: response.status,
        body: await bodyOf(response),
        ...(retryAfter !== undefined && { retryAfter }),
      };
      onDate.current?.(Date.parse(date ?? ''));
      // the bytes are read here once: the client would copy every row twice, cut datetimes and parse what looks like JSON
      if (response.status === 200) {
        response.headers.set('content-type', 'application/json');
        delete response.readableStreamBody;
        response.bodyAsText = EMPTY;
      }
      return response;
    },
  });
  return {
    onDate,
    /** @param wait seconds that the service may work */
    async query(text: string, timespan: { from: number; to: number }, wait: number, signal: AbortSignal) {
      const call: Call = { signal };
      try {
        await calls.run(call, () =>
          client.queryWorkspace(
            options.workspace,
            text,
            { startTime: new Date(timespan.from), endTime: new Date(timespan.to) },
            { serverTimeoutInSeconds: wait },
          ),
        );
      } catch (error) {
        // an answer is an answer, whatever the client makes of it: it throws a TypeError for a page of HTML
        if (call.answer === undefined) throw error;
      }
      return call.answer!;
    },
  };
}

/** Clients of one cluster. Nothing is imported or opened before the first call. */
export function createClients(options: AksOptions, settings: ClusterSettings, onDate: (date: number) => void) {
  let made: Promise<Credential> | undefined;
  const credential = () => (made ??= createCredential(options));
  let logs: ReturnType<typeof createLogs> | undefined;
  const { management } = CLOUDS[options.cloud];
  return {
    /** One query, in the workspace of the config. */
    async query(text: string, timespan: { from: number; to: number }, wait: number, signal: AbortSignal) {
      const opened = await (logs ??= createLogs(options, settings, credential));
      opened.onDate.current = (date) => {
        if (!Number.isNaN(date)) onDate(date);
      };
      return opened.query(text, timespan, wait, signal);
    },
    /** GET of Azure Resource Manager. @param path with api-version */
    async manage(path: string, signal: AbortSignal): Promise<Answer> {
      const headers: Record<string, string> = { accept: 'application/json' };
      if (settings.auth !== 'none') {
        const token = await (await credential()).getToken(`${management}/.default`, { abortSignal: signal });
        headers['authorization'] = `Bearer ${token?.token ?? ''}`;
      }
      const response = await fetch(`${settings.endpoint ?? management}${path}`, { headers, signal });
      const retryAfter = retryAfterOf(response.headers.get('retry-after'));
      return {
        status: response.status,
        body: Buffer.from(await response.arrayBuffer()),
        ...(retryAfter !== undefined && { retryAfter }),
      };
    },
  };
}

export type Clients = ReturnType<typeof createClients>;
