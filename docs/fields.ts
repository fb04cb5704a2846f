// Makes docs/fields.md: which member of an Event each source gives exactly, rebuilds, or can't give. node docs/fields.ts
// Real kube-apiserver lines are written down in each cloud's form and decoded again; what comes back is the table.

import { writeFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { toAuditRow, toDiagnosticsRow, toEnvelope } from '../emulators/story/aks.ts';
import { readKubeLog } from '../emulators/story/fixture.ts';
import { logEntryOf } from '../emulators/story/gke.ts';
import { provider as aks } from '../providers/aks/index.ts';
import { provider as eks } from '../providers/eks/index.ts';
import { provider as gke } from '../providers/gke/index.ts';
import { provider as kube } from '../providers/kube/index.ts';
import { type AuditEvent, FIELDS, type Field, fieldBytes, fieldValue, scanEvent } from '../src/event.ts';
import type { Decoded, ProviderRecord } from '../src/provider.ts';

const RESOURCE = '/subscriptions/0/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/shop';
const ORIGIN = { resource: RESOURCE, pod: 'kube-apiserver' };
const GKE = { project: 'acme-data', location: 'europe-west1', cluster: 'data' };
const AKS_OPTIONS = aks.options.parse({ workspace: '0f3e5c1a-7b2d-4c8e-9f60-112233445566', resource: RESOURCE });
const GKE_OPTIONS = gke.options.parse(GKE);

/** A form that a cloud keeps events in: what it makes of a line, and what auditkeep makes of that. */
interface Form {
  readonly title: string;
  /** Undefined: the cloud keeps no record of such an event. */
  read(line: string): Decoded | undefined;
}

const record = (content: string, more: Partial<ProviderRecord> = {}): ProviderRecord => ({
  arrival: 0,
  content: Buffer.from(content),
  ...more,
});

/** Columns as the query gives them: dynamic values as text. */
function asRow(type: string, row: Readonly<Record<string, string | null>>): string {
  const text = (value: string | null) =>
    value === null || value === 'null' ? '' : /^".*"$/s.test(value) ? (JSON.parse(value) as string) : value;
  return JSON.stringify({ Type: type, ...Object.fromEntries(Object.entries(row).map(([k, v]) => [k, text(v)])) });
}

const FORMS: readonly Form[] = [
  {
    title: 'EKS',
    read: (line) =>
      eks.decode(
        record(line, { origin: 'kube-apiserver-audit-0' }),
        eks.options.parse({ region: 'eu-central-1', cluster: 'prod' }),
      ),
  },
  { title: 'audit.log', read: (line) => kube.decode(record(line), kube.options.parse({ files: '/x' })) },
  { title: 'AKS storage, Event Hub', read: (line) => aks.decode(record(toEnvelope(line, ORIGIN)), AKS_OPTIONS) },
  {
    title: 'AKS AzureDiagnostics',
    read: (line) => aks.decode(record(asRow('AzureDiagnostics', toDiagnosticsRow(line, ORIGIN))), AKS_OPTIONS),
  },
  {
    title: 'AKS AKSAudit',
    read: (line) => aks.decode(record(asRow('AKSAudit', toAuditRow(line, ORIGIN))), AKS_OPTIONS),
  },
  {
    title: 'GKE',
    read(line) {
      const entry = logEntryOf(line, GKE, '2026-11-22T16:21:00.000000000Z');
      return entry === undefined ? undefined : gke.decode(record(JSON.stringify(entry)), GKE_OPTIONS);
    },
  },
];

interface Tally {
  /** Events that have the member. */
  had: number;
  exact: number;
  equal: number;
  absent: number;
  inferred: number;
  /** Events that got it without having had it. */
  made: number;
}

interface Column {
  readonly title: string;
  readonly tallies: ReadonlyMap<Field, Tally>;
  /** Lines that the cloud keeps no record of, and lines that can't be read back. */
  readonly unseen: number;
  readonly cut: number;
}

function eventOf(decoded: Decoded | undefined): AuditEvent | undefined {
  if (decoded === undefined || !('event' in decoded)) return undefined;
  const event = decoded.scan ?? scanEvent(decoded.event);
  return 'not' in event ? undefined : event;
}

function columnOf(form: Form, originals: readonly AuditEvent[]): Column {
  const tallies = new Map(
    FIELDS.map((field) => [field, { had: 0, exact: 0, equal: 0, absent: 0, inferred: 0, made: 0 }]),
  );
  let unseen = 0;
  let cut = 0;
  for (const original of originals) {
    const decoded = form.read(original.line.toString('utf8'));
    if (decoded === undefined) {
      unseen++;
      continue;
    }
    const event = eventOf(decoded);
    if (event === undefined) {
      cut++;
      continue;
    }
    const annotations = (fieldValue(event, 'annotations') ?? {}) as Record<string, string>;
    const inferred = new Set((annotations['auditkeep/inferred'] ?? '').split(',').map((name) => name.split('.')[0]));
    for (const field of FIELDS) {
      const tally = tallies.get(field)!;
      const before = fieldBytes(original, field);
      const after = fieldBytes(event, field);
      if (before === undefined) {
        if (after !== undefined && field !== 'annotations') tally.made++;
        continue;
      }
      tally.had++;
      if (after === undefined) tally.absent++;
      else if (before.equals(after)) tally.exact++;
      else if (isDeepStrictEqual(fieldValue(original, field), own(fieldValue(event, field)))) tally.equal++;
      if (after !== undefined && inferred.has(field)) tally.inferred++;
    }
  }
  return { title: form.title, tallies, unseen, cut };
}

/** Annotations without ours. */
function own(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([key]) => !key.startsWith('auditkeep/')));
}

function percent(part: number, whole: number): string {
  const share = Math.floor((part / whole) * 100);
  return share === 0 && part > 0 ? 'under 1 %' : `${share} %`;
}

function cell(t: Tally): string {
  if (t.had === 0) return '–';
  if (t.absent === t.had) return 'no';
  const right = t.exact + t.equal;
  const how = t.inferred > 0 ? 'rebuilt' : 'given';
  if (right === t.had) return t.inferred > 0 ? 'rebuilt' : t.exact === t.had ? 'exact' : 'same value';
  return `${how}, ${percent(right, t.had)} the same${t.absent > 0 ? `, ${percent(t.absent, t.had)} absent` : ''}`;
}

/** The whole document. */
export function fieldsDocument(): string {
  const { lines } = readKubeLog();
  const originals = lines.flatMap((line) => {
    const event = scanEvent(line);
    return 'not' in event ? [] : [event];
  });
  const columns = FORMS.map((form) => columnOf(form, originals));
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return `# What each source gives of an Event

Made by \`node docs/fields.ts\`, not by hand: ${originals.length.toLocaleString('en-US')} lines of a real kube-apiserver were written down in each cloud's form, decoded again and compared, member by
member. "exact": the same bytes. "same value": the same JSON value in other bytes. "rebuilt": derived from something else and listed in the annotation
\`auditkeep/inferred\`. Percentages are of the events that had the member. This is what the *form* can carry; which requests and bodies a cloud's own audit policy records at all is
another question (the providers' README files).

${row(['member', ...columns.map((c) => c.title)])}
${row(Array.from({ length: columns.length + 1 }, () => '---'))}
${FIELDS.map((field) => row([`\`${field}\``, ...columns.map((c) => cell(c.tallies.get(field)!))])).join('\n')}
${row(['no record kept of', ...columns.map((c) => (c.unseen === 0 ? '–' : `${percent(c.unseen, originals.length)} of the events`))])}
${row(['cut by the cloud', ...columns.map((c) => (c.cut === 0 ? '–' : `${percent(c.cut, originals.length)} of the events`))])}

GKE keeps one record where the API server writes two or three: requests as they come in (\`RequestReceived\`) have none, and long requests have one for their start and one for their end.
Of \`user\` it tells the name alone, and the query of a \`requestURI\` is lost.
What a cloud has cut is a counted reject, and what can be read of it for certain stands in the archive as a Metadata event.
`;
}

if (process.argv[1] === import.meta.filename) writeFileSync(new URL('./fields.md', import.meta.url), fieldsDocument());
