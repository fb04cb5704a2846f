// Pages of a window from CloudWatch Logs, and what the log group and the cluster say of themselves.

import {
  AuditkeepError,
  ConfigError,
  giveMemory,
  StaleTokenError,
  TransientError,
  ThrottledError,
  type ClusterSettings,
  type Horizon,
  type Page,
  type Query,
  type Source,
  type SourceDeps,
  type Span,
  type Visible,
} from '../../src/provider.ts';
import { classify, type Attempt } from './classify.ts';
import { createClients } from './client.ts';
import { STREAM_PREFIX } from './decode.ts';
import type { EksOptions } from './options.ts';
import { parsePage, tokenAhead } from './page.ts';
import { clusterArn, filterLogEventsPerSecond, logGroupArn } from './quota.ts';
import { takeBody, watchDate } from './raw-body.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** PutLogEvents refuses events further ahead of the service's clock, and older ones than MAX_AGE. */
const MAX_AHEAD = 2 * HOUR;
const MAX_AGE = 14 * DAY;
/** Shorter pieces of a query would cost calls that find nothing. */
const SHORTEST_PIECE = 4 * HOUR;
/** The most that FilterLogEvents takes. */
const PAGE_EVENTS = 10_000;

/** @throws nothing: connections and SDKs come with the first call */
export function connect(settings: ClusterSettings, options: EksOptions, deps: SourceDeps): Source {
  const { region, cluster, logGroup } = options;
  const clients = createClients(options, settings);
  let closed = false;
  let account: Promise<string> | undefined;
  const knownAccount = options.aws.account ?? options.aws.roleArn?.split(':')[4];
  let accountNow = knownAccount;
  // for messages; IAM's wildcard where the account isn't known
  const groupArn = () => logGroupArn(region, accountNow ?? '*', logGroup);

  function missingGroup(): ConfigError {
    return new ConfigError(
      `the log group ${logGroup} doesn't exist in ${region}${accountNow === undefined ? '' : ` of account ${accountNow}`}`,
      {
        hint:
          `check region, account and logGroup of this cluster; if audit logging was never switched on: aws eks update-cluster-config --region ${region} --name ${cluster} ` +
          `--logging '{"clusterLogging":[{"types":["audit"],"enabled":true}]}'`,
      },
    );
  }

  /** Runs one call with the signal and the errors of the contract. */
  async function call<T>(
    attempt: Attempt,
    signal: AbortSignal,
    run: (abortSignal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    if (closed) throw new AuditkeepError(`${attempt.action} after close`);
    signal.throwIfAborted();
    let stop = () => {};
    try {
      // looking up credentials knows no signal, so the signal is also waited for here
      const aborted = new Promise<never>((_, reject) => {
        stop = () => reject(signal.reason as Error);
        signal.addEventListener('abort', stop, { once: true });
      });
      return await Promise.race([run(signal), aborted]);
    } catch (error) {
      throw classify(error, { ...attempt, roleArn: options.aws.roleArn }, signal);
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  async function askAccount(signal: AbortSignal): Promise<string> {
    return call({ action: 'sts:GetCallerIdentity', resource: '*' }, signal, async (abortSignal) => {
      const { sdk, client } = await clients.sts();
      const command = new sdk.GetCallerIdentityCommand({});
      watchDate(command.middlewareStack, deps.onServerDate);
      const answer = await client.send(command, { abortSignal });
      if (answer.Account === undefined) throw new TransientError('sts:GetCallerIdentity answered without an account');
      accountNow = answer.Account;
      return answer.Account;
    });
  }

  function accountId(signal: AbortSignal): Promise<string> {
    if (knownAccount !== undefined) return Promise.resolve(knownAccount);
    if (account === undefined) {
      const asked = askAccount(signal);
      account = asked;
      // a failure is not kept: the next caller asks again
      asked.catch(() => {
        if (account === asked) account = undefined;
      });
    }
    return account;
  }

  const bounds = ({ arrival, lateness }: Query): Span => ({
    from: Math.max(0, arrival.from - lateness),
    to: arrival.to + MAX_AHEAD,
  });

  /** The service's `endTime` is inclusive, spans are half-open. */
  const range = (query: Query) => {
    const { from, to } = query.events ?? bounds(query);
    return { startTime: from, endTime: to - 1 };
  };

  async function findGroup(signal: AbortSignal) {
    const attempt = { action: 'logs:DescribeLogGroups', resource: '*', missing: missingGroup };
    return call(attempt, signal, async (abortSignal) => {
      const { sdk, client } = await clients.logs();
      let nextToken: string | undefined;
      do {
        const command = new sdk.DescribeLogGroupsCommand({ logGroupNamePrefix: logGroup, nextToken });
        watchDate(command.middlewareStack, deps.onServerDate);
        const answer = await client.send(command, { abortSignal });
        // the prefix matches longer names as well
        const found = answer.logGroups?.find((g) => g.logGroupName === logGroup);
        if (found !== undefined) return found;
        nextToken = answer.nextToken;
      } while (nextToken !== undefined);
      throw missingGroup();
    });
  }

  async function auditLogging(signal: AbortSignal): Promise<Pick<Visible, 'logging' | 'notes'>> {
    const attempt = { action: 'eks:DescribeCluster', resource: clusterArn(region, accountNow ?? '*', cluster) };
    try {
      return await call(attempt, signal, async (abortSignal) => {
        const { sdk, client } = await clients.eks();
        const command = new sdk.DescribeClusterCommand({ name: cluster });
        watchDate(command.middlewareStack, deps.onServerDate);
        const answer = await client.send(command, { abortSignal });
        const setups = answer.cluster?.logging?.clusterLogging ?? [];
        const on = setups.some((s) => s.enabled === true && s.types?.includes('audit') === true);
        return { logging: on ? 'on' : 'off', notes: [] };
      });
    } catch (error) {
      if (signal.aborted || error instanceof TransientError || error instanceof ThrottledError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      return { logging: 'unknown', notes: [`audit logging couldn't be asked: ${reason}`] };
    }
  }

  return {
    settle: 5 * MINUTE,
    lateness: { first: HOUR, recheck: DAY, max: MAX_AGE },
    reads: 'wide',
    bounds,

    // pages of one query come one after the other, each as late as the service takes for it
    pieces(query, most) {
      const { from, to } = bounds(query);
      const { arrival } = query;
      const count = Math.max(1, Math.min(most, Math.floor((arrival.to - from) / SHORTEST_PIECE)));
      const at = (n: number) => (n === count ? to : from + Math.round(((arrival.to - from) * n) / count));
      return Array.from({ length: count }, (_, n) => ({ ...query, events: { from: at(n), to: at(n + 1) } }));
    },

    async quota() {
      const id = await accountId(new AbortController().signal);
      return {
        key: `aws:${id}:${region}:logs:FilterLogEvents`,
        perSecond: options.callsPerSecond ?? filterLogEventsPerSecond(region),
      };
    },

    describe: (query) => ({
      action: 'FilterLogEvents',
      region,
      logGroup,
      logStreamNamePrefix: STREAM_PREFIX,
      ...range(query),
    }),

    async identity(signal) {
      return `aws:${await accountId(signal)}:${region}:${logGroup}`;
    },

    async horizon(signal): Promise<Horizon> {
      let group;
      try {
        group = await findGroup(signal);
      } catch (error) {
        const denied = (error as { cause?: { name?: string } }).cause?.name === 'AccessDeniedException';
        if (denied) return { because: 'unknown' };
        throw error;
      }
      const holder = group.arn?.split(':')[4];
      if (knownAccount !== undefined && holder !== undefined && holder !== knownAccount)
        throw new ConfigError(`the credentials read account ${holder}, but aws.account is ${knownAccount}`, {
          hint: 'correct aws.account of this cluster, or the profile or role that it is read with',
        });
      const created = group.creationTime ?? 0;
      if (group.retentionInDays === undefined) return { at: created, because: 'created' };
      const retention = group.retentionInDays * DAY;
      const oldest = deps.now() - retention;
      return created >= oldest
        ? { at: created, because: 'created', retention }
        : { at: oldest, because: 'retention', retention };
    },

    async visible(signal) {
      return { sources: [`${logGroup}:${STREAM_PREFIX}*`], ...(await auditLogging(signal)) };
    },

    async fetchPage(query, token, signal, onNext): Promise<Page> {
      const attempt: Attempt = {
        action: 'logs:FilterLogEvents',
        resource: groupArn(),
        token: token !== undefined,
        missing: missingGroup,
      };
      return call(attempt, signal, async (abortSignal) => {
        const { sdk, client } = await clients.logs();
        const command = new sdk.FilterLogEventsCommand({
          logGroupName: logGroup,
          logStreamNamePrefix: STREAM_PREFIX,
          ...range(query),
          limit: PAGE_EVENTS,
          nextToken: token,
        });
        let body: Buffer | undefined;
        watchDate(command.middlewareStack, deps.onServerDate);
        takeBody(command.middlewareStack, (bytes) => {
          body = bytes;
        });
        await client.send(command, { abortSignal });
        if (body === undefined) throw new TransientError('FilterLogEvents answered without a body');
        const ahead = tokenAhead(body);
        if (ahead !== undefined) onNext?.(ahead);
        const { records, next, memory } = parsePage(body);
        if (memory.buffer !== body.buffer) giveMemory(body);
        if (next !== undefined && next === token)
          throw new StaleTokenError(
            `${attempt.action} on ${groupArn()} gave the page token back that was sent: the walk goes in a circle`,
          );
        // pages come in the order of event time
        const last = records.at(-1)?.time;
        return {
          records,
          ...(next !== undefined && { next }),
          bytes: body.length,
          ...(last !== undefined && { position: last }),
          release: () => giveMemory(memory),
        };
      });
    },

    async close() {
      closed = true;
      await clients.close();
    },
  };
}
