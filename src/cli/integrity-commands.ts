// Signing and proving: what its commands take, and what help says.

import { asOf, cluster, type CommandSpec } from './command-spec.ts';

/** In the order in which help lists them. */
export const integrityCommands: readonly CommandSpec[] = [
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
    load: async () => (await import('./runs.ts')).keygen,
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
    load: async () => (await import('./runs.ts')).seal,
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
    load: async () => (await import('./runs.ts')).verify,
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
    load: async () => (await import('./runs.ts')).prove,
  },
];
