// What a month of events costs in S3: an estimate from the measured volume and list prices.

import { gzipSync } from 'node:zlib';
import { BLOCK_BYTES } from '../archive/compress.ts';

/** Storage alone: requests, retrieval, minimum sizes and durations come on top. */
export const PRICES = {
  region: 'us-east-1',
  asOf: '2025-09',
  /** US dollars a GiB and month, by storage class, first 50 TB. */
  perGiBMonth: {
    STANDARD: 0.023,
    STANDARD_IA: 0.0125,
    ONEZONE_IA: 0.01,
    GLACIER_IR: 0.004,
    GLACIER: 0.0036,
    DEEP_ARCHIVE: 0.000_99,
  },
} as const;

export type StorageClass = keyof typeof PRICES.perGiBMonth;
export const STORAGE_CLASSES = Object.keys(PRICES.perGiBMonth) as StorageClass[];

const GIB = 2 ** 30;
export const MONTH = (365.25 / 12) * 86_400_000;

/** Traffic of less than this says nothing about a month. */
export const LEAST_SPAN = 60_000;

/** US dollars a month for `bytes` in each storage class. */
export function monthlyCost(bytes: number): Record<StorageClass, number> {
  const costs = STORAGE_CLASSES.map((name) => [name, (bytes / GIB) * PRICES.perGiBMonth[name]]);
  return Object.fromEntries(costs) as Record<StorageClass, number>;
}

/** One block in so many is compressed: the ratio of logs hardly varies from block to block. */
const SAMPLE = 8;

/** Estimates how small lines get in the archive, as gzip. */
export function compressionSample() {
  let block: Buffer[] = [];
  let size = 0;
  let blocks = 0;
  const sampled = { content: 0, compressed: 0 };
  const take = () => {
    const content = Buffer.concat(block);
    sampled.content += content.length;
    sampled.compressed += gzipSync(content, { level: 6 }).length;
  };
  return {
    add(line: Buffer): void {
      // a copy: the line lies in memory that its reader uses again
      if (blocks % SAMPLE === 0) block.push(Buffer.from(line), NEWLINE);
      size += line.length + 1;
      if (size < BLOCK_BYTES) return;
      if (blocks % SAMPLE === 0) take();
      block = [];
      size = 0;
      blocks++;
    },
    /** Compressed bytes for each byte of content, 0 to 1; 0 where there was none. */
    ratio(): number {
      if (sampled.content === 0 && size > 0) take();
      return sampled.content === 0 ? 0 : sampled.compressed / sampled.content;
    },
  };
}

const NEWLINE = Buffer.from('\n');
