// MicroTime, the form of an Event's timestamps, read from bytes: every event has two, so no text and no Date is made for them.

const DAY = 86_400_000;
const DAYS_IN_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
/** Days of a year before each month, leap days left out. */
const DAYS_BEFORE = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
const YEAR_2000 = Date.UTC(2000, 0, 1);

/** What two bytes that are no digits count as: more than any number of two digits, and an integer, which is quicker than NaN. */
const NO_DIGITS = 1000;

/** Two digits at `i` as a number, or NO_DIGITS. */
function twoDigits(u: Uint8Array, i: number): number {
  const tens = u[i]! - 0x30;
  const ones = u[i + 1]! - 0x30;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : NO_DIGITS;
}

/** The date `YYYY-MM-DD` at `i` as the time of its midnight UTC; NaN if it is none, or out of the years 2000 to 2099. */
function dayAt(u: Uint8Array, i: number): number {
  if (u[i] !== 0x32 || u[i + 1] !== 0x30 || u[i + 4] !== 0x2d || u[i + 7] !== 0x2d) return Number.NaN;
  const year = twoDigits(u, i + 2);
  const month = twoDigits(u, i + 5);
  const day = twoDigits(u, i + 8);
  if (year > 99 || month < 1 || month > 12 || day < 1) return Number.NaN;
  // of these years, 2000 included, each fourth is a leap year
  const leap = year % 4 === 0 ? 1 : 0;
  if (day > DAYS_IN_MONTH[month - 1]! + (month === 2 ? leap : 0)) return Number.NaN;
  const days = year * 365 + ((year + 3) >> 2) + DAYS_BEFORE[month - 1]! + (month > 2 ? leap : 0) + day - 1;
  return YEAR_2000 + days * DAY;
}

/** Offset at [from, to) in minutes: `Z` or `+hh:mm`; NaN if it is none. */
function offsetAt(u: Uint8Array, from: number, to: number): number {
  const sign = u[from];
  if (to - from === 1 && sign === 0x5a) return 0;
  if (to - from !== 6 || (sign !== 0x2b && sign !== 0x2d) || u[from + 3] !== 0x3a) return Number.NaN;
  const hours = twoDigits(u, from + 1);
  const minutes = twoDigits(u, from + 4);
  if (hours > 23 || minutes > 59) return Number.NaN;
  return (sign === 0x2d ? -1 : 1) * (hours * 60 + minutes);
}

/** The MicroTime that stands at [from, to) of a line: see parseMicroTime. */
export function microTimeAt(u: Uint8Array, from: number, to: number): number {
  if (to - from < 27 || u[from + 10] !== 0x54 || u[from + 13] !== 0x3a || u[from + 16] !== 0x3a) return Number.NaN;
  const hours = twoDigits(u, from + 11);
  const minutes = twoDigits(u, from + 14);
  const seconds = twoDigits(u, from + 17);
  if (u[from + 19] !== 0x2e || hours > 23 || minutes > 59 || seconds > 59) return Number.NaN;
  const hundredths = twoDigits(u, from + 20);
  const below = twoDigits(u, from + 22);
  if (hundredths > 99 || below > 99 || twoDigits(u, from + 24) > 99) return Number.NaN;
  const ms = hundredths * 10 + Math.trunc(below / 10);
  return dayAt(u, from) + ((hours * 60 + minutes - offsetAt(u, from + 26, to)) * 60 + seconds) * 1000 + ms;
}

/**
 * MicroTime as kube tooling reads it (`2026-06-22T10:00:00.123456Z`: six fraction digits, Z or a numeric offset) in
 * milliseconds since the epoch, rounded down. NaN if it isn't one, or out of the years 2000 to 2099.
 */
export function parseMicroTime(text: string): number {
  const bytes = Buffer.from(text);
  return microTimeAt(bytes, 0, bytes.length);
}

// Days repeat: the date text of the last one is kept.
let lastDay = Number.NaN;
let lastDate = '';

/** UTC day of a time in milliseconds, `YYYY-MM-DD`. */
export function utcDate(time: number): string {
  const day = Math.floor(time / DAY);
  if (day !== lastDay) {
    lastDay = day;
    lastDate = new Date(day * DAY).toISOString().slice(0, 10);
  }
  return lastDate;
}

/** A time in milliseconds since the epoch as MicroTime; what lies below a millisecond is zero. */
export function formatMicroTime(time: number): string {
  return new Date(time).toISOString().replace('Z', '000Z');
}
