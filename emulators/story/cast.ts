// Who acts in the ordinary traffic of a cluster, and the requests that all of them make.

import { type Actor, type Call, type Target } from './encode.ts';
import { type Node, type Pod, type Population, VERSION } from './population.ts';
import type { Random } from './random.ts';

/** What a request may use: the cluster, chance, the time, and a way to send requests now or later. */
export interface Stage {
  readonly population: Population;
  readonly random: Random;
  readonly seed: number;
  /** Microseconds since the epoch. */
  now(): number;
  /** A resourceVersion of now. They rise with time. */
  version(): number;
  send(call: Call): void;
  /** Runs `next` so many microseconds later. */
  later(us: number, next: () => void): void;
}

/** A kind of traffic. */
export interface Kind {
  readonly name: string;
  /** Share among its own class. */
  readonly weight: number;
  /** `light` lines have no or small bodies; `heavy` ones make up the volume; `huge` ones the long tail. */
  readonly size: 'light' | 'heavy' | 'huge';
  /** People keep office hours; the rest works around the clock. */
  readonly human?: boolean;
  run(): void;
}

const CONTROLLER_MANAGER = `kube-controller-manager/${VERSION} (linux/amd64) kubernetes/f1b28ec`;
export const LEASE = { group: 'coordination.k8s.io', version: 'v1', resource: 'leases' };

/** The actors of a cluster and the requests that several kinds of traffic have in common. */
export function assemble(stage: Stage) {
  const { population, random } = stage;
  const { nodes, workloads, people } = population;
  const took = () => Math.max(180, Math.round(random.skewed(2600, 0.9)));
  const send = (call: Omit<Call, 'took'> & { took?: number }) => stage.send({ took: took(), ...call });

  const controller = (name: string) =>
    population.serviceAccount('kube-system', name, `${CONTROLLER_MANAGER}/system:serviceaccount:kube-system:${name}`);
  const deploymentController = controller('deployment-controller');
  const setController = controller('replicaset-controller');
  const daemonController = controller('daemon-set-controller');
  const cronController = controller('cronjob-controller');
  const sliceController = controller('endpointslice-controller');
  const scaler = controller('horizontal-pod-autoscaler');
  const namespaceController = controller('namespace-controller');
  const apiserver = population.component('system:apiserver', 'kube-apiserver');
  const manager = population.component('system:kube-controller-manager', 'kube-controller-manager');
  const scheduler = population.component('system:kube-scheduler', 'kube-scheduler');
  const deployments = workloads.filter(({ kind }) => kind === 'Deployment');
  const daemons = workloads.filter(({ kind }) => kind === 'DaemonSet');
  const inPod = (namespace: string, name: string, agent: string): Actor => {
    const workload = workloads.find((one) => one.namespace === namespace && one.name === name);
    return population.serviceAccount(namespace, name, agent, workload?.pods[0]);
  };
  const argo = inPod('argocd', 'argocd-application-controller', 'argocd-application-controller/v3.1.4');
  const certManager = inPod(
    'cert-manager',
    'cert-manager',
    'cert-manager-certificates/v1.18.2 (linux/amd64) cert-manager/0d6f3b1',
  );
  const autoscaler = inPod(
    'kube-system',
    'cluster-autoscaler',
    'cluster-autoscaler/v1.33.0 (linux/amd64) kubernetes/4f1a2b7',
  );
  const metrics = inPod('kube-system', 'metrics-server', 'metrics-server/v0.8.0 (linux/amd64) metrics-server/$Format');
  const stateMetrics = inPod('monitoring', 'kube-state-metrics', 'v2.16.0 (linux/amd64) kube-state-metrics/$Format');
  const balancer = inPod(
    'kube-system',
    'aws-load-balancer-controller',
    'elbv2.k8s.aws/v2.13.4 (linux/amd64) kubernetes/$Format',
  );
  const deployer = population.serviceAccount(
    'ci',
    'deployer',
    'helm/v3.18.6 (linux/amd64) helm/b76a950',
    '203.0.113.10',
  );
  const daemonAccounts = daemons.flatMap((daemon) =>
    daemon.pods
      .slice(0, 12)
      .map((pod) =>
        population.serviceAccount(
          'kube-system',
          daemon.name,
          `${daemon.name}/v1.20.1 (linux/amd64) kubernetes/$Format`,
          pod,
        ),
      ),
  );
  const coredns = inPod('kube-system', 'coredns', 'coredns/v1.12.3 (linux/amd64) kubernetes/$Format');

  let turn = 0;
  const nextNode = (): Node => nodes[turn++ % nodes.length]!;
  const anyPod = (): Pod => random.pick(random.pick(workloads).pods);
  const podTarget = (pod: Pod, sub?: string): Target => ({
    resource: 'pods',
    namespace: pod.workload.namespace,
    name: pod.name,
    ...(sub === undefined ? {} : { sub }),
  });

  const lease = (actor: Actor, namespace: string, name: string, uid: string, query?: string) =>
    send({
      level: 'Metadata',
      verb: 'update',
      actor,
      target: { ...LEASE, namespace, name, uid, resourceVersion: String(stage.version()) },
      ...(query === undefined ? {} : { query }),
      code: 200,
    });

  const elections = (
    [
      [manager, 'kube-system', 'kube-controller-manager'],
      [scheduler, 'kube-system', 'kube-scheduler'],
      [certManager, 'kube-system', 'cert-manager-controller'],
      [autoscaler, 'kube-system', 'cluster-autoscaler'],
      [argo, 'argocd', 'argocd-application-controller'],
      [balancer, 'kube-system', 'aws-load-balancer-controller-leader'],
    ] as const
  ).map(([actor, namespace, name]) => ({ actor, namespace, name, uid: random.uuid() }));

  /** A watch: begins now, ends when its timeout has passed. */
  const watch = (actor: Actor, level: Call['level'], target: Target, more = '') => {
    const seconds = random.between(300, 599);
    const minutes = `${Math.floor(seconds / 60)}m${seconds % 60}s`;
    send({
      level,
      verb: 'watch',
      actor,
      target,
      query: `allowWatchBookmarks=true${more}&resourceVersion=${stage.version()}&timeout=${minutes}&timeoutSeconds=${seconds}&watch=true`,
      code: 200,
      startedAfter: took(),
      took: seconds * 1_000_000 + random.between(200, 90_000),
    });
  };
  const watched: readonly (readonly [Call['level'], Target])[] = [
    ['Request', { resource: 'pods' }],
    ['Request', { resource: 'services' }],
    ['Request', { resource: 'namespaces' }],
    ['Request', { resource: 'nodes' }],
    ['Request', { group: 'apps', resource: 'deployments' }],
    ['Request', { group: 'apps', resource: 'statefulsets' }],
    ['Request', { group: 'networking.k8s.io', resource: 'ingresses' }],
    ['Request', { group: 'storage.k8s.io', resource: 'csinodes' }],
    ['Metadata', { group: 'discovery.k8s.io', resource: 'endpointslices' }],
    ['Metadata', { group: 'cert-manager.io', resource: 'certificates' }],
    ['Metadata', { group: 'argoproj.io', version: 'v1alpha1', resource: 'applications' }],
    ['Metadata', { resource: 'configmaps' }],
  ];
  const watchers = [
    manager,
    scheduler,
    argo,
    certManager,
    autoscaler,
    stateMetrics,
    balancer,
    coredns,
    ...daemonAccounts,
  ];
  const levelOf = ({ resource, group }: Target): Call['level'] =>
    resource === 'configmaps' || resource === 'secrets' || group === 'argoproj.io' ? 'Metadata' : 'Request';

  return {
    stage,
    took,
    send,
    deploymentController,
    setController,
    daemonController,
    cronController,
    sliceController,
    scaler,
    namespaceController,
    apiserver,
    manager,
    scheduler,
    deployments,
    daemons,
    argo,
    certManager,
    autoscaler,
    metrics,
    stateMetrics,
    balancer,
    deployer,
    daemonAccounts,
    coredns,
    nextNode,
    anyPod,
    podTarget,
    lease,
    elections,
    watch,
    watched,
    watchers,
    levelOf,
    population,
    random,
    nodes,
    workloads,
    people,
  };
}

export type Cast = ReturnType<typeof assemble>;
