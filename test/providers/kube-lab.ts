// A folder of audit logs for the tests of the kube provider: writes lines, reads windows.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSource } from '../../providers/kube/source.ts';
import type { ProviderRecord, Source, SourceDeps } from '../../src/provider.ts';

export const T0 = Date.parse('2026-06-22T10:00:00Z');
export const HOUR = 3_600_000;
export const DAY = 86_400_000;

/** MicroTime text. */
export const micro = (time: number) => new Date(time).toISOString().replace('Z', '000Z');

/** A small Event as the API server writes it. */
export function eventText(time: number, id: string, pad = ''): string {
  return `{"kind":"Event","apiVersion":"audit.k8s.io/v1",${itemBody(time, id, pad)}`;
}

/** The same as an item of a list: without kind and apiVersion. */
export const itemText = (time: number, id: string, pad = '') => `{${itemBody(time, id, pad)}`;

function itemBody(time: number, id: string, pad: string): string {
  return `"level":"Metadata","auditID":"${id}","stage":"ResponseComplete","requestURI":"/api/v1/pods?x=${pad}","verb":"list","user":{"username":"a"},"requestReceivedTimestamp":"${micro(time)}","stageTimestamp":"${micro(time)}"}`;
}

export const listText = (items: readonly string[]) =>
  `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[${items.join(',')}]}`;

export function folder(): { path: string; at(name: string): string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'kube-'));
  return { path, at: (name) => join(path, name), remove: () => rmSync(path, { recursive: true, force: true }) };
}

export function deps(now: () => number): SourceDeps {
  return { log: { debug() {}, info() {}, warn() {}, error() {} }, now, onServerDate() {} };
}

export function sourceOf(files: string | string[], now: () => number, chunk?: number): Source {
  return createSource({ name: 'lab', provider: 'kube' }, { files: [files].flat() }, deps(now), chunk);
}

/** All records of a span. `between` runs after each page that has a next one; without it, what pages say of `passed` must hold. */
export async function walk(
  source: Source,
  from = 0,
  to = Number.MAX_SAFE_INTEGER,
  between?: (page: number) => void | Promise<void>,
): Promise<ProviderRecord[]> {
  const { signal } = new AbortController();
  const records: ProviderRecord[] = [];
  let token: string | undefined;
  let passed = Number.NEGATIVE_INFINITY;
  for (let page = 0; ; page++) {
    const answer = await source.fetchPage({ arrival: { from, to }, lateness: 0 }, token, signal);
    for (const { arrival } of answer.records)
      if (between === undefined && arrival < passed) throw new Error(`${arrival} came after ${passed} was passed`);
    passed = Math.max(passed, answer.passed ?? passed);
    records.push(...answer.records);
    token = answer.next;
    if (token === undefined) return records;
    await between?.(page);
  }
}

export const texts = (records: readonly ProviderRecord[]) => records.map((r) => r.content.toString('latin1'));
