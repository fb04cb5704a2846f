// `auditkeep policy suggest`: proposes a policy from measured traffic; stdout is a Policy file, what it saves is in its comments.

import { ConfigError, EXIT } from '../errors.ts';
import { suggest } from '../policy/suggest.ts';
import { trafficCounter } from '../policy/traffic.ts';
import type { Run } from './io.ts';
import { formatBytes, formatCount } from './output.ts';
import { type EventOptions, inWords, noEvents, withEvents } from './policy-events.ts';

export interface SuggestOptions extends EventOptions {
  minShare: string;
}

/** Exit code 0 with a proposal; 1 where there was no event to propose from. */
export const policySuggest: Run<SuggestOptions> = async (cli, ...files) => {
  const minShare = Number(cli.options.minShare) / 100;
  if (!(minShare >= 0 && minShare <= 1))
    throw new ConfigError(`--min-share ${cli.options.minShare}: expected a percentage such as 0.5`);
  return withEvents(cli, files, async (source) => {
    const counters = { known: trafficCounter('known'), unknown: trafficCounter('unknown') };
    for await (const { event, groups } of source.events) counters[groups].add(event);
    const rows = [...counters.known.rows(), ...counters.unknown.rows()];
    if (rows.length === 0) throw noEvents(source);
    const { text, rules, total } = suggest(rows, { minShare });
    const others = inWords(source.notEvents);
    if (others !== '') cli.tell(`${source.name}: ${others} were left out`);
    if (cli.options.output === 'json')
      await cli.out.json({ source: source.name, policy: text, rules, ...total, notEvents: source.notEvents });
    else {
      // names in it are quoted in ASCII, so nothing of it can act on a terminal
      await cli.out.write(text);
      cli.tell(
        `${source.name}: of ${formatCount(total.events)} events, ${formatBytes(total.bytes)}, it keeps ${formatCount(total.keptEvents)}, ` +
          `at most ${formatBytes(total.keptBytes)}; read it before you use it, then see: auditkeep policy test <file> …`,
      );
    }
    return EXIT.done;
  });
};
