// Finds the items of an EventList in JSON text without building it, also when the text comes in pieces.

/** Where a scan stands between two bytes. Plain data, so that it can wait in a page token. */
export interface ItemState {
  /** Open brackets. */
  depth: number;
  /** The array at depth 2 is the list's `items`. */
  items: boolean;
  string: boolean;
  escape: boolean;
  /** Text of the string at depth 1 that is or was read last, cut at 64 bytes: a member's name or value. */
  text: string;
  /** Name of the member at depth 1 whose value is next. */
  name: string;
  kind: string;
  apiVersion: string;
  /** Where the item begins that is being read; -1 between items. */
  begin: number;
  /** Items so far. */
  count: number;
}

export const newItemState = (): ItemState => ({
  depth: 0,
  items: false,
  string: false,
  escape: false,
  text: '',
  name: '',
  kind: '',
  apiVersion: '',
  begin: -1,
  count: 0,
});

const isSpace = (c: number) => c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09;

/**
 * Goes over `bytes`, which begin at `base` of the text, and reports each item as [from, to) of the text.
 * Doesn't check the JSON: what is between an item's brackets is the item, whatever it is.
 * Ends where the list is closed. Gives the position in the text where it ended.
 */
export function scanItems(
  bytes: Uint8Array,
  base: number,
  state: ItemState,
  onItem: (from: number, to: number) => void,
): number {
  const item = (to: number) => {
    const from = state.begin;
    state.begin = -1;
    state.count++;
    onItem(from, to);
  };
  for (let i = 0; i < bytes.length; i++) {
    const c = bytes[i]!;
    if (state.string) {
      if (state.escape) state.escape = false;
      else if (c === 0x5c) state.escape = true;
      else if (c === 0x22) {
        state.string = false;
        if (state.depth === 1 && state.name === 'kind') state.kind = state.text;
        if (state.depth === 1 && state.name === 'apiVersion') state.apiVersion = state.text;
        continue;
      }
      if (state.depth === 1 && state.text.length < 64) state.text += String.fromCharCode(c);
      continue;
    }
    if (isSpace(c)) continue;
    const between = state.items && state.depth === 2;
    if (between && (c === 0x2c || c === 0x5d)) {
      // a scalar ends where the next byte of the list stands
      if (state.begin >= 0) item(base + i);
      if (c === 0x5d) {
        state.items = false;
        state.depth = 1;
      }
      continue;
    }
    if (between && state.begin < 0) state.begin = base + i;
    if (c === 0x22) {
      state.string = true;
      if (state.depth === 1) state.text = '';
    } else if (c === 0x7b || c === 0x5b) {
      state.depth++;
      if (state.depth === 2 && c === 0x5b && state.name === 'items') state.items = true;
    } else if (c === 0x7d || c === 0x5d) {
      state.depth--;
      if (state.items && state.depth === 2) item(base + i + 1);
      if (state.depth <= 0) return base + i + 1;
    } else if (state.depth === 1 && c === 0x3a) state.name = state.text;
    else if (state.depth === 1 && c === 0x2c) state.name = '';
  }
  return base + bytes.length;
}

/** What one text holds: the list's own members and where its items stand. `rest` is where an item begins that has no end. */
export interface Items {
  readonly apiVersion: string;
  readonly items: readonly (readonly [from: number, to: number])[];
  readonly rest: number;
}

/**
 * The items of a line that is an EventList, whole or cut; undefined if it is none: something else, or no JSON behind the list,
 * so that nothing on the line is passed over.
 */
export function itemsOf(line: Uint8Array): Items | undefined {
  const state = newItemState();
  const items: [number, number][] = [];
  const end = scanItems(line, 0, state, (from, to) => items.push([from, to]));
  if (state.kind !== 'EventList') return undefined;
  if (line.subarray(end).some((c) => !isSpace(c))) return undefined;
  if (items.length === 0 && state.begin < 0 && state.depth > 0) return undefined;
  return { apiVersion: state.apiVersion, items, rest: state.begin };
}
