// A small S3 over the files of a folder, kept in memory, that counts requests by kind: node counting-s3.ts <folder>
// Prints its address; the message `counts` gets the counts since the last one.

import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, relative } from 'node:path';

const PREFIX = 'archive/';
const MOST_KEYS = 1000;

const folder = process.argv[2]!;
const objects = new Map<string, Buffer>();
for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath, entry.name);
  const key = relative(folder, path);
  if (entry.isFile() && !key.startsWith('.')) objects.set(PREFIX + key, await readFile(path));
}
let keys = [...objects.keys()].sort();
let counts: Record<string, number> = {};

const tag = (bytes: Buffer) => `"${createHash('md5').update(bytes).digest('hex')}"`;

function list(query: URLSearchParams): string {
  const prefix = query.get('prefix') ?? '';
  const after = query.get('continuation-token') ?? query.get('start-after') ?? '';
  const found = keys.filter((key) => key.startsWith(prefix) && key > after);
  const page = found.slice(0, Math.min(MOST_KEYS, Number(query.get('max-keys') ?? MOST_KEYS)));
  const more = found.length > page.length;
  const contents = page.map((key) => `<Contents><Key>${key}</Key><Size>${objects.get(key)!.length}</Size></Contents>`);
  return `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bench</Name><Prefix>${prefix}</Prefix><KeyCount>${page.length}</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>${more}</IsTruncated>${more ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : ''}${contents.join('')}</ListBucketResult>`;
}

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url!, 'http://localhost');
  const key = decodeURIComponent(url.pathname.split('/').slice(2).join('/'));
  const isList = request.method === 'GET' && url.searchParams.get('list-type') === '2';
  const kind = isList ? 'list' : request.method!.toLowerCase();
  counts[kind] = (counts[kind] ?? 0) + 1;
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  if (isList) {
    response.setHeader('content-type', 'application/xml');
    response.end(list(url.searchParams));
    return;
  }
  const found = objects.get(key);
  if (request.method === 'PUT') {
    if (found !== undefined && request.headers['if-none-match'] === '*')
      return refuse(response, 412, 'PreconditionFailed');
    const bytes = Buffer.concat(chunks);
    objects.set(key, bytes);
    keys = [...objects.keys()].sort();
    response.setHeader('etag', tag(bytes));
    response.end();
    return;
  }
  if (found === undefined) return refuse(response, 404, 'NoSuchKey');
  response.setHeader('etag', tag(found));
  response.setHeader('content-length', found.length);
  response.end(request.method === 'HEAD' ? undefined : found);
}

function refuse(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'content-type': 'application/xml' });
  response.end(`<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>no</Message></Error>`);
}

const server = createServer((request, response) => {
  handle(request, response).catch((error: unknown) => response.destroy(error as Error));
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});
process.on('message', () => {
  process.send!(counts);
  counts = {};
});
