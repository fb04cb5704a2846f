// The manifest: what one committed window or recheck says of itself. docs/archive-format.md explains every member.

import * as z from 'zod';
import { sha256Hex } from './hash.ts';

export const FORMAT = 1;

const time = z.iso.datetime({ offset: false });
const count = z.int().nonnegative();
const counts = z.record(z.string(), count);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const part = z.strictObject({
  key: z.string(),
  /** Size of the stored (compressed) bytes. */
  bytes: count,
  /** SHA-256 of the stored bytes. */
  sha256,
  /** Size and SHA-256 of the content (uncompressed, each line with its line end). */
  contentBytes: count,
  contentSha256: sha256,
  /** Lines in it. */
  lines: count,
});

const eventPart = part.extend({
  /** Root of the RFC 6962 tree over the lines, without their line ends. */
  lineRoot: sha256,
  /** Least and greatest stageTimestamp, as written in the events. */
  firstStage: z.string(),
  lastStage: z.string(),
});

const ids = z.strictObject({
  key: z.string(),
  /** Fingerprints in the file, 12 bytes each, sorted; as many as `counts.received`. */
  count,
  /** SHA-256 of the file: since it is sorted, a digest of the set that doesn't depend on the order of reading. */
  sha256,
});

export const manifestSchema = z.strictObject({
  format: z.literal(FORMAT),
  kind: z.enum(['window', 'recheck']),
  cluster: z.string(),
  name: z.string(),
  /** Arrival span that this manifest answers for. */
  from: time,
  to: time,
  /** Nothing will be looked for again: a recheck, or a window whose first read was late and wide enough. */
  final: z.boolean(),
  /** Recheck only: windows compared, with the SHA-256 of their manifests. */
  covers: z.array(z.strictObject({ name: z.string(), sha256 })).optional(),
  /** The query in the provider's terms and the event times it reads; absent where nothing had to be read (recheck of final windows). */
  query: z
    .strictObject({
      source: z.string(),
      latenessSeconds: count,
      eventFrom: time,
      eventTo: time,
      pages: count,
      terms: z.record(z.string(), z.union([z.string(), z.number()])),
    })
    .optional(),
  visible: z.strictObject({
    sources: z.array(z.string()),
    logging: z.enum(['on', 'off', 'unknown']),
    notes: z.array(z.string()),
    /** The oldest arrival that the source still held when the read ended; absent = unknown. */
    holdsFrom: time.optional(),
    holdsBecause: z.enum(['created', 'retention', 'unknown']),
  }),
  /**
   * complete · silent: received nothing · expired: the source no longer held it · partly-expired: it held only the end of it.
   * A time before the source was created is no loss, unless it was created after the cluster's first window.
   */
  coverage: z.enum(['complete', 'silent', 'expired', 'partly-expired']),
  made: z.strictObject({
    at: time,
    by: z.string(),
    configSha256: sha256,
    policySha256: sha256,
  }),
  counts: z.strictObject({
    received: count,
    written: count,
    duplicate: count,
    dropped: count,
    skipped: count,
    rejected: count,
    /** Rejected records of which a Metadata event could be saved; they stand in the parts too. */
    salvaged: count,
    /** Recheck only: records seen that the windows had counted already. */
    known: count.optional(),
  }),
  droppedByRule: counts,
  skippedByReason: counts,
  rejectedByReason: counts,
  /** Events that were cut down, by what did it: `secrets` (the guard), `rules[3]`, `rules[3].omitManagedFields`, `omitManagedFields`. */
  lowered: counts,
  /** Events kept at the highest level that may apply, since the source doesn't tell whether this rule matches. */
  undecided: counts.optional(),
  /** Events for which this rule asks more than the source recorded. */
  unattained: counts.optional(),
  /** Written events whose body the source had left out, by body: `requestObject`, `responseObject`. */
  omitted: counts.optional(),
  /** Events in which `redact` changed something. */
  redacted: count.optional(),
  byLevel: counts,
  byStage: counts,
  byVerb: counts,
  /** Fingerprints of all records that `counts.received` counts; absent when there are none. */
  ids: ids.optional(),
  parts: z.array(eventPart),
  rejects: z.array(part),
  /** The records of the written events as the provider gave them, in the same order (keepRaw). */
  raw: z.array(part).optional(),
  /** Left behind by broken attempts and not deletable by this role; known leftovers for `verify`. */
  strays: z.array(z.string()).optional(),
});

export type Manifest = z.infer<typeof manifestSchema>;
export type EventPart = z.infer<typeof eventPart>;
export type RejectPart = z.infer<typeof part>;
export type IdsFile = z.infer<typeof ids>;
export type Coverage = Manifest['coverage'];

/** All data objects under a date that a manifest lists. */
export function partsOf(m: Pick<Manifest, 'parts' | 'rejects' | 'raw'>): RejectPart[] {
  return [...m.parts, ...m.rejects, ...(m.raw ?? [])];
}

/** What doesn't add up in a manifest, in words; empty when all sums hold (rule 5). */
export function sumErrors(m: Manifest): string[] {
  const errors: string[] = [];
  const expect = (what: string, is: number, should: number) => {
    if (is !== should) errors.push(`${what}: ${is} instead of ${should}`);
  };
  const total = (record: Readonly<Record<string, number>>) => Object.values(record).reduce((a, b) => a + b, 0);
  const c = m.counts;
  expect('received', c.received, c.written + c.duplicate + c.dropped + c.skipped + c.rejected);
  expect(
    'lines in parts',
    m.parts.reduce((a, p) => a + p.lines, 0),
    c.written + c.salvaged,
  );
  expect(
    'lines in rejects',
    m.rejects.reduce((a, p) => a + p.lines, 0),
    c.rejected,
  );
  if (m.raw !== undefined)
    expect(
      'lines in raw',
      m.raw.reduce((a, p) => a + p.lines, 0),
      c.written,
    );
  expect('dropped by rule', total(m.droppedByRule), c.dropped);
  expect('skipped by reason', total(m.skippedByReason), c.skipped);
  expect('rejected by reason', total(m.rejectedByReason), c.rejected);
  expect('fingerprints', m.ids?.count ?? 0, c.received);
  for (const by of ['byLevel', 'byStage', 'byVerb'] as const) expect(by, total(m[by]), c.written + c.salvaged);
  return errors;
}

/** The stored form: JSON, two spaces, one line end at the end. */
export function encodeManifest(m: Manifest): Buffer {
  return Buffer.from(`${JSON.stringify(m, null, 2)}\n`);
}

/** Reads a stored manifest. Throws an Error that names what is wrong. */
export function decodeManifest(bytes: Buffer): Manifest {
  return manifestSchema.parse(JSON.parse(bytes.toString('utf8')));
}

/** SHA-256 of the stored form, hex. */
export const manifestDigest = (bytes: Buffer): string => sha256Hex(bytes);

/** What fixes a cluster's plan (rule 2); written create-only before anything else. */
export const clusterFileSchema = z.strictObject({
  format: z.literal(FORMAT),
  cluster: z.string(),
  provider: z.string(),
  /** The source's native id. */
  source: z.string(),
  windowSeconds: z.int().positive(),
  /** From where on every window must be in the ledger. */
  first: time,
  /** Why it starts there, for people. */
  because: z.string(),
  made: z.strictObject({ at: time, by: z.string() }),
});
export type ClusterFile = z.infer<typeof clusterFileSchema>;

/** A backfill's own start: windows of [from, to) must be in the ledger as well. */
export const startFileSchema = z.strictObject({
  format: z.literal(FORMAT),
  cluster: z.string(),
  from: time,
  to: time,
  made: z.strictObject({ at: time, by: z.string() }),
});
