// Where a walk stands: pieces of its span, as small as the service's limits want them. The page token is its text.

import { StaleTokenError, type Span } from '../../src/provider.ts';
import { BUCKETS, feedName, FEEDS, type Feed, type Piece } from './kql.ts';

/** Slots that the rows of a piece are counted by before it is split. */
const SLOTS = 1000;

/** The end of a piece, milliseconds since the epoch. `count`: it holds too much for one answer, so its rows are counted first. */
export interface End {
  readonly at: number;
  readonly count: boolean;
}

/**
 * A walk reads its feeds one after the other, each from begin to end of the span. Everything before (`at`, `bucket`) has been handed out.
 * The piece that comes next goes to the first of `ends`; a single millisecond may be read in parts of `width` hash buckets.
 * `most`: rows that a piece should have.
 */
export interface Cursor {
  readonly feeds: readonly Feed[];
  readonly at: number;
  readonly bucket: number;
  readonly width: number;
  readonly most: number;
  readonly ends: readonly End[];
}

export function begin(feeds: readonly Feed[], span: Span, most: number): Cursor {
  return { feeds, at: span.from, bucket: 0, width: BUCKETS, most, ends: [{ at: span.to, count: false }] };
}

export function pieceAt({ feeds, at, bucket, width, ends }: Cursor): Piece {
  return {
    feed: feeds[0]!,
    arrival: { from: at, to: ends[0]!.at },
    buckets: { from: bucket, to: Math.min(bucket + width, BUCKETS) },
  };
}

/** After a piece that was read whole. Undefined: the walk is complete. */
export function advance(cursor: Cursor, span: Span): Cursor | undefined {
  const { feeds, bucket, width, most, ends } = cursor;
  if (bucket + width < BUCKETS) return { ...cursor, bucket: bucket + width };
  if (ends.length > 1) return { ...cursor, at: ends[0]!.at, bucket: 0, width: BUCKETS, ends: ends.slice(1) };
  return feeds.length > 1 ? begin(feeds.slice(1), span, most) : undefined;
}

/**
 * After a piece that was too large: its rows are counted next. Undefined: it can't be split further.
 * @param fewer the limit was not one of rows, so pieces of fewer rows are wanted
 */
export function shrink(cursor: Cursor, fewer: boolean): Cursor | undefined {
  const { width, ends } = cursor;
  const most = fewer ? Math.max(1, Math.floor(cursor.most / 4)) : cursor.most;
  if (width === BUCKETS) return { ...cursor, most, ends: [{ at: ends[0]!.at, count: true }, ...ends.slice(1)] };
  return width > 1 ? { ...cursor, most, width: Math.ceil(width / 4) } : undefined;
}

/** Length of the slots that the rows of the next piece are counted by, milliseconds. */
export const slotLength = ({ at, ends }: Cursor): number => Math.ceil((ends[0]!.at - at) / SLOTS);

/** Splits the next piece by what was counted: slots that begin at `at`, in any order; those without rows may be missing. */
export function split(cursor: Cursor, slots: readonly { readonly at: number; readonly rows: number }[]): Cursor {
  const { at, most } = cursor;
  const to = cursor.ends[0]!.at;
  const rest = cursor.ends.slice(1);
  const length = slotLength(cursor);
  if (to - at === 1) {
    const rows = slots.reduce((sum, slot) => sum + slot.rows, 0);
    const width = Math.max(1, Math.min(BUCKETS / 2, Math.floor((BUCKETS * most) / Math.max(rows, 1))));
    return { ...cursor, width, ends: [{ at: to, count: false }, ...rest] };
  }
  const ends: End[] = [];
  let from = at;
  let held = 0;
  const close = (end: number) => {
    const bound = Math.min(end, to);
    if (bound <= from) return;
    ends.push({ at: bound, count: held > most });
    from = bound;
    held = 0;
  };
  for (const slot of slots.toSorted((a, b) => a.at - b.at)) {
    if (held + slot.rows > most) close(slot.at);
    held += slot.rows;
    if (held > most) close(slot.at + length);
  }
  close(to);
  // the service has the last word: what it cut must become smaller, whatever was counted
  if (ends.length === 1) ends.unshift({ at: at + Math.ceil((to - at) / 2), count: false });
  return { ...cursor, ends: [...ends, ...rest] };
}

export function formatCursor({ feeds, at, bucket, width, most, ends }: Cursor): string {
  const list = ends.map((end) => `${end.at.toString(36)}${end.count ? '!' : ''}`);
  return `${feeds.map(feedName).join(',')}|${at}|${bucket}|${width}|${most}|${list.join('.')}`;
}

/** @throws StaleTokenError for a token that isn't one of this span's */
export function parseCursor(token: string, span: Span): Cursor {
  const match = /^([\w/,-]+)\|(\d+)\|(\d+)\|(\d+)\|(\d+)\|([0-9a-z.!]+)$/.exec(token);
  const names = match?.[1]!.split(',') ?? [];
  const feeds = names.flatMap((name) => FEEDS.filter((feed) => feedName(feed) === name));
  const [at, bucket, width, most] = (match?.slice(2, 6).map(Number) ?? []) as [number, number, number, number];
  const ends = (match?.[6] ?? '').split('.').map((text) => ({
    at: Number.parseInt(text, 36),
    count: text.endsWith('!'),
  }));
  const rising = ends.every((end, i) => end.at > (i === 0 ? at : ends[i - 1]!.at));
  const good =
    match !== null &&
    feeds.length === names.length &&
    at >= span.from &&
    rising &&
    ends.at(-1)!.at === span.to &&
    bucket < BUCKETS &&
    width >= 1 &&
    width <= BUCKETS &&
    most >= 1;
  if (!good)
    throw new StaleTokenError(`the page token ${JSON.stringify(token.slice(0, 200))} doesn't belong to this query`);
  return { feeds, at, bucket, width, most, ends };
}
