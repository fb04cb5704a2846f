// Every command in a few lines: what it takes, what help says, and which file to load when it is called.

import type { Registry } from '../provider.ts';
import type { Run } from './io.ts';
import { policyGroup } from './policy-commands.ts';

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

const cluster: OptionSpec = {
  flags: '--cluster <names>',
  help: 'only these clusters: repeat it, or give a list (a,b) or globs (prod-*)',
  repeats: true,
};
const asOf: OptionSpec = {
  flags: '--as-of <time>',
  help: 'plan as if it were this time, which must lie in the past (tests, drills)',
};
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
      load: async () => (await import('./init.ts')).init,
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
      load: async () => (await import('./check.ts')).check,
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
      load: async () => (await import('./collect.ts')).collect,
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
      load: async () => (await import('./collect.ts')).backfill,
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
      load: async () => (await import('./plan.ts')).plan,
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
      load: async () => (await import('./status.ts')).status,
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
      load: async () => (await import('./decode.ts')).decode,
    },
    {
      name: 'keygen',
      summary: 'make a signing key, and print its public half',
      description:
        'Writes a new Ed25519 key (PKCS#8 PEM, readable by its owner alone) and prints its verifier key, which is public. ' +
        'Never overwrites a file.',
      options: [
        { flags: '--out <file>', help: 'where the private key goes', default: 'signing-key.pem' },
        { flags: '--name <name>', help: 'name of the key, such as acme.example/audit (default: auditkeep)' },
      ],
      formats: ['text', 'json'],
      examples: [
        ['auditkeep keygen --name acme.example/audit', 'then set integrity.key'],
        ['auditkeep keygen --out /etc/auditkeep/key.pem > key.pub', ''],
      ],
      load: async () => (await import('./keygen.ts')).keygen,
    },
    {
      name: 'seal',
      summary: 'sign what is new in the ledger (collect does so at its end)',
      description:
        'Adds every ledger file that the log lacks, and publishes a new checkpoint. Safe to repeat, to overlap and to kill. ' +
        'Signs nothing (exit 4) when the log was cut or rewritten, or when something that was sealed is gone.',
      options: [
        { flags: '--anchor <url>', help: 'copy the checkpoint there too: another bucket or directory' },
        { flags: '--announce <vkey>', help: 'the present key vouches for this one, which shall sign from now on' },
        { flags: '--origin <name>', help: 'name of a log that does not exist yet' },
      ],
      formats: ['text', 'json'],
      examples: [
        ['auditkeep seal', 'after shards that only collect'],
        ['auditkeep seal --anchor s3://audit-anchor/k8s', 'the other account keeps each checkpoint'],
        ['auditkeep seal --announce "$(cat new-key.pub)"', 'first half of a change of keys'],
      ],
      load: async () => (await import('./seal.ts')).seal,
    },
    {
      name: 'verify',
      summary: 'is everything that was sealed still there and unchanged, and nothing missing?',
      description:
        'Checks signature, log, ledger, coverage and contents; works on any copy of an archive, offline, without a config (--archive, --key). ' +
        'Contents that an earlier good run of this machine has read, and that are unchanged since, are not read again unless --deep. ' +
        'Exits 0 only when something was verified and all of it is good; 3 something is missing, 4 tampered, 5 no way to tell.',
      options: [
        { flags: '--archive <url>', help: 'another archive than that of the config: a copy, a backup' },
        { flags: '--key <vkey>', help: 'public key of the signer, or a file that holds it; repeatable', repeats: true },
        { flags: '--checkpoint <where>', help: 'a checkpoint that was kept: file or URL; the log must contain it' },
        { flags: '--anchor <url>', help: 'where checkpoints are copied to (default: that of the config)' },
        { flags: '--from <time>', help: 'only arrival times from here on' },
        { flags: '--to <time>', help: 'only arrival times before this' },
        cluster,
        { flags: '--fast', help: 'read no contents: existence and sizes, and hashes where the store holds them (S3)' },
        { flags: '--deep', help: 'read all contents again' },
        { flags: '--lock', help: 'each version must be locked as s3.objectLock says' },
        { flags: '--proof <file>', help: 'check the proof of one event instead, offline' },
        { flags: '--state <dir>', help: 'what this machine saw last (default: integrity.state)' },
        { flags: '--no-state', help: 'neither use nor keep what this machine saw last' },
        asOf,
      ],
      formats: ['text', 'json'],
      examples: [
        ['auditkeep verify', 'incremental'],
        ['auditkeep verify --deep --checkpoint kept-checkpoint -o json', 'an audit'],
        ['auditkeep verify --archive ./copy --key acme.example/audit+530d903a+Aeky…', 'offline'],
        ['auditkeep verify --proof event.tlog-proof --key key.pub', 'one event, without the archive'],
      ],
      load: async () => (await import('./verify.ts')).verify,
    },
    {
      name: 'prove',
      summary: 'write the proof of one event, to be checked offline',
      description:
        'Searches the sealed parts and writes the event with its way to the signed checkpoint, as a C2SP tlog-proof. ' +
        'Who has the public key can check it without the archive: auditkeep verify --proof FILE --key VKEY. Exits 3 when an id was not found.',
      options: [
        { flags: '--audit-id <id>', help: 'auditID of the event; repeatable', repeats: true },
        { flags: '--ids <file>', help: 'many ids, one a line' },
        { flags: '--line <json>', help: 'the whole line of the event, byte for byte' },
        cluster,
        { flags: '--from <time>', help: 'search only arrival times from here on' },
        { flags: '--to <time>', help: 'search only arrival times before this' },
        { flags: '--out <path>', help: 'file (default: stdout); with several ids a directory' },
      ],
      formats: ['text', 'json'],
      examples: [
        ['auditkeep prove --audit-id 7d1a… --out event.tlog-proof', ''],
        ['auditkeep prove --ids ids.txt --cluster prod-eu --from 2026-06-22 --out proofs', ''],
      ],
      load: async () => (await import('./prove.ts')).prove,
    },
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
