// Errors by who must act on them: the class decides retry and exit code, never the message text.

/** Exit codes of the command line; a stable interface (docs/cli.md). */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  incomplete: 3,
  tampered: 4,
  cannotVerify: 5,
  interrupted: 130,
} as const;

/** Base of all errors that auditkeep raises on purpose. `hint` says what to do next. */
export class AuditkeepError extends Error {
  override readonly name: string = 'AuditkeepError';
  readonly exitCode: number = EXIT.failed;
  readonly hint: string | undefined;

  constructor(message: string, options: { cause?: unknown; hint?: string } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.hint = options.hint;
  }
}

/** The user must change the command line or the config. Never retried. */
export class ConfigError extends AuditkeepError {
  override readonly name = 'ConfigError';
  override readonly exitCode = EXIT.usage;
}

/** Credentials are missing, expired or lack a permission. Never retried; the message names the action that was refused. */
export class AuthError extends AuditkeepError {
  override readonly name = 'AuthError';
}

/** The service asks to slow down. Retried by the core, which also slows the limiter of the quota key. */
export class ThrottledError extends AuditkeepError {
  override readonly name = 'ThrottledError';
  /** Milliseconds that the service asked to wait, if it did. */
  readonly retryAfter: number | undefined;

  constructor(message: string, options: { cause?: unknown; hint?: string; retryAfter?: number } = {}) {
    super(message, options);
    this.retryAfter = options.retryAfter;
  }
}

/** A passing fault of network or service: the same call may succeed later. Retried by the core. */
export class TransientError extends AuditkeepError {
  override readonly name = 'TransientError';
}

/** A page token is expired, repeated or refused: the walk must start again from its first page. */
export class StaleTokenError extends AuditkeepError {
  override readonly name = 'StaleTokenError';
}

/** The provider answered less than it was asked for because the span is too large: the query must be halved. */
export class WindowTooLargeError extends AuditkeepError {
  override readonly name = 'WindowTooLargeError';
}

/** A create-only or compare-and-swap write lost against another writer. */
export class ConflictError extends AuditkeepError {
  override readonly name = 'ConflictError';
}

/** Stored bytes are not what the archive says they are. */
export class TamperError extends AuditkeepError {
  override readonly name = 'TamperError';
  override readonly exitCode = EXIT.tampered;
}
