// The text of one member of a JSON object as it stands there, for values that JSON.parse would change (numbers beyond 2^53, key order).

import { nameAt, skipSpace, walkObject } from '../../src/provider.ts';

/** Text of the member that a path of names leads to; undefined if there is none. Of a repeated name the last counts, as in JSON.parse. */
export function rawText(text: Buffer, path: readonly string[]): Buffer | undefined {
  let found: Buffer | undefined = text;
  for (const name of path) {
    const object: Buffer = found;
    found = undefined;
    walkObject(object, skipSpace(object, 0, object.length), object.length, (nameFrom, nameTo, from, to) => {
      if (nameAt(object, nameFrom, nameTo) === name) found = object.subarray(from, to);
      return 0;
    });
    if (found === undefined) return undefined;
  }
  return found;
}
