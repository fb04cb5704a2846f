// The composition root: lends the real world (arguments, environment, streams, clock, signals, providers) to the command line.

import { registry } from '../providers/index.ts';
import { main } from '../src/cli/main.ts';
import { EXIT } from '../src/errors.ts';

/** Time that open handles get to close when all is done, milliseconds. */
const GRACE = 2000;

/** Runs the command line of this process and sets its exit code. */
export async function start(): Promise<void> {
  const stop = new AbortController();
  const onSignal = () => {
    // the second one doesn't wait: what isn't committed yet is simply not there, so nothing can be left half done
    if (stop.signal.aborted) process.exit(EXIT.interrupted);
    process.stderr.write(
      '\nauditkeep: stopping; nothing is left half done, the next run goes on. Again to stop at once.\n',
    );
    stop.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  process.exitCode = await main({
    argv: process.argv.slice(2),
    env: process.env,
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    signal: stop.signal,
    now: Date.now,
    registry,
  });
  process.off('SIGINT', onSignal);
  process.off('SIGTERM', onSignal);
  // a connection that nobody closed must not keep a cron job alive
  setTimeout(() => process.exit(), GRACE).unref();
}
