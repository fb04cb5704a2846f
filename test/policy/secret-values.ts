// What must not come through, read out of real events: values of Secrets and tokens, wherever a request for them carries one.

interface Found {
  objectRef?: { resource?: string; subresource?: string };
  requestObject?: unknown;
  responseObject?: unknown;
}

function collect(value: unknown, into: string[], inData: boolean): void {
  if (typeof value === 'string') {
    if (inData) into.push(value);
    if (value.startsWith('{')) collect(JSON.parse(value), into, inData);
  } else if (Array.isArray(value)) for (const item of value) collect(item, into, inData);
  else if (typeof value === 'object' && value !== null) {
    const patch = value as { op?: unknown; path?: unknown };
    const patchesData = typeof patch.op === 'string' && /^\/(data|stringData)\b/.test(String(patch.path));
    for (const [key, item] of Object.entries(value))
      collect(item, into, inData || ['data', 'stringData', 'token'].includes(key) || (patchesData && key === 'value'));
  }
}

/** Secret values in the bodies of an event of secrets, tokenreviews or serviceaccounts/token; at least 6 characters long. */
export function secretValues(event: Found): string[] {
  const { resource, subresource } = event.objectRef ?? {};
  const secret = resource === 'secrets' || resource === 'tokenreviews' || subresource === 'token';
  if (!secret) return [];
  const values: string[] = [];
  collect([event.requestObject, event.responseObject], values, false);
  return values.filter((value) => value.length >= 6);
}

/** A value as it may stand in a line: raw, decoded from base64, encoded in base64. */
export function spellings(value: string): string[] {
  const decoded = Buffer.from(value, 'base64').toString('utf8');
  const encoded = Buffer.from(value).toString('base64');
  const isBase64 = Buffer.from(decoded).toString('base64') === value;
  return [value, encoded, ...(isBase64 && decoded.length >= 6 ? [decoded] : [])];
}
