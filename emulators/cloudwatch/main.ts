// The emulator as a process: node emulators/cloudwatch/main.ts --port 4566 [--clock 2026-06-22T12:00:00Z] [--latency 5]

import { parseArgs } from 'node:util';
import { startCloudWatchEmulator } from './server.ts';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    clock: { type: 'string' },
    latency: { type: 'string', default: '0' },
    account: { type: 'string' },
    'search-span': { type: 'string' },
  },
});

const emulator = await startCloudWatchEmulator({
  port: Number(values.port),
  latency: Number(values.latency),
  ...(values.clock !== undefined && { clock: Date.parse(values.clock) }),
  ...(values.account !== undefined && { account: values.account }),
  ...(values['search-span'] !== undefined && { searchSpan: Number(values['search-span']) }),
});
// the one line on stdout: whoever started this waits for it
process.stdout.write(`${JSON.stringify({ url: emulator.url, port: emulator.port })}\n`);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    void emulator.close();
  });
