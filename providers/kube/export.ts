// Records of a file given to `auditkeep decode`: Event lines or EventList lines, plain or gzip.

import type { ProviderRecord } from '../../src/provider.ts';
import { readLines } from './lines.ts';
import { readerOf } from './reader.ts';

/** Arrival is the event's time, or 0 where a line has none: a file says nothing else. Memory is bounded by the longest line. */
export async function* readExport(chunks: AsyncIterable<Buffer>): AsyncGenerator<ProviderRecord> {
  const reader = await readerOf(chunks, 'input');
  try {
    for (let at = 0; ;) {
      const { lines, end, eof } = await readLines(reader, at, true, Number.POSITIVE_INFINITY);
      for (const line of lines)
        for (const record of line.records) yield { ...record, arrival: Number.isNaN(line.time) ? 0 : line.time };
      at = end;
      if (eof) return;
    }
  } finally {
    await reader.close();
  }
}
