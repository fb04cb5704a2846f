#!/usr/bin/env node
// Looks at the Node version before anything else is loaded: the rest doesn't parse on old ones.
// Keep this file free of static imports and of syntax newer than 2018.

const needed = [22, 15];
const found = process.versions.node.split('.').map(Number);

if (found[0]! < needed[0]! || (found[0] === needed[0] && found[1]! < needed[1]!)) {
  process.stderr.write(
    'auditkeep needs Node ' + needed.join('.') + ' or newer, this is Node ' + process.versions.node + '.\n',
  );
  process.stderr.write('  Nothing was done. Install a newer Node (https://nodejs.org) or put one first on the PATH.\n');
  process.exitCode = 2;
} else {
  void import('./start.ts').then((program) => program.start());
}
