// `auditkeep prove`: writes the proof of one event, or of many, that anyone can check offline.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AuditkeepError, ConfigError, EXIT } from '../errors.ts';
import { encodeProof } from '../integrity/proof.ts';
import { prove as runProve } from '../integrity/prove.ts';
import type { Cli, Run } from './io.ts';
import { withRun } from './open-run.ts';
import { formatCount } from './output.ts';
import { timeOption } from './when.ts';

interface ProveOptions {
  auditId?: string[];
  ids?: string;
  line?: string;
  cluster?: string[];
  from?: string;
  to?: string;
  out?: string;
}

export const prove: Run<ProveOptions> = (cli) =>
  withRun(cli as Cli, async (run) => {
    const { options } = cli;
    const ids = new Set([...(options.auditId ?? []), ...(options.ids === undefined ? [] : await readIds(options.ids))]);
    const lines = new Set(options.line === undefined ? [] : [options.line.replace(/\r?\n$/, '')]);
    if (ids.size + lines.size === 0)
      throw new ConfigError('prove needs --audit-id, --ids or --line', { hint: 'see auditkeep help prove' });
    const many = options.ids !== undefined || ids.size + lines.size > 1;
    if (many && options.out === undefined) throw new ConfigError('proofs of many events need --out DIRECTORY');
    const wanted = new Set(run.clusters.map(({ name }) => name));
    const missing = new Set([...ids, ...lines]);
    const range = {
      from: options.from === undefined ? -8.64e15 : timeOption('--from', options.from, run.now),
      to: options.to === undefined ? 8.64e15 : timeOption('--to', options.to, run.now),
    };
    if (many) await mkdir(options.out!, { recursive: true });
    const written: object[] = [];
    let first = true;
    for await (const proof of runProve({
      store: run.store,
      ids,
      lines,
      isWanted: (cluster) => wanted.has(cluster),
      range,
      signal: cli.signal,
    })) {
      const { id, event, part, line } = proof;
      missing.delete(id ?? event.toString('utf8'));
      const bytes = encodeProof(proof);
      const manifest = /\/([^/]+)\.json$/.exec(proof.manifestKey)![1]!;
      // an id is chosen by the client and may hold anything: it names no file
      const name = many || !first ? `${manifest}_${/_(\d+)_[^/]*$/.exec(part)![1]}_${line}.tlog-proof` : undefined;
      const target =
        options.out === undefined
          ? undefined
          : many
            ? join(options.out, name!)
            : name === undefined
              ? options.out
              : `${options.out}.${name}`;
      if (target === undefined) {
        if (first) await cli.out.write(bytes);
        else cli.tell(`another event has this id: line ${line} of ${part}; give --out to have both`);
      } else {
        await save(target, bytes);
        written.push({ proof: target, ...(id !== undefined && { auditID: id }), part, line });
      }
      first = false;
    }
    if (options.output === 'json' && options.out !== undefined) await cli.out.json({ written, missing: [...missing] });
    else if (options.out !== undefined)
      await cli.out.line(`${formatCount(written.length)} proofs written to ${options.out}`);
    if (missing.size === 0) return EXIT.done;
    cli.tell(
      `not found in what is sealed: ${[...missing]
        .slice(0, 10)
        .map((id) => (id.length > 80 ? `${id.slice(0, 80)}…` : id))
        .join(', ')}${missing.size > 10 ? ` and ${missing.size - 10} more` : ''}`,
    );
    return first ? EXIT.cannotVerify : EXIT.incomplete;
  });

async function readIds(file: string): Promise<string[]> {
  try {
    return (await readFile(file, 'utf8')).split(/\s+/).filter((id) => id !== '');
  } catch (error) {
    throw new ConfigError(`--ids ${file} can't be read: ${(error as Error).message}`, { cause: error });
  }
}

async function save(file: string, bytes: Buffer): Promise<void> {
  try {
    await writeFile(file, bytes);
  } catch (error) {
    throw new AuditkeepError(`${file} can't be written: ${(error as Error).message}`, { cause: error });
  }
}
