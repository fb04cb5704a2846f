// The AWS clients of one cluster: loaded on first use, with the credentials that its config names, without retries of their own.

import type { ClusterSettings } from '../../src/provider.ts';
import type { EksOptions } from './options.ts';

/** Sent to stand-ins on this machine; they check no signatures. */
const NOBODY = { accessKeyId: 'AKIALOCALSTANDIN', secretAccessKey: 'none' };

/** A call that hangs must end, whoever makes it. */
const requestHandler = ({ timeout }: EksOptions) => ({
  connectionTimeout: Math.min(10_000, timeout),
  requestTimeout: timeout,
  throwOnRequestTimeout: true,
  socketTimeout: timeout,
});

async function credentials(options: EksOptions, settings: ClusterSettings) {
  const { profile, roleArn, externalId } = options.aws;
  const { endpoint } = settings;
  const local = settings.auth === 'none' ? NOBODY : undefined;
  if (profile === undefined && roleArn === undefined) return local;
  const { fromIni, fromTemporaryCredentials } = await import('@aws-sdk/credential-providers');
  const own = local ?? (profile === undefined ? undefined : fromIni({ profile }));
  if (roleArn === undefined) return own;
  return fromTemporaryCredentials({
    ...(own !== undefined && { masterCredentials: own }),
    params: {
      RoleArn: roleArn,
      RoleSessionName: 'auditkeep',
      ...(externalId !== undefined && { ExternalId: externalId }),
    },
    clientConfig: {
      region: options.region,
      maxAttempts: 1,
      requestHandler: requestHandler(options),
      ...(endpoint !== undefined && { endpoint }),
    },
  });
}

/** What every client is made with. The default chain (environment, IRSA, Pod Identity, instance role) is the SDK's own. */
async function clientConfig(options: EksOptions, settings: ClusterSettings) {
  const found = await credentials(options, settings);
  const { endpoint } = settings;
  return {
    region: options.region,
    // the core is the one owner of retries
    maxAttempts: 1,
    requestHandler: requestHandler(options),
    ...(endpoint !== undefined && { endpoint }),
    ...(found !== undefined && { credentials: found }),
  };
}

type Config = ReturnType<typeof clientConfig>;

async function loadLogs(config: Config) {
  const sdk = await import('@aws-sdk/client-cloudwatch-logs');
  return { sdk, client: new sdk.CloudWatchLogsClient(await config) };
}

async function loadEks(config: Config) {
  const sdk = await import('@aws-sdk/client-eks');
  return { sdk, client: new sdk.EKSClient(await config) };
}

async function loadSts(config: Config) {
  const sdk = await import('@aws-sdk/client-sts');
  return { sdk, client: new sdk.STSClient(await config) };
}

/** Clients of one cluster. Nothing is imported or opened before the first call. */
export function createClients(options: EksOptions, settings: ClusterSettings) {
  let config: Config | undefined;
  const shared = () => (config ??= clientConfig(options, settings));
  let logs: ReturnType<typeof loadLogs> | undefined;
  let eks: ReturnType<typeof loadEks> | undefined;
  let sts: ReturnType<typeof loadSts> | undefined;
  return {
    logs: () => (logs ??= loadLogs(shared())),
    eks: () => (eks ??= loadEks(shared())),
    sts: () => (sts ??= loadSts(shared())),
    async close(): Promise<void> {
      for (const loaded of await Promise.all([logs, eks, sts])) loaded?.client.destroy();
    },
  };
}

export type Clients = ReturnType<typeof createClients>;
