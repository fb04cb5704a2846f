// A sealer of its own process: seals a directory with a key file until it is told to stop, or killed.

import { readFileSync } from 'node:fs';
import { signerFromPem } from '../../src/integrity/signer.ts';
import { folderStore, sealAll } from './sealed.ts';

const [directory = '', key = '', times = '1'] = process.argv.slice(2);
const signer = signerFromPem(readFileSync(key, 'utf8'), undefined, key);
process.stdout.write('ready\n');
let added = 0;
for (let i = 0; i < Number(times); i++) added += (await sealAll(folderStore(directory), { signer }))?.added ?? 0;
process.stdout.write(`added ${added}\n`);
