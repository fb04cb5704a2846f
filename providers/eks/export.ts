// Files that AWS tools exported, for `auditkeep decode`.

import type { ProviderRecord } from '../../src/provider.ts';

export async function* readExport(chunks: AsyncIterable<Buffer>): AsyncIterable<ProviderRecord> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    rest = Buffer.concat([rest, chunk]);
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      if (end > 0) yield { arrival: 0, content: rest.subarray(0, end) };
      rest = rest.subarray(end + 1);
    }
  }
  if (rest.length > 0) yield { arrival: 0, content: rest };
}
