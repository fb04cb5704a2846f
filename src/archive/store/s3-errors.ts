// What an answer of S3, or the lack of one, means for the caller: by code, name and status, never by message.

import { AuditkeepError, AuthError, ConfigError, ConflictError, ThrottledError, TransientError } from '../../errors.ts';

/** What was asked: names the permission in AuthErrors. */
export interface Call {
  /** IAM actions that the call needs. */
  readonly actions: readonly string[];
  /** `s3://bucket/key`, for messages. */
  readonly what: string;
  readonly bucket: string;
  /** The put had `ifMatch` or `ifAbsent`. */
  readonly conditional?: boolean;
  /** The put asked for an Object Lock retention. */
  readonly locked?: boolean;
  /** Region that the client uses. */
  readonly region: string;
}

interface SdkError {
  readonly name?: string;
  readonly code?: string;
  readonly Code?: string;
  readonly Region?: string;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string };
  readonly $response?: { readonly statusCode?: number; readonly headers?: Readonly<Record<string, string>> };
}

/** Status of the answer that an error came with; undefined when there was none. */
export function statusOf(error: unknown): number | undefined {
  const { $metadata, $response } = error as SdkError;
  return $response?.statusCode ?? $metadata?.httpStatusCode;
}

const EXPIRED = new Set(['ExpiredToken', 'ExpiredTokenException', 'TokenRefreshRequired', 'RequestExpired']);
const UNKNOWN_IDENTITY = new Set([
  'InvalidAccessKeyId',
  'InvalidToken',
  'InvalidClientTokenId',
  'UnrecognizedClientException',
  'SignatureDoesNotMatch',
  'NotSignedUp',
  'InvalidSecurity',
]);
const THROTTLED = new Set([
  'SlowDown',
  'SlowDownRead',
  'SlowDownWrite',
  'Throttling',
  'ThrottlingException',
  'RequestLimitExceeded',
  'TooManyRequests',
  'TooManyRequestsException',
  'KMS.ThrottlingException',
]);
// damaged on the way: another attempt sends the bytes again
const PASSING = new Set([
  'RequestTimeout',
  'IncompleteBody',
  'BadDigest',
  'XAmzContentChecksumMismatch',
  'XAmzContentSHA256Mismatch',
  'OperationAborted',
  'ConditionalRequestConflict',
  'InternalError',
  'RequestTimeTooSkewed',
]);
const WRONG_OPTION: Readonly<Record<string, string>> = {
  InvalidTag: 's3.tags',
  InvalidStorageClass: 's3.storageClass',
  InvalidEncryptionAlgorithmError: 's3.sse',
};
const FULL = new Set(['XMinioStorageFull', 'QuotaExceeded', 'XMinioAdminBucketQuotaExceeded']);
const TLS = /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_|ERR_SSL_)/;
const NETWORK =
  /^(ECONN\w+|ETIMEDOUT|EPIPE|EAI_AGAIN|ENOTFOUND|EHOSTUNREACH|ENETUNREACH|ENETDOWN|EADDRNOTAVAIL|ERR_STREAM_PREMATURE_CLOSE|HPE_\w+|EPROTO)$/;

/**
 * What is worth keeping of an SDK error. Its `$response` leads to the request and so to the session token, which must
 * never reach a log.
 */
export function withoutRequest(error: Error): Error {
  const { code, $metadata } = error as SdkError;
  const kept = Object.assign(new Error(error.message), { name: error.name, code, $metadata });
  if (error.stack !== undefined) kept.stack = error.stack;
  return kept;
}

/** Turns what the SDK throws into an error of errors.ts. */
export function s3Error(error: unknown, call: Call): Error {
  if (error instanceof AuditkeepError || !(error instanceof Error)) return error as Error;
  const sdk = error as SdkError;
  const status = statusOf(error);
  const code = sdk.Code ?? (error.name === 'Error' ? sdk.code : error.name) ?? '';
  const request = sdk.$metadata?.requestId === undefined ? '' : `, request ${sdk.$metadata.requestId}`;
  const said = `${[status, code].filter((part) => part !== undefined && part !== '').join(' ')}${request}`;
  const options = (hint?: string) => ({ cause: withoutRequest(error), ...(hint !== undefined && { hint }) });

  if (status === undefined) return withoutAnswer(error, sdk.code ?? '', call);
  const region = sdk.$response?.headers?.['x-amz-bucket-region'] ?? sdk.Region;
  const misplaced = ['PermanentRedirect', 'AuthorizationHeaderMalformed', 'IllegalLocationConstraintException'];
  if (status === 301 || status === 307 || misplaced.includes(code))
    return new ConfigError(
      region === undefined
        ? `bucket ${call.bucket} is not in region ${call.region} (${said})`
        : `bucket ${call.bucket} is in region ${region}, not ${call.region}`,
      options(`set s3.region: ${region ?? "to the bucket's own region"}`),
    );
  if (code === 'NoSuchBucket')
    return new ConfigError(
      `bucket ${call.bucket} doesn't exist`,
      options('check `archive` for a typing error, or create the bucket; auditkeep never creates one'),
    );
  if (code === 'InvalidBucketName')
    return new ConfigError(`${call.bucket} is no bucket name (${said})`, options('check `archive`'));
  if (status === 412 || (status === 404 && call.conditional === true))
    return new ConflictError(`${call.what} was written by another run first (${said})`, options());
  if (THROTTLED.has(code) || status === 429) {
    const after = Number(sdk.$response?.headers?.['retry-after']);
    return new ThrottledError(`S3 asks to slow down at ${call.what} (${said})`, {
      ...options(),
      ...(after > 0 && { retryAfter: after * 1000 }),
    });
  }
  if (code === 'RequestTimeTooSkewed')
    return new TransientError(
      `the clock of this machine is too far off for S3 (${said})`,
      options('set the clock (NTP); the next attempt uses the time of the server'),
    );
  if (EXPIRED.has(code))
    return new AuthError(
      `the AWS credentials have expired (${said})`,
      options('log in again (aws sso login), or renew the session token, then run again'),
    );
  if (UNKNOWN_IDENTITY.has(code))
    return new AuthError(
      `S3 does not accept the credentials (${said})`,
      options('check access key, secret and session token, s3.profile, and s3.endpoint if it is set'),
    );
  if (/^kms[.:]/i.test(code) || code === 'KMSKeyNotAccessible')
    return new ConfigError(
      `the KMS key of ${call.what} can't be used (${said})`,
      options('check that the key exists, is enabled and lies in the region of the bucket (s3.kmsKeyId)'),
    );
  if (Object.hasOwn(WRONG_OPTION, code))
    return new ConfigError(
      `S3 does not accept ${WRONG_OPTION[code]} (${said})`,
      options(`change ${WRONG_OPTION[code]}`),
    );
  if (FULL.has(code) || status === 507)
    return new AuditkeepError(`the storage of ${call.bucket} is full (${said})`, options('free space, then run again'));
  if (code === 'InvalidObjectState')
    return new AuditkeepError(`${call.what} lies in an archive storage class (${said})`, options('restore it first'));
  if (status === 403 || code === 'AccessDenied')
    return new AuthError(
      `${call.actions[0]} was refused for ${call.what} (${said})`,
      options(`allow ${call.actions.join(', ')} in the role's policy; look also for denials in bucket and key policy`),
    );
  if (status === 501 || code === 'NotImplemented')
    return new ConfigError(
      `the server of ${call.bucket} lacks what auditkeep needs (${said})`,
      options('conditional writes (If-None-Match) and SHA-256 checksums are needed'),
    );
  if (call.locked === true && status === 400 && code === 'InvalidRequest')
    return new ConfigError(
      `${call.what} could not be stored with a retention (${said})`,
      options('s3.objectLock needs a bucket with Object Lock; switch it on, or remove s3.objectLock'),
    );
  if (PASSING.has(code) || status >= 500 || status < 300)
    return new TransientError(
      status < 300 ? `the answer about ${call.what} was cut off (${said})` : `S3 failed at ${call.what} (${said})`,
      options(),
    );
  return new AuditkeepError(`S3 refused ${call.what} (${said})`, options());
}

/** No answer, or none that could be read to its end. */
function withoutAnswer(error: Error, code: string, call: Call): Error {
  if (error.name === 'CredentialsProviderError' || error.name === 'TokenProviderError')
    return new AuthError(`no AWS credentials were found for ${call.what}`, {
      cause: withoutRequest(error),
      hint: 'set s3.profile, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run under a role (IRSA, Pod Identity, instance profile)',
    });
  if (TLS.test(code))
    return new ConfigError(`the TLS certificate of the server of ${call.bucket} is not trusted (${code})`, {
      cause: withoutRequest(error),
      hint: 'check s3.endpoint; for an own certificate authority set NODE_EXTRA_CA_CERTS',
    });
  if (code === 'ENOTFOUND')
    return new TransientError(`the server of ${call.bucket} has no address (${code})`, {
      cause: withoutRequest(error),
      hint: 'check the network, s3.region and s3.endpoint',
    });
  // the SDK's own reading of a torn body ends in errors without a code: SyntaxError, or "aborted"
  if (
    NETWORK.test(code) ||
    error.name === 'TimeoutError' ||
    error.name === 'AbortError' ||
    error.name === 'SyntaxError'
  )
    return new TransientError(`no whole answer about ${call.what} (${code === '' ? error.name : code})`, {
      cause: withoutRequest(error),
      hint: 'check the network, proxies and s3.endpoint',
    });
  return error;
}
