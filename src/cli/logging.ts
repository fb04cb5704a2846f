// The run's log on stderr: JSON lines for machines, short escaped lines on a terminal.

import { createLog, type Log, type LogLevel } from '../log.ts';
import type { OutStream } from './output.ts';
import { printable } from './output.ts';

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3, silent: 4 };

/** A log on this stream. On a terminal progress is drawn, so only warnings are logged there unless told otherwise. */
export function openLog(stderr: OutStream, level: LogLevel | undefined): Log {
  if (stderr.isTTY === true) return terminalLog(stderr, level ?? 'warn');
  return createLog(level ?? 'info', { write: (line) => void stderr.write(line) });
}

function terminalLog(stderr: OutStream, level: LogLevel): Log {
  const at = (own: Exclude<LogLevel, 'silent'>) => (fields: object, message: string) => {
    if (RANK[own] < RANK[level]) return;
    // "\r\x1b[K" takes away a progress line that may stand there
    stderr.write(`\r\x1b[K${terminalLine(own, fields, message)}\n`);
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** `warn  prod-eu: slowing down (retries=3)`; nothing in it can act on the terminal. */
export function terminalLine(level: string, fields: object, message: string): string {
  const { cluster, ...rest } = fields as { cluster?: unknown };
  const details = Object.entries(rest).map(([key, value]) => `${key}=${asText(value)}`);
  const subject = typeof cluster === 'string' ? `${cluster}: ` : '';
  return printable(`${level.padEnd(5)} ${subject}${message}${details.length > 0 ? ` (${details.join(', ')})` : ''}`);
}

function asText(value: unknown): string {
  if (value instanceof Error) return value.message;
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
}
