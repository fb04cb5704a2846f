// methodName and resourceName of an audit entry → what was asked of the API server: verb, object and path.

/** A request as the two names tell it. */
export interface Request {
  readonly verb: string;
  /** Path as the API server would have seen it; without the query, which GKE doesn't record (but for `?watch=true`). */
  readonly uri: string;
  /** Absent for non-resource requests. */
  readonly ref?: ObjectRef;
}

export interface ObjectRef {
  readonly resource: string;
  readonly namespace?: string;
  readonly name?: string;
  /** Absent for the core group. */
  readonly apiGroup?: string;
  readonly apiVersion: string;
  readonly subresource?: string;
}

/** Kubernetes' own escaping of a path segment: what Go's net/url leaves alone, stays. */
export function escapeSegment(text: string): string {
  if (/^[A-Za-z0-9._~:$&+,;=@-]*$/.test(text)) return text;
  return encodeURIComponent(text.toWellFormed()).replace(/%(24|26|2B|2C|3A|3B|3D|40)|[!'()*]/g, (found) =>
    found.startsWith('%')
      ? String.fromCharCode(Number.parseInt(found.slice(1), 16))
      : `%${found.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** `rbac.authorization.k8s.io` → `io.k8s.authorization.rbac`; groups without a dot lie below `io.k8s`. */
function methodGroup(group: string): string {
  return group.includes('.') ? group.split('.').reverse().join('.') : `io.k8s.${group}`;
}

const NON_RESOURCE = /^io\.k8s\.([^.]+)$/;
const WITHOUT_NAME = new Set(['list', 'watch', 'deletecollection']);

/** What stands behind group and version of a resourceName: at most a namespace, a resource, a name and a subresource. */
interface Place {
  readonly namespace?: string | undefined;
  readonly resource: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

/** Only methodName tells whether `namespaces/N/finalize` is a subresource of N or a resource in it. */
function placeOf(path: readonly string[], resource: string): Place {
  const inNamespace = path[0] === 'namespaces' && (resource !== 'namespaces' || path[2] === 'namespaces');
  if (inNamespace) return { namespace: path[1], resource: path[2], name: path[3], subresource: path[4] };
  return { resource: path[0], name: path[1], subresource: path[2] };
}

/** Undefined where the two names don't fit together. */
export function requestOf(methodName: string, resourceName: string): Request | undefined {
  const plain = NON_RESOURCE.exec(methodName);
  if (plain !== null) return { verb: plain[1]!, uri: `/${resourceName.split('/').map(escapeSegment).join('/')}` };

  // group and version are read from the path: a reversed group can't be told from a version
  const [group, version, ...path] = resourceName.split('/');
  if (group === undefined || group === '' || version === undefined || version === '') return undefined;
  const prefix = `${methodGroup(group)}.${version}.`;
  if (!methodName.startsWith(prefix)) return undefined;
  const words = methodName.slice(prefix.length).split('.');
  const verb = words.at(-1)!;
  const [resource] = words;
  const subresource = words.length === 3 ? words[1] : undefined;
  // a verb may be empty: that of a method which Kubernetes doesn't know
  const isWhole = words.length >= 2 && words.length <= 3 && !words.slice(0, -1).includes('');
  if (!isWhole || resource === undefined) return undefined;

  const place = placeOf(path, resource);
  if (place.resource !== resource || place.namespace === '' || place.name === '') return undefined;
  if (place.subresource !== subresource || (subresource !== undefined && place.name === undefined)) return undefined;

  const { name } = place;
  const creates = verb === 'create' && subresource === undefined;
  // the request line of a create names neither; the name is known from the body
  const namespace = resource === 'namespaces' && place.namespace === undefined && !creates ? name : place.namespace;
  const root = group === 'core' ? '/api' : `/apis/${escapeSegment(group)}`;
  let uri = `${root}/${escapeSegment(version)}`;
  if (place.namespace !== undefined) uri += `/namespaces/${escapeSegment(place.namespace)}`;
  uri += `/${escapeSegment(resource)}`;
  if (name !== undefined && !creates && !WITHOUT_NAME.has(verb)) uri += `/${escapeSegment(name)}`;
  if (subresource !== undefined) uri += `/${escapeSegment(subresource)}`;
  // without it the path would be that of a list
  if (verb === 'watch') uri += '?watch=true';
  return {
    verb,
    uri,
    ref: {
      resource,
      ...(namespace !== undefined && { namespace }),
      ...(name !== undefined && { name }),
      ...(group !== 'core' && { apiGroup: group }),
      apiVersion: version,
      ...(subresource !== undefined && { subresource }),
    },
  };
}
