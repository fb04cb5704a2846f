// The command line: reads arguments, loads the one command that is called, turns errors into messages and exit codes.

import { type Argument, Command, CommanderError, Option } from 'commander';
import { AuditkeepError, ConfigError, EXIT } from '../errors.ts';
import { VERSION } from '../version.ts';
import type { CommandSpec, GroupSpec, OptionSpec } from './command-spec.ts';
import { commands } from './commands.ts';
import type { Cli, GlobalOptions, Io } from './io.ts';
import { createOutput, type Output, printable, printableLines } from './output.ts';

const LEVELS = ['debug', 'info', 'warn', 'error', 'silent'];

/** Runs one command line. Gives the exit code (docs/cli.md); never throws, never exits. */
export async function main(io: Io): Promise<number> {
  const out = createOutput(io.stdout);
  // nothing can be said where stderr is gone
  io.stderr.on('error', () => {});
  let code: number = EXIT.done;
  try {
    const program = createProgram(io, out, (result) => (code = result));
    await program.parseAsync(io.argv, { from: 'user' });
    await out.flush();
    return code;
  } catch (error) {
    return report(error, io);
  }
}

/** The whole command tree; `done` gets the exit code of the command that ran. */
export function createProgram(io: Io, out: Output, done: (code: number) => void): Command {
  const program = new Command('auditkeep')
    .description(
      'Kubernetes audit events from EKS, AKS, GKE and audit.log files into an archive: every event once, nothing lost, provably so.',
    )
    .version(VERSION, '--version', 'print the version')
    .helpOption('-h, --help', 'print help, with examples')
    .option('--config <file>', 'the config file', 'auditkeep.yaml')
    .option('-o, --output <format>', 'text, or json for scripts', 'text')
    .addOption(
      new Option('--log-level <level>', 'what goes to stderr (default: info; on a terminal: warn)').choices(LEVELS),
    )
    .configureHelp({
      showGlobalOptions: true,
      helpWidth: 110,
      subcommandTerm: (command) => [command.name(), ...command.registeredArguments.map(argumentTerm)].join(' '),
    })
    .configureOutput({
      writeOut: (text) => void out.write(text),
      writeErr: (text) => void io.stderr.write(text.split('\n').map(printable).join('\n')),
      outputError: (text, write) => write(`auditkeep: ${text}`),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .exitOverride()
    .addHelpText('after', TOP_HELP);
  for (const spec of commands(io.registry))
    if ('commands' in spec) addGroup(program, spec, io, out, done);
    else addCommand(program, spec, io, out, done);
  return program;
}

const TOP_HELP = `
Examples:
  auditkeep init                      write a config
  auditkeep check                     will it work? if not: what to fix
  auditkeep plan                      what would be collected
  auditkeep collect                   collect it; put this into cron
  auditkeep status                    is anything missing?

Exit codes: 0 done, 1 failed, 2 usage or config, 3 incomplete, 4 tampered, 5 cannot verify, 130 interrupted.
"auditkeep help <command>" shows more, with examples.`;

function argumentTerm(argument: Argument): string {
  const name = argument.variadic ? `${argument.name()}...` : argument.name();
  return argument.required ? `<${name}>` : `[${name}]`;
}

function addGroup(program: Command, spec: GroupSpec, io: Io, out: Output, done: (code: number) => void): void {
  const group = program.command(spec.name).summary(spec.summary).description(spec.description);
  group.helpOption('-h, --help', 'print this');
  addExamples(group, spec.examples);
  for (const command of spec.commands) addCommand(group, command, io, out, done);
}

function addExamples(command: Command, examples: CommandSpec['examples']): void {
  const width = Math.max(...examples.map(([line]) => line.length));
  const lines = examples.map(([line, why]) => `  ${why === '' ? line : `${line.padEnd(width)}  # ${why}`}`);
  command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`);
}

function addCommand(program: Command, spec: CommandSpec, io: Io, out: Output, done: (code: number) => void): void {
  const command = program.command(spec.name).summary(spec.summary).description(spec.description);
  command.helpOption('-h, --help', 'print this');
  for (const [name, help] of spec.args ?? []) command.argument(name, help);
  for (const option of spec.options) command.addOption(toOption(option));
  addExamples(command, spec.examples);
  command.action(async () => {
    const options = command.optsWithGlobals<GlobalOptions>();
    if (!spec.formats.includes(options.output))
      throw new ConfigError(`-o ${options.output}: "${nameOf(command)}" prints ${spec.formats.join(' or ')}`);
    const run = await spec.load();
    done(await run(invocation(io, options, out) as never, ...command.args));
  });
}

/** `policy test`: without the program's name. */
function nameOf(command: Command): string {
  const above = command.parent;
  return above === null || above.parent === null ? command.name() : `${nameOf(above)} ${command.name()}`;
}

function toOption(spec: OptionSpec): Option {
  const option = new Option(spec.flags, spec.help);
  if (spec.choices !== undefined) option.choices(spec.choices);
  if (spec.default !== undefined) option.default(spec.default);
  if (spec.required === true) option.makeOptionMandatory();
  if (spec.repeats === true)
    option.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value]);
  return option;
}

function invocation(io: Io, options: GlobalOptions, out: Output): Cli {
  return {
    ...io,
    options,
    out,
    tell: (message) => void io.stderr.write(`${printableLines(message)}\n`),
    openLog: async () => (await import('./logging.ts')).openLog(io.stderr, options.logLevel),
  };
}

/** Says what went wrong and gives the exit code. */
function report(error: unknown, io: Io): number {
  // commander has said already what was wrong
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  if (io.signal.aborted) {
    io.stderr.write('auditkeep: interrupted; what was committed stays, the next run goes on from there\n');
    return EXIT.interrupted;
  }
  const tell = (text: string) => io.stderr.write(`${printableLines(text)}\n`);
  if (error instanceof AuditkeepError) {
    tell(`auditkeep: ${error.message}`);
    if (error.hint !== undefined) io.stderr.write(`  ${printableLines(error.hint)}\n`);
  } else {
    tell(`auditkeep: unexpected error: ${error instanceof Error ? error.message : String(error)}`);
    if (!debug(io)) tell('  nothing that was committed is affected; --log-level debug shows where it happened');
  }
  if (debug(io) && error instanceof Error) tell(stackOf(error));
  return error instanceof AuditkeepError ? error.exitCode : EXIT.failed;
}

// the arguments may be what is wrong, so they are looked at without the parser
function debug(io: Io): boolean {
  return io.argv.includes('--log-level=debug') || io.argv[io.argv.indexOf('--log-level') + 1] === 'debug';
}

function stackOf(error: Error): string {
  const own = error.stack ?? String(error);
  return error.cause instanceof Error ? `${own}\ncaused by: ${stackOf(error.cause)}` : own;
}
