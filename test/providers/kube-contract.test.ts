// The contract suite over the kube provider: an audit.log that is written as the clock goes on.

import { appendFileSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { provider } from '../../providers/kube/index.ts';
import { type Entry, type Harness, providerContract } from './contract.ts';
import { deps, folder, micro } from './kube-lab.ts';

// the arrival of a line is its time: an event that arrives later was also written later
const lineOf = (entry: Entry) =>
  `${entry.line.replace(/"stageTimestamp":"[^"]*"/, `"stageTimestamp":"${micro(entry.arrival)}"`)}\n`;

function start({ now }: { now: number }): Promise<Harness> {
  const dir = folder();
  const path = dir.at('audit.log');
  const options = provider.options.parse({ files: dir.at('audit*.log') });
  let clock = now;
  let waiting: Entry[] = [];
  let pages = 0;
  let cut = false;

  function write(): void {
    const shown = waiting.filter((entry) => (entry.visible ?? entry.arrival) <= clock);
    waiting = waiting.filter((entry) => !shown.includes(entry));
    appendFileSync(
      path,
      shown
        .sort((a, b) => a.arrival - b.arrival)
        .map(lineOf)
        .join(''),
    );
    utimesSync(path, clock / 1000, clock / 1000);
  }
  write();

  function connect(files = options) {
    const source = provider.connect(
      { name: 'lab', provider: 'kube' },
      files,
      deps(() => clock),
    );
    return {
      ...source,
      fetchPage: async (...[query, token, signal]: Parameters<typeof source.fetchPage>) => {
        // the file is replaced by another one of the same name and size
        if (token !== undefined && cut) {
          writeFileSync(path, readFileSync(path, 'utf8').trimEnd().split('\n').reverse().join('\n') + '\n');
          cut = false;
        }
        const page = await source.fetchPage(query, token, signal);
        pages++;
        return page;
      },
    };
  }

  return Promise.resolve({
    provider,
    options,
    connect: () => connect(),
    connectMissing: () => connect(provider.options.parse({ files: dir.at('nothing*') })),
    put(entries) {
      waiting.push(...entries);
      write();
    },
    setClock(time) {
      clock = time;
      write();
    },
    faults: { 'stale-token': () => (cut = true) },
    pagesAsked: () => pages,
    close() {
      dir.remove();
      return Promise.resolve();
    },
  });
}

providerContract({ name: 'kube', start });
