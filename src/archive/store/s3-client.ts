// The S3 client: credentials, region and timeouts from the config, no retries of its own, Date headers handed on.

import type * as Sdk from '@aws-sdk/client-s3';
import type { S3Options } from '../../config.ts';
import { AuditkeepError, AuthError, ConfigError, TransientError } from '../../errors.ts';
import { silentLog } from '../../log.ts';
import { statusOf, withoutRequest } from './s3-errors.ts';
import type { StoreDeps } from './store.ts';

/** Sockets of one client. Uploads of a few windows at a time never need more. */
const SOCKETS = 64;

export interface OpenClient {
  readonly sdk: typeof Sdk;
  readonly client: Sdk.S3Client;
  readonly region: string;
}

/** Loads the SDK and makes a client. Throws ConfigError when no region is known; credentials are looked up by the first call. */
export async function openS3Client(options: S3Options, deps: StoreDeps): Promise<OpenClient> {
  const sdk = await import('@aws-sdk/client-s3');
  const config: Sdk.S3ClientConfig = {
    maxAttempts: 1,
    // the SDK would write on stderr by itself
    logger: silentLog,
    forcePathStyle: options.forcePathStyle,
    // SHA-256 is sent with each put; CRCs on top of it would only cost time
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // Time without any progress on the socket. An absolute limit would have to know how long an upload may take.
    requestHandler: {
      connectionTimeout: options.timeout,
      socketTimeout: options.timeout,
      httpsAgent: { keepAlive: true, maxSockets: SOCKETS },
      httpAgent: { keepAlive: true, maxSockets: SOCKETS },
    },
    ...(options.region !== undefined && { region: options.region }),
    ...(options.endpoint !== undefined && { endpoint: options.endpoint }),
    ...(options.profile !== undefined && { profile: options.profile }),
    ...(options.roleArn !== undefined && { credentials: await assumeRole(options, options.roleArn) }),
  };
  let client = new sdk.S3Client(config);
  let region: string;
  try {
    region = await client.config.region();
  } catch (error) {
    if (options.endpoint === undefined)
      throw new ConfigError('no AWS region is known for the archive', {
        cause: error,
        hint: 'set s3.region, AWS_REGION or a region in the profile',
      });
    // a server of one's own mostly has no regions, but signatures need one
    region = 'us-east-1';
    client = new sdk.S3Client({ ...config, region });
  }
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const { headers } = result.response as { headers?: Readonly<Record<string, string>> };
      const date = Date.parse(headers?.['date'] ?? '');
      if (!Number.isNaN(date)) deps.onServerDate(date);
      return result;
    },
    // innermost: it sees refusals too, before they become errors
    { step: 'deserialize', priority: 'low', name: 'auditkeepServerDate' },
  );
  return { sdk, client, region };
}

/** Credentials of `s3.roleArn`, with refusals told apart from those of S3. */
async function assumeRole(
  options: S3Options,
  roleArn: string,
): Promise<NonNullable<Sdk.S3ClientConfig['credentials']>> {
  const { fromNodeProviderChain, fromTemporaryCredentials } = await import('@aws-sdk/credential-providers');
  const provider = fromTemporaryCredentials({
    params: {
      RoleArn: roleArn,
      RoleSessionName: 'auditkeep',
      ...(options.externalId !== undefined && { ExternalId: options.externalId }),
    },
    ...(options.profile !== undefined && { masterCredentials: fromNodeProviderChain({ profile: options.profile }) }),
    clientConfig: { maxAttempts: 1, ...(options.region !== undefined && { region: options.region }) },
  });
  return async (properties) => {
    try {
      return await provider(properties);
    } catch (error) {
      if (error instanceof AuditkeepError || !(error instanceof Error)) throw error;
      const status = statusOf(error);
      if (error.name === 'CredentialsProviderError')
        throw new AuthError(`no AWS credentials were found to assume ${roleArn} with`, { cause: error });
      if (status === undefined || status >= 500 || status === 429 || error.name.startsWith('Throttling'))
        throw new TransientError(`the role ${roleArn} could not be assumed for now (${error.name})`, {
          cause: withoutRequest(error),
        });
      throw new AuthError(`sts:AssumeRole was refused for ${roleArn} (${status} ${error.name})`, {
        cause: withoutRequest(error),
        hint: "check s3.roleArn, s3.externalId and the role's trust policy",
      });
    }
  };
}
