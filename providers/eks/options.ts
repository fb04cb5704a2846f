// What an EKS cluster takes in the config, beside what every cluster takes.

import * as z from 'zod';
import { parseDuration } from '../../src/provider.ts';

const account = z.string().regex(/^\d{12}$/, { error: 'an AWS account id has 12 digits; quote it in YAML' });

const timeout = z.string().transform((text, context) => {
  const ms = parseDuration(text);
  if (ms > 0 && ms <= 300_000) return ms;
  context.addIssue({ code: 'custom', message: `expected a duration from 1s to 5m, found "${text}"` });
  return z.NEVER;
});

export const optionsSchema = z
  .strictObject({
    region: z.string().regex(/^[a-z]{2,3}(-[a-z]+)+-\d+$/, { error: 'expected an AWS region such as eu-central-1' }),
    cluster: z.string().regex(/^[0-9A-Za-z][0-9A-Za-z_-]{0,99}$/, {
      error: 'an EKS cluster name has 1 to 100 letters, digits, "-" and "_", and begins with a letter or digit',
    }),
    logGroup: z
      .string()
      .regex(/^[.\-_/#A-Za-z0-9]{1,512}$/, { error: 'not the name of a CloudWatch log group' })
      .optional(),
    aws: z
      .strictObject({
        roleArn: z
          .string()
          .regex(/^arn:aws[a-z-]*:iam::\d{12}:role\/.+$/, {
            error: 'expected the ARN of a role: arn:aws:iam::<account>:role/<name>',
          })
          .optional(),
        externalId: z.string().min(2).optional(),
        profile: z.string().min(1).optional(),
        account: account.optional(),
      })
      .refine((aws) => aws.externalId === undefined || aws.roleArn !== undefined, {
        path: ['externalId'],
        error: 'externalId needs roleArn',
      })
      .prefault({}),
    callsPerSecond: z.number().positive().max(1000).optional(),
    timeout: timeout.default(60_000),
  })
  .transform((o) => ({ ...o, logGroup: o.logGroup ?? `/aws/eks/${o.cluster}/cluster` }));

export type EksOptions = z.infer<typeof optionsSchema>;
