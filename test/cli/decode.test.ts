import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { eventLine, runCli } from './run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'auditkeep-decode-'));
const file = (name: string, content: string | Buffer) => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

const lines = ['a', 'b', 'c'].map((id) => eventLine(id));
// spelled as no JSON writer here would: only a copy of the bytes keeps it
lines.push(eventLine('d').replace('"code":200', '"code": 2.00e2,"big":12345678901234567890'));
const text = lines.map((line) => `${line}\n`).join('');
const secret = eventLine('s', {
  level: 'Request',
  verb: 'create',
  requestURI: '/api/v1/namespaces/shop/secrets',
  objectRef: { resource: 'secrets', namespace: 'shop', apiVersion: 'v1' },
  requestObject: { kind: 'Secret', apiVersion: 'v1', data: { password: 'aHVudGVyMg==' } },
});

describe('decode', () => {
  it.each([
    ['plain', Buffer.from(text)],
    ['gzip', gzipSync(text)],
    ['gzip of two members', Buffer.concat([gzipSync(text.slice(0, 500)), gzipSync(text.slice(500))])],
    ['zstd', zstdCompressSync(text)],
    ['no line end at the end', Buffer.from(text.trimEnd())],
  ])('prints Events byte for byte: %s', async (name, content) => {
    for (const world of [{ from: file(name, content) }, { from: '-', stdin: content }]) {
      const { code, stdout, stderr } = await runCli(['decode', 'kube', world.from], world);
      expect(stdout).toBe(text);
      expect(stderr).toBe('4 records: 4 events\n');
      expect(code).toBe(0);
    }
  });

  it('takes what eks exports too', async () => {
    const { code, stdout } = await runCli(['decode', 'eks', file('eks', text)]);
    expect(stdout).toBe(text);
    expect(code).toBe(0);
  });

  it('counts what is rejected by reason, and exits 3', async () => {
    const bad = `${lines[0]}\nnot json\n{"kind":"Pod"}\n${lines[1]!.slice(0, 100)}\n`;
    const { code, stdout, stderr } = await runCli(['decode', 'kube', file('bad', bad)]);
    expect(stdout).toBe(`${lines[0]}\n`);
    expect(stderr).toBe('4 records: 1 events, 3 rejected (not-json 1, truncated 1, wrong-kind 1)\n');
    expect(code).toBe(3);
  });

  it('-o json gives the counts alone', async () => {
    const { code, stdout, stderr } = await runCli(['decode', 'kube', file('mixed', `${text}nope\n`), '-o', 'json']);
    expect(JSON.parse(stdout)).toMatchObject({
      received: 5,
      written: 4,
      rejected: 1,
      rejectedByReason: { 'not-json': 1 },
    });
    expect(stderr).toBe('');
    expect(code).toBe(3);
  });

  it('tells of bodies that the cloud left out', async () => {
    const row = {
      AuditId: 'a',
      Level: 'RequestResponse',
      Stage: 'ResponseComplete',
      RequestUri: '/api/v1/pods',
      Verb: 'list',
      User: '{"username":"kim"}',
      ResponseObject: 'skipped-too-big-size-object',
      RequestReceivedTime: '2026-06-22T10:00:00.0000000Z',
      StageReceivedTime: '2026-06-22T10:00:00.0000000Z',
    };
    const path = file('too-big', `${JSON.stringify(row)}\n`);
    const { stdout, stderr } = await runCli(['decode', 'aks', path]);
    expect(JSON.parse(stdout)).toMatchObject({ annotations: { 'auditkeep/omitted': 'responseObject' } });
    expect(stderr).toBe('1 records: 1 events, bodies that the source had left out (responseObject 1)\n');
    const counted = await runCli(['decode', 'aks', path, '-o', 'json']);
    expect(JSON.parse(counted.stdout)).toMatchObject({ omitted: { responseObject: 1 } });
  });

  it('takes secrets away, unless it is told to keep them', async () => {
    const path = file('secret', `${secret}\n`);
    const redacted = await runCli(['decode', 'kube', path]);
    expect(redacted.stdout).not.toContain('aHVudGVyMg');
    expect(JSON.parse(redacted.stdout)).toMatchObject({ auditID: 's', level: 'Metadata' });
    expect(redacted.stderr).toBe('1 records: 1 events, 1 of them without their secret bodies\n');
    expect((await runCli(['decode', 'kube', path, '--secrets', 'keep'])).stdout).toBe(`${secret}\n`);
  });

  it('an empty file has no records', async () => {
    expect(await runCli(['decode', 'kube', file('empty', '')])).toEqual({
      code: 0,
      stdout: '',
      stderr: '0 records: 0 events\n',
    });
  });

  it('a file that is not there or ends early is an error', async () => {
    const none = await runCli(['decode', 'kube', join(folder, 'none')]);
    expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining('no such file') });
    const short = await runCli(['decode', 'kube', file('short.gz', gzipSync(text.repeat(2000)).subarray(0, 4000))]);
    expect(short.code).toBe(1);
    expect(short.stderr).toMatch(/short\.gz: the compressed data ends early or is damaged/);
    expect(await runCli(['decode', 'kube', folder])).toMatchObject({ code: 1 });
  });

  it('an unknown provider lists the known ones', async () => {
    for (const name of ['minikube', 'constructor', '__proto__']) {
      const { code, stderr } = await runCli(['decode', name, '-']);
      expect(code).toBe(2);
      expect(stderr).toMatch(/is no provider\n {2}providers: .*kube/);
    }
  });

  it('ends quietly when the reader has gone, without reading on', async () => {
    let read = 0;
    const endless = Readable.from(
      (function* () {
        for (;;) {
          read++;
          yield Buffer.from(text.repeat(20));
        }
      })(),
    );
    let taken = 0;
    const stdout = new Writable({
      write(_chunk, _encoding, done) {
        if (++taken === 1) done();
        else done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
      },
    });
    const { code, stderr } = await runCli(['decode', 'kube', '-'], { stdin: endless, stdout });
    expect(code).toBe(0);
    expect(stderr).not.toContain('EPIPE');
    expect(read).toBeLessThan(1000);
  });

  it('waits for a slow reader', async () => {
    let pending = 0;
    let most = 0;
    let size = 0;
    const stdout = new Writable({
      highWaterMark: 1 << 16,
      write(chunk: Buffer, _encoding, done) {
        pending++;
        most = Math.max(most, stdout.writableLength);
        size += chunk.length;
        setTimeout(() => {
          pending--;
          done();
        }, 1);
      },
    });
    const { code } = await runCli(['decode', 'kube', '-'], { stdin: text.repeat(1000), stdout });
    expect(code).toBe(0);
    expect(pending).toBe(0);
    expect(size).toBe(text.length * 1000);
    expect(most).toBeLessThan(1 << 19);
  });
});
