// Where a walk stands: pieces of its span, as small as the service's limits want them. The page token is its text.

import { StaleTokenError, type Span } from '../../src/provider.ts';
import { BUCKETS, feedName, FEEDS, type Feed, type Piece } from './kql.ts';

/**
 * A walk reads its feeds one after the other, each from begin to end of the span. Everything before (`at`, `bucket`) has been handed out.
 * `size` is the length of the next piece in milliseconds; a single one may be read in parts of `width` hash buckets.
 */
export interface Cursor {
  readonly feeds: readonly Feed[];
  readonly at: number;
  readonly size: number;
  readonly bucket: number;
  readonly width: number;
}

export function begin(feeds: readonly Feed[], span: Span): Cursor {
  return { feeds, at: span.from, size: span.to - span.from, bucket: 0, width: BUCKETS };
}

export function pieceAt({ feeds, at, size, bucket, width }: Cursor, span: Span): Piece {
  return {
    feed: feeds[0]!,
    arrival: { from: at, to: Math.min(at + size, span.to) },
    buckets: { from: bucket, to: Math.min(bucket + width, BUCKETS) },
  };
}

/**
 * After a piece that was read whole. `fill`: the share of what one answer may hold that it took.
 * The next one is made larger or smaller, to take about three quarters. Undefined: the walk is complete.
 */
export function advance(cursor: Cursor, span: Span, fill: number): Cursor | undefined {
  const factor = Math.min(4, Math.max(0.25, 0.75 / Math.max(fill, 0.01)));
  const { feeds, bucket, width } = cursor;
  if (width < BUCKETS && bucket + width < BUCKETS)
    return { ...cursor, bucket: bucket + width, width: Math.min(BUCKETS, Math.max(1, Math.floor(width * factor))) };
  const next = pieceAt(cursor, span).arrival.to;
  if (next < span.to) {
    const size = width < BUCKETS ? 1 : Math.max(1, Math.floor(cursor.size * factor));
    return { feeds, at: next, size, bucket: 0, width: BUCKETS };
  }
  const rest = feeds.slice(1);
  return rest.length === 0 ? undefined : begin(rest, span);
}

/** After a piece that was too large. Undefined: it can't be split further. */
export function shrink(cursor: Cursor, span: Span): Cursor | undefined {
  const { arrival, buckets } = pieceAt(cursor, span);
  const length = arrival.to - arrival.from;
  if (length > 1) return { ...cursor, size: Math.ceil(length / 4) };
  const width = buckets.to - buckets.from;
  return width > 1 ? { ...cursor, size: 1, width: Math.ceil(width / 4) } : undefined;
}

export function formatCursor({ feeds, at, size, bucket, width }: Cursor): string {
  return `${feeds.map(feedName).join(',')}|${at}|${size}|${bucket}|${width}`;
}

/** @throws StaleTokenError for a token that isn't one of this span's */
export function parseCursor(token: string, span: Span): Cursor {
  const match = /^([\w/,-]+)\|(\d+)\|(\d+)\|(\d+)\|(\d+)$/.exec(token);
  const names = match?.[1]!.split(',') ?? [];
  const feeds = names.flatMap((name) => FEEDS.filter((feed) => feedName(feed) === name));
  const [at, size, bucket, width] = (match?.slice(2).map(Number) ?? []) as [number, number, number, number];
  const good =
    match !== null &&
    feeds.length === names.length &&
    at >= span.from &&
    at < span.to &&
    size >= 1 &&
    bucket < BUCKETS &&
    width >= 1 &&
    width <= BUCKETS;
  if (!good) throw new StaleTokenError(`the page token ${JSON.stringify(token)} doesn't belong to this query`);
  return { feeds, at, size, bucket, width };
}
