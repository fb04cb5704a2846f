// The text of a row → the text of its record, copied where the service writes JSON as we do: no strings are built of megabytes of bodies.

import { skipSpace, skipValue } from '../../src/provider.ts';
import { answerColumns } from './kql.ts';
import type { Table } from './options.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const CLOSE = 0x5d;
/** Escapes that JSON.stringify writes too; it spells other characters in one way, the service perhaps in another. */
const PLAIN_ESCAPES = new Set(Array.from('"\\bfnrt', (c) => c.charCodeAt(0)));

/** Position behind the value at `i` if it is a string or null, written as JSON.stringify would; else -1. The text must be JSON. */
function endOfPlain(u: Buffer, i: number, end: number): number {
  if (u[i] === 0x6e) return skipValue(u, i, end);
  if (u[i] !== QUOTE) return -1;
  for (i++; i < end; i++) {
    const c = u[i];
    if (c === QUOTE) return i + 1;
    if (c === BACKSLASH && !PLAIN_ESCAPES.has(u[++i]!)) return -1;
  }
  return -1;
}

/** What is wanted of a row besides its record. */
export interface CopiedRow {
  /** Bytes written. */
  readonly length: number;
  readonly arrival: string;
  readonly time: string;
  readonly pod: string;
}

/** Copies rows of a table. */
export function createRowCopier(table: Table) {
  const names = answerColumns(table);
  const prefixes = names.map((name, i) =>
    Buffer.from(i === 1 ? `{"Type":${JSON.stringify(table)},"${name}":` : `,"${name}":`),
  );
  const more = prefixes.reduce((sum, { length }) => sum + length, 1);
  const timeAt = names.indexOf('TimeGenerated');
  const podAt = Math.max(names.indexOf('PodName'), names.indexOf('pod_s'));
  const starts = new Int32Array(names.length);
  const ends = new Int32Array(names.length);

  /** The string of a value without escapes; `undefined` of any other. */
  function stringOf(u: Buffer, n: number): string | undefined {
    const [from, to] = [starts[n]!, ends[n]!];
    if (u[from] !== QUOTE) return undefined;
    const text = u.toString('utf8', from + 1, to - 1);
    return text.includes('\\') ? undefined : text;
  }

  return {
    /** Bytes that a record has more than its row. */
    more,
    /** Writes the record of the row at [from, to) of `u` to `out` at `at`. Undefined where it must be parsed: then nothing is said of it. */
    copy(u: Buffer, from: number, to: number, out: Buffer, at: number): CopiedRow | undefined {
      if (to - from + more > out.length - at) return undefined;
      let i = from;
      for (let n = 0; n < names.length; n++) {
        if (u[i] !== (n === 0 ? 0x5b : COMMA)) return undefined;
        const start = skipSpace(u, i + 1, to);
        const end = endOfPlain(u, start, to);
        if (end < 0) return undefined;
        starts[n] = start;
        ends[n] = end;
        i = skipSpace(u, end, to);
      }
      const arrival = stringOf(u, 0);
      const time = stringOf(u, timeAt);
      const pod = stringOf(u, podAt);
      if (u[i] !== CLOSE || arrival === undefined || time === undefined || pod === undefined) return undefined;
      let filled = at;
      for (let n = 1; n < names.length; n++) {
        const prefix = prefixes[n]!;
        out.set(prefix, filled);
        filled += prefix.length;
        filled += u.copy(out, filled, starts[n], ends[n]);
      }
      out[filled++] = 0x7d;
      return { length: filled - at, arrival, time, pod };
    },
  };
}
