// Real entries of GKE clusters, captured by others, through the converter.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseDocument } from 'yaml';
import { scanEvent } from '../../src/event.ts';
import { decodeEntry, inferredOf, type Json, textOf, without } from './gke-entries.ts';

const SAMPLES = join(import.meta.dirname, '..', '..', '..', 'shared', 'samples', 'gke');

describe.skipIf(!existsSync(SAMPLES))('real entries, which lie beside the repository', () => {
  // file, level, stage, verb, HTTP code, whether it had to be inferred, path
  const ROWS = `
    khi-pods.yaml RequestResponse ResponseComplete create 201 inferred /api/v1/namespaces/1-2-deployment-update/pods
    kube-agents-delete_call.json RequestResponse ResponseComplete delete 200 inferred /api/v1/namespaces/gke-gmp-system/pods/collector-9gt27
    kube-agents-human_denied.json RequestResponse ResponseComplete create 403 inferred /api/v1/namespaces/default/pods
    kube-agents-human_patch.json RequestResponse ResponseComplete patch 200 inferred /apis/apps/v1/namespaces/kubeagents-system/deployments/standalone-replay
    kube-agents-serviceaccount.json Metadata ResponseComplete update 200 inferred /apis/coordination.k8s.io/v1/namespaces/kube-system/leases/gke-gateway-leader-election
    kube-agents-system_success.json Metadata ResponseComplete patch 200 inferred /api/v1/namespaces/kube-system/configmaps/dpv2-fast-start-config
    kube-agents-unauthenticated_bot.json RequestResponse ResponseComplete create 401 told /api/templates/preview
    webhook-bridge-attach_pod.json Metadata ResponseComplete create 101 inferred /api/v1/namespaces/default/pods/nginx-deployment-9c6775499-hdq6z/attach
    webhook-bridge-create_clusterrole.json RequestResponse ResponseComplete create 201 inferred /apis/rbac.authorization.k8s.io/v1/clusterroles
    webhook-bridge-create_configmap.json Metadata ResponseComplete create 201 inferred /api/v1/namespaces/default/configmaps
    webhook-bridge-create_deployment.json RequestResponse ResponseComplete create 201 inferred /apis/extensions/v1beta1/namespaces/default/deployments
    webhook-bridge-create_namespace.json RequestResponse ResponseComplete create 201 inferred /api/v1/namespaces
    webhook-bridge-create_vanilla_pod.json RequestResponse ResponseComplete create 201 inferred /api/v1/namespaces/default/pods
    webhook-bridge-delete_namespace.json RequestResponse ResponseComplete delete 200 inferred /api/v1/namespaces/test-ns
    webhook-bridge-delete_service_failed_not_found.json RequestResponse ResponseComplete delete 404 told /api/v1/namespaces/default/services/vanilla-nginx-deployment
    webhook-bridge-exec_pod.json Metadata ResponseStarted create 101 inferred /api/v1/namespaces/default/pods/hostnetwork-deployment-5dc5447c47-6ssdf/exec
    webhook-bridge-modify_system_cluster_role.json RequestResponse ResponseComplete patch 200 inferred /apis/rbac.authorization.k8s.io/v1/clusterroles/system:node-problem-detector
  `;
  const EXPECTED = new Map(
    ROWS.trim()
      .split('\n')
      .map((row) => row.trim().split(' '))
      .map(([file, ...rest]) => [file!, rest as [string, string, string, string, string, string]]),
  );
  const files = existsSync(SAMPLES) ? readdirSync(SAMPLES) : [];
  it('are all expected', () => {
    expect(files.sort()).toEqual([...EXPECTED.keys()].sort());
  });
  for (const file of files)
    it(file, () => {
      const source = readFileSync(join(SAMPLES, file), 'utf8');
      const entry = (file.endsWith('.yaml') ? parseDocument(source).toJS() : JSON.parse(source)) as Json;
      const payload = entry['protoPayload'] as Record<string, Json | string | undefined>;
      const text = textOf(decodeEntry(JSON.stringify(entry), null));
      expect(scanEvent(Buffer.from(text))).not.toHaveProperty('not');
      const event = JSON.parse(text) as Json;
      const [level, stage, verb, code, inferred, uri] = EXPECTED.get(file)!;
      expect(event).toMatchObject({
        level,
        stage,
        verb,
        requestURI: uri,
        auditID: entry['insertId'],
        responseStatus: { code: Number(code) },
      });
      expect(inferredOf(event)?.includes('responseStatus.code')).toBe(inferred === 'inferred');
      const { principalEmail } = payload['authenticationInfo'] as Json;
      expect((event['user'] as Json)['username']).toBe(principalEmail);
      expect(event['sourceIPs']).toEqual([(payload['requestMetadata'] as Json)['callerIp']]);
      for (const [from, to] of [
        ['request', 'requestObject'],
        ['response', 'responseObject'],
      ] as const) {
        const body = without((payload[from] ?? {}) as Json, '@type');
        expect(event[to]).toEqual(payload[from] === undefined ? undefined : body);
      }
      const { ['authentication.kubernetes.io/credential-id']: credential, ...labels } = (entry['labels'] ?? {}) as Json;
      expect(event['annotations']).toMatchObject(labels);
      expect((event['user'] as Json)['extra'] === undefined).toBe(credential === undefined);
    });
});
