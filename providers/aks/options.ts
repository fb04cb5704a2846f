// What an AKS cluster takes in the config, beside what every cluster takes.

import * as z from 'zod';
import { parseDuration } from '../../src/provider.ts';

/** Tables that hold audit events. */
export const TABLES = ['AKSAudit', 'AKSAuditAdmin', 'AzureDiagnostics'] as const;
export type Table = (typeof TABLES)[number];

/** Log categories with audit events: all requests, and all but get and list. */
export const CATEGORIES = ['kube-audit', 'kube-audit-admin'] as const;
export type Category = (typeof CATEGORIES)[number];

const RESOURCE =
  /^\/subscriptions\/[\w-]{1,64}\/resourceGroups\/[\p{L}\p{N}_.()-]{1,90}\/providers\/Microsoft\.ContainerService\/managedClusters\/[A-Za-z0-9][\w-]{0,62}$/iu;

const duration = (least: number, most: number, words: string) =>
  z.string().transform((text, context) => {
    const ms = parseDuration(text);
    if (ms >= least && ms <= most) return ms;
    context.addIssue({ code: 'custom', message: `expected a duration ${words}, found "${text}"` });
    return z.NEVER;
  });

const DAY = 86_400_000;

export const optionsSchema = z
  .strictObject({
    workspace: z.string().regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, {
      error: 'expected the id of a Log Analytics workspace ("customerId", a GUID), not its name or resource id',
    }),
    resource: z.string().regex(RESOURCE, {
      error:
        'expected the resource id of the cluster: /subscriptions/<id>/resourceGroups/<group>/providers/Microsoft.ContainerService/managedClusters/<name>',
    }),
    table: z.enum(['auto', ...TABLES]).default('auto'),
    category: z.enum(['auto', ...CATEGORIES]).default('auto'),
    cloud: z.enum(['public', 'usgov', 'china']).default('public'),
    azure: z
      .strictObject({
        credential: z
          .enum(['default', 'workload-identity', 'managed-identity', 'environment', 'cli'])
          .default('default'),
        tenantId: z.string().min(1).optional(),
        clientId: z.string().min(1).optional(),
        clientSecret: z.string().min(1).optional(),
        certificate: z.string().min(1).optional(),
      })
      .refine((azure) => azure.clientSecret === undefined || azure.certificate === undefined, {
        path: ['certificate'],
        error: 'clientSecret and certificate exclude each other',
      })
      .refine(
        ({ clientSecret, certificate, tenantId, clientId }) =>
          (clientSecret === undefined && certificate === undefined) ||
          (tenantId !== undefined && clientId !== undefined),
        { path: ['clientId'], error: 'a service principal needs tenantId and clientId' },
      )
      .prefault({}),
    retention: duration(DAY, 12 * 366 * DAY, 'from 1d on').optional(),
    callsPerSecond: z
      .number()
      .positive()
      .max(1000)
      .default(200 / 30),
    queriesAtOnce: z.number().int().min(1).max(100).default(5),
    pageRows: z.number().int().min(1).max(400_000).default(1250),
    timeout: duration(1000, 11 * 60_000, 'from 1s to 11m').default(200_000),
  })
  .superRefine((o, context) => {
    const wanted = { AKSAudit: 'kube-audit', AKSAuditAdmin: 'kube-audit-admin' } as const;
    if (o.table !== 'AKSAudit' && o.table !== 'AKSAuditAdmin') return;
    if (o.category === 'auto' || o.category === wanted[o.table]) return;
    context.addIssue({
      code: 'custom',
      path: ['category'],
      message: `the table ${o.table} holds the category ${wanted[o.table]} and no other`,
    });
  });

export type AksOptions = z.infer<typeof optionsSchema>;
