// `auditkeep init`: writes a commented config from flags, or by asking on a terminal.

import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import { stringify } from 'yaml';
import { CLUSTER_NAME } from '../archive/keys.ts';
import { parseConfig } from '../config.ts';
import { configJsonSchema } from '../config-schema.ts';
import { ConfigError, EXIT } from '../errors.ts';
import type { Cli, Run } from './io.ts';

interface InitOptions {
  archive?: string;
  eks?: string[];
  aks?: string[];
  gke?: string[];
  kube?: string[];
  start?: string;
  force?: boolean;
  schema?: boolean;
}

/** A cluster as it will stand in the file. */
type ClusterAnswer = { name: string; provider: string } & Record<string, string>;

interface Answers {
  archive: string;
  start: string;
  clusters: ClusterAnswer[];
}

export const init: Run<InitOptions> = async (cli) => {
  const { options } = cli;
  if (options.schema === true) {
    await cli.out.write(`${JSON.stringify(await configJsonSchema(cli.registry), null, 2)}\n`);
    return EXIT.done;
  }
  const file = options.config;
  const exists = () =>
    new ConfigError(`${file} exists; nothing was written`, {
      hint: '--force overwrites it, --config FILE writes another one',
    });
  if (existsSync(file) && options.force !== true) throw exists();
  const given = fromFlags(options);
  const answers = given ?? (await ask(cli));
  const text = configText(answers);
  // what init writes must be what collect reads; also tells about a wrong region or name before anything is on disk
  await parseConfig(text, cli.registry, cli.env, file);
  try {
    await writeFile(file, text, { flag: options.force === true ? 'w' : 'wx', mode: 0o644 });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EEXIST') throw exists();
    throw new ConfigError(`${file} can't be written: ${(error as Error).message}`, { cause: error });
  }
  const flag = file === 'auditkeep.yaml' ? '' : ` --config ${file}`;
  cli.tell(
    `wrote ${file}\nnext: "auditkeep plan${flag}" shows what would be collected, "auditkeep collect${flag}" does it`,
  );
  return EXIT.done;
};

/** What init asks for each provider: option, question, and the usual answer (`name`: that of the cluster in the archive). */
const FIELDS: Readonly<Record<string, readonly (readonly [option: string, question: string, usual: string])[]>> = {
  eks: [
    ['region', 'Region', ''],
    ['cluster', 'Name of the cluster in EKS', 'name'],
  ],
  aks: [
    ['workspace', 'Id of the Log Analytics workspace (customerId)', ''],
    ['resource', 'Resource id of the cluster (/subscriptions/…/managedClusters/…)', ''],
  ],
  gke: [
    ['project', 'Project id', ''],
    ['location', 'Region or zone of the cluster', ''],
    ['cluster', 'Name of the cluster in GKE', 'name'],
  ],
  kube: [['files', 'Audit log files', '/var/log/kubernetes/audit/*.log*']],
};

/** Undefined when no flag says anything: then init asks. */
function fromFlags(options: InitOptions): Answers | undefined {
  const clusters = (['eks', 'aks', 'gke', 'kube'] as const).flatMap((provider) =>
    (options[provider] ?? []).map((text) => flagAnswer(provider, text)),
  );
  if (options.archive === undefined && options.start === undefined && clusters.length === 0) return undefined;
  const missing: string[] = [];
  if (options.archive === undefined) missing.push('--archive');
  if (clusters.length === 0) missing.push('a cluster (--eks, --aks, --gke or --kube)');
  if (missing.length > 0)
    throw new ConfigError(`init needs ${missing.join(' and ')} as well; without any flag it asks`);
  return { archive: options.archive!, start: options.start ?? '-7d', clusters };
}

/** `name:region:cluster` and the like; the last part may hold colons, and may be left out where it is usually the name. */
function flagAnswer(provider: string, text: string): ClusterAnswer {
  const fields = FIELDS[provider]!;
  const parts = text.split(':');
  const [name = '', ...rest] = [...parts.slice(0, fields.length), parts.slice(fields.length).join(':')];
  const values = fields.map(([, , usual], i) => rest[i] || (usual === 'name' ? name : ''));
  if (name === '' || values.includes(''))
    throw new ConfigError(`--${provider} ${text}: expected name:${fields.map(([option]) => option).join(':')}`);
  return { name, provider, ...Object.fromEntries(fields.map(([option], i) => [option, values[i]!])) };
}

async function ask(cli: Cli<InitOptions>): Promise<Answers> {
  if (cli.stdin.isTTY !== true)
    throw new ConfigError('init has nobody to ask: stdin is no terminal', {
      hint: 'auditkeep init --archive s3://bucket/prefix --eks name:region',
    });
  const lines = createInterface({ input: cli.stdin, output: cli.stderr, terminal: true });
  // Ctrl-C reaches readline, not the process, while it reads
  const stop = new AbortController();
  lines.on('SIGINT', () => stop.abort());
  const signal = AbortSignal.any([cli.signal, stop.signal]);
  const question = async (text: string, usual: string, wrong: (answer: string) => string | undefined) => {
    for (;;) {
      const answer =
        (await lines.question(`${text}${usual === '' ? '' : ` [${usual}]`}: `, { signal })).trim() || usual;
      const problem = answer === '' ? 'an answer is needed' : wrong(answer);
      if (problem === undefined) return answer;
      cli.tell(`  ${problem}`);
    }
  };
  const any = () => undefined;
  try {
    const archive = await question('Archive (s3://bucket/prefix or a directory)', './archive', any);
    const clusters: ClusterAnswer[] = [];
    do {
      const provider = await question(`Provider (${Object.keys(cli.registry).join(', ')})`, 'eks', (answer) =>
        Object.hasOwn(cli.registry, answer) ? undefined : 'one of the names in brackets',
      );
      const name = await question('Name of the cluster in the archive', '', (answer) =>
        !CLUSTER_NAME.test(answer)
          ? 'a-z, 0-9, ".", "_" and "-", at most 63'
          : clusters.some((c) => c.name === answer)
            ? 'that name is taken'
            : undefined,
      );
      clusters.push(await askProvider(provider, name, question));
    } while (/^y/i.test(await question('Another cluster? (y/n)', 'n', any)));
    const start = await question('How far back should the first run go?', '-7d', any);
    return { archive, start, clusters };
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    throw new ConfigError('init was interrupted; nothing was written', { cause: error });
  } finally {
    lines.close();
  }
}

type Question = (text: string, usual: string, wrong: (answer: string) => string | undefined) => Promise<string>;

async function askProvider(provider: string, name: string, question: Question): Promise<ClusterAnswer> {
  const answers: [string, string][] = [];
  for (const [option, text, usual] of FIELDS[provider] ?? [])
    answers.push([option, await question(text, usual === 'name' ? name : usual, () => undefined)]);
  return { name, provider, ...Object.fromEntries(answers) };
}

/** A config with comments, which parses to these answers. */
export function configText(answers: Answers): string {
  // YAML's block forms need lines of their own; JSON's quotes mean the same in YAML
  const plain = (text: string) => {
    const yaml = stringify(text, { lineWidth: 0 }).trimEnd();
    return /[\r\n]/.test(yaml) || text !== text.trim() ? JSON.stringify(text) : yaml;
  };
  const clusters = answers.clusters.map((cluster) =>
    Object.entries(cluster)
      .map(([key, text], i) => `  ${i === 0 ? '-' : ' '} ${key}: ${plain(text)}`)
      .join('\n'),
  );
  return `# auditkeep config. Every option with its default: config.example.yaml.

# Where the events go: s3://bucket/prefix, or a directory (relative to this file).
archive: ${plain(answers.archive)}

collect:
  # How far back the first run goes. Fixed by that run; "auditkeep backfill" gets what is older.
  start: ${plain(answers.start)}

# Bodies of Secrets and of token requests are taken away. "keep" keeps them.
secrets: redact

clusters:
${clusters.join('\n\n')}
`;
}
