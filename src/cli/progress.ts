// What a run tells while it goes on: one moving line on a terminal, a log line for each window elsewhere.

import type { RunEvent } from '../collect/context.ts';
import { AuditkeepError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { OutStream } from './output.ts';
import { formatBytes, formatCount, printable } from './output.ts';

export interface Progress {
  onEvent(event: RunEvent): void;
  /** Takes the moving line away. */
  end(): void;
}

/** @param now milliseconds, for the pace of redrawing */
export function createProgress(stderr: OutStream, log: Log, now: () => number): Progress {
  return stderr.isTTY === true ? terminalProgress(stderr, log, now) : logProgress(log);
}

/** One line a window or recheck, never one a page. */
function logProgress(log: Log): Progress {
  return {
    onEvent(event) {
      const { cluster } = event;
      if (event.type === 'plan')
        log.info({ cluster, windows: event.plan.windows, rechecks: event.plan.rechecks.length }, 'planned');
      else if (event.type === 'manifest') {
        const { name, coverage, counts, parts } = event.manifest;
        const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
        const { received, written, rejected } = counts;
        log.info(
          { cluster, window: name, coverage, received, written, rejected, bytes },
          event.won ? 'committed' : 'another run was first',
        );
      } else logFailure(event, log);
    },
    end() {},
  };
}

function logFailure(event: RunEvent, log: Log): void {
  if (event.type !== 'failed') return;
  const { cluster, what, windows, error } = event;
  const hint = error instanceof AuditkeepError ? error.hint : undefined;
  log.error(
    { cluster, what, windows, error: error.message, ...(hint !== undefined && { hint }) },
    'failed; the next run tries again',
  );
}

const REDRAW = 100;
const BAR = 24;

function terminalProgress(stderr: OutStream, log: Log, now: () => number): Progress {
  let due = 0;
  let done = 0;
  let events = 0;
  let read = 0;
  const line = createLine(stderr, now);
  const draw = (what: string) => {
    if (due === 0) return;
    line.draw(
      () =>
        `${barOf(done, due)} ${done}/${due} windows  ${formatCount(events)} events  ${formatBytes(read)} read  ${what}`,
    );
  };
  return {
    onEvent(event) {
      if (event.type === 'plan') due += event.plan.windows + event.plan.rechecks.length;
      else if (event.type === 'page') read += event.bytes;
      else if (event.type === 'manifest') {
        done++;
        events += event.manifest.counts.written;
      } else logFailure(event, log);
      draw(event.type === 'manifest' ? `${event.cluster} ${event.manifest.name}` : event.cluster);
    },
    end: line.end,
  };
}

/** A line that is drawn over and over. */
function createLine(stderr: OutStream, now: () => number) {
  let drawn = Number.NEGATIVE_INFINITY;
  let shown = false;
  return {
    draw(text: () => string): void {
      if (now() - drawn < REDRAW) return;
      drawn = now();
      shown = true;
      stderr.write(`\r\x1b[K${printable(text()).slice(0, Math.max(20, (stderr.columns || 80) - 1))}`);
    },
    end(): void {
      if (shown) stderr.write('\r\x1b[K');
      shown = false;
    },
  };
}

function barOf(done: number, due: number): string {
  const filled = Math.round((BAR * Math.min(done, due)) / due);
  return `${'█'.repeat(filled)}${'░'.repeat(BAR - filled)}`;
}

/** How far a verification is; on a terminal only. Without a total there is no bar. */
export function createVerifyProgress(stderr: OutStream, now: () => number) {
  const line = createLine(stderr, now);
  return {
    update(stage: string, files: number, bytes: number, total: number | undefined): void {
      if (stderr.isTTY !== true) return;
      line.draw(() => {
        const size = bytes > 0 ? `  ${formatBytes(bytes)}` : '';
        if (total === undefined || total === 0) return `${stage}: ${formatCount(files)} files${size}`;
        return `${barOf(files, total)} ${formatCount(files)}/${formatCount(total)} files${size}  ${stage}`;
      });
    },
    end: line.end,
  };
}
