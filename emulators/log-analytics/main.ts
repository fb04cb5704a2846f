// The emulator as a process: node emulators/log-analytics/main.ts --port 4567 [--clock 2026-06-22T12:00:00Z] [--latency 5] [--gzip]

import { parseArgs } from 'node:util';
import { startLogAnalyticsEmulator } from './server.ts';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    clock: { type: 'string' },
    latency: { type: 'string', default: '0' },
    gzip: { type: 'boolean', default: false },
  },
});

const emulator = await startLogAnalyticsEmulator({
  port: Number(values.port),
  latency: Number(values.latency),
  gzip: values.gzip,
  ...(values.clock !== undefined && { clock: Date.parse(values.clock) }),
});
// the one line on stdout: whoever started this waits for it
process.stdout.write(`${JSON.stringify({ url: emulator.url, port: emulator.port })}\n`);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    void emulator.close();
  });
