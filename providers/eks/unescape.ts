// Turns the text of a JSON string into its bytes, where it stands.

// 1 = stands for itself
const PLAIN = new Uint8Array(256).fill(1, 0x20);
PLAIN[0x22] = 0;
PLAIN[0x5c] = 0;

// byte that a one-letter escape stands for, 0 = none
const ESCAPED = new Uint8Array(256);
for (const [letter, byte] of Object.entries({ '"': 34, '\\': 92, '/': 47, b: 8, f: 12, n: 10, r: 13, t: 9 }))
  ESCAPED[letter.charCodeAt(0)] = byte;

const DIGIT = new Uint8Array(256).fill(255);
for (let k = 0; k < 16; k++) {
  DIGIT[k.toString(16).charCodeAt(0)] = k;
  DIGIT[k.toString(16).toUpperCase().charCodeAt(0)] = k;
}

/** Code unit of the four hex digits at `i`; -1 if they aren't there. */
function hex4(u: Uint8Array, i: number, end: number): number {
  if (i + 4 > end) return -1;
  let unit = 0;
  for (let k = i; k < i + 4; k++) {
    const digit = DIGIT[u[k]!]!;
    if (digit === 255) return -1;
    unit = unit * 16 + digit;
  }
  return unit;
}

/** Writes a code point as UTF-8; gives the position behind it. */
function write(u: Uint8Array, o: number, point: number): number {
  if (point < 0x80) u[o++] = point;
  else if (point < 0x800) {
    u[o++] = 0xc0 | (point >> 6);
    u[o++] = 0x80 | (point & 63);
  } else {
    if (point < 0x10000) u[o++] = 0xe0 | (point >> 12);
    else {
      u[o++] = 0xf0 | (point >> 18);
      u[o++] = 0x80 | ((point >> 12) & 63);
    }
    u[o++] = 0x80 | ((point >> 6) & 63);
    u[o++] = 0x80 | (point & 63);
  }
  return o;
}

/** `to`: end of the bytes, which begin where the text began. `next`: position behind the closing quote, -1 if the text is cut or no JSON. */
export interface Unescaped {
  to: number;
  next: number;
}

// one object for all calls, read at once by the caller
const result: Unescaped = { to: 0, next: 0 };

function done(to: number, next: number): Unescaped {
  result.to = to;
  result.next = next;
  return result;
}

/**
 * `from` points behind the opening quote of a string in valid UTF-8. A surrogate without its other half becomes U+FFFD,
 * as in Buffer.from(JSON.parse(text)). The result is valid until the next call.
 */
export function unescapeInPlace(u: Uint8Array, from: number, end: number): Unescaped {
  let i = from;
  while (i < end && PLAIN[u[i]!] === 1) i++;
  let o = i;
  for (;;) {
    if (i >= end) return done(o, -1);
    const c = u[i]!;
    if (c !== 0x5c) return done(o, c === 0x22 ? i + 1 : -1);
    if (i + 1 >= end) return done(o, -1);
    const letter = u[i + 1]!;
    const byte = ESCAPED[letter]!;
    if (byte !== 0) {
      u[o++] = byte;
      i += 2;
    } else {
      if (letter !== 0x75) return done(o, -1);
      let point = hex4(u, i + 2, end);
      if (point < 0) return done(o, -1);
      i += 6;
      if (point >= 0xd800 && point < 0xe000) {
        const low = point < 0xdc00 && u[i] === 0x5c && u[i + 1] === 0x75 ? hex4(u, i + 2, end) : -1;
        if (low >= 0xdc00 && low < 0xe000) {
          point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
          i += 6;
        } else point = 0xfffd;
      }
      o = write(u, o, point);
    }
    while (i < end) {
      const plain = u[i]!;
      if (PLAIN[plain] === 0) break;
      u[o++] = plain;
      i++;
    }
  }
}
