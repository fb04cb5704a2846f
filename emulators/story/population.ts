// Who and what lives in the story's cluster: nodes, namespaces, workloads, pods, service accounts and people. All from the seed.

import { type Actor, go, goText } from './encode.ts';
import { type Random, seeded } from './random.ts';

/** The cluster as the caller names it. */
export interface StoryCluster {
  readonly name: string;
  /** Twelve digits. */
  readonly account: string;
  readonly region: string;
}

export interface Node {
  readonly name: string;
  readonly ip: string;
  readonly uid: string;
  readonly instance: string;
  readonly leaseUid: string;
  readonly kubelet: Actor;
  /** Names of the images it has pulled, as in its status. */
  readonly images: readonly { readonly names: readonly string[]; readonly sizeBytes: number }[];
}

export interface Pod {
  readonly name: string;
  readonly uid: string;
  readonly ip: string;
  readonly node: Node;
  readonly workload: Workload;
}

export interface Workload {
  readonly kind: 'Deployment' | 'DaemonSet';
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly image: string;
  readonly hash: string;
  readonly setUid: string;
  readonly account: string;
  /** Container of the pod template. `@@` stands for the suffix of the token volume. */
  readonly container: Readonly<Record<string, unknown>>;
  readonly pods: Pod[];
}

export interface Person {
  readonly name: string;
  readonly admin: boolean;
  readonly actor: Actor;
  /** Name as the API server writes it into messages. */
  readonly username: string;
}

export interface Population {
  readonly cluster: StoryCluster;
  readonly version: string;
  readonly apiServers: number;
  readonly nodes: readonly Node[];
  readonly namespaces: readonly string[];
  readonly workloads: readonly Workload[];
  readonly people: readonly Person[];
  /** A service account as actor. `pod` gives it the extra of a token that is bound to a pod. */
  serviceAccount(namespace: string, name: string, agent: string, from?: Pod | string): Actor;
  /** A component of the control plane. */
  component(username: string, agent: string): Actor;
}

/** Namespaces of the applications, and what runs there. */
const APPLICATIONS: Readonly<Record<string, readonly string[]>> = {
  shop: ['storefront', 'cart', 'catalog', 'reviews', 'recommendations'],
  payments: ['payment-api', 'ledger', 'fraud-check'],
  search: ['search-api', 'indexer'],
  'shop-staging': ['storefront', 'cart', 'catalog'],
  logistics: ['routing', 'courier-api', 'label-printer'],
  monitoring: ['prometheus', 'alertmanager', 'grafana', 'kube-state-metrics'],
  'cert-manager': ['cert-manager', 'cert-manager-cainjector', 'cert-manager-webhook'],
  argocd: ['argocd-server', 'argocd-repo-server', 'argocd-application-controller'],
  ci: ['runner-controller', 'build-cache'],
  'kube-system': ['coredns', 'metrics-server', 'aws-load-balancer-controller', 'cluster-autoscaler'],
};
const DAEMONS = ['aws-node', 'kube-proxy', 'ebs-csi-node', 'node-exporter'];
const PEOPLE = [
  { name: 'alice', role: 'platform-admin', admin: true, agent: 'kubectl/v1.33.4 (darwin/arm64) kubernetes/6b1e8b9' },
  { name: 'bob', role: 'sre-oncall', admin: true, agent: 'kubectl/v1.32.8 (linux/amd64) kubernetes/2e83bc4' },
  { name: 'carol', role: 'developer', admin: false, agent: 'kubectl/v1.33.1 (darwin/arm64) kubernetes/8adc0f0' },
  { name: 'dmitri', role: 'developer', admin: false, agent: 'k9s/v0.50.9 (darwin/arm64) kubernetes/$Format' },
  { name: 'zoë.groß', role: 'developer', admin: false, agent: 'Lens/2026.1 (windows <x64> & "beta")' },
  { name: 'auditor', role: 'security-audit', admin: false, agent: 'python-requests/2.32.3' },
];
export const VERSION = 'v1.33.5';
const BUILD = 'kubernetes/f1b28ec';

function iamExtra(
  random: Random,
  cluster: StoryCluster,
  role: string,
  principal: string,
  session: string,
): Record<string, string[]> {
  return {
    accessKeyId: [`ASIA${random.upper(16)}`],
    arn: [`arn:aws:sts::${cluster.account}:assumed-role/${role}/${session}`],
    canonicalArn: [`arn:aws:iam::${cluster.account}:role/${role}`],
    principalId: [principal],
    sessionName: [session],
  };
}

/** Roles that the control plane's own accounts are bound to. */
export function bound(kind: 'ClusterRoleBinding' | 'RoleBinding', name: string, role: string, subject: string): string {
  return goText(`RBAC: allowed by ${kind} "${name}" of ClusterRole "${role}" to ${subject}`);
}

/** The image's repository in the account's registry, with its digest. */
function pulled(random: Random, repository: string, tag: string) {
  return {
    names: [`${repository}@sha256:${random.hex(64)}`, `${repository}:${tag}`],
    sizeBytes: random.between(4_000_000, 900_000_000),
  };
}

function containerOf(random: Random, name: string, image: string): Record<string, unknown> {
  const port = random.pick([8080, 8443, 9090, 3000, 50_051]);
  const env = ['LOG_LEVEL', 'OTEL_EXPORTER_OTLP_ENDPOINT', 'GOMAXPROCS', 'REGION', 'FEATURE_FLAGS', 'CACHE_TTL'];
  return {
    name,
    image,
    ...(random.chance(0.4) ? { args: ['--config=/etc/app/config.yaml', `--workers=${random.between(2, 16)}`] } : {}),
    ports: [{ name: 'http', containerPort: port, protocol: 'TCP' }],
    env: env
      .slice(0, random.between(2, env.length))
      .map((key) => ({ name: key, value: random.pick(['info', '4', 'http://otel:4317', 'a<b&c', '300s']) })),
    resources: {
      limits: { cpu: `${random.between(2, 20) * 100}m`, memory: `${random.between(1, 16) * 256}Mi` },
      requests: { cpu: `${random.between(1, 10) * 50}m`, memory: `${random.between(1, 8) * 128}Mi` },
    },
    volumeMounts: [
      { name: 'config', mountPath: '/etc/app' },
      { name: 'kube-api-access-@@', readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' },
    ],
    livenessProbe: {
      httpGet: { path: '/healthz', port: 'http', scheme: 'HTTP' },
      initialDelaySeconds: random.between(5, 60),
      timeoutSeconds: 1,
      periodSeconds: 10,
      successThreshold: 1,
      failureThreshold: 3,
    },
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    imagePullPolicy: 'IfNotPresent',
    securityContext: { runAsNonRoot: true, allowPrivilegeEscalation: false },
  };
}

/** Builds the population of one cluster. The same arguments give the same population. */
export function populate(seed: number, cluster: StoryCluster, size: { nodes: number; apiServers: number }): Population {
  const random = seeded(seed, `population/${cluster.name}`);
  const registry = `${cluster.account}.dkr.ecr.${cluster.region}.amazonaws.com`;
  const stream = () => random.int(size.apiServers);
  const controlPlane = [
    `"10.0.${random.int(64)}.${random.between(10, 250)}"`,
    `"10.0.${random.int(64)}.${random.between(10, 250)}"`,
  ];
  const nodeRole = `eks-${cluster.name}-node`;
  const nodePrincipal = `AROA${random.upper(17)}`;

  const nodes: Node[] = [];
  for (let i = 0; i < size.nodes; i++) {
    const ip = `10.0.${random.int(128)}.${random.between(4, 254)}`;
    const name = `ip-${ip.replaceAll('.', '-')}.${cluster.region}.compute.internal`;
    const instance = `i-0${random.hex(16)}`;
    const images = Array.from({ length: random.between(18, 50) }, () => {
      const app = random.pick(Object.values(APPLICATIONS).flat());
      return pulled(random, `${registry}/${app}`, `1.${random.int(90)}.${random.int(20)}`);
    });
    nodes.push({
      name,
      ip,
      uid: random.uuid(),
      instance,
      leaseUid: random.uuid(),
      images,
      kubelet: {
        user: go({
          username: `system:node:${name}`,
          uid: `aws-iam-authenticator:${cluster.account}:${nodePrincipal}`,
          groups: ['system:bootstrappers', 'system:nodes', 'system:authenticated'],
          extra: iamExtra(random, cluster, nodeRole, nodePrincipal, instance),
        }),
        agent: `kubelet/${VERSION} (linux/amd64) ${BUILD}`,
        ips: `"${ip}"`,
        reason: '',
        stream: stream(),
      },
    });
  }

  const workloads: Workload[] = [];
  const addWorkload = (kind: Workload['kind'], namespace: string, name: string, replicas: number) => {
    const image = `${registry}/${name}:1.${random.int(90)}.${random.int(20)}`;
    const hash = random.suffix(random.between(9, 10));
    const workload: Workload = {
      kind,
      namespace,
      name,
      image,
      hash,
      uid: random.uuid(),
      setUid: random.uuid(),
      account: name,
      container: containerOf(random, name, image),
      pods: [],
    };
    for (let i = 0; i < replicas; i++) {
      const node = kind === 'DaemonSet' ? nodes[i]! : random.pick(nodes);
      const podName = kind === 'DaemonSet' ? `${name}-${random.suffix(5)}` : `${name}-${hash}-${random.suffix(5)}`;
      const ip = `10.0.${random.int(128)}.${random.between(4, 254)}`;
      workload.pods.push({ name: podName, uid: random.uuid(), ip, node, workload });
    }
    workloads.push(workload);
  };
  for (const [namespace, apps] of Object.entries(APPLICATIONS)) {
    for (const app of apps) addWorkload('Deployment', namespace, app, random.between(1, 6));
  }
  for (const daemon of DAEMONS) addWorkload('DaemonSet', 'kube-system', daemon, size.nodes);

  const people = PEOPLE.map(({ name, role, admin, agent }): Person => {
    const principal = `AROA${random.upper(17)}`;
    const username = `arn:aws:sts::${cluster.account}:assumed-role/${role}/${name}`;
    const groups = admin ? ['system:masters', 'system:authenticated'] : [`${role}s`, 'system:authenticated'];
    return {
      name,
      admin,
      username,
      actor: {
        user: go({
          username,
          uid: `aws-iam-authenticator:${cluster.account}:${principal}`,
          groups,
          extra: iamExtra(random, cluster, role, principal, name),
        }),
        agent: goText(agent),
        ips: `"203.0.113.${random.between(20, 60)}"`,
        reason: admin ? '' : bound('ClusterRoleBinding', `${role}s-view`, 'view', `Group "${role}s"`),
        stream: stream(),
      },
    };
  });

  const serviceAccount: Population['serviceAccount'] = (namespace, name, agent, from) => {
    const own = seeded(
      seed,
      `account/${cluster.name}/${namespace}/${name}/${typeof from === 'string' ? from : (from?.name ?? '')}`,
    );
    const extra: Record<string, string[]> = { 'authentication.kubernetes.io/credential-id': [`JTI=${own.uuid()}`] };
    if (from !== undefined && typeof from !== 'string') {
      extra['authentication.kubernetes.io/node-name'] = [from.node.name];
      extra['authentication.kubernetes.io/node-uid'] = [from.node.uid];
      extra['authentication.kubernetes.io/pod-name'] = [from.name];
      extra['authentication.kubernetes.io/pod-uid'] = [from.uid];
    }
    const system = namespace === 'kube-system' && from === undefined;
    const role = system ? `system:controller:${name}` : name;
    return {
      user: go({
        username: `system:serviceaccount:${namespace}:${name}`,
        uid: seeded(seed, `account-uid/${cluster.name}/${namespace}/${name}`).uuid(),
        groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
        extra,
      }),
      agent: goText(agent),
      ips: from === undefined ? controlPlane[0]! : typeof from === 'string' ? `"${from}"` : `"${from.ip}"`,
      reason: bound('ClusterRoleBinding', role, role, `ServiceAccount "${name}/${namespace}"`),
      stream: own.int(size.apiServers),
    };
  };

  const component: Population['component'] = (username, agent) => ({
    user:
      username === 'system:apiserver'
        ? go({ username, uid: seeded(seed, cluster.name).uuid(), groups: ['system:authenticated', 'system:masters'] })
        : go({ username, groups: ['system:authenticated'] }),
    agent: `${agent}/${VERSION} (linux/amd64) ${BUILD}`,
    ips: username === 'system:apiserver' ? '"::1"' : controlPlane[1]!,
    reason:
      username === 'system:apiserver' ? '' : bound('ClusterRoleBinding', username, username, `User "${username}"`),
    stream: seeded(seed, username).int(size.apiServers),
  });

  return {
    cluster,
    version: VERSION,
    apiServers: size.apiServers,
    nodes,
    namespaces: ['default', 'kube-public', 'kube-node-lease', ...Object.keys(APPLICATIONS)],
    workloads,
    people,
    serviceAccount,
    component,
  };
}
