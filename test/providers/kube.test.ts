// The kube provider on files of all kinds: odd lines, lists, compression, missing rights, and logs of real API servers.

import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  appendFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { itemEvent, legacyTime } from '../../providers/kube/decode.ts';
import { glob } from '../../providers/kube/glob.ts';
import { provider } from '../../providers/kube/index.ts';
import {
  AuthError,
  ConfigError,
  type Decoded,
  type ProviderRecord,
  scanEvent,
  StaleTokenError,
  TransientError,
} from '../../src/provider.ts';
import { DAY, eventText, folder, HOUR, itemText, listText, sourceOf, T0, texts, walk } from './kube-lab.ts';

const options = provider.options.parse({ files: 'x' });
const decode = (record: ProviderRecord): Decoded => provider.decode(record, options);
const outcome = (record: ProviderRecord) => {
  const decoded = decode(record);
  if (!('event' in decoded)) return 'skip' in decoded ? `skip ${decoded.skip}` : `reject ${decoded.reject}`;
  const scan = decoded.scan ?? scanEvent(decoded.event);
  return 'not' in scan ? `event that is none: ${scan.not}` : 'event';
};
const later = () => T0 + 40 * DAY;

let dir: ReturnType<typeof folder>;
beforeEach(() => (dir = folder()));
afterEach(() => dir.remove());

function write(name: string, text: string | Buffer, time = T0): string {
  const path = dir.at(name);
  writeFileSync(path, typeof text === 'string' ? Buffer.from(text, 'latin1') : text);
  utimesSync(path, time / 1000, time / 1000);
  return path;
}
const read = (pattern = 'audit*', now = later) => walk(sourceOf(dir.at(pattern), now));

describe('options', () => {
  test('files: a path, a pattern or a list; nothing else', () => {
    expect(provider.options.parse({ files: '/a' })).toEqual({ files: ['/a'] });
    expect(provider.options.parse({ files: ['/a', '/b*'] })).toEqual({ files: ['/a', '/b*'] });
    for (const bad of [{}, { files: '' }, { files: [] }, { files: 3 }, { files: '/a', path: '/b' }])
      expect(provider.options.safeParse(bad).success).toBe(false);
  });
  test('patterns expand as in a shell', async () => {
    mkdirSync(dir.at('n1/deep'), { recursive: true });
    mkdirSync(dir.at('n2'));
    for (const name of [
      'n1/audit.log',
      'n1/audit-1.log.gz',
      'n1/.audit.log.tmp',
      'n1/deep/audit.log',
      'n2/audit.log',
      'n2/b.txt',
    ])
      write(name, 'x');
    const names = async (pattern: string) =>
      (await glob(dir.at(pattern))).map((path) => path.slice(dir.path.length + 1));
    expect(await names('*/audit*.log*')).toEqual(['n1/audit-1.log.gz', 'n1/audit.log', 'n2/audit.log']);
    expect(await names('**/audit.log')).toEqual(['audit.log', 'n1/audit.log', 'n1/deep/audit.log', 'n2/audit.log']);
    expect(await names('{n1,n2}/{audit.log,b.t?t}')).toEqual(['n1/audit.log', 'n2/audit.log', 'n2/b.txt']);
    expect(await names('n[!1]/*')).toEqual(['n2/audit.log', 'n2/b.txt']);
    expect(await names('n1/.a*')).toEqual(['n1/.audit.log.tmp']);
    expect(await names('nowhere/*')).toEqual([]);
  });
});

describe('lines', () => {
  test('of every kind are records of their own, byte for byte, with the right end', async () => {
    const good = eventText(T0, 'a');
    const legacy = '2026-06-22T10:00:00.000000000Z AUDIT: id="1" stage="RequestReceived" ip="::1" method="get"';
    const cases: [line: string, outcome: string][] = [
      [good, 'event'],
      ['', 'skip blank'],
      ['  \t', 'skip blank'],
      ['\0\0\0\0', 'reject not-json'],
      ['{"a":"\xff\xfe"}', 'reject invalid-utf8'],
      ['not json', 'reject not-json'],
      ['[1,2]', 'reject not-an-object'],
      [good.slice(0, -20), 'reject truncated'],
      [legacy, 'reject legacy-format'],
      ['{"__proto__":{"kind":"Event"}}', 'reject wrong-kind'],
      [good.replace('audit.k8s.io/v1"', 'audit.k8s.io/v1beta1"'), 'reject wrong-api-version'],
      ['['.repeat(20000), 'reject too-deep'],
      [good.replaceAll('2026-', '9999-'), 'reject bad-timestamp'],
      [eventText(T0 + 1, 'big', 'x'.repeat(5 << 20)), 'event'],
      [eventText(T0 + 2, 'end'), 'event'],
    ];
    write('audit.log', cases.map(([line]) => `${line}\n`).join(''));
    const records = await read();
    expect(records.length).toBe(cases.length);
    for (const [i, [line, expected]] of cases.entries()) {
      expect(records[i]!.content.equals(Buffer.from(line, 'latin1'))).toBe(true);
      expect(outcome(records[i]!)).toBe(expected);
    }
    expect(records[1]!.origin).toBe(`${dir.at('audit.log')}:${good.length + 1}`);
  });

  test('of Events carry their scan, and decode gives them back as they are', async () => {
    write('audit.log', `${eventText(T0, 'a')}\r\n${eventText(T0 + 1, 'b')}\n`);
    const [a, b] = await read();
    expect(texts([a!, b!])).toEqual([eventText(T0, 'a'), eventText(T0 + 1, 'b')]);
    const decoded = decode(a!);
    expect('event' in decoded && decoded.event).toBe(a!.content);
    expect('event' in decoded && decoded.scan).toBe(a!.scan);
    expect(a!.scan).toMatchObject({ stageTime: T0 });
  });

  test('above 16 MiB are one reject with the first MiB and their length', async () => {
    const long = `{"kind":"Event","pad":"${'x'.repeat(20 << 20)}"}`;
    write('audit.log', `${eventText(T0, 'a')}\n${long}\n${eventText(T0 + 1, 'b')}\n`);
    const records = await read();
    expect(records.map(outcome)).toEqual(['event', 'reject too-long', 'event']);
    expect(records[1]!.content.length).toBe(1 << 20);
    expect(records[1]!.origin).toContain(` length=${long.length}`);
    expect(records[1]!.arrival).toBe(T0 + 1);
  });

  test('without line end are not read yet, but in a rotated file nobody writes to', async () => {
    const text = `${eventText(T0, 'a')}\n${eventText(T0 + 1, 'b')}\n${eventText(T0 + 2, 'c').slice(0, 90)}`;
    const now = () => T0 + 50_000;
    write('audit.log', text);
    expect((await read('audit.log', now)).length).toBe(2);
    write('audit-2026-06-22T10-00-01.000.log', text);
    expect((await read('audit-*', now)).length).toBe(2);
    const settled = await read('audit-*', () => T0 + 200_000);
    expect(settled.map(outcome)).toEqual(['event', 'event', 'reject truncated']);
    expect(settled[2]!.arrival).toBe(T0 + 1);
    rmSync(dir.at('audit-2026-06-22T10-00-01.000.log'));
    write('audit-2026-06-22T10-00-01.000.log.gz', gzipSync(text));
    expect((await read('audit-*', now)).map(outcome)).toEqual(['event', 'event', 'reject truncated']);
  });

  test('a file without any usable time arrives when it was rotated', async () => {
    write('audit-2026-06-22T11-30-00.500.log', 'garbage\nmore\n');
    const records = await read();
    expect(records.map((r) => r.arrival)).toEqual(Array(2).fill(Date.parse('2026-06-22T11:30:00.500Z')));
    write('audit.log', 'garbage\n', T0);
    expect((await read('audit.log', () => T0 + HOUR)).length).toBe(0);
    expect((await read('audit.log', () => T0 + 2 * DAY)).map((r) => r.arrival)).toEqual([T0]);
  });

  test('megabytes of garbage arrive with the next event, page by page', async () => {
    const garbage = 'x'.repeat(99);
    const count = 60_000;
    write(
      'audit.log',
      `${eventText(T0, 'a')}\n${eventText(T0 + 1, 'a')}\n${`${garbage}\n`.repeat(count)}${eventText(T0 + 9, 'b')}\n`,
    );
    const records = await read();
    expect(records.length).toBe(count + 3);
    expect(new Set(records.slice(2).map((r) => r.arrival))).toEqual(new Set([T0 + 9]));
  });

  test('legacy times count', () => {
    expect(legacyTime(Buffer.from('2026-06-22T12:00:00.123999999+02:00 AUDIT: id="1"'))).toBe(T0 + 123);
    expect(legacyTime(Buffer.from('2026-06-22 AUDIT: x'))).toBeNaN();
  });
});

describe('lists', () => {
  const items = [itemText(T0, 'a'), itemText(T0 + 5, 'b'), itemText(T0 + 3, 'c')];

  test('on a line are as many records as they have items, arriving with the latest', async () => {
    write('audit.log', `${listText(items)}\n${listText([])}\n${eventText(T0 + 6, 'd')}\n${eventText(T0 + 7, 'e')}\n`);
    const records = await read();
    expect(texts(records)).toEqual([...items, eventText(T0 + 6, 'd'), eventText(T0 + 7, 'e')]);
    expect(records.map((r) => r.arrival - T0)).toEqual([5, 5, 5, 6, 7]);
    expect(records.map(outcome)).toEqual(Array(5).fill('event'));
    const first = decode(records[0]!);
    expect('event' in first && first.event.toString()).toBe(eventText(T0, 'a'));
  });

  test('with odd items lose none of them', async () => {
    const odd = ['1', '"]}"', 'null', '{}', '[{"a":[]}]', eventText(T0, 'own-kind'), '{"level":"Metadata"}'];
    write('audit.log', `${listText([...odd, ...items])}\n`);
    const records = await read();
    expect(texts(records)).toEqual([...odd, ...items]);
    expect(records.map(outcome)).toEqual([
      'reject not-an-object',
      'reject not-an-object',
      'reject not-an-object',
      'reject wrong-kind',
      'reject not-an-object',
      'event',
      'reject missing-member',
      'event',
      'event',
      'event',
    ]);
  });

  test('that are cut or malformed, or of another version, are rejects with all their bytes', async () => {
    const cut = listText(items).slice(0, -40);
    const broken = listText(items).replace('},{', '}{');
    const behind = `${listText(items)} {"more":1}`;
    const old = listText(items).replace('"apiVersion":"audit.k8s.io/v1"', '"apiVersion":"audit.k8s.io/v1beta1"');
    write('audit.log', [cut, broken, behind, old, eventText(T0, 'x')].map((line) => `${line}\n`).join(''));
    const records = await read();
    expect(records.map(outcome)).toEqual([
      'event',
      'event',
      'reject truncated',
      'reject not-json',
      'reject not-json',
      'reject wrong-api-version',
      'reject wrong-api-version',
      'reject wrong-api-version',
      'event',
    ]);
  });

  const printed = JSON.stringify(
    {
      kind: 'EventList',
      apiVersion: 'audit.k8s.io/v1',
      metadata: {},
      items: items.map((i) => JSON.parse(i) as object),
    },
    null,
    2,
  );
  test.each([10, 100, 1000, 1 << 20])(
    'printed over many lines are read item by item, %i bytes at a time',
    async (chunk) => {
      write('audit.json', `${printed}\n${eventText(T0 + 8, 'after')}\n`);
      const records = await walk(sourceOf(dir.at('*'), later, chunk));
      expect(records.map(outcome)).toEqual(Array(4).fill('event'));
      expect(records.map((r) => r.arrival - T0)).toEqual([0, 5, 5, 8]);
      const events = records.map((r) => (decode(r) as { event: Buffer }).event.toString());
      expect(events).toEqual([
        eventText(T0, 'a'),
        eventText(T0 + 5, 'b'),
        eventText(T0 + 3, 'c'),
        eventText(T0 + 8, 'after'),
      ]);
    },
  );
  test('printed without an item, are followed by what follows them', async () => {
    const printed = '{\n "kind": "EventList",\n "apiVersion": "audit.k8s.io/v1",\n "items": [\n ]\n}\n';
    write('audit.log', `${printed}${eventText(T0, 'a')}\n${eventText(T0 + 1, 'b')}\n`);
    expect(texts(await read())).toEqual([eventText(T0, 'a'), eventText(T0 + 1, 'b')]);
  });
  describe('printed without an item at the begin of a file that grows', () => {
    const empty = '{\n "kind": "EventList",\n "apiVersion": "audit.k8s.io/v1",\n "metadata": {},\n "items": []\n}\n';
    const legacy = '2026-06-22T10:00:00.000000000Z AUDIT: id="x" stage="RequestReceived" ip="::1"\n';
    const untimed = '{"kind":"Event"}\nno event\n';
    const events = `${eventText(T0 + 1000, 'a')}\n${eventText(T0 + HOUR, 'b')}\n`;
    const blank = '\n \n';
    // [what it is, the head, its lines that come as records of their own]
    const heads: [name: string, head: string, lines: string][] = [
      ['alone', empty, ''],
      ['without a line end', empty.trimEnd(), ''],
      ['behind blank lines', blank + empty, ''],
      ['before blank lines', empty + blank, blank],
      ['twice', empty + empty, empty],
      ['thrice, blank lines in between', empty + blank + empty + blank + empty, blank + empty + blank + empty],
      ['many times', empty.repeat(200), empty.repeat(199)],
      ['before such a list on one line', `${empty}${listText([])}\n`, ''],
      ['before lines without a time', empty + untimed, untimed],
      ['before a legacy line', empty + legacy, legacy],
    ];
    test.each(heads)('%s', async (_name, head, lines) => {
      for (const zip of [false, true])
        for (const chunk of [10, 200, 4096, 1 << 20]) {
          const path = write('audit.log', zip ? gzipSync(head + events) : head + events, later());
          const source = sourceOf(path, later, chunk);
          expect(texts(await walk(source)), `${chunk} bytes at a time, gzip ${zip}`).toEqual(
            (lines + events).trimEnd().split('\n'),
          );
          await source.close();
        }
    });
    test('with nothing behind it yet, wait for what will follow', async () => {
      const path = write('audit.log', empty, later());
      expect(await read()).toEqual([]);
      write('audit.log', empty + untimed, later());
      expect(await read()).toEqual([]);
      write('audit.log', empty + untimed + events, later());
      expect(texts(await read())).toEqual((untimed + events).trimEnd().split('\n'));
      expect(await sourceOf(path, later).horizon(new AbortController().signal)).toMatchObject({ at: T0 + 1000 });
    });
  });
  test('printed and cut keep the rest of their last item', async () => {
    write('audit.json', printed.slice(0, -80));
    expect((await read('*')).map(outcome)).toEqual(['event', 'event', 'reject truncated']);
  });
  test('longer than any line are read item by item, too long an item among them', async () => {
    const many = Array.from({ length: 40 }, (_, i) => itemText(T0 + i, `i${i}`, 'p'.repeat(500_000)));
    many.splice(20, 0, itemText(T0 + 20, 'huge', 'p'.repeat(17 << 20)));
    write('audit.log', `${eventText(T0, 'first')}\n${listText(many)}\n${eventText(T0 + 99, 'last')}\n`);
    const records = await read();
    expect(records.length).toBe(43);
    expect(records.map(outcome)).toEqual(
      Array.from({ length: 43 }, (_, i) => (i === 21 ? 'reject too-long' : 'event')),
    );
  });
  test('white space goes only outside of strings', () => {
    const { event } = itemEvent(Buffer.from('{\n "level" : "a  \\" \\n b",\r\n\t"n": [1, 2]\n}'));
    expect(event.toString()).toBe('{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"a  \\" \\n b","n":[1,2]}');
  });
});

describe('files', () => {
  const lines = [0, 1, 2, 3].map((i) => `${eventText(T0 + i * 1000, `e${i}`)}\n`);

  test('gzip is told by its bytes, several members are one file, and a walk ends where its span ends', async () => {
    write('audit-a.log', Buffer.concat(lines.map((line) => gzipSync(line))));
    write('audit-b.log.gz', eventText(T0 + 9000, 'plain') + '\n');
    expect(texts(await read()).length).toBe(5);
    const source = sourceOf(dir.at('audit*'), later);
    expect(texts(await walk(source, T0 + 1000, T0 + 3000))).toEqual([lines[1], lines[2]].map((l) => l!.trimEnd()));
    await source.close();
  });

  test('a copy is the same file; one that goes on differently is another', async () => {
    const [a, b, c] = lines as [string, string, string];
    write('audit.log', a + b + c);
    write('audit-2026-06-22T10-00-02.000.log', a + b);
    write('audit-2026-06-22T10-00-02.000.log.gz', gzipSync(a + b + c).subarray(0, 60));
    symlinkSync(dir.at('audit.log'), dir.at('audit-link.log'));
    symlinkSync(dir.at('nowhere'), dir.at('audit-broken.log'));
    mkdirSync(dir.at('audit-folder.log'));
    write('audit-empty.log', '');
    expect((await read()).length).toBe(3);
    write('audit-other.log', a + lines[3]);
    const source = sourceOf(dir.at('audit*'), later, 50);
    expect(texts(await walk(source)).sort()).toEqual([a, a, b, c, lines[3]!].map((l) => l.trimEnd()).sort());
    await source.close();
  });

  test('are walked oldest first, whatever their names', async () => {
    write('audit-2.log', lines[0]! + lines[1]!);
    write('audit-1.log', lines[2]! + lines[3]!);
    expect(texts(await read())).toEqual(lines.map((l) => l.trimEnd()));
  });

  test('a damaged gzip file without its original is an error, not a loss', async () => {
    const whole = gzipSync(lines.join('').repeat(500));
    for (const bytes of [whole.subarray(0, whole.length - 10), whole.subarray(0, 12)]) {
      write('audit-1.log.gz', bytes);
      await expect(read()).rejects.toThrow(TransientError);
      await expect(read()).rejects.toThrow(/audit-1\.log\.gz/);
    }
    write('audit-1.log', lines.join('').repeat(500));
    expect((await read()).length).toBe(2000);
  });

  test('no file, and one that may not be read, name the fix', async () => {
    await expect(read()).rejects.toThrow(ConfigError);
    expect(await sourceOf(dir.at('audit*'), later).visible(new AbortController().signal)).toMatchObject({
      logging: 'unknown',
    });
  });

  test.skipIf(process.getuid?.() === 0)('without permission', async () => {
    write('audit.log', lines.join(''));
    const { chmodSync } = await import('node:fs');
    chmodSync(dir.at('audit.log'), 0);
    await expect(read()).rejects.toThrow(AuthError);
  });

  test('a walk goes on through renaming and deleting, and starts again when a file was cut', async () => {
    const text = Array.from({ length: 400 }, (_, i) => `${eventText(T0 + i, `n${i}`)}\n`).join('');
    const path = write('audit.log', text);
    const source = sourceOf(dir.at('audit*'), later, 4096);
    const all = await walk(source, 0, later(), (page) => {
      if (page === 0) renameSync(path, dir.at('audit-2026-06-22T10-00-02.000.log'));
      if (page === 1) write('audit-2026-06-22T10-00-02.000.log.gz', gzipSync(text));
      if (page === 2) rmSync(dir.at('audit-2026-06-22T10-00-02.000.log'));
    });
    expect(all.length).toBe(400);
    await source.close();

    write('audit.log', text.replaceAll('"n', '"m'), T0);
    const other = sourceOf(path, later, 4096);
    await expect(walk(other, 0, later(), (page) => void (page === 1 && truncateSync(path)))).rejects.toThrow(
      StaleTokenError,
    );
    await other.close();
  });

  test('tokens outlive the source that gave them, also across compression', async () => {
    const text = Array.from({ length: 200 }, (_, i) => `${eventText(T0 + i, `n${i}`)}\n`).join('');
    write('audit.log', text);
    const { signal } = new AbortController();
    const query = { arrival: { from: 0, to: later() }, lateness: 0 };
    let records: ProviderRecord[] = [];
    let token: string | undefined;
    let pages = 0;
    do {
      const source = sourceOf(dir.at('audit*'), later, 4096);
      const page = await source.fetchPage(query, token, signal);
      records = records.concat(page.records);
      token = page.next;
      await source.close();
      if (++pages === 3) {
        write('audit-2026-06-22T10-00-02.000.log.gz', gzipSync(text));
        rmSync(dir.at('audit.log'));
      }
    } while (token !== undefined);
    expect(texts(records)).toEqual(text.trimEnd().split('\n'));
    expect(pages).toBeGreaterThan(5);
    const source = sourceOf(dir.at('audit*'), later);
    await expect(source.fetchPage(query, '{"no":', signal)).rejects.toThrow(StaleTokenError);
    await expect(
      source.fetchPage(query, JSON.stringify({ at: 5, before: 0, id: 'gone', digest: '' }), signal),
    ).rejects.toThrow(StaleTokenError);
    await source.close();
  });

  test('while files are renamed and compressed all the time, each walk gives what there was, once', async () => {
    let serial = 0;
    const live = dir.at('audit.log');
    const line = () => appendFileSync(live, `${eventText(T0 + serial, `r${serial++}`)}\n`);
    line();
    line();
    let rotations = 0;
    let walks = 0;
    // No more than three renames to a walk: under many more, a slow machine would see no walk's end.
    const rotate = async () => {
      for (let n = 0; n < 3; n++) {
        const backup = dir.at(`audit-2026-06-22T10-00-00.${String(rotations).padStart(3, '0')}.log`);
        renameSync(live, backup);
        line();
        line();
        await new Promise((done) => setImmediate(done));
        if (rotations++ % 3 === 0) {
          writeFileSync(`${backup}.gz`, gzipSync(readFileSync(backup)));
          await new Promise((done) => setImmediate(done));
          rmSync(backup);
        }
        await new Promise((done) => setTimeout(done, 2));
      }
    };
    while (rotations < 24) {
      const before = serial;
      const source = sourceOf(dir.at('audit*'), later);
      const rotating = rotate();
      try {
        const found = texts(await walk(source, undefined, undefined, () => undefined));
        expect(new Set(found).size).toBe(found.length);
        expect(found.length).toBeGreaterThanOrEqual(before);
        walks++;
      } catch (error) {
        // the core starts such a walk again
        if (!(error instanceof StaleTokenError) && !(error instanceof TransientError)) throw error;
      } finally {
        await rotating;
        await source.close();
      }
    }
    expect(walks).toBeGreaterThan(0);
  });
});

describe('source', () => {
  const { signal } = new AbortController();
  test('says what it is, what it holds and what it misses', async () => {
    const path = write('audit.log', `${eventText(T0 + 5, 'b')}\n${eventText(T0 + 6, 'c')}\n`);
    const source = sourceOf([path, dir.at('more/../audit.log')], later);
    expect(await source.identity(signal)).toBe(`files:${path}`);
    expect(source.describe({ arrival: { from: 0, to: 1 }, lateness: 0 })).toEqual({ files: path });
    expect(await source.horizon(signal)).toEqual({ at: T0 + 5, because: 'unknown' });
    expect(await source.visible(signal)).toEqual({ sources: [path], logging: 'on', notes: [] });
    const backup = write('audit-2026-06-22T10-00-00.000.log', `${eventText(T0, 'a')}\n${eventText(T0 + 1, 'a')}\n`);
    expect((await source.visible(signal)).notes).toEqual([
      `${backup} is a rotated backup that \`files\` doesn't match`,
    ]);
    const both = sourceOf(dir.at('audit*'), later);
    expect(await both.horizon(signal)).toEqual({ at: T0, because: 'retention' });
    await expect(
      both.fetchPage({ arrival: { from: 0, to: 1 }, lateness: 0 }, undefined, AbortSignal.abort()),
    ).rejects.toThrow();
  });
});

const DATA = join(import.meta.dirname, '..', '..', '..', 'shared', 'data', 'apiserver');
describe.skipIf(!existsSync(DATA))('logs of real API servers (shared data beside the repository)', () => {
  test('come out line by line, byte for byte', async () => {
    for (const name of ['soak', 'everything', 'truncated', 'eks-like']) {
      const text = gunzipSync(readFileSync(join(DATA, `${name}.ndjson.gz`)));
      const records = await walk(sourceOf(join(DATA, `${name}.ndjson.gz`), () => Date.parse('2027-01-01')));
      expect(Buffer.concat(records.flatMap((r) => [r.content, Buffer.from('\n')])).equals(text)).toBe(true);
      expect(records.every((r) => r.scan !== undefined && !('not' in r.scan))).toBe(true);
    }
  });

  test.each([
    ['eks-like', 1807, 1687],
    ['everything', 3362, 3242],
    ['truncated', 3386, 3266],
  ])('%s webhook bodies are the events of the log', async (name, events, distinct) => {
    const records = await walk(sourceOf(join(DATA, `${name}-webhook.ndjson.gz`), () => Date.parse('2027-01-01')));
    const lines = records.map((r) => {
      const decoded = decode(r);
      if (!('event' in decoded)) throw new Error(JSON.stringify(decoded));
      return decoded.event.toString();
    });
    expect(lines.length).toBe(events);
    expect(new Set(lines).size).toBe(distinct);
    const log = new Set(
      gunzipSync(readFileSync(join(DATA, `${name}.ndjson.gz`)))
        .toString()
        .split('\n'),
    );
    expect(lines.filter((line) => !log.has(line)).length).toBeLessThan(lines.length * 0.01);

    async function* chunks(bytes: Buffer): AsyncGenerator<Buffer> {
      for (let i = 0; i < bytes.length; i += 77_777) yield bytes.subarray(i, i + 77_777);
    }
    const zipped = readFileSync(join(DATA, `${name}-webhook.ndjson.gz`));
    for (const bytes of [zipped, gunzipSync(zipped)]) {
      const exported: ProviderRecord[] = [];
      for await (const record of provider.readExport(chunks(bytes))) exported.push(record);
      expect(exported.map((r) => (decode(r) as { event: Buffer }).event.toString())).toEqual(lines);
    }
  });
});
