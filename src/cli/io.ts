// What the command line is lent by bin, and what it hands on to each command.

import type { Log, LogLevel } from '../log.ts';
import type { Registry } from '../provider.ts';
import type { Output, OutStream } from './output.ts';

export type InStream = NodeJS.ReadableStream & { readonly isTTY?: boolean };

/** The world outside, lent by bin; tests lend their own. */
export interface Io {
  /** Arguments without the interpreter and the script. */
  readonly argv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: InStream;
  readonly stdout: OutStream;
  readonly stderr: OutStream;
  /** Aborted at the first Ctrl-C. */
  readonly signal: AbortSignal;
  now(): number;
  readonly registry: Registry;
}

/** Options that every command takes. */
export interface GlobalOptions {
  readonly config: string;
  readonly output: string;
  readonly logLevel?: LogLevel;
}

/** What a command gets: the world, its results' way out, and its own options as commander read them. */
export interface Cli<Options = object> extends Io {
  readonly options: Options & GlobalOptions;
  readonly out: Output;
  /** Tells a person something, on stderr: one message, several lines allowed. */
  tell(message: string): void;
  /** The log of this run; JSON lines on stderr, short lines on a terminal. */
  openLog(): Promise<Log>;
}

/** A command: gives the exit code; throws what main turns into message and exit code. */
export type Run<Options = object, Args extends readonly string[] = readonly string[]> = (
  cli: Cli<Options>,
  ...args: Args
) => Promise<number>;
