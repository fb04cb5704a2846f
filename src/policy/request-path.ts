// What the API server reads out of a request's path: resource or not, and which (the path half of its RequestInfo).

/** A path taken apart. Strings are '' where the path doesn't say. */
export interface RequestPath {
  /** Decoded, without query. */
  readonly path: string;
  readonly resourceRequest: boolean;
  /** `api`, `apis`, or '' for a path that isn't below either. */
  readonly apiPrefix: string;
  readonly apiGroup: string;
  readonly apiVersion: string;
  /** `watch` or `proxy` where the path has the legacy prefix of that name: it is the verb then. */
  readonly verbPrefix: string;
  readonly namespace: string;
  readonly resource: string;
  readonly subresource: string;
  readonly name: string;
  /** From the resource on, as it was split. */
  readonly parts: readonly string[];
  /** Nothing stands behind `watch` or `proxy`: the API server answers 500 and records nothing. */
  readonly bare: boolean;
}

/** Text with its percent escapes decoded, or undefined where one is broken. Bytes that aren't UTF-8 become U+FFFD. */
export function unescapePercent(text: string): string | undefined {
  if (!text.includes('%')) return text;
  if (/%(?![0-9a-fA-F]{2})/.test(text)) return undefined;
  try {
    return decodeURIComponent(text);
  } catch {
    const bytes: Buffer[] = [];
    for (const piece of text.split(/(%[0-9a-fA-F]{2})/))
      bytes.push(/^%..$/s.test(piece) ? Buffer.from(piece.slice(1), 'hex') : Buffer.from(piece));
    return Buffer.concat(bytes).toString('utf8');
  }
}

function trimSlashes(path: string): string {
  let from = 0;
  let to = path.length;
  while (from < to && path.charCodeAt(from) === 0x2f) from++;
  while (to > from && path.charCodeAt(to - 1) === 0x2f) to--;
  return path.slice(from, to);
}

function nonResource(path: string, apiPrefix = ''): RequestPath {
  return {
    path,
    resourceRequest: false,
    apiPrefix,
    apiGroup: '',
    apiVersion: '',
    verbPrefix: '',
    namespace: '',
    resource: '',
    subresource: '',
    name: '',
    parts: [],
    bare: false,
  };
}

/** Takes a decoded path apart as kube-apiserver does; never throws. */
export function readPath(path: string): RequestPath {
  const all = trimSlashes(path).split('/');
  const [prefix] = all;
  if (all.length < 3 || (prefix !== 'api' && prefix !== 'apis')) return nonResource(path);
  let next = 1;
  let apiGroup = '';
  if (prefix === 'apis') {
    if (all.length < 4) return nonResource(path, prefix);
    apiGroup = all[next++]!;
  }
  const apiVersion = all[next++]!;
  let verbPrefix = '';
  if (all[next] === 'watch' || all[next] === 'proxy') {
    if (all.length === next + 1)
      return { ...nonResource(path, prefix), resourceRequest: true, apiGroup, apiVersion, bare: true };
    verbPrefix = all[next++]!;
  }
  let namespace = '';
  if (all[next] === 'namespaces' && all.length > next + 1) {
    namespace = all[next + 1]!;
    const third = all[next + 2];
    if (third !== undefined && third !== 'status' && third !== 'finalize') next += 2;
  }
  const parts = all.slice(next);
  return {
    path,
    resourceRequest: true,
    apiPrefix: prefix,
    apiGroup,
    apiVersion,
    verbPrefix,
    namespace,
    resource: parts[0] ?? '',
    name: parts[1] ?? '',
    subresource: verbPrefix === 'proxy' ? '' : (parts[2] ?? ''),
    parts,
    bare: false,
  };
}
