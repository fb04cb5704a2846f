// Timestamps as Cloud Logging writes them, RFC 3339 with any number of fraction digits, without rounding.

const RFC3339 = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,30}))?(Z|[+-]\d\d:\d\d)$/;

/** Seconds repeat: the last one is kept. */
let lastText = '';
let lastSecond = Number.NaN;

function secondOf(text: string, offset: string): number {
  if (offset === 'Z' && text === lastText) return lastSecond;
  const time = Date.parse(`${text}${offset}`);
  // Date.parse takes 30 February for 2 March
  const real = new Date(Date.parse(`${text}Z`));
  const second = Number.isNaN(real.getTime()) || !real.toISOString().startsWith(text) ? Number.NaN : time;
  if (offset === 'Z') {
    lastText = text;
    lastSecond = second;
  }
  return second;
}

/** Milliseconds since the epoch, rounded down; NaN if the text is no timestamp. */
export function parseTimestamp(text: string): number {
  const match = RFC3339.exec(text);
  if (match === null) return Number.NaN;
  const [, second, fraction = '', offset] = match;
  return secondOf(second!, offset!) + Number(fraction.padEnd(3, '0').slice(0, 3));
}

/** The same time as MicroTime (six digits, UTC), cut and not rounded, as Go formats it; undefined if the text is no timestamp. */
export function toMicroTime(text: string): string | undefined {
  const match = RFC3339.exec(text);
  if (match === null) return undefined;
  const [, second, fraction = '', offset] = match;
  const time = secondOf(second!, offset!);
  if (Number.isNaN(time)) return undefined;
  const utc = offset === 'Z' ? second! : new Date(time).toISOString().slice(0, 19);
  return `${utc}.${fraction.padEnd(6, '0').slice(0, 6)}Z`;
}
