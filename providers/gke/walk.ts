// Finds wanted members of a JSON text in one pass, however deep they stand, without building values.

import { CUT, MALFORMED, nameAt, skipSpace, skipString, skipValue } from '../../src/provider.ts';

/** A member was there twice: decoders differ on which one counts. */
export const REPEATED = -10;

/** Names of wanted members; an object stands for the wanted members of an object. */
export interface Shape {
  readonly [name: string]: true | Shape;
}

interface Node {
  readonly slot: number;
  readonly children: Map<string, Node> | undefined;
}

/** Where the members of a shape stand in the text walked last. */
export interface Walker<Path extends string> {
  /** Validates the value at `i` and finds the members in it. Position behind it, or what is below zero: MALFORMED, CUT, TOO_DEEP, REPEATED. */
  walk(u: Buffer, i: number, end: number): number;
  /** Begin of the value, or -1 where there is none. */
  from(path: Path): number;
  to(path: Path): number;
  /** Begin of the member's name, at its quote. */
  name(path: Path): number;
}

/** `a.b` for each member `b` of a wanted member `a`, and `a` itself. */
type Paths<S extends Shape> = {
  [K in keyof S & string]: S[K] extends Shape ? K | `${K}.${Paths<S[K]>}` : K;
}[keyof S & string];

/** @param shape members that are wanted, such as `{resource: {type: true}}`; its paths are `resource` and `resource.type` */
export function createWalker<const S extends Shape>(shape: S): Walker<Paths<S>> {
  const slots = new Map<string, number>();
  const build = (from: Shape, path: string): Map<string, Node> =>
    new Map(
      Object.entries(from).map(([name, inner]) => {
        const slot = slots.size * 3;
        slots.set(path + name, slot);
        return [name, { slot, children: inner === true ? undefined : build(inner, `${path}${name}.`) }];
      }),
    );
  const root = build(shape, '');
  const places = new Int32Array(slots.size * 3);

  function object(u: Buffer, i: number, end: number, nodes: Map<string, Node>, depth: number): number {
    i = skipSpace(u, i + 1, end);
    if (i < end && u[i] === 0x7d) return i + 1;
    for (;;) {
      const quote = i;
      if (i >= end) return CUT;
      if (u[i] !== 0x22) return MALFORMED;
      i = skipString(u, i + 1, end);
      if (i < 0) return i;
      const node = nodes.get(nameAt(u, quote + 1, i - 1));
      i = skipSpace(u, i, end);
      if (i >= end) return CUT;
      if (u[i] !== 0x3a) return MALFORMED;
      i = skipSpace(u, i + 1, end);
      const from = i;
      if (node === undefined) i = skipValue(u, i, end, depth);
      else {
        if (places[node.slot]! >= 0) return REPEATED;
        i =
          node.children !== undefined && u[i] === 0x7b
            ? object(u, i, end, node.children, depth + 1)
            : skipValue(u, i, end, depth);
        places[node.slot] = from;
        places[node.slot + 1] = i;
        places[node.slot + 2] = quote;
      }
      if (i < 0) return i;
      i = skipSpace(u, i, end);
      if (i >= end) return CUT;
      if (u[i] === 0x7d) return i + 1;
      if (u[i] !== 0x2c) return MALFORMED;
      i = skipSpace(u, i + 1, end);
    }
  }

  return {
    walk(u, i, end) {
      places.fill(-1);
      return u[i] === 0x7b ? object(u, i, end, root, 1) : skipValue(u, i, end);
    },
    from: (path) => places[slots.get(path)!]!,
    to: (path) => places[slots.get(path)! + 1]!,
    name: (path) => places[slots.get(path)! + 2]!,
  };
}

/** The string at [from, to) of a text as it means, or undefined if it is none. */
export function stringAt(u: Buffer, from: number, to: number): string | undefined {
  return from >= 0 && u[from] === 0x22 ? nameAt(u, from + 1, to - 1) : undefined;
}

/** The text without the white space between its tokens. `u` must be JSON. */
export function compact(u: Buffer): Buffer {
  const out = Buffer.allocUnsafe(u.length);
  let n = 0;
  for (let i = 0; i < u.length;) {
    const c = u[i]!;
    if (c === 0x22) {
      const to = skipString(u, i + 1, u.length);
      // not a string after all: whoever reads it next will say so
      if (to < 0) return u;
      n += u.copy(out, n, i, to);
      i = to;
    } else {
      if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) out[n++] = c;
      i++;
    }
  }
  return out.subarray(0, n);
}
