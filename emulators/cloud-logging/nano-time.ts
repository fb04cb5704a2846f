// Times to the nanosecond as text that sorts: `2026-06-22T10:00:00.123456789Z`.

/** RFC 3339 with any number of digits → nine digits, UTC; undefined if the text is none. */
export function nanoTime(text: string): string | undefined {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (match === null) return undefined;
  const second = Date.parse(`${match[1]}${match[3]}`);
  if (Number.isNaN(second)) return undefined;
  return `${new Date(second).toISOString().slice(0, 19)}.${(match[2] ?? '').padEnd(9, '0')}Z`;
}

/** Milliseconds since the epoch in the same form. */
export function nanoOf(time: number): string {
  return new Date(time).toISOString().replace('Z', '000000Z');
}
