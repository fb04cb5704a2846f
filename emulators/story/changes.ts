// Changes of workloads by controllers and releases, and the rare huge objects.

import { definitionBody, podBody, scalerBody } from './bodies.ts';
import type { Cast, Kind } from './cast.ts';
import { go } from './encode.ts';
import type { Rollouts } from './rollouts.ts';

/** Kinds of traffic that write objects with bodies. */
export function changing(cast: Cast, changes: Rollouts): Kind[] {
  const {
    send,
    cronController,
    scaler,
    namespaceController,
    deployments,
    daemons,
    argo,
    deployer,
    random,
    nodes,
    stage,
  } = cast;
  const { slices, setStatus, replace, release } = changes;
  const definitions = new Map<string, string>();
  const definition = (name: string, bytes: number) => {
    const known = definitions.get(name) ?? definitionBody(stage.seed, name, bytes);
    definitions.set(name, known);
    return known;
  };
  return [
    { name: 'endpoint slices', weight: 4, size: 'light', run: () => slices(random.pick(deployments)) },
    {
      name: 'autoscaling',
      weight: 10,
      size: 'heavy',
      run: () => {
        const workload = random.pick(deployments);
        const version = stage.version();
        const load = random.between(12, 96);
        send({
          level: 'RequestResponse',
          verb: 'update',
          actor: scaler,
          target: {
            group: 'autoscaling',
            version: 'v2',
            resource: 'horizontalpodautoscalers',
            namespace: workload.namespace,
            name: workload.name,
            uid: workload.setUid,
            resourceVersion: String(version),
            sub: 'status',
          },
          code: 200,
          request: scalerBody(workload, stage.now(), version, load, 'request'),
          response: scalerBody(workload, stage.now(), version + random.between(1, 9), load, 'stored'),
        });
      },
    },
    {
      name: 'daemon set status',
      weight: 4,
      size: 'heavy',
      run: () => setStatus(random.pick(daemons), 'DaemonSet', nodes.length - random.int(2)),
    },
    {
      name: 'pods replaced',
      weight: 2,
      size: 'heavy',
      run: () => {
        const workload = random.pick(deployments);
        replace(workload, random.int(workload.pods.length));
      },
    },
    {
      name: 'releases',
      weight: 0.5,
      size: 'heavy',
      human: true,
      run: () => release(random.pick(deployments), deployer, 'helm', random.chance(0.3)),
    },
    {
      name: 'argo syncs',
      weight: 1,
      size: 'heavy',
      run: () => release(random.pick(deployments), argo, 'argocd-controller', random.chance(0.8)),
    },
    {
      name: 'jobs',
      weight: 3,
      size: 'heavy',
      run: () => {
        const { namespace, name } = random.pick(deployments);
        const minute = Math.floor(stage.now() / 60e6);
        const spec = go({
          backoffLimit: 3,
          template: {
            metadata: { labels: { job: name } },
            spec: {
              containers: [
                { name: 'run', image: `busybox:1.37`, args: ['sh', '-c', `report --since=${minute} && echo "<done>"`] },
              ],
              restartPolicy: 'OnFailure',
            },
          },
        });
        const metadata = `"name":"${name}-report-${minute}","namespace":"${namespace}"`;
        send({
          level: 'RequestResponse',
          verb: 'create',
          actor: cronController,
          target: { group: 'batch', resource: 'jobs', namespace, bodyName: `${name}-report-${minute}` },
          code: 201,
          request: `{"kind":"Job","apiVersion":"batch/v1","metadata":{${metadata}},"spec":${spec},"status":{}}`,
          response: `{"kind":"Job","apiVersion":"batch/v1","metadata":{${metadata},"uid":"${random.uuid()}","resourceVersion":"${stage.version()}","generation":1},"spec":${spec},"status":{}}`,
        });
      },
    },
    {
      name: 'custom resource definitions',
      weight: 3,
      size: 'huge',
      run: () => {
        const [name, bytes] = random.pick([
          ['prometheuses.monitoring.coreos.com', 150_000],
          ['certificates.cert-manager.io', 22_000],
          ['applications.argoproj.io', 60_000],
          ['issuers.cert-manager.io', 45_000],
        ] as const);
        const body = definition(name, bytes);
        send({
          level: 'RequestResponse',
          verb: 'patch',
          actor: argo,
          target: { group: 'apiextensions.k8s.io', resource: 'customresourcedefinitions', name },
          query: 'fieldManager=argocd-controller&force=true',
          code: 200,
          request: body,
          response: body,
          took: Math.round(random.skewed(300_000, 0.7)),
        });
      },
    },
    {
      name: 'collections deleted',
      weight: 1,
      size: 'huge',
      run: () => {
        const { namespace } = random.pick(deployments);
        const pods = deployments.flatMap((workload) => (workload.namespace === namespace ? workload.pods : []));
        const items = pods.map((pod) =>
          podBody(pod, stage.now(), stage.version(), 'stored', true).replace('"kind":"Pod","apiVersion":"v1",', ''),
        );
        const list = `{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"${stage.version()}"},"items":[${items.join(',')}]}`;
        send({
          level: 'RequestResponse',
          verb: 'deletecollection',
          actor: deployer,
          target: { resource: 'pods', namespace },
          query: 'labelSelector=ci%2Fpreview%3Dtrue',
          code: 200,
          response: list,
        });
        stage.later(2e6, () =>
          send({
            level: 'Request',
            verb: 'deletecollection',
            actor: namespaceController,
            target: { group: 'apps', resource: 'replicasets', namespace: `${namespace}-preview` },
            code: 200,
          }),
        );
      },
    },
  ];
}
