// `auditkeep policy …`: what its commands take, and what help says.

import type { CommandSpec, GroupSpec, OptionSpec } from './command-spec.ts';

const lenient: OptionSpec = {
  flags: '--lenient',
  help: 'ignore unknown and repeated members of the policy, as kube-apiserver does, and say which',
};
const events: readonly OptionSpec[] = [
  { flags: '--archive', help: 'the events of the config’s archive, read through the ledger, instead of files' },
  {
    flags: '--cluster <names>',
    help: 'with --archive: only these clusters: repeat it, or give a list (a,b) or globs (prod-*)',
    repeats: true,
  },
  { flags: '--from <time>', help: 'with --archive: first arrival time, widened to windows (default: -7d)' },
  { flags: '--to <time>', help: 'with --archive: end of the arrival times (default: now)' },
];
const policyArg = ['<policy>', 'a Policy file, or none, default, production, staging'] as const;
const filesArg = ['[files...]', 'files of Event lines, zipped or not, or - for stdin'] as const;

const test: CommandSpec = {
  name: 'test',
  summary: 'what a policy would keep of real traffic, by rule, and what a month of it costs',
  description:
    'Applies a policy to events, as collect would, and shows events and bytes that each rule decides on and keeps, rules that never decide and ' +
    'why, the volume before and after, and an estimate of a month’s cost by S3 storage class. Advice on the policy goes to stderr. ' +
    'Writes nothing. An invalid policy is exit 2, with all mistakes.',
  args: [policyArg, filesArg],
  options: [lenient, ...events],
  formats: ['text', 'json'],
  examples: [
    ['auditkeep policy test production audit.log', 'a built-in policy on a file'],
    ['auditkeep policy test my-policy.yaml --archive --cluster prod-eu --from -1d', 'on what was collected'],
    ['auditkeep decode gke export.json | auditkeep policy test default -', 'on what a cloud exported'],
  ],
  load: async () => (await import('./runs.ts')).policyTest,
};

const explain: CommandSpec = {
  name: 'explain',
  summary: 'for each event: which rule decides, and why none before it does',
  description:
    'Reads events and says of each which rule of the policy decides, which selector keeps each earlier rule from matching, and what becomes ' +
    'of the event: kept, lowered and by what, or dropped. With -o json one line an event.',
  args: [policyArg, ['[file]', 'file of Event lines, zipped or not (default: stdin)']],
  options: [lenient],
  formats: ['text', 'json'],
  examples: [
    ['auditkeep policy explain production < event.json', ''],
    ['zgrep 7d1a… audit.log.gz | auditkeep policy explain my-policy.yaml', 'why is this event missing?'],
  ],
  load: async () => (await import('./runs.ts')).policyExplain,
};

const suggest: CommandSpec = {
  name: 'suggest',
  summary: 'propose a policy from measured traffic',
  description:
    'Measures the volume by user, verb and resource and prints a Policy: the noise of machines first, then what never has bodies, what is ' +
    'kept whole, other changes, everything else; each rule with what it saves in a comment. kube-apiserver takes it as well.',
  args: [filesArg],
  options: [
    ...events,
    {
      flags: '--min-share <percent>',
      help: 'share of all bytes from which on a machine’s routine is worth a rule',
      default: '0.5',
    },
  ],
  formats: ['text', 'json'],
  examples: [
    ['auditkeep policy suggest audit.log > policy.yaml', ''],
    ['auditkeep policy suggest --archive --cluster prod-eu --from -1d', 'from what was collected'],
  ],
  load: async () => (await import('./runs.ts')).policySuggest,
};

const show: CommandSpec = {
  name: 'show',
  summary: 'print a built-in policy',
  description: 'Prints the Policy that stands behind a name in the config: none, default, production or staging.',
  args: [['<name>', 'none, default, production or staging']],
  options: [],
  formats: ['text'],
  examples: [['auditkeep policy show production > policy.yaml', 'to begin one’s own with']],
  load: async () => (await import('./runs.ts')).policyShow,
};

export const policyGroup: GroupSpec = {
  name: 'policy',
  summary: 'audit policies: test, explain, suggest, show',
  description:
    'Shows what an audit Policy does to real events before anything depends on it. docs/policy.md has the semantics.',
  commands: [test, explain, suggest, show],
  examples: [
    ['auditkeep policy suggest audit.log > policy.yaml', 'propose one'],
    ['auditkeep policy test policy.yaml audit.log', 'see what it keeps'],
    ['auditkeep policy explain policy.yaml < event.json', 'see why'],
  ],
};
