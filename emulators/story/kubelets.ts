// What the nodes ask and tell all day long.

import { nodeStatusPatch, podStatusPatch } from './bodies.ts';
import type { Cast, Kind } from './cast.ts';
import { bound } from './population.ts';
import type { Rollouts } from './rollouts.ts';

/** Kinds of traffic of the kubelets. */
export function kubelets(cast: Cast, changes: Rollouts): Kind[] {
  const { send, nextNode, anyPod, podTarget, elections, watch, random, stage } = cast;
  const { token } = changes;
  return [
    {
      name: 'kubelet reads',
      weight: 9,
      size: 'light',
      run: () => {
        const pod = anyPod();
        const { kubelet } = pod.node;
        const { namespace, name } = pod.workload;
        if (random.chance(0.5))
          send({ level: 'Request', verb: 'get', actor: kubelet, target: podTarget(pod), code: 200 });
        else if (random.chance(0.6)) {
          const config = random.chance(0.3) ? 'kube-root-ca.crt' : `${name}-config`;
          const query = `&fieldSelector=metadata.name%3D${config}`;
          // a selector by name puts the name into objectRef, not into the path
          watch(kubelet, 'Metadata', { resource: 'configmaps', namespace, bodyName: config }, query);
        } else
          send({
            level: 'Metadata',
            verb: 'get',
            actor: kubelet,
            target: { resource: 'secrets', namespace, name: `${name}-tls` },
            code: 200,
          });
      },
    },
    {
      name: 'pod status',
      weight: 26,
      size: 'heavy',
      run: () => {
        const pod = anyPod();
        send({
          level: 'Request',
          verb: 'patch',
          actor: pod.node.kubelet,
          target: podTarget(pod, 'status'),
          code: 200,
          request: podStatusPatch(pod, stage.now(), random, random.chance(0.6)),
        });
      },
    },
    {
      name: 'node status',
      weight: 14,
      size: 'heavy',
      run: () => {
        const node = nextNode();
        send({
          level: 'Request',
          verb: 'patch',
          actor: node.kubelet,
          target: { resource: 'nodes', name: node.name, sub: 'status' },
          query: 'timeout=10s',
          code: 200,
          request: nodeStatusPatch(node, stage.now(), random.chance(0.12)),
        });
      },
    },
    { name: 'tokens of pods', weight: 12, size: 'heavy', run: () => token(anyPod()) },
    {
      name: 'access reviews',
      weight: 10,
      size: 'heavy',
      run: () => {
        const { kubelet } = nextNode();
        const account = random.pick(['prometheus', 'metrics-server']);
        const spec = `"spec":{"nonResourceAttributes":{"path":"/metrics${random.chance(0.5) ? '/cadvisor' : ''}","verb":"get"},"user":"system:serviceaccount:monitoring:${account}","groups":["system:serviceaccounts","system:serviceaccounts:monitoring","system:authenticated"],"uid":"${elections[0]!.uid}"}`;
        const head = '{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1","metadata":{},';
        send({
          level: 'RequestResponse',
          verb: 'create',
          actor: kubelet,
          target: { group: 'authorization.k8s.io', resource: 'subjectaccessreviews' },
          code: 201,
          request: `${head}${spec},"status":{"allowed":false}}`,
          response: `${head}${spec},"status":{"allowed":true,"reason":"${bound('ClusterRoleBinding', account, account, `ServiceAccount "${account}/monitoring"`)}"}}`,
        });
      },
    },
  ];
}
