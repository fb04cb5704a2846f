// Logging contract: WARN = nothing lost, ERROR = loss or an operator is needed; a line per window, never per event.

import { pino } from 'pino';

/** The part of pino that the program uses; passed in everywhere. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** JSON lines on stderr (or where told). Written synchronously, so that nothing is lost when the process ends. */
export function createLog(level: LogLevel, to?: { write(line: string): void }): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    to ?? pino.destination({ dest: 2, sync: true }),
  );
}

/** For tests and for callers that show results themselves. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
