// Times and durations as people write them: RFC 3339, a date, or relative; always UTC, exact to the second.

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** Longer ones are slips of the keyboard, and would lead out of the range of dates. */
const LONGEST = 36_525 * 86_400_000;

/** `90s`, `5m`, `36h`, `7d`, `1h30m` in milliseconds; NaN if the text is none or means more than a hundred years. */
export function parseDuration(text: string): number {
  if (!/^(\d+[smhdw])+$/.test(text)) return Number.NaN;
  let total = 0;
  for (const [, n, unit] of text.matchAll(/(\d+)([smhdw])/g)) total += Number(n) * UNITS[unit!]!;
  return total <= LONGEST ? total : Number.NaN;
}

/** A duration in the largest units that give it exactly: `1d12h`, `5m`, `0s`. */
export function formatDuration(ms: number): string {
  let rest = Math.round(ms / 1000) * 1000;
  if (rest === 0) return '0s';
  const sign = rest < 0 ? '-' : '';
  rest = Math.abs(rest);
  let text = '';
  for (const unit of ['d', 'h', 'm', 's']) {
    const n = Math.floor(rest / UNITS[unit]!);
    if (n > 0) text += `${n}${unit}`;
    rest -= n * UNITS[unit]!;
  }
  return sign + text;
}

/**
 * `2026-06-22T10:00:00Z`, `2026-06-22T12:00:00+02:00`, `2026-06-22` (midnight UTC), `-7d` or `36h` (that long before `now`), `now`.
 * Milliseconds since the epoch, whole seconds; NaN if the text is none of these.
 */
export function parseTime(text: string, now: number): number {
  if (text === 'now') return Math.floor(now / 1000) * 1000;
  const ago = parseDuration(text.replace(/^-/, ''));
  if (!Number.isNaN(ago)) return Math.floor((now - ago) / 1000) * 1000;
  if (/^\d{4}-\d\d-\d\d$/.test(text)) return strict(`${text}T00:00:00Z`);
  if (/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)$/.test(text)) return strict(text);
  return Number.NaN;
}

// Date.parse takes 2026-02-30 for 2 March
function strict(text: string): number {
  const [year, month, day] = text.slice(0, 10).split('-').map(Number) as [number, number, number];
  if (month < 1 || month > 12 || day < 1 || day > new Date(Date.UTC(year, month, 0)).getUTCDate()) return Number.NaN;
  return Date.parse(text);
}

/** `2026-06-22T10:00:00Z`, without fraction. */
export function formatTime(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d{3}Z$/, 'Z');
}
