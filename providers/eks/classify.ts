// AWS errors → the classes of the contract, by error code and HTTP status, never by message text.

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
  /** IAM's name of the call, `logs:FilterLogEvents`. */
  readonly action: string;
  /** ARN of what it reads. */
  readonly resource: string;
  /** A page token was sent with it. */
  readonly token?: boolean;
  /** Role that is assumed first, if any. */
  readonly roleArn?: string | undefined;
  /** What to throw for ResourceNotFoundException. */
  readonly missing?: () => Error;
}

const THROTTLED = new Set([
  'ThrottlingException',
  'Throttling',
  'ThrottledException',
  'TooManyRequestsException',
  'RequestLimitExceeded',
  'RequestThrottled',
  'RequestThrottledException',
  'LimitExceededException',
  'SlowDown',
]);

const DENIED = new Set(['AccessDeniedException', 'AccessDenied', 'UnauthorizedException', 'NotAuthorized']);

const CREDENTIALS = new Set([
  'ExpiredToken',
  'ExpiredTokenException',
  'RequestExpired',
  'UnrecognizedClientException',
  'InvalidClientTokenId',
  'InvalidSignatureException',
  'SignatureDoesNotMatch',
  'IncompleteSignature',
  'MissingAuthenticationToken',
  'MissingAuthenticationTokenException',
  'AuthFailure',
  'OptInRequired',
  // raised by the SDK before anything is sent
  'CredentialsProviderError',
  'TokenProviderError',
  'InvalidIdentityToken',
  'IDPRejectedClaim',
]);

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
  'ERR_STREAM_PREMATURE_CLOSE',
  'HPE_INVALID_CONSTANT',
]);

interface AwsError {
  readonly name?: string;
  readonly code?: string;
  readonly message?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/** The error to throw for what the SDK threw. An aborted call gives the reason of the abort. */
export function classify(error: unknown, attempt: Attempt, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (error instanceof AuditkeepError) return error;
  const { name = 'Error', code = '', message = String(error), $metadata } = error as AwsError;
  const status = $metadata?.httpStatusCode ?? 0;
  const { action, resource } = attempt;
  const text = `${action} on ${resource}: ${name}: ${message.split('\n')[0]}`;
  if (THROTTLED.has(name) || status === 429) return new ThrottledError(text, { cause: error });
  if (CREDENTIALS.has(name))
    return new AuthError(`AWS doesn't accept the credentials. ${text}`, {
      cause: error,
      hint: 'renew the credentials, or check profile and roleArn of this cluster: `aws sts get-caller-identity` shows who is asking',
    });
  // STS says AccessDenied where the other services say AccessDeniedException
  if (name === 'AccessDenied' && attempt.roleArn !== undefined)
    return new AuthError(`the role ${attempt.roleArn} can't be assumed: ${message.split('\n')[0]}`, {
      cause: error,
      hint: `allow sts:AssumeRole on it to the identity that auditkeep runs under, and let the role's trust policy accept that identity and aws.externalId`,
    });
  if (DENIED.has(name) || status === 401 || status === 403)
    return new AuthError(`not allowed: ${text}`, {
      cause: error,
      hint: `allow ${action} on ${resource}; providers/eks/README.md has the whole policy`,
    });
  if (name === 'ResourceNotFoundException' && attempt.missing !== undefined) return attempt.missing();
  if (name === 'InvalidParameterException' && attempt.token === true)
    return new StaleTokenError(`the page token was refused: ${text}`, { cause: error });
  if (name === 'InvalidParameterException') return new ConfigError(`the query was refused: ${text}`, { cause: error });
  if (status >= 500 || name === 'TimeoutError' || name === 'SyntaxError' || NETWORK.has(code) || NETWORK.has(name))
    return new TransientError(text, { cause: error });
  // a torn body, or a local time-out of ours
  if (name === 'AbortError' || code === 'ABORT_ERR') return new TransientError(text, { cause: error });
  return new AuditkeepError(text, { cause: error });
}
