// The query in the Logging query language: what is asked of Cloud Logging for a window.

import type { Query, Span } from '../../src/provider.ts';
import type { GkeOptions } from './options.ts';

const DAY = 24 * 3_600_000;
/** Cloud Logging takes no entries whose timestamp lies further ahead. */
export const MAX_AHEAD = DAY;

/** A string literal: nothing in it can end it. */
export function quote(text: string): string {
  const inside = text.replace(/["\\\u0000-\u001f\u007f]/g, (c) =>
    c === '"' || c === '\\' ? `\\${c}` : `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
  return `"${inside}"`;
}

/** Full name of one of the two audit logs. */
export const logName = (project: string, log: string): string =>
  `projects/${project}/logs/cloudaudit.googleapis.com%2F${log}`;

/** Event times that are read: what lies outside has no place in the query's claim. */
export const boundsOf = ({ arrival, lateness }: Query): Span => ({
  from: Math.max(0, arrival.from - lateness),
  to: arrival.to + MAX_AHEAD,
});

/** Windows end on whole milliseconds, so entries with nanoseconds fall to exactly one side. */
const rfc3339 = (time: number) => quote(new Date(time).toISOString());

/**
 * The timestamp bound is what makes the search fast. methodName is left alone on purpose: custom resources don't begin with `io.k8s`
 * (https://github.com/liggitt/audit2rbac/issues/18).
 */
export function filterOf(options: GkeOptions, query: Query): string {
  const { project, location, cluster, logs } = options;
  const bounds = boundsOf(query);
  return [
    'resource.type="k8s_cluster"',
    `resource.labels.project_id=${quote(project)}`,
    `resource.labels.location=${quote(location)}`,
    `resource.labels.cluster_name=${quote(cluster)}`,
    'protoPayload.serviceName="k8s.io"',
    `logName=(${logs.map((log) => quote(logName(project, log))).join(' OR ')})`,
    `receiveTimestamp>=${rfc3339(query.arrival.from)}`,
    `receiveTimestamp<${rfc3339(query.arrival.to)}`,
    `timestamp>=${rfc3339(bounds.from)}`,
    `timestamp<${rfc3339(bounds.to)}`,
  ].join(' AND ');
}
