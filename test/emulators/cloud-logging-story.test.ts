// The story as Cloud Logging holds it: the same people and the same intruder, in GKE's form and nothing of another cloud.

import { describe, expect, it } from 'vitest';
import { dayOfLogEntries, logEntryOf } from '../../emulators/story/gke.ts';
import { generateDay, intruderFacts } from '../../emulators/story/index.ts';

const HOUR = 3_600_000;
const FROM = Date.UTC(2026, 5, 22);
const CLUSTER = { project: 'acme-data', location: 'europe-west1', cluster: 'data' };
const STORY = { seed: 5, from: FROM, to: FROM + 12 * HOUR, eventsPerHour: 200 };
const EKS = { ...STORY, cluster: { name: CLUSTER.cluster, account: '111122223333', region: CLUSTER.location } };

interface Entry {
  readonly insertId: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly logName: string;
  readonly operation: { readonly first?: boolean; readonly last?: boolean };
  readonly protoPayload: {
    readonly methodName: string;
    readonly resourceName: string;
    readonly requestMetadata: { readonly callerIp?: string };
    readonly authenticationInfo: { readonly principalEmail?: string };
    readonly request?: unknown;
    readonly response?: unknown;
  };
}
const day = () => [...dayOfLogEntries({ ...STORY, cluster: CLUSTER, late: 0.01 })];
const entries = day().map(({ entry }) => entry as unknown as Entry);

describe('the story in LogEntries', () => {
  it('is the same each time', () => {
    expect(JSON.stringify(day())).toBe(JSON.stringify(day()));
  });
  it('has the requests of the story by their audit IDs, but for what GKE does not know', () => {
    const told = new Set(entries.map((e) => e.insertId));
    const events = [...generateDay(EKS)].map(({ line }) => line.toString());
    const left = events.filter((line) => !told.has((JSON.parse(line) as { auditID: string }).auditID));
    expect(told.size).toBeGreaterThan(1000);
    for (const line of left) expect(line).toMatch(/"stage":"RequestReceived"|"aws-auth"/);
  });
  it('is seen by the same intruder at the same times', () => {
    const { ip, requests } = intruderFacts(EKS);
    const told = new Set(entries.map((e) => e.insertId));
    const left = requests.filter((r) => !told.has(r.auditID));
    expect(requests.length).toBeGreaterThan(30);
    expect(left.map((r) => r.step)).toEqual(['aws-auth']);
    const seen = new Set(entries.filter((e) => e.protoPayload.requestMetadata.callerIp === ip).map((e) => e.insertId));
    const known = new Set(requests.map((r) => r.auditID));
    expect(seen.size).toBeGreaterThan(30);
    expect([...seen].filter((id) => !known.has(id))).toEqual([]);
  });
  it('speaks of no other cloud', () => {
    expect(JSON.stringify(entries)).not.toMatch(/\baws\b|eks-|amazonaws|compute\.internal|arn:/);
    const people = new Set(entries.map((e) => e.protoPayload.authenticationInfo.principalEmail));
    for (const name of ['alice', 'bob', 'auditor']) expect(people).toContain(`${name}@acme.example`);
  });
  it('has reads in one log and writes in the other, and no body of a Secret or ConfigMap', () => {
    for (const { logName, protoPayload } of entries) {
      const isRead = /\.(get|list|watch)$/.test(protoPayload.methodName);
      expect(logName.endsWith(isRead ? '%2Fdata_access' : '%2Factivity')).toBe(true);
      if (!/\/(secrets|configmaps|leases)(\/|$)/.test(protoPayload.resourceName)) continue;
      expect([protoPayload.request, protoPayload.response]).toEqual([undefined, undefined]);
    }
  });
  it('tells what an exec ran, in a label, since there is no URI', () => {
    const execs = entries.filter((e) => e.protoPayload.methodName.includes('.pods.exec.'));
    expect(execs.map((e) => e.labels['command.gke.io/command'])).toContain('chroot /host sh');
    expect(entries.filter((e) => 'command.gke.io/command' in (e.labels ?? {}))).toEqual(execs);
  });
  it('has two entries with one insertId for a long request', () => {
    const watches = Map.groupBy(
      entries.filter((e) => e.protoPayload.methodName.endsWith('.watch')),
      (e) => e.insertId,
    );
    const pairs = [...watches.values()].filter((both) => both.length === 2);
    expect(pairs.length).toBeGreaterThan(20);
    for (const [first, last] of pairs)
      expect([first!.operation, last!.operation]).toEqual([
        expect.objectContaining({ first: true }),
        expect.objectContaining({ last: true }),
      ]);
  });
  it('leaves out requests as they come in', () => {
    expect(logEntryOf('{"stage":"RequestReceived"}', CLUSTER, '2026-06-22T10:00:00Z')).toBeUndefined();
  });
});
