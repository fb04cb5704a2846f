// What CloudWatch Logs holds: log groups of several accounts and regions, their streams and events, in the order in which FilterLogEvents gives them.

const DAY = 86_400_000;
const HOUR = 3_600_000;

/** An event as tests and the demo put it. Times are milliseconds since the epoch. */
export interface EventInput {
  readonly timestamp: number;
  readonly message: string;
  /** When CloudWatch accepted it; default: the emulator's clock. */
  readonly ingestionTime?: number;
  /** From when on a search finds it; default: `ingestionTime`. */
  readonly visibleAt?: number;
  readonly eventId?: string;
}

/** Events that PutLogEvents refused, by their index in the call. */
export interface PutResult {
  readonly accepted: number;
  readonly tooOld: readonly number[];
  readonly tooNew: readonly number[];
  readonly expired: readonly number[];
}

export interface StoredEvent {
  readonly timestamp: number;
  readonly ingestionTime: number;
  /** Order of the puts: the last sort key. */
  readonly order: number;
  readonly visibleAt: number;
  readonly stream: string;
  readonly eventId: string;
  /** Message bytes, for the page rule. */
  readonly size: number;
  /** The event as it stands in an answer: encoded once, so that serving costs a copy. */
  readonly json: Buffer;
}

export interface LogGroup {
  readonly account: string;
  readonly region: string;
  readonly name: string;
  readonly creationTime: number;
  retentionInDays: number | undefined;
  readonly streams: Set<string>;
  /** By (timestamp, ingestionTime, order) once `sort` has run. */
  events: StoredEvent[];
  sorted: boolean;
}

/** Where an event stands in the order of a search. */
export type Position = readonly [timestamp: number, ingestionTime: number, order: number];

export function compare(event: StoredEvent, [timestamp, ingestionTime, order]: Position): number {
  return event.timestamp - timestamp || event.ingestionTime - ingestionTime || event.order - order;
}

/** Index of the first event behind `position`. */
export function indexAfter(group: LogGroup, position: Position): number {
  let low = 0;
  let high = group.events.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(group.events[middle]!, position) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function sort(group: LogGroup): void {
  if (group.sorted) return;
  group.events.sort((a, b) => a.timestamp - b.timestamp || a.ingestionTime - b.ingestionTime || a.order - b.order);
  group.sorted = true;
}

/** Event times before this are gone. */
export function retainedFrom(group: LogGroup, now: number): number {
  return group.retentionInDays === undefined ? Number.NEGATIVE_INFINITY : now - group.retentionInDays * DAY;
}

export function groupArn(group: { account: string; region: string; name: string }): string {
  return `arn:aws:logs:${group.region}:${group.account}:log-group:${group.name}:*`;
}

/** 56 digits, as CloudWatch's ids are; the same in every run. */
function makeEventId(timestamp: number, order: number): string {
  return `39${String(timestamp).padStart(14, '0')}${String(order).padStart(40, '0')}`;
}

/** All log groups of all accounts. */
export function createLogGroups() {
  const groups = new Map<string, LogGroup>();
  let order = 0;
  const keyOf = (account: string, region: string, name: string) => `${account} ${region} ${name}`;

  return {
    find: (account: string, region: string, name: string) => groups.get(keyOf(account, region, name)),

    /** In the order of their names, as DescribeLogGroups lists them. */
    list(account: string, region: string): LogGroup[] {
      return [...groups.values()]
        .filter((g) => g.account === account && g.region === region)
        .sort((a, b) => (a.name < b.name ? -1 : 1));
    },

    create(account: string, region: string, name: string, creationTime: number, retentionInDays?: number): LogGroup {
      const key = keyOf(account, region, name);
      const old = groups.get(key);
      if (old !== undefined) return old;
      const group: LogGroup = {
        account,
        region,
        name,
        creationTime,
        retentionInDays,
        streams: new Set(),
        events: [],
        sorted: true,
      };
      groups.set(key, group);
      return group;
    },

    remove: (account: string, region: string, name: string) => groups.delete(keyOf(account, region, name)),

    /**
     * PutLogEvents: refuses what is older than 14 days or the retention, or more than 2 hours ahead of its ingestion.
     * @param now the emulator's clock
     */
    put(group: LogGroup, stream: string, inputs: Iterable<EventInput>, now: number): PutResult {
      const result = { accepted: 0, tooOld: [] as number[], tooNew: [] as number[], expired: [] as number[] };
      group.streams.add(stream);
      const streamJson = JSON.stringify(stream);
      let index = -1;
      for (const input of inputs) {
        index++;
        const { timestamp, ingestionTime = now, visibleAt = ingestionTime } = input;
        if (timestamp > ingestionTime + 2 * HOUR) result.tooNew.push(index);
        else if (timestamp < retainedFrom(group, ingestionTime)) result.expired.push(index);
        else if (timestamp < ingestionTime - 14 * DAY) result.tooOld.push(index);
        else {
          const eventId = input.eventId ?? makeEventId(timestamp, order);
          const json = Buffer.from(
            `{"eventId":${JSON.stringify(eventId)},"ingestionTime":${ingestionTime},"logStreamName":${streamJson},` +
              `"message":${JSON.stringify(input.message)},"timestamp":${timestamp}}`,
          );
          const size = Buffer.byteLength(input.message);
          const event = { timestamp, ingestionTime, order: order++, visibleAt, stream, eventId, size, json };
          const last = group.events.at(-1);
          if (last !== undefined && compare(last, [timestamp, ingestionTime, event.order]) > 0) group.sorted = false;
          group.events.push(event);
          result.accepted++;
        }
      }
      return result;
    },
  };
}

export type LogGroups = ReturnType<typeof createLogGroups>;
