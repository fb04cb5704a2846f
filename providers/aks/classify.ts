// Answers and errors of Azure → the classes of the contract, by HTTP status and error code, never by message text.

import { AuditkeepError, AuthError, ConfigError, ThrottledError, TransientError } from '../../src/provider.ts';
import type { Answer } from './client.ts';
import { errorCodes } from './page.ts';

/** What was being done, for the message. */
export interface Attempt {
  /** `query AKSAudit`. */
  readonly action: string;
  /** What it reads: workspace or resource. */
  readonly resource: string;
  /** What to allow. */
  readonly permission: string;
}

const CREDENTIALS = new Set([
  'CredentialUnavailableError',
  'AggregateAuthenticationError',
  'AuthenticationError',
  'AuthenticationRequiredError',
]);

interface AzureError {
  readonly name?: string;
  readonly code?: string;
  readonly statusCode?: number;
  readonly message?: string;
  readonly errors?: readonly AzureError[];
}

const firstLine = (text: string) => text.split('\n')[0]!.slice(0, 300);

/** The error to throw for what a client threw without having an answer. An aborted call gives the reason of the abort. */
export function classifyError(error: unknown, attempt: Attempt, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (error instanceof AuditkeepError) return error;
  const { name = 'Error', code = '', statusCode = 0, message = '' } = error as AzureError;
  const text = `${attempt.action} in ${attempt.resource}: ${code === '' ? name : code}`;
  if (CREDENTIALS.has(name)) {
    // Entra itself may be busy or unreachable
    if (statusCode === 429) return new ThrottledError(text, { cause: error });
    if (statusCode >= 500) return new TransientError(text, { cause: error });
    return new AuthError(`Azure gives no token: ${firstLine(message)}`, {
      cause: error,
      hint: 'check azure.credential, tenantId and clientId of this cluster; with the CLI: az login, and az account get-access-token --resource https://api.loganalytics.io',
    });
  }
  if (code === 'ENOENT' || code === 'EACCES')
    return new ConfigError(`a file of the credentials can't be read: ${firstLine(message)}`, {
      cause: error,
      hint: 'check azure.certificate of this cluster, or AZURE_FEDERATED_TOKEN_FILE',
    });
  // parse errors quote the answer, which holds events: only names and codes are told
  return new TransientError(text, { cause: new Error(name === 'RestError' ? code : firstLine(message)) });
}

/** Error of an answer other than 200; undefined where the query took too long: then less must be asked. */
export function classifyAnswer(answer: Answer, attempt: Attempt): Error | undefined {
  const { status } = answer;
  let error: { code?: unknown; message?: unknown } = {};
  try {
    error = (JSON.parse(answer.body.toString('utf8')) as { error?: typeof error }).error ?? {};
  } catch {
    // a proxy or a gateway answered
  }
  const codes = errorCodes(error);
  const said = typeof error.message === 'string' ? `: ${firstLine(error.message)}` : '';
  const text = `${attempt.action} in ${attempt.resource}: ${status} ${codes}${said}`;
  if (status === 429)
    return new ThrottledError(text, answer.retryAfter === undefined ? {} : { retryAfter: answer.retryAfter });
  if (status === 401)
    return new AuthError(`Azure doesn't accept the credentials. ${text}`, {
      hint: 'the token is expired or of another tenant or cloud: check azure.tenantId and cloud of this cluster',
    });
  if (status === 403)
    return new AuthError(`not allowed: ${text}`, {
      hint: `allow ${attempt.permission}, or give the role "Log Analytics Reader"; providers/aks/README.md has the exact roles`,
    });
  if (status === 504) return undefined;
  if (status === 408 || status >= 500 || status === 0) return new TransientError(text);
  if (status === 404)
    return new ConfigError(`the workspace isn't there: ${text}`, {
      hint: 'check workspace (the GUID "customerId": az monitor log-analytics workspace show --query customerId), cloud and azure.tenantId of this cluster',
    });
  // SEM0100 is what the query engine says of a table or column that it can't find
  if (status === 400 && codes.includes('/SEM0'))
    return new ConfigError(`the table can't be queried: ${text}`, {
      hint:
        'if audit logging was never sent to this workspace, no such table exists yet: az monitor diagnostic-settings create … --export-to-resource-specific true ' +
        `--logs '[{"category":"kube-audit","enabled":true}]'; else check workspace and table of this cluster`,
    });
  if (status === 400)
    return new ConfigError(`the query was refused: ${text}`, {
      hint: "a table on the Basic or Auxiliary plan can't be read this way: az monitor log-analytics workspace table update --plan Analytics, or read the cluster's storage account or Event Hub",
    });
  return new AuditkeepError(text);
}
