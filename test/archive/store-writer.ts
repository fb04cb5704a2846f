// A process that writes into a directory archive, for tests that race and kill it. Waits for "go" once it is ready.

import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256Hex } from '../../src/archive/hash.ts';
import { openFileStore } from '../../src/archive/store/file.ts';
import { ownName } from '../../src/archive/store/owner.ts';
import { withLock } from '../../src/archive/store/swap-lock.ts';
import { ConflictError } from '../../src/errors.ts';
import { putText } from './store-texts.ts';

const [what = '', root = '', a = '', b = ''] = process.argv.slice(2);
const store = openFileStore(root, { onServerDate() {} });
const tell = (message: unknown) => new Promise((resolve) => process.send!(message, resolve));

async function race(me: string, count: number): Promise<string[]> {
  const won: string[] = [];
  for (let i = 0; i < count; i++) {
    const key = `ledger/cluster=${i % 7}/${i}.json`;
    try {
      await putText(store, key, `by ${me}`);
      won.push(key);
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
    }
  }
  return won;
}

async function count(times: number): Promise<void> {
  for (let done = 0; done < times;) {
    const { bytes, tag } = (await store.get('log/checkpoint'))!;
    try {
      await putText(store, 'log/checkpoint', `${Number(bytes.toString()) + 1}`, { ifMatch: tag });
      done++;
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
    }
  }
}

async function write(me: string): Promise<void> {
  for (let i = 0; ; i++) {
    const body = Buffer.from(`${me}/${i} `.repeat(1 + ((i * 7919) % 40_000)));
    const sha256 = sha256Hex(body);
    await store.put(`events/${me}/${i}_${sha256.slice(0, 16)}`, body, { ifAbsent: true, sha256 });
  }
}

if (what === 'leave') {
  const name = ownName();
  writeFileSync(join(root, '.tmp', name), 'half');
  await tell(name);
} else {
  await tell('ready');
  await once(process, 'message');
  if (what === 'race') await tell(await race(a, Number(b)));
  if (what === 'count') await count(Number(a));
  if (what === 'write') await write(a);
  if (what === 'hold')
    await withLock(join(root, '.tmp'), 'log/checkpoint', async () => {
      await tell('holding');
      await new Promise((resolve) => setTimeout(resolve, 60_000));
    });
}
process.disconnect();
