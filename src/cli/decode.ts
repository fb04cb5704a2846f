// `auditkeep decode`: records that a cloud's own tools exported → Events on stdout, the rest counted on stderr.

import { ConfigError, EXIT } from '../errors.ts';
import { scanEvent } from '../event.ts';
import type { Provider, ProviderRecord } from '../provider.ts';
import { guard } from '../policy/guard.ts';
import type { Run } from './io.ts';
import { formatCount } from './output.ts';
import { contentOf } from './read-file.ts';

/** What became of the records of one file; the JSON output. */
export interface DecodeSummary {
  provider: string;
  file: string;
  received: number;
  written: number;
  skipped: number;
  rejected: number;
  skippedByReason: Record<string, number>;
  rejectedByReason: Record<string, number>;
  /** Events whose bodies the guard took away. */
  redacted: number;
  /** Bodies that the source had left out. */
  omitted: Record<string, number>;
}

/** Exit code 0 if every record was decoded or skipped, 3 if some were rejected, 1 if the input can't be read. */
export const decode: Run<{ secrets: 'redact' | 'keep' }, readonly string[]> = async (cli, name = '', file = '') => {
  const provider = await loadProvider(cli.registry, name);
  const parsed = provider.options.safeParse({});
  const counts: DecodeSummary = {
    provider: name,
    file,
    received: 0,
    written: 0,
    skipped: 0,
    rejected: 0,
    skippedByReason: {},
    rejectedByReason: {},
    redacted: 0,
    omitted: {},
  };
  const quiet = cli.options.output === 'json';
  const lines = batch(cli.out.write);
  const soFar = () => `${formatCount(counts.received)} records were decoded before that and are printed`;
  try {
    for await (const record of provider.readExport(contentOf(file, cli, soFar))) {
      cli.signal.throwIfAborted();
      counts.received++;
      const line = decodeOne(provider, parsed.data, record, cli.options.secrets, counts);
      if (line !== undefined && !quiet) await lines.add(line);
      if (cli.out.closed) break;
    }
  } catch (error) {
    await lines.end();
    throw error;
  }
  await lines.end();
  if (quiet) await cli.out.json(counts);
  else cli.tell(inWords(counts));
  return counts.rejected > 0 ? EXIT.incomplete : EXIT.done;
};

async function loadProvider(registry: Parameters<typeof decode>[0]['registry'], name: string): Promise<Provider> {
  const load = Object.hasOwn(registry, name) ? registry[name] : undefined;
  if (load === undefined)
    throw new ConfigError(`"${name}" is no provider`, { hint: `providers: ${Object.keys(registry).join(', ')}` });
  return load();
}

/** The line to print, if the record gives one; counts what became of it. */
function decodeOne(
  provider: Provider,
  options: unknown,
  record: ProviderRecord,
  secrets: 'redact' | 'keep',
  counts: DecodeSummary,
): Buffer | undefined {
  const decoded = provider.decode(record, options);
  if ('skip' in decoded) {
    counts.skipped++;
    add(counts.skippedByReason, decoded.skip);
    return undefined;
  }
  const event = 'event' in decoded ? (decoded.scan ?? scanEvent(decoded.event)) : { not: decoded.reject };
  if ('not' in event) {
    counts.rejected++;
    add(counts.rejectedByReason, event.not);
    return undefined;
  }
  counts.written++;
  for (const body of ('event' in decoded && decoded.omitted) || []) add(counts.omitted, body);
  if (secrets === 'keep') return event.line;
  const checked = guard(event);
  if (checked.lowered) counts.redacted++;
  return checked.line;
}

function add(counts: Record<string, number>, reason: string): void {
  counts[reason] = (counts[reason] ?? 0) + 1;
}

/** Collects lines into larger writes. */
function batch(write: (chunk: Buffer) => Promise<void>) {
  let held: Buffer[] = [];
  let size = 0;
  const newline = Buffer.from('\n');
  const end = async () => {
    if (size === 0) return;
    const chunk = Buffer.concat(held);
    held = [];
    size = 0;
    await write(chunk);
  };
  return {
    end,
    async add(line: Buffer): Promise<void> {
      held.push(line, newline);
      size += line.length + 1;
      if (size >= 1 << 16) await end();
    },
  };
}

function inWords(counts: DecodeSummary): string {
  const reasons = (by: Record<string, number>) =>
    Object.entries(by)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([reason, n]) => `${reason} ${formatCount(n)}`)
      .join(', ');
  const parts = [`${formatCount(counts.received)} records: ${formatCount(counts.written)} events`];
  if (counts.redacted > 0) parts.push(`${formatCount(counts.redacted)} of them without their secret bodies`);
  const omitted = reasons(counts.omitted);
  if (omitted !== '') parts.push(`bodies that the source had left out (${omitted})`);
  if (counts.skipped > 0) parts.push(`${formatCount(counts.skipped)} skipped (${reasons(counts.skippedByReason)})`);
  if (counts.rejected > 0) parts.push(`${formatCount(counts.rejected)} rejected (${reasons(counts.rejectedByReason)})`);
  return parts.join(', ');
}
