// Every command in a few lines: what it takes, what help says, and how to load it when it is called.

import type { Registry } from '../provider.ts';
import { asOf, cluster, type CommandSpec, type GroupSpec, type OptionSpec } from './command-spec.ts';
import { integrityCommands } from './integrity-commands.ts';
import { policyGroup } from './policy-commands.ts';

const summary: OptionSpec = {
  flags: '--summary <file>',
  help: 'write the run summary there: JSON, one line a cluster',
};
const noSeal: OptionSpec = {
  flags: '--no-seal',
  help: 'only collect: another run signs (auditkeep seal); shards never seal',
};
const from = { flags: '--from <time>', help: 'first arrival time: 2026-06-22, 2026-06-22T10:00:00Z or -36h (UTC)' };
const to = { flags: '--to <time>', help: 'end of the arrival times (default: the last window that is closed now)' };

/** All commands, in the order in which help lists them. */
export function commands(registry: Registry): readonly (CommandSpec | GroupSpec)[] {
  return [
    {
      name: 'init',
      summary: 'write a commented auditkeep.yaml, by asking or from flags',
      description:
        'Writes a commented config to --config (default ./auditkeep.yaml). Asks on a terminal; with flags it asks nothing. ' +
        'Never overwrites a file without --force.',
      options: [
        { flags: '--archive <url>', help: 's3://bucket/prefix or a directory' },
        {
          flags: '--eks <name:region>',
          help: 'an EKS cluster, or name:region:cluster where its EKS name differs; repeatable',
          repeats: true,
        },
        { flags: '--aks <name:workspace:resource>', help: 'an AKS cluster; repeatable', repeats: true },
        {
          flags: '--gke <name:project:location>',
          help: 'a GKE cluster, :cluster behind it where its name differs; repeatable',
          repeats: true,
        },
        {
          flags: '--kube <name:files>',
          help: 'audit.log files of a self-managed cluster, as a glob; repeatable',
          repeats: true,
        },
        { flags: '--start <time>', help: 'how far back the first run goes (default: -7d)' },
        { flags: '--force', help: 'overwrite an existing file' },
        { flags: '--schema', help: 'print the JSON Schema of the config instead, for editors' },
      ],
      formats: ['text'],
      examples: [
        ['auditkeep init', 'asks'],
        ['auditkeep init --archive s3://acme-audit/k8s --eks prod:eu-central-1', 'asks nothing'],
        ['auditkeep init --archive ./archive --kube "lab:/var/log/kubernetes/audit/*.log*"', ''],
      ],
      load: async () => (await import('./runs.ts')).init,
    },
    {
      name: 'check',
      summary: 'config, credentials, permissions, audit logging, archive, lock: says what to fix',
      description:
        'Looks at everything that collect will need, and says what to do about what is wrong: the archive (answers, can create an object only once, ' +
        'encryption, Object Lock), the signing key, and each cluster (credentials, permission to read, audit logging, retention, newest event, clocks). ' +
        'Writes nothing but a probe in the archive, .probe/create-only in a bucket, and removes it where it may. Exits 1 if something fails, 0 with warnings.',
      options: [cluster],
      formats: ['text', 'json'],
      examples: [
        ['auditkeep check', 'before the first collect, and whenever something is odd'],
        ['auditkeep check --cluster "prod-*"', 'the archive, and some clusters'],
        [`auditkeep check -o json | jq -c '.name as $n | .points[] | select(.state=="fail") | [$n,.message,.fix]'`, ''],
      ],
      load: async () => (await import('./runs.ts')).check,
    },
    {
      name: 'collect',
      summary: "collect everything that is closed and not in the ledger: cron's command",
      description:
        'Collects every closed window that the ledger lacks, and rechecks each day once. Safe to repeat, to overlap and to kill: ' +
        'a window is committed whole or not at all, and the next run goes on.',
      options: [cluster, asOf, summary, noSeal],
      formats: ['text', 'json'],
      examples: [
        ['auditkeep collect', 'every cluster in ./auditkeep.yaml'],
        ['auditkeep collect --cluster "prod-*" --summary run.ndjson', 'some clusters, with a run summary'],
        ['auditkeep collect -o json | jq .counts', 'the summary on stdout'],
      ],
      load: async () => (await import('./runs.ts')).collect,
    },
    {
      name: 'backfill',
      summary: 'collect a range further back, once; resumable',
      description:
        'Collects the windows of [--from, --to) that the ledger lacks, also before the cluster’s first window. The bounds are widened ' +
        'to the window grid. Run it again to go on where it stopped; --shard lets several machines share the work.',
      options: [
        { ...from, required: true },
        to,
        { flags: '--shard <i/n>', help: 'only the i-th of n shares of the windows, 1/4 to 4/4' },
        cluster,
        asOf,
        summary,
        noSeal,
      ],
      formats: ['text', 'json'],
      examples: [
        ['auditkeep backfill --from -90d', 'all that the last 90 days hold'],
        ['auditkeep backfill --from 2026-03-01 --to 2026-04-01 --cluster prod-eu', 'one month of one cluster'],
        ['auditkeep backfill --from -1w --shard 2/4', 'the second of four machines'],
      ],
      load: async () => (await import('./runs.ts')).backfill,
    },
    {
      name: 'plan',
      summary: 'say what collect or backfill would do, and why it starts there; writes nothing',
      description: 'Shows the windows and rechecks that are due. With --from (and --to): what that backfill would do.',
      options: [from, to, cluster, asOf],
      formats: ['text', 'json'],
      examples: [
        ['auditkeep plan', 'what collect would do now'],
        ['auditkeep plan --from 2026-03-01 --to 2026-04-01', 'what that backfill would do'],
      ],
      load: async () => (await import('./runs.ts')).plan,
    },
    {
      name: 'status',
      summary: 'per cluster: complete until when, gaps, silence, lag, volumes, rejects',
      description:
        'Reads the ledger alone, not the source. Alert on "collected until", audit on "final until". Exits 3 on a gap and on a cluster ' +
        'that has been silent for longer than its `silence`.',
      options: [
        cluster,
        asOf,
        { flags: '--from <time>', help: 'volumes, silence and rejects since then', default: '-7d' },
        { flags: '--max-lag <duration>', help: 'windows due for longer than this count as a gap', default: '26h' },
      ],
      formats: ['text', 'json'],
      examples: [
        ['auditkeep status', 'of all clusters'],
        ['auditkeep status --max-lag 3h', 'for an alarm, where cron collects every hour'],
        ['auditkeep status --cluster prod-eu -o json | jq .collectedUntil', ''],
      ],
      load: async () => (await import('./runs.ts')).status,
    },
    {
      name: 'decode',
      summary: 'turn exported records into Events on stdout',
      description:
        `Reads a file that the cloud's own tools exported, or plain Event lines, gzipped or not ("-" is stdin), and prints the Events. ` +
        'What is skipped or rejected is counted by reason on stderr. Exits 3 if a record was rejected. ' +
        `Providers: ${Object.keys(registry).join(', ')}.`,
      args: [
        ['<provider>', 'the form of the records'],
        ['<file>', 'the file, or - for stdin'],
      ],
      options: [
        {
          flags: '--secrets <what>',
          help: 'redact: bodies of Secrets and tokens are taken away; keep: they stay',
          choices: ['redact', 'keep'],
          default: 'redact',
        },
      ],
      formats: ['text', 'json'],
      examples: [
        ['auditkeep decode kube /var/log/kubernetes/audit/audit.log', ''],
        ['aws logs filter-log-events --log-group-name /aws/eks/prod/cluster | auditkeep decode eks -', ''],
        ['auditkeep decode kube audit.log.gz -o json', 'counts instead of Events'],
      ],
      load: async () => (await import('./runs.ts')).decode,
    },
    ...integrityCommands,
    policyGroup,
    {
      name: 'demo',
      summary: 'emulated clouds on loopback into ./demo-archive, to see it work',
      description:
        'Serves a generated day of EKS, AKS and GKE clusters over the real protocols on loopback, lays down the log of a real kube-apiserver, ' +
        'collects all of it through the real SDKs, and checks that every record is accounted for. Touches no cloud. ' +
        'A second run finds everything collected already.',
      options: [
        { flags: '--archive <dir>', help: 'where to (default: ./demo-archive)' },
        { flags: '--events <n>', help: 'audit events of the day for each cluster (default: 6000)' },
        { flags: '--seed <n>', help: 'another day, the same for the same number (default: 1)' },
      ],
      formats: ['text'],
      examples: [
        ['auditkeep demo', ''],
        ['auditkeep demo --events 100000 --archive /tmp/demo', 'a larger day'],
      ],
      load: async () => (await import('./demo.ts')).demo,
    },
  ];
}
