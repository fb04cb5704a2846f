// Self-managed clusters: audit.log files of kube-apiserver, with their rotated and compressed backups.

import * as z from 'zod';
import type { Provider } from '../../src/provider.ts';
import { decode } from './decode.ts';
import { readExport } from './export.ts';
import { createSource } from './source.ts';

const pattern = z.string().min(1, { error: 'expected a path or a pattern such as /var/log/kubernetes/audit/*.log*' });

const options = z.strictObject({
  /** Paths or patterns (`*`, `?`, `[a-z]`, `{a,b}`, `**`) of all files of the cluster: every control-plane node, rotated backups too. */
  files: z
    .union([pattern, z.array(pattern).min(1, { error: 'at least one path or pattern is needed' })], {
      error: 'expected a path or pattern, or a list of them, such as /var/log/kubernetes/audit/*.log*',
    })
    .transform((files) => (typeof files === 'string' ? [files] : files)),
});

export type KubeOptions = z.infer<typeof options>;

export const provider: Provider<KubeOptions> = {
  name: 'kube',
  options,
  connect: createSource,
  decode,
  readExport,
};
