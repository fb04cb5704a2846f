// STS as far as a reader of logs needs it: who am I, and becoming a role. The query protocol answers in XML.

import { ServiceFault } from './fault.ts';
import type { PolicyDocument } from './iam.ts';

/** Who calls. */
export interface Principal {
  readonly account: string;
  readonly arn: string;
  /** What it may do; absent = everything. */
  readonly policy?: PolicyDocument;
}

/** A role that may be assumed. */
export interface Role {
  readonly arn: string;
  /** Refused without exactly this one. */
  readonly externalId?: string;
  readonly policy?: PolicyDocument;
}

export const accountOf = (arn: string): string => arn.split(':')[4] ?? '';

const escape = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

function answer(action: string, result: string): string {
  return (
    `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result>${result}</${action}Result>` +
    `<ResponseMetadata><RequestId>00000000-0000-0000-0000-000000000000</RequestId></ResponseMetadata></${action}Response>`
  );
}

export function stsError(fault: ServiceFault): string {
  return (
    `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>${fault.code}</Code>` +
    `<Message>${escape(fault.message)}</Message></Error><RequestId>00000000-0000-0000-0000-000000000000</RequestId></ErrorResponse>`
  );
}

/** Access keys and what stands behind them. Unknown keys are the default principal: signatures aren't checked. */
export function createSts(roles: readonly Role[]) {
  const sessions = new Map<string, Principal>();
  return {
    principal: (accessKey: string, fallback: Principal): Principal => sessions.get(accessKey) ?? fallback,

    /** The resource that IAM checks for this call. */
    resource: (form: URLSearchParams): string => form.get('RoleArn') ?? '*',

    handle(form: URLSearchParams, caller: Principal, now: number): string {
      const action = form.get('Action') ?? '';
      if (action === 'GetCallerIdentity')
        return answer(
          action,
          `<Arn>${escape(caller.arn)}</Arn><UserId>AIDALOCAL</UserId><Account>${caller.account}</Account>`,
        );
      if (action !== 'AssumeRole') throw new ServiceFault(400, 'InvalidAction', `Could not find operation ${action}`);
      const arn = form.get('RoleArn') ?? '';
      const role = roles.find((r) => r.arn === arn);
      if (role === undefined || (role.externalId !== undefined && role.externalId !== form.get('ExternalId')))
        throw new ServiceFault(
          403,
          'AccessDenied',
          `User: ${caller.arn} is not authorized to perform: sts:AssumeRole on resource: ${arn}`,
        );
      const key = `ASIALOCAL${String(sessions.size + 1).padStart(11, '0')}`;
      const session = `${arn.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/${form.get('RoleSessionName') ?? ''}`;
      sessions.set(key, {
        account: accountOf(arn),
        arn: session,
        ...(role.policy !== undefined && { policy: role.policy }),
      });
      return answer(
        action,
        `<Credentials><AccessKeyId>${key}</AccessKeyId><SecretAccessKey>local</SecretAccessKey><SessionToken>local</SessionToken>` +
          `<Expiration>${new Date(now + 3_600_000).toISOString()}</Expiration></Credentials>` +
          `<AssumedRoleUser><AssumedRoleId>AROALOCAL</AssumedRoleId><Arn>${escape(session)}</Arn></AssumedRoleUser>`,
      );
    },
  };
}

export type Sts = ReturnType<typeof createSts>;
