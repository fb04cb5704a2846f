// Writes event-fields.md: what of an Event each cloud's form carries, found by sending one Event through it. `node docs/build-event-fields.ts`

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AksRow, toAuditRow, toDiagnosticsRow, toEnvelope } from '../emulators/story/aks.ts';
import { logEntryOf } from '../emulators/story/gke.ts';
import { registry } from '../providers/index.ts';
import { type Field, fieldBytes, FIELDS, scanEvent } from '../src/event.ts';

const TARGET = join(import.meta.dirname, 'event-fields.md');

/** Has every member that an API server writes; spellings that parsing would change. */
const LINE =
  '{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"6f1c8a3e-0f3b-4b57-9a55-6d0b1c1f0a11","stage":"ResponseComplete",' +
  '"requestURI":"/apis/apps/v1/namespaces/shop/deployments?fieldManager=kubectl\\u0026dryRun=All","verb":"create","user":{"username":"alice@acme.example","uid":"u-1","groups":["dev","system:authenticated"],"extra":{"scopes":["a"]}},' +
  '"impersonatedUser":{"username":"bob","groups":["ops"]},"authenticationMetadata":{"impersonationConstraint":"impersonate:user-info"},"sourceIPs":["203.0.113.20","10.0.0.1"],"userAgent":"kubectl/v1.34.1",' +
  '"objectRef":{"resource":"deployments","namespace":"shop","name":"web","uid":"o-1","apiGroup":"apps","apiVersion":"v1","resourceVersion":"42"},"responseStatus":{"metadata":{},"code":201},' +
  '"requestObject":{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"web","namespace":"shop"},"n":12345678901234567890,"x":1.0},' +
  '"responseObject":{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"web","namespace":"shop","uid":"o-1"},"n":12345678901234567890,"x":1.0},' +
  '"requestReceivedTimestamp":"2026-06-22T10:00:00.123456Z","stageTimestamp":"2026-06-22T10:00:00.234567Z","annotations":{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":""}}';

const AKS = {
  resource: '/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/m',
  pod: 'kube-apiserver-1',
};
const GKE = { project: 'p', location: 'europe-west1', cluster: 'c' };

/** Dynamic columns come back in another order of keys; numbers keep their text. */
function reencoded(row: AksRow): AksRow {
  const turn = (json: string | null) =>
    json === null || !json.startsWith('{')
      ? json
      : json.replace(
          /^\{("(?:kind|username|resource|metadata|authorization\.k8s\.io\/decision)":(?:"[^"]*"|\{\})),(.*)\}$/s,
          '{$2,$1}',
        );
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, turn(value)]));
}

const FORMS: readonly (readonly [title: string, provider: string, record: string])[] = [
  ['EKS, audit.log', 'eks', LINE],
  ['AKS: AzureDiagnostics', 'aks', JSON.stringify({ Type: 'AzureDiagnostics', ...toDiagnosticsRow(LINE, AKS) })],
  ['AKS: storage account, Event Hub', 'aks', toEnvelope(LINE, AKS)],
  ['AKS: AKSAudit, AKSAuditAdmin', 'aks', JSON.stringify({ Type: 'AKSAudit', ...reencoded(toAuditRow(LINE, AKS)) })],
  ['GKE', 'gke', JSON.stringify(logEntryOf(LINE, GKE, '2026-06-22T10:00:01.000000000Z'))],
];

const sorted = (value: unknown): unknown =>
  typeof value !== 'object' || value === null || Array.isArray(value)
    ? value
    : Object.fromEntries(
        Object.entries(value)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([k, v]) => [k, sorted(v)]),
      );
const equal = (a: string, b: string) => JSON.stringify(sorted(JSON.parse(a))) === JSON.stringify(sorted(JSON.parse(b)));

function verdict(field: Field, before: string, after: string | undefined, inferred: readonly string[]): string {
  if (after === undefined) return '–';
  const derived = inferred.some((name) => name === field || name.startsWith(`${field}.`));
  const got = field === 'annotations' ? withoutOwn(after) : after;
  if (derived) return equal(before, got) ? 'derived' : 'derived, in part';
  if (before === got) return 'exact';
  return equal(before, got) ? 'equal' : 'in part';
}

function withoutOwn(text: string): string {
  const all = Object.entries(JSON.parse(text) as Record<string, string>);
  const kept = all.filter(([name]) => !name.startsWith('auditkeep/'));
  return kept.length === all.length ? text : JSON.stringify(Object.fromEntries(kept));
}

/** Text of event-fields.md. */
export async function eventFields(): Promise<string> {
  const before = scanEvent(Buffer.from(LINE));
  if ('not' in before) throw new Error(`the sample is no Event: ${before.not}`);
  const columns: Map<Field, string>[] = [];
  for (const [title, name, record] of FORMS) {
    const provider = await registry[name]!();
    const content = Buffer.from(record);
    const decoded = provider.decode({ arrival: 0, time: Date.parse('2026-06-22T10:00:01Z'), content }, undefined);
    if (!('event' in decoded)) throw new Error(`${title}: ${JSON.stringify(decoded)}`);
    const after = decoded.scan ?? scanEvent(decoded.event);
    if ('not' in after) throw new Error(`${title}: ${after.not}`);
    const annotations = JSON.parse(fieldBytes(after, 'annotations')?.toString() ?? '{}') as Record<string, string>;
    const inferred = (annotations['auditkeep/inferred'] ?? '').split(',');
    columns.push(
      new Map(
        FIELDS.map((field) => [
          field,
          verdict(field, fieldBytes(before, field)!.toString(), fieldBytes(after, field)?.toString(), inferred),
        ]),
      ),
    );
  }
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    '# What of an Event each cloud gives',
    '',
    'Made by `docs/build-event-fields.ts`, which sends one Event through the form of each cloud and through its provider; a test makes it again and compares.',
    '',
    'exact: the text that the API server wrote · equal: the same value in another spelling or order · in part: some of it is lost · derived: not told by the cloud, worked out from what it does tell, and listed in the annotation `auditkeep/inferred` · –: lost, and never made up',
    '',
    row(['field', ...FORMS.map(([title]) => title)]),
    row(['---', ...FORMS.map(() => '---')]),
    ...FIELDS.map((field) => row([`\`${field}\``, ...columns.map((column) => column.get(field)!)])),
    '',
    'Beside that: EKS, AKS and GKE each record by a policy of their own that leaves out bodies and whole requests; large records are cut or bodies left out. The Limits of each provider say which.',
    '',
  ].join('\n');
}

if (process.argv[1] === import.meta.filename) writeFileSync(TARGET, await eventFields());
