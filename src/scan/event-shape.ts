// What an Event of audit.k8s.io/v1 is made of: its members, their types, and the words in them.

/** Levels in rising order. None is no level an event can have. */
export const LEVELS = ['Metadata', 'Request', 'RequestResponse'] as const;
export type Level = (typeof LEVELS)[number];

export const STAGES = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'] as const;
export type Stage = (typeof STAGES)[number];

/** Members of an Event in the order in which the API server writes them (k8s.io/apiserver pkg/apis/audit/v1). */
export const FIELDS = [
  'kind',
  'apiVersion',
  'level',
  'auditID',
  'stage',
  'requestURI',
  'verb',
  'user',
  'impersonatedUser',
  'authenticationMetadata',
  'sourceIPs',
  'userAgent',
  'objectRef',
  'responseStatus',
  'requestObject',
  'responseObject',
  'requestReceivedTimestamp',
  'stageTimestamp',
  'annotations',
] as const;
export type Field = (typeof FIELDS)[number];

/** Why a line is no Event. Stable words: they are counted in manifests. */
export type NotAnEvent =
  | 'invalid-utf8'
  | 'not-json'
  | 'not-one-line'
  | 'truncated'
  | 'too-deep'
  | 'not-an-object'
  | 'repeated-member'
  | 'wrong-kind'
  | 'wrong-api-version'
  | 'missing-member'
  | 'wrong-type'
  | 'unknown-level'
  | 'unknown-stage'
  | 'bad-timestamp';

/** A line that is an Event. */
export interface AuditEvent {
  /** The whole line, without line end. */
  readonly line: Buffer;
  /** From `at` on two numbers a field of FIELDS, begin and end of its value in `line`: for beginOf and endOf. Events share it. */
  readonly spans: Int32Array;
  readonly at: number;
  readonly level: Level;
  readonly stage: Stage;
  readonly verb: string;
  /** stageTimestamp in milliseconds since the epoch, rounded down. */
  readonly stageTime: number;
  /** Day of stageTimestamp, UTC, `YYYY-MM-DD`: the partition. */
  readonly date: string;
  /** It holds nothing that the secrets guard would look at more closely; false where that wasn't found out. */
  readonly clear: boolean;
}

/** Either the event or why it is none. */
export type ScanResult = AuditEvent | { readonly not: NotAnEvent };

/** Where a field's begin stands in `spans`; its end is the next. */
export const AT = Object.fromEntries(FIELDS.map((name, i) => [name, i * 2])) as Readonly<Record<Field, number>>;

/** What the first byte of each member's value may be; null is taken for absent, as Go's decoder does. */
export const TYPES: Readonly<Record<Field, string>> = {
  kind: '"',
  apiVersion: '"',
  level: '"',
  auditID: '"',
  stage: '"',
  requestURI: '"',
  verb: '"',
  user: '{',
  impersonatedUser: '{',
  authenticationMetadata: '{',
  sourceIPs: '[',
  userAgent: '"',
  objectRef: '{',
  responseStatus: '{',
  requestObject: '',
  responseObject: '',
  requestReceivedTimestamp: '"',
  stageTimestamp: '"',
  annotations: '{',
};
/** `verb` may be empty, but the API server always writes these. */
export const REQUIRED: readonly Field[] = [
  'level',
  'auditID',
  'stage',
  'requestURI',
  'verb',
  'user',
  'requestReceivedTimestamp',
  'stageTimestamp',
];

export const KINDS = ['Event'];
export const API_VERSIONS = ['audit.k8s.io/v1'];
// others are allowed: a client may send any HTTP method
export const VERBS =
  'get list watch create update patch delete deletecollection proxy connect post put head options trace'.split(' ');
