// Which paths a pattern names: `*`, `?`, `[a-z]`, `{a,b}` and `**`, as a shell would expand them.

import { readdir } from 'node:fs/promises';
import { join, parse, resolve, sep } from 'node:path';

const MAGIC = /[*?[{]/;

/** `a{b,c}d` → `abd`, `acd`; nested braces too. */
export function expandBraces(pattern: string): string[] {
  const open = pattern.indexOf('{');
  if (open < 0) return [pattern];
  let depth = 0;
  const cuts = [open];
  for (let i = open; i < pattern.length; i++) {
    const c = pattern[i];
    if (c === '{') depth++;
    else if (c === ',' && depth === 1) cuts.push(i);
    else if (c === '}' && --depth === 0) {
      cuts.push(i);
      const tails = expandBraces(pattern.slice(i + 1));
      return cuts
        .slice(1)
        .flatMap((cut, n) => expandBraces(pattern.slice(cuts[n]! + 1, cut)))
        .flatMap((middle) => tails.map((tail) => pattern.slice(0, open) + middle + tail));
    }
  }
  return [pattern];
}

function segmentPattern(segment: string): RegExp {
  let source = '';
  for (let i = 0; i < segment.length; i++) {
    const c = segment[i]!;
    const close = c === '[' ? segment.indexOf(']', i + 2) : -1;
    if (c === '*') source += '[^/]*';
    else if (c === '?') source += '[^/]';
    else if (close > 0) {
      source += `[${segment
        .slice(i + 1, close)
        .replace(/^!/, '^')
        .replace(/[\\[\]]/g, '\\$&')}]`;
      i = close;
    } else source += c.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
  }
  return new RegExp(`^${source}$`, 'su');
}

const hidden = (segment: string) => segment.startsWith('.');

async function namesIn(folder: string): Promise<{ name: string; folder: boolean }[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.map((e) => ({ name: e.name, folder: e.isDirectory() }));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // between two looks a folder may go; what stands in its place is no folder
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}

async function walk(base: string, segments: readonly string[], found: Set<string>): Promise<void> {
  const [segment, ...rest] = segments;
  if (segment === undefined) {
    found.add(base);
    return;
  }
  if (segment === '**') {
    await walk(base, rest, found);
    for (const entry of await namesIn(base))
      // links to folders aren't followed here: they can form circles
      if (entry.folder && !hidden(entry.name)) await walk(join(base, entry.name), segments, found);
    return;
  }
  if (!MAGIC.test(segment)) return walk(join(base, segment), rest, found);
  const pattern = segmentPattern(segment);
  for (const entry of await namesIn(base))
    if (pattern.test(entry.name) && (!hidden(entry.name) || hidden(segment)))
      await walk(join(base, entry.name), rest, found);
}

/**
 * Absolute paths that a pattern names, sorted. A pattern without wildcards names itself, whether it exists or not.
 * As in a shell, a wildcard doesn't match a leading dot. Throws the system's error where a folder can't be read.
 */
export async function glob(pattern: string): Promise<string[]> {
  const found = new Set<string>();
  for (const one of expandBraces(pattern)) {
    const path = resolve(one);
    const { root } = parse(path);
    await walk(root, path.slice(root.length).split(sep).filter(Boolean), found);
  }
  return [...found].sort();
}
