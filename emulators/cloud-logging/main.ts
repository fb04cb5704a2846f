// The emulator as a process: node emulators/cloud-logging/main.ts --port 8086 [--clock 2026-06-22T12:00:00Z] [--calls-per-minute 60]

import { parseArgs } from 'node:util';
import { startCloudLoggingEmulator } from './server.ts';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    clock: { type: 'string' },
    latency: { type: 'string', default: '0' },
    'calls-per-minute': { type: 'string' },
    'search-limit': { type: 'string' },
  },
});

const emulator = await startCloudLoggingEmulator({
  port: Number(values.port),
  latency: Number(values.latency),
  ...(values.clock !== undefined && { clock: Date.parse(values.clock) }),
  ...(values['calls-per-minute'] !== undefined && { callsPerMinute: Number(values['calls-per-minute']) }),
  ...(values['search-limit'] !== undefined && { searchLimit: Number(values['search-limit']) }),
});
// the one line on stdout: whoever started this waits for it
process.stdout.write(`${JSON.stringify({ url: emulator.url, port: emulator.port })}\n`);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    void emulator.close();
  });
