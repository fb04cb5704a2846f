import { describe, expect, it } from 'vitest';
import { FIELDS } from '../src/event.ts';
import { MAX_DEPTH } from '../src/json.ts';
import { ASCII, BEYOND_ASCII, CLEAR, createScanner, NOT_SURE } from '../src/scan/scanner.ts';
import { HAVE_LOGS, logFiles, readLog, REAL_LINES } from './event-lines.ts';

const scanner = createScanner(FIELDS, MAX_DEPTH - 1)!;

describe('createScanner', () => {
  it('runs here, and takes real lines without a second look', () => {
    expect(scanner).toBeDefined();
    for (const line of REAL_LINES) {
      const ascii = /^[\x00-\x7f]*$/.test(line.toString('utf8'));
      expect(scanner.scan(line)).toBe(ascii ? ASCII : BEYOND_ASCII);
    }
  });

  it.skipIf(!HAVE_LOGS)('takes every recorded line without a second look (logs that lie beside the repository)', () => {
    for (const path of logFiles())
      for (const line of readLog(path)) if (scanner.scan(line) === NOT_SURE) throw new Error(line.toString('utf8'));
  });

  it('finds members of any object', () => {
    const own = createScanner(['first', 'second', 'third'], 2)!;
    const text = '{"third":[1],"x":{},"first":"1"}';
    expect(own.scan(Buffer.from(text))).toBe(ASCII);
    expect([...own.spans].map((at) => text.slice(0, Math.max(at, 0)).length)).toEqual([28, 31, 0, 0, 9, 12]);
    expect([...own.spans].slice(2, 4)).toEqual([-1, -1]);
    expect(own.scan(Buffer.from('{"first":[[1]]}'))).toBe(ASCII);
    expect(own.scan(Buffer.from('{"first":[[[]]]}'))).toBe(NOT_SURE);
  });

  it('takes types into account where they are given, and null for absent', () => {
    const own = createScanner(['a', 'b'], 2, ['"', ''])!;
    expect(own.scan(Buffer.from('{"a":1,"b":null}'))).toBe(NOT_SURE);
    expect(own.scan(Buffer.from('{"a":null,"b":null}'))).toBe(ASCII);
    expect([own.spans[0], own.spans[2]]).toEqual([-1, 14]);
    expect(own.scan(Buffer.from('{"a":null,"a":"x"}'))).toBe(NOT_SURE);
  });

  it('calls clear what holds nothing from its first open member on, wherever it stands', () => {
    const own = createScanner(['a', 'b', 'c'], 2, [], ['b', 'c'])!;
    const scan = (text: string) => own.scan(Buffer.from(text));
    for (const needle of ['Secret', 'TokenReview', '\\u0053ecret'])
      for (let before = 0; before < 40; before++)
        for (const after of ['', 'x'.repeat(before)]) {
          const value = `"${'.'.repeat(before)}${needle}${after}"`;
          expect(scan(`{"a":${value},"b":"","c":""}`)).toBe(ASCII | CLEAR);
          expect(scan(`{"a":${value}}`)).toBe(ASCII | CLEAR);
          expect(scan(`{"a":"","b":${value}}`)).toBe(ASCII);
          expect(scan(`{"b":null,"x":${value}}`)).toBe(ASCII);
          expect(scan(`{"c":"","b":"","a":${value}}`)).toBe(ASCII);
        }
  });
});
