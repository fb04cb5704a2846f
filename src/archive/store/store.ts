// The store contract: what the archive needs from a bucket or a directory; both behave the same (test/archive/store-contract.ts).

import type { Readable } from 'node:stream';

/** What a put writes: bytes in memory or a finished file. */
export type Body = Buffer | { readonly path: string; readonly size: number };

/** A file that grows in the store, to be put under a key when it is whole. */
export interface SpoolFile {
  readonly path: string;
  write(bytes: Uint8Array): Promise<void>;
  /** Nothing more is written: the file may be a Body. */
  close(): Promise<void>;
  /** Removes it; no error if it is gone. What was put stays. */
  remove(): Promise<void>;
}

/** A condition of a put. Without one the key is overwritten (only `log/checkpoint` of an unsigned log and probes may be). */
export interface PutOptions {
  /** Create only: throws ConflictError if the key exists. */
  readonly ifAbsent?: boolean;
  /** Compare and swap: throws ConflictError unless the stored version has this tag (of `head` or `get`). */
  readonly ifMatch?: string;
  /** SHA-256 of the body, hex; checked by the store where it can. */
  readonly sha256: string;
  readonly contentType?: string;
}

export interface ObjectInfo {
  readonly key: string;
  readonly size: number;
  /** Only of `list`: changes whenever the object is written anew (ETag and time, or inode and times); equal means most likely unchanged. */
  readonly stamp?: string;
}

export interface ObjectHead extends ObjectInfo {
  /** Tag for `ifMatch`. */
  readonly tag: string;
  /** SHA-256 of the stored bytes as the store holds or computes it, hex; absent where it doesn't know. */
  readonly sha256?: string;
}

/**
 * Keys are `/`-separated, relative to the archive. Methods throw AuthError, ThrottledError, TransientError,
 * ConfigError (missing bucket, wrong region …) or ConflictError; none of them retries.
 */
export interface Store {
  /** `s3://bucket/prefix` or the absolute directory, for messages. */
  readonly url: string;
  /** The whole object and its tag; undefined if there is none. Only for small ones (manifests, fingerprints). */
  get(key: string): Promise<{ readonly bytes: Buffer; readonly tag: string } | undefined>;
  /** The object as a stream, bytes [start, end) of it; undefined if there is none. A range beyond the end is empty. */
  read(key: string, range?: { readonly start: number; readonly end?: number }): Promise<Readable | undefined>;
  /** Size, tag and stored hash; undefined if there is none. */
  head(key: string): Promise<ObjectHead | undefined>;
  /** Durable when it returns (fsync of file and folder; answered by S3). Gives the tag. */
  put(key: string, body: Body, options: PutOptions): Promise<string>;
  /**
   * Begins a file that `put` takes as it is, where others would be copied; its bytes are not hashed again. Absent where there is nothing
   * to spare.
   */
  spool?(): Promise<SpoolFile>;
  /** All keys that begin with `prefix`, in byte order, after `after`. Temporary files of the store are not listed. */
  list(prefix: string, after?: string): AsyncIterable<ObjectInfo>;
  /** Deletes; no error if there is none. Throws AuthError where the role may not. */
  delete(key: string): Promise<void>;
  /**
   * Refuses a store that can't hold the promise: a probe key must be creatable once and only once.
   * Removes what killed runs of this host left behind (temporary files).
   */
  check(): Promise<void>;
  close(): Promise<void>;
}

/** What the core lends to a store. */
export interface StoreDeps {
  /** To be called with the Date header of each answer, milliseconds since the epoch. */
  onServerDate(date: number): void;
  /** The clock, milliseconds since the epoch, for Object Lock retention; the system's own when absent. */
  now?(): number;
}
