// Finds wanted members of a JSON text in one pass, however deep they stand, without building values.

import { CUT, MALFORMED, nameAt, skipSpace, skipString, skipValue } from '../../src/provider.ts';

/** A member was there twice: decoders differ on which one counts. */
export const REPEATED = -10;

/** Names of wanted members; an object stands for the wanted members of an object. */
export interface Shape {
  readonly [name: string]: true | Shape;
}

/** One wanted member: its name as bytes, where its place is noted, and what is wanted in it. */
interface Node {
  readonly name: Uint8Array;
  readonly slot: number;
  readonly children: readonly Node[] | undefined;
}

/** Where the members of a shape stand in the text walked last. */
export interface Walker<Path extends string> {
  /**
   * Validates the value at `i` and finds the members in it. Position behind it, or what is below zero: MALFORMED, CUT, TOO_DEEP, REPEATED.
   * @param outer brackets that are open around the value
   */
  walk(u: Buffer, i: number, end: number, outer?: number): number;
  /** Where a path's place stands in `places`. */
  slot(path: Path): number;
  /** Three numbers a path: begin and end of its value, and begin of its name (at the quote); begin is -1 where there is none. */
  readonly places: Int32Array;
}

/** `a.b` for each member `b` of a wanted member `a`, and `a` itself. */
export type Paths<S extends Shape> = {
  [K in keyof S & string]: S[K] extends Shape ? K | `${K}.${Paths<S[K]>}` : K;
}[keyof S & string];

/** The wanted member whose name stands at [from, to), if it is one. Names are compared as bytes: most members are not wanted. */
function find(nodes: readonly Node[], u: Buffer, from: number, to: number): Node | undefined {
  const size = to - from;
  const first = u[from];
  for (let n = 0; n < nodes.length; n++) {
    const { name } = nodes[n]!;
    if (name.length !== size || name[0] !== first) continue;
    let k = 1;
    while (k < size && name[k] === u[from + k]) k++;
    if (k >= size) return nodes[n];
  }
  return undefined;
}

/** @param shape members that are wanted, such as `{resource: {type: true}}`; its paths are `resource` and `resource.type` */
export function createWalker<const S extends Shape>(shape: S): Walker<Paths<S>> {
  const slots = new Map<string, number>();
  const build = (from: Shape, path: string): readonly Node[] =>
    Object.entries(from).map(([name, inner]) => {
      const slot = slots.size * 3;
      slots.set(path + name, slot);
      return {
        name: Buffer.from(name),
        slot,
        children: inner === true ? undefined : build(inner, `${path}${name}.`),
      };
    });
  const root = build(shape, '');
  const places = new Int32Array(slots.size * 3);

  /** A name spelled with escapes means the same. */
  function findEscaped(nodes: readonly Node[], u: Buffer, from: number, to: number): Node | undefined {
    const name = Buffer.from(nameAt(u, from, to));
    return find(nodes, name, 0, name.length);
  }

  function object(u: Buffer, i: number, end: number, nodes: readonly Node[], depth: number): number {
    i = skipSpace(u, i + 1, end);
    if (i < end && u[i] === 0x7d) return i + 1;
    for (;;) {
      const quote = i;
      if (i >= end) return CUT;
      if (u[i] !== 0x22) return MALFORMED;
      i = skipString(u, i + 1, end);
      if (i < 0) return i;
      let node = find(nodes, u, quote + 1, i - 1);
      if (node === undefined && hasEscape(u, quote + 1, i - 1)) node = findEscaped(nodes, u, quote + 1, i - 1);
      if (u[i] !== 0x3a) {
        i = skipSpace(u, i, end);
        if (i >= end) return CUT;
        if (u[i] !== 0x3a) return MALFORMED;
      }
      i = skipSpace(u, i + 1, end);
      const from = i;
      if (node === undefined) i = skipValue(u, i, end, depth);
      else {
        if (places[node.slot]! >= 0) return REPEATED;
        // a string is the most frequent
        if (u[i] === 0x22) i = skipString(u, i + 1, end);
        else if (node.children !== undefined && u[i] === 0x7b) i = object(u, i, end, node.children, depth + 1);
        else i = skipValue(u, i, end, depth);
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
    places,
    slot: (path) => slots.get(path)!,
    walk(u, i, end, outer = 0) {
      places.fill(-1);
      return u[i] === 0x7b ? object(u, i, end, root, outer + 1) : skipValue(u, i, end, outer);
    },
  };
}

function hasEscape(u: Buffer, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (u[i] === 0x5c) return true;
  return false;
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
