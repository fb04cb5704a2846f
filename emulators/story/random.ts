// A small seeded generator of random numbers: the same seed gives the same story on every machine.

export interface Random {
  /** Uniform in [0, 1). */
  unit(): number;
  /** Uniform integer in [0, limit). */
  int(limit: number): number;
  /** Uniform integer in [from, to]. */
  between(from: number, to: number): number;
  pick<T>(list: readonly T[]): T;
  /** True with probability `share`. */
  chance(share: number): boolean;
  /** `digits` lower-case hex digits. */
  hex(digits: number): string;
  /** A random UUID (version 4). */
  uuid(): string;
  /** Letters and digits as Kubernetes puts them behind generated names (no vowels, nothing alike). */
  suffix(length: number): string;
  /** `length` of A-Z and 0-9, as in cloud principal ids. */
  upper(length: number): string;
  /** Exponentially distributed with this mean. */
  wait(mean: number): number;
  /** Log-normal: half of the values lie below `median`; a bigger `spread` gives a longer tail. */
  skewed(median: number, spread: number): number;
}

const HEX16 = Array.from({ length: 65_536 }, (_, n) => n.toString(16).padStart(4, '0'));
const SUFFIX = 'bcdfghjklmnpqrstvwxz2456789';
const UPPER = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** FNV-1a with a final mix, 32 bits. */
function hash(text: string, basis: number): number {
  let h = basis;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A generator for one purpose: streams with different labels are independent of each other, so one can grow without moving the others. */
export function seeded(seed: number, label: string): Random {
  const key = `${seed}/${label}`;
  // sfc32 (PractRand): three words of state and a counter
  let a = hash(key, 0x811c9dc5);
  let b = hash(key, 0x9e3779b9);
  let c = hash(key, 0x243f6a88);
  let counter = 1;
  const word = (): number => {
    const t = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t;
    c |= 0;
    return t >>> 0;
  };
  for (let i = 0; i < 15; i++) word();

  const unit = () => word() / 4_294_967_296;
  const int = (limit: number) => Math.floor(unit() * limit);
  const letters = (alphabet: string, length: number) => {
    let text = '';
    for (let i = 0; i < length; i++) text += alphabet[int(alphabet.length)];
    return text;
  };
  const hex = (digits: number) => {
    let text = '';
    while (text.length < digits) {
      const w = word();
      text += HEX16[w >>> 16]! + HEX16[w & 0xffff]!;
    }
    return text.slice(0, digits);
  };
  return {
    unit,
    int,
    between: (from, to) => from + int(to - from + 1),
    pick: (list) => list[int(list.length)]!,
    chance: (share) => unit() < share,
    hex,
    uuid: () => {
      const w0 = word();
      const w1 = word();
      const w2 = word();
      const w3 = word();
      return (
        `${HEX16[w0 >>> 16]}${HEX16[w0 & 0xffff]}-${HEX16[w1 >>> 16]}-${HEX16[(w1 & 0x0fff) | 0x4000]}` +
        `-${HEX16[((w2 >>> 16) & 0x3fff) | 0x8000]}-${HEX16[w2 & 0xffff]}${HEX16[w3 >>> 16]}${HEX16[w3 & 0xffff]}`
      );
    },
    suffix: (length) => letters(SUFFIX, length),
    upper: (length) => letters(UPPER, length),
    wait: (mean) => -mean * Math.log(1 - unit()),
    skewed: (median, spread) => {
      const normal = Math.sqrt(-2 * Math.log(1 - unit())) * Math.cos(2 * Math.PI * unit());
      return median * Math.exp(spread * normal);
    },
  };
}
