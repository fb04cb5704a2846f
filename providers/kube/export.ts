// Records of a file given to `auditkeep decode`: Event lines, EventList lines, or one EventList however it is printed; plain or gzip.

import type { ProviderRecord } from '../../src/provider.ts';
import { CHUNK, type Lines, readLines } from './lines.ts';
import { readerOf } from './reader.ts';

/** Arrival is the event's time, or 0 where a line has none: a file says nothing else. Memory is bounded by the longest line. */
export async function* readExport(chunks: AsyncIterable<Buffer>): AsyncGenerator<ProviderRecord> {
  const reader = await readerOf(chunks, 'input');
  try {
    let page: Lines = { lines: [], end: 0, eof: false };
    while (!page.eof) {
      page = await readLines(reader, page.end, page.list, {
        last: true,
        limit: Number.POSITIVE_INFINITY,
        chunk: CHUNK,
      });
      for (const line of page.lines)
        for (const record of line.records) yield { ...record, arrival: Number.isNaN(line.time) ? 0 : line.time };
    }
  } finally {
    await reader.close();
  }
}
