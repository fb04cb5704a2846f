// Versions and delete markers of a bucket, for verification; undefined where the bucket has none.

import type { S3Options } from '../config.ts';
import { AuthError } from '../errors.ts';
import { openS3Client } from '../archive/store/s3-client.ts';
import { parseS3Url } from '../archive/store/s3.ts';
import { s3Error } from '../archive/store/s3-errors.ts';
import { compareKeys } from '../archive/store/key-rules.ts';
import type { ArchiveVersions, Version } from './verify-versions.ts';

/** Throws AuthError when versions may not be listed: then nobody can say that nothing is hidden. */
export async function openVersions(url: string, options: S3Options): Promise<ArchiveVersions | undefined> {
  const { bucket, prefix } = parseS3Url(url);
  const { sdk, client, region } = await openS3Client(options, { onServerDate() {} });
  const root = prefix === '' ? '' : `${prefix}/`;
  const about = (...actions: string[]) => ({ actions, what: `s3://${bucket}/${root}`, bucket, region });
  const ask = async <T>(work: () => Promise<T>, ...actions: string[]): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw s3Error(error, about(...actions));
    }
  };
  const { Status } = await ask(
    () => client.send(new sdk.GetBucketVersioningCommand({ Bucket: bucket })),
    's3:GetBucketVersioning',
  ).catch((error: unknown) => {
    // a reader may list versions and yet not see this setting
    if (error instanceof AuthError) return { Status: 'Enabled' as const };
    throw error;
  });
  if (Status === undefined) return undefined;
  return {
    async *list() {
      let keyMarker: string | undefined;
      let idMarker: string | undefined;
      do {
        const page = await ask(
          () =>
            client.send(
              new sdk.ListObjectVersionsCommand({
                Bucket: bucket,
                Prefix: root,
                ...(keyMarker !== undefined && { KeyMarker: keyMarker }),
                ...(idMarker !== undefined && { VersionIdMarker: idMarker }),
              }),
            ),
          's3:ListBucketVersions',
        );
        const versions: Version[] = [
          ...(page.Versions ?? []).map((v) => ({ ...v, marker: false })),
          ...(page.DeleteMarkers ?? []).map((v) => ({ ...v, Size: 0, ETag: '', marker: true })),
        ].map((v) => ({
          key: (v.Key ?? '').slice(root.length),
          id: v.VersionId ?? 'null',
          isLatest: v.IsLatest === true,
          isDeleteMarker: v.marker,
          size: v.Size ?? 0,
          modified: v.LastModified?.getTime() ?? 0,
          tag: v.ETag ?? '',
        }));
        // the newest first; the latest before all, whatever their clocks say
        versions.sort(
          (a, b) => compareKeys(a.key, b.key) || Number(b.isLatest) - Number(a.isLatest) || b.modified - a.modified,
        );
        yield* versions;
        keyMarker = page.IsTruncated === true ? page.NextKeyMarker : undefined;
        idMarker = page.NextVersionIdMarker;
      } while (keyMarker !== undefined);
    },
    async get(key, id) {
      const { Body } = await ask(
        () => client.send(new sdk.GetObjectCommand({ Bucket: bucket, Key: root + key, VersionId: id })),
        's3:GetObjectVersion',
      );
      return Body === undefined ? undefined : Buffer.from(await Body.transformToByteArray());
    },
    async retention(key, id) {
      const head = await ask(
        () => client.send(new sdk.HeadObjectCommand({ Bucket: bucket, Key: root + key, VersionId: id })),
        's3:GetObjectVersion',
        's3:GetObjectRetention',
      );
      return {
        ...(head.ObjectLockMode !== undefined && { mode: head.ObjectLockMode }),
        ...(head.ObjectLockRetainUntilDate !== undefined && { until: head.ObjectLockRetainUntilDate.getTime() }),
      };
    },
  };
}
