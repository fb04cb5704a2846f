// Results on stdout: escaped for terminals, backpressure respected, a reader that went away taken quietly.

import { once } from 'node:events';

export type OutStream = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };

// Control characters (C0, DEL, C1), line and paragraph separators, invisible and bidirectional marks, tags, lone surrogates, BOM.
const UNSAFE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|\p{Surrogate}/gu;

function escape(char: string): string {
  if (char === '\n') return '\\n';
  if (char === '\t') return '\\t';
  if (char === '\r') return '\\r';
  const code = char.codePointAt(0)!;
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, '0')}`;
  return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, '0')}`;
}

/** Text of an event or of a remote service, safe on a terminal: nothing in it moves the cursor, colours, hides or reorders. */
export function printable(text: string): string {
  return text.replace(UNSAFE, escape);
}

/** The same for a message of several lines: line ends stay, and each further line is indented, so that none can pass for a message of its own. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n  ');
}

/** Where results go. */
export interface Output {
  /** True once the reader has gone (EPIPE): further writes do nothing, a long-running command may stop. */
  readonly closed: boolean;
  /** Writes as it is, waiting while the reader is slow. Throws what the stream reports, except EPIPE. */
  write(chunk: string | Uint8Array): Promise<void>;
  /** A line of text, escaped. */
  line(text?: string): Promise<void>;
  /** One JSON value as one line. */
  json(value: unknown): Promise<void>;
  /** Waits until all is handed over. */
  flush(): Promise<void>;
}

/** Results on a stream. */
export function createOutput(stream: OutStream): Output {
  let closed = false;
  let failure: Error | undefined;
  const wake = new Set<() => void>();
  stream.on('error', (error: NodeJS.ErrnoException) => {
    closed = true;
    if (error.code !== 'EPIPE') failure ??= error;
    for (const resolve of wake) resolve();
  });

  async function write(chunk: string | Uint8Array): Promise<void> {
    if (failure !== undefined) throw failure;
    if (closed || stream.write(chunk)) return;
    let gone = () => {};
    const broken = new Promise<void>((resolve) => wake.add((gone = resolve)));
    const stop = new AbortController();
    await Promise.race([once(stream, 'drain', { signal: stop.signal }).catch(() => {}), broken]);
    stop.abort();
    wake.delete(gone);
    if (failure !== undefined) throw failure;
  }

  return {
    get closed() {
      return closed;
    },
    write,
    line: (text = '') => write(`${printable(text)}\n`),
    // JSON escapes C0 only; the rest is as dangerous on a terminal
    json: (value) => write(`${safeJson(value)}\n`),
    async flush() {
      if (!closed) await new Promise<void>((resolve) => stream.write('', () => resolve()));
      if (failure !== undefined) throw failure;
    },
  };
}

/** JSON on one line in which every unsafe character is escaped the JSON way. */
export function safeJson(value: unknown): string {
  return JSON.stringify(value).replace(UNSAFE, (char) =>
    [...Array(char.length).keys()].map((i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, '0')}`).join(''),
  );
}

/** Rows as aligned columns; the first row is the heading. Cells are escaped. Columns of numbers (by their heading's `>`) are right-aligned. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const safe = rows.map((row) => row.map(printable));
  const head = safe[0] ?? [];
  const right = head.map((cell) => cell.startsWith('>'));
  const clean = [head.map((cell) => cell.replace(/^>/, '')), ...safe.slice(1)];
  const widths = head.map((_, i) => Math.max(...clean.map((row) => (row[i] ?? '').length)));
  return clean.map((row) =>
    row
      .map((cell, i) => (right[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd(),
  );
}

/** `1,234,567`. */
export function formatCount(n: number): string {
  return String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `12.3 MiB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${Math.round(bytes)} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes / 1024;
  let i = 0;
  while (value >= 1024 && i < units.length - 1) {
    value /= 1024;
    i++;
  }
  return `${value.toFixed(1)} ${units[i]}`;
}
