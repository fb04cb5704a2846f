// What was worked out before, for keys that come over and over.

/**
 * `make`, called once for each key as long as that is remembered.
 * @param most keys remembered; when there are so many, all are forgotten
 * @param make gives the same for the same key, whatever else it is given; never undefined
 */
export function remembered<More extends unknown[], Value>(
  most: number,
  make: (key: string, ...more: More) => Value,
): (key: string, ...more: More) => Value {
  const seen = new Map<string, Value>();
  return (key, ...more) => {
    const known = seen.get(key);
    if (known !== undefined) return known;
    const value = make(key, ...more);
    if (seen.size >= most) seen.clear();
    seen.set(key, value);
    return value;
  };
}
