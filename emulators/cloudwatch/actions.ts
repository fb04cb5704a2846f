// The actions of CloudWatch Logs and EKS that the emulator knows: which resource IAM checks for each, and what it answers.

import { ServiceFault } from './fault.ts';
import { filterPage, type FilterRequest } from './filter-log-events.ts';
import { groupArn, type EventInput, type LogGroup, type LogGroups } from './log-groups.ts';

/** Where a call goes: by the caller's account and the region that it signed for. */
export interface Scope {
  readonly account: string;
  readonly region: string;
}

/** An EKS cluster, as far as DescribeCluster tells of its logging. */
export interface EksCluster extends Scope {
  readonly name: string;
  readonly audit: boolean;
}

export interface Answer {
  readonly body: Buffer;
  /** Events in it, for the statistics. */
  readonly events: number;
  /** To be called when the body was sent: its memory is used again. */
  release?(): void;
}

const HEAD = Buffer.from('{"events":[');
const COMMA = Buffer.from(',');

// Fresh megabytes for every page would have the collector look at all stored events several times a second.
const free: Buffer[] = [];
const MOST_FREE = 16;

function joined(pieces: readonly Buffer[], events: number): Answer {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const at = free.findIndex((memory) => memory.length >= length);
  const memory = at < 0 ? Buffer.allocUnsafeSlow(Math.max(length, 2 << 20)) : free.splice(at, 1)[0]!;
  let filled = 0;
  for (const piece of pieces) filled += piece.copy(memory, filled);
  const release = () => void (free.length < MOST_FREE && free.push(memory));
  return { body: memory.subarray(0, filled), events, release };
}

const json = (value: unknown): Answer => ({ body: Buffer.from(JSON.stringify(value)), events: 0 });

/** Name of a log group, from a name or an ARN. */
function groupName(r: FilterRequest): string {
  const id = r.logGroupName ?? r.logGroupIdentifier?.replace(/^arn:[^:]+:logs:[^:]*:[^:]*:log-group:/, '') ?? '';
  return id.replace(/:\*$/, '');
}

function find(groups: LogGroups, { account, region }: Scope, name: string): LogGroup {
  const group = groups.find(account, region, name);
  if (group === undefined)
    throw new ServiceFault(400, 'ResourceNotFoundException', 'The specified log group does not exist.');
  return group;
}

/** The resource that IAM checks for an action of CloudWatch Logs. */
export function logsResource(action: string, body: Record<string, unknown>, scope: Scope): string {
  // listing is checked against no group at all: https://github.com/hashicorp/terraform-provider-aws/issues/8804
  if (action === 'DescribeLogGroups') return `arn:aws:logs:${scope.region}:${scope.account}:log-group::log-stream:`;
  return groupArn({ ...scope, name: groupName(body) });
}

export function filterLogEvents(
  groups: LogGroups,
  body: FilterRequest,
  scope: Scope,
  now: number,
  rules: { searchSpan: number; empty: boolean },
): Answer {
  const group = find(groups, scope, groupName(body));
  const { events, next } = filterPage(group, body, now, rules);
  const pieces: Buffer[] = [HEAD];
  for (let i = 0; i < events.length; i++) {
    if (i > 0) pieces.push(COMMA);
    pieces.push(events[i]!.json);
  }
  const token = next === undefined ? '' : `"nextToken":${JSON.stringify(next)},`;
  pieces.push(Buffer.from(`],${token}"searchedLogStreams":[]}`));
  return joined(pieces, events.length);
}

/** Pages hold at most 50 groups, as the service's do; the prefix matches longer names too. */
export function describeLogGroups(
  groups: LogGroups,
  body: { logGroupNamePrefix?: string; nextToken?: string; limit?: number },
  scope: Scope,
): Answer {
  const all = groups.list(scope.account, scope.region).filter((g) => g.name.startsWith(body.logGroupNamePrefix ?? ''));
  const from = body.nextToken === undefined ? 0 : all.findIndex((g) => g.name === body.nextToken);
  if (from < 0) throw new ServiceFault(400, 'InvalidParameterException', 'The specified nextToken is invalid.');
  const to = from + (body.limit ?? 50);
  const logGroups = all.slice(from, to).map((g) => ({
    arn: groupArn(g),
    creationTime: g.creationTime,
    logGroupArn: groupArn(g).slice(0, -2),
    logGroupName: g.name,
    ...(g.retentionInDays !== undefined && { retentionInDays: g.retentionInDays }),
    storedBytes: 0,
  }));
  return json({ logGroups, ...(to < all.length && { nextToken: all[to]!.name }) });
}

export function putLogEvents(
  groups: LogGroups,
  body: { logGroupName: string; logStreamName: string; logEvents: EventInput[] },
  scope: Scope,
  now: number,
): Answer {
  const group = find(groups, scope, body.logGroupName);
  const events = body.logEvents.map(({ timestamp, message }) => ({ timestamp, message }));
  const { tooOld, tooNew, expired } = groups.put(group, body.logStreamName, events, now);
  const info = {
    ...(tooNew.length > 0 && { tooNewLogEventStartIndex: tooNew[0] }),
    ...(tooOld.length > 0 && { tooOldLogEventEndIndex: tooOld.at(-1)! + 1 }),
    ...(expired.length > 0 && { expiredLogEventEndIndex: expired.at(-1)! + 1 }),
  };
  return json(Object.keys(info).length > 0 ? { rejectedLogEventsInfo: info } : {});
}

export function describeCluster(clusters: readonly EksCluster[], scope: Scope, name: string): Answer {
  const cluster = clusters.find((c) => c.account === scope.account && c.region === scope.region && c.name === name);
  if (cluster === undefined)
    throw new ServiceFault(404, 'ResourceNotFoundException', `No cluster found for name: ${name}.`);
  const others = ['api', 'authenticator', 'controllerManager', 'scheduler'];
  const clusterLogging = cluster.audit
    ? [
        { types: ['audit'], enabled: true },
        { types: others, enabled: false },
      ]
    : [{ types: ['api', 'audit', ...others.slice(1)], enabled: false }];
  return json({
    cluster: { name, arn: clusterArn(scope, name), status: 'ACTIVE', logging: { clusterLogging } },
  });
}

export const clusterArn = ({ account, region }: Scope, name: string): string =>
  `arn:aws:eks:${region}:${account}:cluster/${name}`;
