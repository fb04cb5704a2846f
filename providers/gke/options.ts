// What a GKE cluster takes in the config, beside what every cluster takes.

import * as z from 'zod';
import { parseDuration } from '../../src/provider.ts';

const timeout = z.string().transform((text, context) => {
  const ms = parseDuration(text);
  if (ms > 0 && ms <= 300_000) return ms;
  context.addIssue({ code: 'custom', message: `expected a duration from 1s to 5m, found "${text}"` });
  return z.NEVER;
});

// a domain-scoped project still has its domain before a colon
const PROJECT = '([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]';
const PARENT = `(projects/${PROJECT}|(folders|organizations)/\\d{1,19}|billingAccounts/[A-Z0-9-]{1,30})`;
const BUCKET = `${PARENT}/locations/[a-z0-9-]{1,40}/buckets/[A-Za-z0-9._-]{1,100}`;

const resourceName = z
  .string()
  .regex(new RegExp(`^(${PARENT}|${BUCKET}(/views/[A-Za-z0-9._-]{1,100})?)$`), {
    error:
      'expected projects/<id>, folders/<number>, organizations/<number>, or projects/<id>/locations/<location>/buckets/<bucket>, with or without /views/<view>',
  })
  // entries.list takes no bucket, only a view of it; each bucket has this one
  .transform((name) => (/\/buckets\/[^/]+$/.test(name) ? `${name}/views/_AllLogs` : name));

export const optionsSchema = z
  .strictObject({
    project: z.string().regex(new RegExp(`^${PROJECT}$`), {
      error: 'expected the id of a Google Cloud project, such as acme-data (not its number or display name)',
    }),
    location: z.string().regex(/^[a-z]+(-[a-z]+)+\d+(-[a-z])?$/, {
      error: 'expected the region or zone of the cluster, such as europe-west1 or us-central1-a',
    }),
    cluster: z.string().regex(/^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$/, {
      error: 'a GKE cluster name has 1 to 40 characters: a-z, 0-9 and "-", and begins with a letter',
    }),
    resourceNames: z.array(resourceName).min(1).max(100).optional(),
    logs: z
      .array(z.enum(['activity', 'data_access']))
      .min(1)
      .default(['activity', 'data_access']),
    keepRaw: z.boolean().default(false),
    callsPerMinute: z.number().positive().max(100_000).default(60),
    credentialsFile: z.string().min(1).optional(),
    impersonate: z
      .string()
      .regex(/^[^@\s]+@[^@\s]+\.gserviceaccount\.com$/, {
        error: 'expected the e-mail address of a service account: <name>@<project>.iam.gserviceaccount.com',
      })
      .optional(),
    quotaProject: z
      .string()
      .regex(new RegExp(`^${PROJECT}$`), { error: 'expected the id of a Google Cloud project' })
      .optional(),
    timeout: timeout.default(60_000),
  })
  .transform((o) => ({ ...o, resourceNames: o.resourceNames ?? [`projects/${o.project}`] }));

export type GkeOptions = z.infer<typeof optionsSchema>;
