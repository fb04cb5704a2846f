// The ordinary traffic of a cluster: what each kind of request is, how often it comes, and which others follow from it.

import { definitionBody, nodeStatusPatch, podBody, podStatusPatch, scalerBody, setBody } from './bodies.ts';
import { type Actor, type Call, failing, go, missing, outdated, refused, type Target } from './encode.ts';
import { bound, type Node, type Pod, type Population, VERSION, type Workload } from './population.ts';
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
const LEASE = { group: 'coordination.k8s.io', version: 'v1', resource: 'leases' };

/** All kinds of traffic of one cluster. */
export function traffic(stage: Stage): Kind[] {
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

  /** A kubelet starts a pod: reads it, gets a token, reports its status. */
  const start = (pod: Pod) => {
    const { kubelet } = pod.node;
    send({ level: 'Request', verb: 'get', actor: kubelet, target: podTarget(pod), code: 200 });
    stage.later(random.between(20, 400) * 1000, () => token(pod));
    stage.later(random.between(1500, 9000) * 1000, () => {
      send({
        level: 'Request',
        verb: 'patch',
        actor: kubelet,
        target: podTarget(pod, 'status'),
        code: 200,
        request: podStatusPatch(pod, stage.now(), random, true),
      });
      slices(pod.workload);
    });
  };
  const token = (pod: Pod) =>
    send({
      level: 'Request',
      verb: 'create',
      actor: pod.node.kubelet,
      target: {
        resource: 'serviceaccounts',
        namespace: pod.workload.namespace,
        name: pod.workload.account,
        sub: 'token',
      },
      code: 201,
      keepsReceived: true,
      before: `"authentication.kubernetes.io/issued-credential-id":"JTI=${random.uuid()}"`,
      request:
        `{"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","metadata":{},"spec":{"audiences":null,"expirationSeconds":3607,` +
        `"boundObjectRef":{"kind":"Pod","apiVersion":"v1","name":"${pod.name}","uid":"${pod.uid}"}},"status":{"token":"","expirationTimestamp":null}}`,
    });
  const slices = (workload: Workload) =>
    send({
      level: 'Metadata',
      verb: 'update',
      actor: sliceController,
      target: {
        group: 'discovery.k8s.io',
        resource: 'endpointslices',
        namespace: workload.namespace,
        name: `${workload.name}-${workload.setUid.slice(0, 5)}`,
        uid: workload.setUid,
        resourceVersion: String(stage.version()),
      },
      code: 200,
    });
  const setStatus = (workload: Workload, kind: 'Deployment' | 'ReplicaSet' | 'DaemonSet', ready: number) => {
    const version = stage.version();
    const isSet = kind === 'ReplicaSet';
    const resource = `${kind.toLowerCase()}s`;
    const actor = { Deployment: deploymentController, ReplicaSet: setController, DaemonSet: daemonController }[kind];
    const target: Target = {
      group: 'apps',
      resource,
      namespace: workload.namespace,
      name: isSet ? `${workload.name}-${workload.hash}` : workload.name,
      uid: isSet ? workload.setUid : workload.uid,
      resourceVersion: String(version),
      sub: 'status',
    };
    const request = setBody(workload, kind, stage.now(), version, ready, 'request');
    if (random.chance(0.03)) {
      const conflict = outdated(target);
      send({
        level: 'RequestResponse',
        verb: 'update',
        actor,
        target,
        request,
        response: conflict.status,
        ...conflict,
      });
      return;
    }
    const response = setBody(workload, kind, stage.now(), version + random.between(1, 9), ready, 'stored');
    send({ level: 'RequestResponse', verb: 'update', actor, target, code: 200, request, response });
  };
  /** A new pod in the place of an old one. */
  const replace = (workload: Workload, index: number) => {
    const old = workload.pods[index]!;
    const node = random.pick(nodes);
    const name = `${old.name.slice(0, -5)}${random.suffix(5)}`;
    const pod: Pod = {
      name,
      uid: random.uuid(),
      ip: `10.0.${random.int(128)}.${random.between(4, 254)}`,
      node,
      workload,
    };
    workload.pods[index] = pod;
    send({
      level: 'RequestResponse',
      verb: 'create',
      actor: setController,
      target: { resource: 'pods', namespace: workload.namespace },
      code: 201,
      request: podBody(pod, stage.now(), 0, 'request', false),
      response: podBody(pod, stage.now(), stage.version(), 'stored', false),
      after: '"pod-security.kubernetes.io/enforce-policy":"baseline:latest"',
    });
    stage.later(random.between(8, 60) * 1000, () =>
      send({
        level: 'RequestResponse',
        verb: 'create',
        actor: scheduler,
        target: { ...podTarget(pod, 'binding'), uid: pod.uid },
        code: 201,
        failure: '"status":"Success"',
        request: `{"kind":"Binding","apiVersion":"v1","metadata":{"name":"${name}","namespace":"${workload.namespace}","uid":"${pod.uid}"},"target":{"kind":"Node","name":"${node.name}"}}`,
        response: '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success","code":201}',
      }),
    );
    stage.later(random.between(100, 900) * 1000, () => start(pod));
    stage.later(random.between(12_000, 40_000) * 1000, () =>
      send({
        level: 'RequestResponse',
        verb: 'delete',
        actor: old.node.kubelet,
        target: podTarget(old),
        code: 200,
        request: `{"kind":"DeleteOptions","apiVersion":"meta.k8s.io/__internal","gracePeriodSeconds":0,"preconditions":{"uid":"${old.uid}"}}`,
        response: podBody(old, stage.now(), stage.version(), 'stored', true),
      }),
    );
  };
  /** A release by the deployer or by argo: a patch, and all that the controllers do about it. */
  const release = (workload: Workload, actor: Actor, fieldManager: string, dryRun: boolean) => {
    const tag = `1.${random.int(90)}.${random.int(20)}`;
    const request = go({
      spec: {
        template: { spec: { containers: [{ name: workload.name, image: workload.image.replace(/[^:]*$/, tag) }] } },
      },
    });
    send({
      level: 'RequestResponse',
      verb: 'patch',
      actor,
      target: { group: 'apps', resource: 'deployments', namespace: workload.namespace, name: workload.name },
      query: `${dryRun ? 'dryRun=All&' : ''}fieldManager=${fieldManager}&fieldValidation=Strict&force=true`,
      code: 200,
      request,
      response: setBody(workload, 'Deployment', stage.now(), stage.version(), workload.pods.length, 'stored'),
    });
    if (dryRun) return;
    stage.later(25_000, () => setStatus(workload, 'Deployment', 0));
    workload.pods.forEach((_, index) => {
      const wait = (0.1 + index * 9) * 1e6;
      stage.later(wait, () => replace(workload, index));
      stage.later(wait + 7e6, () => setStatus(workload, 'ReplicaSet', index + 1));
      stage.later(wait + 7.1e6, () => setStatus(workload, 'Deployment', index + 1));
    });
  };

  const person = () => random.pick(people);
  const reads: readonly Target[] = [
    { resource: 'pods' },
    { group: 'apps', resource: 'deployments' },
    { resource: 'services' },
    { group: 'batch', resource: 'cronjobs' },
    { group: 'networking.k8s.io', resource: 'ingresses' },
    { resource: 'configmaps' },
  ];
  const levelOf = ({ resource, group }: Target): Call['level'] =>
    resource === 'configmaps' || resource === 'secrets' || group === 'argoproj.io' ? 'Metadata' : 'Request';

  const definitions = new Map<string, string>();
  const definition = (name: string, bytes: number) => {
    const known = definitions.get(name) ?? definitionBody(stage.seed, name, bytes);
    definitions.set(name, known);
    return known;
  };

  return [
    {
      name: 'node lease',
      weight: 22,
      size: 'light',
      run: () => {
        const node = nextNode();
        lease(node.kubelet, 'kube-node-lease', node.name, node.leaseUid, 'timeout=10s');
      },
    },
    {
      name: 'leader election',
      weight: 16,
      size: 'light',
      run: () => {
        const { actor, namespace, name, uid } = random.pick(elections);
        const target = { ...LEASE, namespace, name };
        if (random.chance(0.3)) send({ level: 'Metadata', verb: 'get', actor, target, query: 'timeout=5s', code: 200 });
        else if (random.chance(0.02)) send({ level: 'Metadata', verb: 'update', actor, target, ...outdated(target) });
        else lease(actor, namespace, name, uid, 'timeout=5s');
      },
    },
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
      name: 'watches',
      weight: 11,
      size: 'light',
      run: () => {
        const [level, target] = random.pick(watched);
        watch(random.pick(watchers), level, target);
      },
    },
    {
      name: 'informer lists',
      weight: 3,
      size: 'light',
      run: () => {
        const [level, target] = random.pick(watched);
        const more = random.chance(0.3)
          ? `&continue=${Buffer.from(random.hex(60)).toString('base64url')}`
          : '&resourceVersion=0';
        const slow = random.chance(0.15) ? { took: Math.round(random.skewed(700_000, 0.6)) } : {};
        send({
          level,
          verb: 'list',
          actor: random.pick(watchers),
          target,
          query: `limit=500${more}`,
          code: 200,
          ...slow,
        });
      },
    },
    {
      name: 'probes and discovery',
      weight: 6,
      size: 'light',
      run: () => {
        const path = random.pick([
          '/readyz',
          '/livez',
          '/readyz',
          '/apis/metrics.k8s.io/v1beta1',
          '/openapi/v3',
          '/api',
          '/apis',
        ]);
        send({
          level: 'Metadata',
          verb: 'get',
          actor: path.endsWith('z') ? apiserver : random.pick(watchers),
          path,
          code: 200,
          took: random.between(60, 900),
        });
      },
    },
    { name: 'endpoint slices', weight: 4, size: 'light', run: () => slices(random.pick(deployments)) },
    {
      name: 'custom resources',
      weight: 7,
      size: 'light',
      run: () => {
        const workload = random.pick(deployments);
        const [actor, target]: [Actor, Target] = random.chance(0.6)
          ? [
              argo,
              {
                group: 'argoproj.io',
                version: 'v1alpha1',
                resource: 'applications',
                namespace: 'argocd',
                name: workload.name,
              },
            ]
          : [
              certManager,
              {
                group: 'cert-manager.io',
                resource: 'certificates',
                namespace: workload.namespace,
                name: `${workload.name}-tls`,
                sub: 'status',
              },
            ];
        const verb = target.sub === undefined ? random.pick(['patch', 'get', 'patch']) : 'update';
        const written = verb === 'update' ? { uid: workload.setUid, resourceVersion: String(stage.version()) } : {};
        if (verb === 'patch' && random.chance(0.2)) {
          send({
            level: 'Metadata',
            verb,
            actor,
            target,
            query: 'dryRun=All&fieldManager=argocd-controller&force=true',
            code: 200,
          });
        } else send({ level: 'Metadata', verb, actor, target: { ...target, ...written }, code: 200 });
      },
    },
    {
      name: 'token reviews',
      weight: 2,
      size: 'light',
      run: () =>
        send({
          level: 'Metadata',
          verb: 'create',
          actor: random.chance(0.5) ? metrics : nextNode().kubelet,
          target: { group: 'authentication.k8s.io', resource: 'tokenreviews' },
          code: 201,
        }),
    },
    {
      name: 'scheduler events',
      weight: 3,
      size: 'light',
      run: () => {
        const { namespace } = random.pick(deployments);
        send({
          level: 'Metadata',
          verb: 'create',
          actor: scheduler,
          target: { group: 'events.k8s.io', resource: 'events', namespace },
          code: 201,
        });
      },
    },
    {
      name: 'config maps of controllers',
      weight: 3,
      size: 'light',
      run: () => {
        const target: Target = { resource: 'configmaps', namespace: 'kube-system', name: 'cluster-autoscaler-status' };
        if (random.chance(0.5)) send({ level: 'Metadata', verb: 'get', actor: autoscaler, target, code: 200 });
        else
          send({
            level: 'Metadata',
            verb: 'update',
            actor: autoscaler,
            target: { ...target, uid: elections[3]!.uid, resourceVersion: String(stage.version()) },
            code: 200,
          });
      },
    },
    {
      name: 'not found',
      weight: 2,
      size: 'light',
      run: () => {
        const { namespace, name } = random.pick(deployments);
        const target: Target = random.chance(0.5)
          ? { resource: 'secrets', namespace, name: `${name}-registry` }
          : { group: 'networking.k8s.io', resource: 'networkpolicies', namespace, name };
        send({
          level: levelOf(target),
          verb: 'get',
          actor: random.pick([argo, certManager, balancer]),
          target,
          ...missing(target),
        });
      },
    },
    {
      name: 'people read',
      weight: 5,
      size: 'light',
      human: true,
      run: () => {
        const { actor, username, admin } = person();
        const { namespace } = random.pick(deployments);
        const secret = random.chance(0.08);
        const target: Target = secret ? { resource: 'secrets', namespace } : { ...random.pick(reads), namespace };
        if (secret && !admin) {
          send({
            level: 'Metadata',
            verb: 'list',
            actor,
            target,
            query: 'limit=500',
            forbidden: true,
            ...refused(username, 'list', target),
          });
        } else if (random.chance(0.15)) {
          send({
            level: 'Request',
            verb: 'get',
            actor,
            target: podTarget(random.pick(random.pick(deployments).pods), 'log'),
            query: 'container=app&tailLines=200',
            code: 200,
            startedAfter: took(),
            took: 40_000 + random.int(900_000),
          });
        } else send({ level: levelOf(target), verb: 'list', actor, target, query: 'limit=500', code: 200 });
      },
    },
    {
      name: 'expired credentials',
      weight: 0.15,
      size: 'light',
      run: () => {
        const { actor } = person();
        const { namespace } = random.pick(deployments);
        const target = { ...random.pick(reads), namespace };
        const failure = '"status":"Failure","message":"Unauthorized","reason":"Unauthorized"';
        send({
          level: levelOf(target),
          verb: 'list',
          actor: { ...actor, user: '{}' },
          target,
          query: 'limit=500',
          code: 401,
          failure,
          took: random.between(150, 900),
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
      name: 'people write',
      weight: 1.5,
      size: 'heavy',
      human: true,
      run: () => {
        const { actor, admin, username } = person();
        const workload = random.pick(deployments);
        const target: Target = {
          group: 'apps',
          resource: 'deployments',
          namespace: workload.namespace,
          name: workload.name,
        };
        const request = '{"spec":{"replicas":' + `${random.between(1, 9)}}}`;
        if (!admin) {
          const no = refused(username, 'patch', target);
          send({
            level: 'RequestResponse',
            verb: 'patch',
            actor,
            target,
            query: 'fieldManager=kubectl-edit',
            forbidden: true,
            response: no.status,
            ...no,
          });
        } else if (random.chance(0.25)) {
          const command = random.pick([
            'sh',
            'bash',
            'env',
            'cat&command=%2Fetc%2Fapp%2Fconfig.yaml',
            'ls&command=-la&command=%2Ftmp',
          ]);
          send({
            level: 'Request',
            verb: 'get',
            actor,
            target: podTarget(random.pick(workload.pods), 'exec'),
            query: `command=${command}&container=${workload.name}&stdin=true&stdout=true&tty=true`,
            code: 101,
            startedAfter: random.between(9000, 60_000),
            took: random.between(1, 600) * 1_000_000,
          });
        } else if (random.chance(0.2)) {
          const as = go({
            username: 'system:serviceaccount:ci:deployer',
            groups: ['system:serviceaccounts', 'system:serviceaccounts:ci', 'system:authenticated'],
          });
          send({
            level: 'Request',
            verb: 'list',
            actor,
            target: { resource: 'pods', namespace: workload.namespace },
            query: 'limit=500',
            code: 200,
            impersonated: as,
          });
        } else if (random.chance(0.1)) {
          const wrong = failing(
            422,
            `Deployment.apps "${workload.name}" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0`,
            target,
          );
          send({
            level: 'RequestResponse',
            verb: 'patch',
            actor,
            target,
            query: 'fieldManager=kubectl-edit',
            request: '{"spec":{"replicas":-1}}',
            response: wrong.status,
            ...wrong,
          });
        } else {
          send({
            level: 'RequestResponse',
            verb: 'patch',
            actor,
            target: { ...target, sub: 'scale' },
            query: 'fieldManager=kubectl',
            code: 200,
            request,
            response: `{"kind":"Scale","apiVersion":"autoscaling/v1","metadata":{"name":"${workload.name}","namespace":"${workload.namespace}","uid":"${workload.uid}","resourceVersion":"${stage.version()}"},${request.slice(1, -1)},"status":{"replicas":${workload.pods.length},"selector":"app=${workload.name}"}}`,
          });
        }
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
