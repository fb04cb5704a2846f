import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { edit, filesOf, folderStore, HOUR, newSigner, ORIGIN, sealAll, temporary } from './sealed.ts';
import { FIRST, writeWindows } from './synthetic.ts';
import { verifyFolder } from './verifying.ts';
import { startWitness } from './witness-server.ts';

it('a witness cosigns a log that grows, and refuses one that was rewritten', async () => {
  const signer = newSigner();
  const witness = await startWitness(ORIGIN, signer.verifier);
  const directory = temporary();
  const seal = () => sealAll(folderStore(directory), { signer, witnesses: [witness] });
  for (const size of [3, 300, 700]) {
    writeWindows(directory, 'one', size === 3 ? 0 : size === 300 ? 3 : 300, size);
    expect(await seal()).toMatchObject({ unwitnessed: [] });
  }
  expect(witness.answers).toEqual([200, 409, 200, 409, 200]);
  const over = { now: FIRST + 701 * HOUR, verifiers: [signer.verifier, witness.verifier] };
  const report = await verifyFolder(directory, over);
  expect(report).toMatchObject({ findings: [], notices: [], exitCode: 0 });
  expect(report.log?.cosignedBy).toMatchObject([{ witness: witness.verifier.vkey }]);

  const changed = filesOf(directory).find((file) => /Z_.*Z\.json$/.test(file))!;
  edit(directory, changed, (bytes) => Buffer.from(bytes.toString().replace('"final": true', '"final": false')));
  rmSync(join(directory, 'log'), { recursive: true });
  writeWindows(directory, 'one', 700, 710);
  expect((await seal())?.unwitnessed).toMatchObject([expect.stringContaining('consistency proof')]);
  expect((await verifyFolder(directory, { ...over, now: FIRST + 711 * HOUR })).notices).toMatchObject([
    { code: 'not-cosigned' },
  ]);

  rmSync(join(directory, 'log'), { recursive: true });
  for (const file of filesOf(directory)
    .filter((name) => /Z_.*Z\.json$/.test(name))
    .slice(5))
    rmSync(join(directory, file));
  expect((await seal())?.unwitnessed).toMatchObject([expect.stringContaining('has seen 701 leaves')]);
  await witness.close();
  expect((await sealAll(folderStore(directory), { signer: signer, witnesses: [witness] }))?.added).toBe(0);
  writeWindows(directory, 'one', 5, 6);
  expect((await seal())?.unwitnessed).toMatchObject([expect.stringContaining("can't be reached")]);
});
