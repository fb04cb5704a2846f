// Timestamps as Cloud Logging writes them, RFC 3339 with any number of fraction digits, without rounding.

const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,30}))?(?:Z|([+-])(\d\d):(\d\d))$/;

/** Milliseconds of the whole second, and the fraction's digits; undefined if the text is no timestamp. */
function read(text: string): { readonly second: number; readonly fraction: string; readonly utc: boolean } | undefined {
  const m = RFC3339.exec(text);
  if (m === null) return undefined;
  const [year, month, day, hours, minutes, seconds] = [+m[1]!, +m[2]!, +m[3]!, +m[4]!, +m[5]!, +m[6]!];
  // Date.UTC takes 30 February for 2 March
  const lastDay =
    month === 2
      ? year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
        ? 29
        : 28
      : 30 + ((month + (month >> 3)) & 1);
  if (month < 1 || month > 12 || day < 1 || day > lastDay || hours > 23 || minutes > 59 || seconds > 59)
    return undefined;
  const offset = m[8] === undefined ? 0 : (m[8] === '-' ? -1 : 1) * (+m[9]! * 60 + +m[10]!);
  const second = Date.UTC(year, month - 1, day, hours, minutes - offset, seconds);
  return { second, fraction: m[7] ?? '', utc: m[8] === undefined };
}

/** Milliseconds since the epoch, rounded down; NaN if the text is no timestamp. */
export function parseTimestamp(text: string): number {
  const found = read(text);
  return found === undefined ? Number.NaN : found.second + Number(found.fraction.padEnd(3, '0').slice(0, 3));
}

/** The same time as MicroTime (six digits, UTC), cut and not rounded, as Go formats it; undefined if the text is no timestamp. */
export function toMicroTime(text: string): string | undefined {
  const found = read(text);
  if (found === undefined) return undefined;
  const { second, fraction, utc } = found;
  const head = utc ? text.slice(0, 19) : new Date(second).toISOString().slice(0, 19);
  return `${head}.${fraction.padEnd(6, '0').slice(0, 6)}Z`;
}
