// What a command says of itself, and options that several have.

import type { Run } from './io.ts';

/** One option as commander writes it (`--from <time>`). */
export interface OptionSpec {
  readonly flags: string;
  readonly help: string;
  readonly required?: boolean;
  readonly default?: string;
  readonly choices?: readonly string[];
  /** May be given several times; the values come as an array. */
  readonly repeats?: boolean;
}

export interface CommandSpec {
  readonly name: string;
  /** One line, for the list of commands. */
  readonly summary: string;
  /** More, for the command's own help. */
  readonly description: string;
  /** Positional arguments: `<provider>`, `[files...]`, with help. */
  readonly args?: readonly (readonly [string, string])[];
  readonly options: readonly OptionSpec[];
  /** What `-o` may be; the first is the default. */
  readonly formats: readonly string[];
  readonly examples: readonly (readonly [string, string])[];
  readonly load: () => Promise<Run<never, readonly string[]>>;
}

/** Commands under a common name: `auditkeep policy test`. */
export interface GroupSpec {
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  readonly commands: readonly CommandSpec[];
  readonly examples: readonly (readonly [string, string])[];
}

export const cluster: OptionSpec = {
  flags: '--cluster <names>',
  help: 'only these clusters: repeat it, or give a list (a,b) or globs (prod-*)',
  repeats: true,
};
export const asOf: OptionSpec = {
  flags: '--as-of <time>',
  help: 'plan as if it were this time, which must lie in the past (tests, drills)',
};
