// Base64 in its one canonical spelling: two texts never mean the same bytes, so no character can be changed unseen.

/** Decodes standard base64 with padding; undefined for any other spelling. */
export function fromBase64(text: string): Buffer | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

export const toBase64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
