import { describe, expect, it } from 'vitest';
import { createVerifyProgress } from '../../src/cli/progress.ts';
import { sink } from './run-cli.ts';

describe('progress of a verification', () => {
  const drawn = (tty: boolean, ...updates: Parameters<ReturnType<typeof createVerifyProgress>['update']>[]) => {
    const stderr = sink(tty);
    let now = 0;
    const progress = createVerifyProgress(stderr as never, () => (now += 1000));
    for (const update of updates) progress.update(...update);
    progress.end();
    return stderr.text().split('\r\u001b[K');
  };

  it('is a bar where the total is known, and a count where it is not', () => {
    expect(
      drawn(true, ['ledger', 5, 0, undefined], ['objects', 250, 3 << 20, 1000], ['objects', 1000, 4 << 20, 1000]),
    ).toEqual([
      '',
      'ledger: 5 files',
      `${'█'.repeat(6)}${'░'.repeat(18)} 250/1,000 files  3.0 MiB  objects`,
      `${'█'.repeat(24)} 1,000/1,000 files  4.0 MiB  objects`,
      '',
    ]);
  });

  it('never goes beyond its end, when files are found that nobody counted', () => {
    expect(drawn(true, ['ledger', 7, 0, 5])[1]).toBe(`${'█'.repeat(24)} 7/5 files  ledger`);
    expect(drawn(true, ['ledger', 1, 0, 0])[1]).toBe('ledger: 1 files');
  });

  it('is nothing where nobody looks', () => {
    expect(drawn(false, ['ledger', 5, 0, 10])).toEqual(['']);
  });
});
