// Bodies of objects as the API server encodes them: members in the order of the Go types, managedFields included.

import { go, time } from './encode.ts';
import { type Random, seeded } from './random.ts';
import type { Node, Pod, Workload } from './population.ts';

/** FieldsV1 of a value: which fields a manager owns. */
export function ownedFields(value: unknown): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  if (Array.isArray(value)) {
    if (!value.every((item) => typeof item === 'object' && item !== null && 'name' in item)) return {};
    fields['.'] = {};
    for (const item of value) {
      fields[`k:${JSON.stringify({ name: item.name })}`] = { '.': {}, ...ownedFields(item) };
    }
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, child] of Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) {
      fields[`f:${key}`] = ownedFields(child);
    }
  }
  return fields;
}

/** One entry of managedFields. */
export function managed(manager: string, version: string, at: number, fields: string, sub?: string): string {
  const subresource = sub === undefined ? '' : `,"subresource":"${sub}"`;
  return (
    `{"manager":"${manager}","operation":"${manager.startsWith('argocd') ? 'Apply' : 'Update'}","apiVersion":"${version}",` +
    `"time":"${time(at)}","fieldsType":"FieldsV1","fieldsV1":${fields}${subresource}}`
  );
}

/** What is the same in every body of a workload, as text. */
interface Texts {
  readonly podRest: string;
  readonly podFields: string;
  readonly container: string;
  readonly templateSpec: string;
  readonly setFields: string;
}

const texts = new WeakMap<Workload, Texts>();
const TOLERATIONS =
  '"tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},' +
  '{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}],"priority":0,' +
  '"enableServiceLinks":true,"preemptionPolicy":"PreemptLowerPriority"';
const REST = {
  restartPolicy: 'Always',
  terminationGracePeriodSeconds: 30,
  dnsPolicy: 'ClusterFirst',
  securityContext: { fsGroup: 1000 },
  schedulerName: 'default-scheduler',
};

function textsOf(workload: Workload): Texts {
  const known = texts.get(workload);
  if (known !== undefined) return known;
  const { container } = workload;
  const volumes = [{ name: 'config', configMap: { name: `${workload.name}-config`, defaultMode: 420 } }];
  const mounts = { ...container, volumeMounts: [{ name: 'config', mountPath: '/etc/app' }] };
  const templateSpec = {
    volumes,
    containers: [mounts],
    ...REST,
    serviceAccountName: workload.account,
    serviceAccount: workload.account,
  };
  const spec = { replicas: 1, selector: {}, template: { metadata: { labels: { app: 1 } }, spec: templateSpec } };
  const made: Texts = {
    container: go(container),
    podRest:
      `"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst",` +
      `"serviceAccountName":"${workload.account}","serviceAccount":"${workload.account}"`,
    podFields: go({
      'f:metadata': {
        'f:generateName': {},
        'f:labels': { '.': {}, 'f:app': {}, 'f:pod-template-hash': {} },
        'f:ownerReferences': {},
      },
      'f:spec': ownedFields(templateSpec),
    }),
    templateSpec: go(templateSpec),
    setFields: go({ 'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } }, 'f:spec': ownedFields(spec) }),
  };
  texts.set(workload, made);
  return made;
}

const owner = (workload: Workload) =>
  workload.kind === 'DaemonSet'
    ? { kind: 'DaemonSet', name: workload.name, uid: workload.uid }
    : { kind: 'ReplicaSet', name: `${workload.name}-${workload.hash}`, uid: workload.setUid };

/** A Pod. `created`: as the controller asks for it (`request`) or as it was stored. */
export function podBody(pod: Pod, at: number, version: number, form: 'request' | 'stored', scheduled: boolean): string {
  const { workload } = pod;
  const text = textsOf(workload);
  const parent = owner(workload);
  const suffix = pod.uid.slice(0, 5);
  const generate = pod.name.slice(0, -5);
  const stored =
    form === 'request'
      ? `"generateName":"${generate}"`
      : `"name":"${pod.name}","generateName":"${generate}","namespace":"${workload.namespace}","uid":"${pod.uid}",` +
        `"resourceVersion":"${version}","generation":1,"creationTimestamp":"${time(at)}"`;
  const owned =
    form === 'request' ? '' : `,"managedFields":[${managed('kube-controller-manager', 'v1', at, text.podFields)}]`;
  const labels = `"labels":{"app":"${workload.name}","pod-template-hash":"${workload.hash}"}`;
  const token =
    form === 'request'
      ? ''
      : `,{"name":"kube-api-access-${suffix}","projected":{"sources":[{"serviceAccountToken":{"expirationSeconds":3607,"path":"token"}},` +
        `{"configMap":{"name":"kube-root-ca.crt","items":[{"key":"ca.crt","path":"ca.crt"}]}},{"downwardAPI":{"items":[{"path":"namespace",` +
        `"fieldRef":{"apiVersion":"v1","fieldPath":"metadata.namespace"}}]}}],"defaultMode":420}}`;
  return (
    `{"kind":"Pod","apiVersion":"v1","metadata":{${stored},${labels},"ownerReferences":[{"apiVersion":"apps/v1","kind":"${parent.kind}",` +
    `"name":"${parent.name}","uid":"${parent.uid}","controller":true,"blockOwnerDeletion":true}]${owned}},"spec":{"volumes":[{"name":"config",` +
    `"configMap":{"name":"${workload.name}-config","defaultMode":420}}${token}],"containers":[${text.container.replace('@@', suffix)}],` +
    `${text.podRest}${scheduled ? `,"nodeName":"${pod.node.name}"` : ''},"securityContext":{"fsGroup":1000},"schedulerName":"default-scheduler"` +
    `${form === 'request' ? ',"enableServiceLinks":true' : `,${TOLERATIONS}`}},"status":` +
    `${form === 'request' ? '{}' : '{"phase":"Pending","qosClass":"Burstable"}'}}`
  );
}

/** A Deployment, ReplicaSet or DaemonSet, with its status as it moves. */
export function setBody(
  workload: Workload,
  kind: 'Deployment' | 'ReplicaSet' | 'DaemonSet',
  at: number,
  version: number,
  ready: number,
  form: 'request' | 'stored',
): string {
  const text = textsOf(workload);
  const replicas = workload.pods.length;
  const isSet = kind === 'ReplicaSet';
  const labels = isSet
    ? `{"app":"${workload.name}","pod-template-hash":"${workload.hash}"}`
    : `{"app":"${workload.name}"}`;
  const name = isSet ? `${workload.name}-${workload.hash}` : workload.name;
  const created = at - 86_400e6 * (1 + (workload.name.length % 9));
  const parent = isSet
    ? `,"ownerReferences":[{"apiVersion":"apps/v1","kind":"Deployment","name":"${workload.name}","uid":"${workload.uid}","controller":true,"blockOwnerDeletion":true}]`
    : '';
  const conditions = ['Available', 'Progressing'].map(
    (type) =>
      `{"type":"${type}","status":"True","lastUpdateTime":"${time(at)}","lastTransitionTime":"${time(created)}",` +
      `"reason":"${type === 'Available' ? 'MinimumReplicasAvailable' : 'ReplicaSetUpdated'}",` +
      `"message":"${type === 'Available' ? 'Deployment has minimum availability.' : `ReplicaSet \\"${workload.name}-${workload.hash}\\" is progressing.`}"}`,
  );
  const statusOf = {
    Deployment: `{"observedGeneration":${7 + (replicas % 5)},"replicas":${replicas},"updatedReplicas":${ready},"readyReplicas":${ready},"availableReplicas":${ready},"conditions":[${conditions.join(',')}]}`,
    ReplicaSet: `{"replicas":${replicas},"fullyLabeledReplicas":${replicas},"readyReplicas":${ready},"availableReplicas":${ready},"observedGeneration":1}`,
    DaemonSet: `{"currentNumberScheduled":${replicas},"numberMisscheduled":0,"desiredNumberScheduled":${replicas},"numberReady":${ready},"observedGeneration":4,"updatedNumberScheduled":${replicas},"numberAvailable":${ready}}`,
  };
  const owned =
    form === 'request'
      ? ''
      : `,"managedFields":[${managed('argocd-controller', 'apps/v1', created, text.setFields)},` +
        `${managed('kube-controller-manager', 'apps/v1', at, '{"f:status":{"f:availableReplicas":{},"f:observedGeneration":{},"f:readyReplicas":{},"f:replicas":{}}}', 'status')}]`;
  const strategy =
    kind === 'Deployment'
      ? ',"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":"25%","maxSurge":"25%"}},"revisionHistoryLimit":10,"progressDeadlineSeconds":600'
      : kind === 'DaemonSet'
        ? ',"updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":1,"maxSurge":0}},"revisionHistoryLimit":10'
        : '';
  return (
    `{"kind":"${kind}","apiVersion":"apps/v1","metadata":{"name":"${name}","namespace":"${workload.namespace}","uid":"${isSet ? workload.setUid : workload.uid}",` +
    `"resourceVersion":"${version}","generation":${7 + (replicas % 5)},"creationTimestamp":"${time(created)}","labels":${labels},"annotations":` +
    `{"deployment.kubernetes.io/revision":"${3 + (replicas % 40)}"}${parent}${owned}},"spec":{${kind === 'DaemonSet' ? '' : `"replicas":${replicas},`}"selector":{"matchLabels":${labels}},` +
    `"template":{"metadata":{"labels":${labels}},"spec":${text.templateSpec}}${strategy}},"status":${statusOf[kind]}}`
  );
}

const CONDITIONS = ['MemoryPressure', 'DiskPressure', 'PIDPressure', 'Ready'];

/** The kubelet's patch of its node's status: a heartbeat, now and then with the list of images. */
export function nodeStatusPatch(node: Node, at: number, images: boolean): string {
  const order = CONDITIONS.map((type) => `{"type":"${type}"}`).join(',');
  const beats = CONDITIONS.map((type) => `{"lastHeartbeatTime":"${time(at)}","type":"${type}"}`).join(',');
  const list = images ? `,"images":${go(node.images)}` : '';
  return `{"status":{"$setElementOrder/conditions":[${order}],"conditions":[${beats}]${list}}}`;
}

/** The kubelet's patch of a pod's status. */
export function podStatusPatch(pod: Pod, at: number, random: Random, ready: boolean): string {
  const types = ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled'];
  const flag = ready ? '"True"' : '"False"';
  const image = pod.workload.image;
  const started = time(at - random.between(1, 40) * 1_000_000);
  const state = ready
    ? `{"running":{"startedAt":"${started}"}}`
    : `{"waiting":{"message":"back-off 5m0s restarting failed container=${pod.workload.name} pod=${pod.name}_${pod.workload.namespace}(${pod.uid})","reason":"CrashLoopBackOff"}}`;
  const changed = ['Ready', 'ContainersReady']
    .map(
      (type) => `{"lastTransitionTime":"${time(at)}","message":null,"reason":null,"status":${flag},"type":"${type}"}`,
    )
    .join(',');
  return (
    `{"metadata":{"uid":"${pod.uid}"},"status":{"$setElementOrder/conditions":[${types.map((type) => `{"type":"${type}"}`).join(',')}],` +
    `"conditions":[${changed}],"containerStatuses":[{"containerID":"containerd://${random.hex(64)}","image":"${image}",` +
    `"imageID":"${image.slice(0, image.lastIndexOf(':'))}@sha256:${random.hex(64)}","lastState":{},"name":"${pod.workload.name}","ready":${ready},` +
    `"restartCount":${ready ? 0 : random.between(3, 240)},"started":${ready},"state":${state}}],"hostIP":"${pod.node.ip}","hostIPs":[{"ip":"${pod.node.ip}"}],` +
    `"phase":"Running","podIP":"${pod.ip}","podIPs":[{"ip":"${pod.ip}"}],"startTime":"${started}"}}`
  );
}

/** A HorizontalPodAutoscaler with the metrics it saw. */
export function scalerBody(
  workload: Workload,
  at: number,
  version: number,
  load: number,
  form: 'request' | 'stored',
): string {
  const replicas = workload.pods.length;
  const owned =
    form === 'request'
      ? ''
      : `,"managedFields":[${managed('argocd-controller', 'autoscaling/v2', at - 864e9, '{"f:spec":{"f:maxReplicas":{},"f:metrics":{},"f:minReplicas":{},"f:scaleTargetRef":{}}}')},` +
        `${managed('kube-controller-manager', 'autoscaling/v2', at, '{"f:status":{"f:conditions":{},"f:currentMetrics":{},"f:currentReplicas":{},"f:desiredReplicas":{}}}', 'status')}]`;
  const condition = (type: string, status: string, reason: string, message: string) =>
    `{"type":"${type}","status":"${status}","lastTransitionTime":"${time(at - 3600e6)}","reason":"${reason}","message":"${message}"}`;
  return (
    `{"kind":"HorizontalPodAutoscaler","apiVersion":"autoscaling/v2","metadata":{"name":"${workload.name}","namespace":"${workload.namespace}",` +
    `"uid":"${workload.setUid}","resourceVersion":"${version}","creationTimestamp":"${time(at - 864e9)}"${owned}},"spec":{"scaleTargetRef":{"kind":"Deployment",` +
    `"name":"${workload.name}","apiVersion":"apps/v1"},"minReplicas":2,"maxReplicas":20,"metrics":[{"type":"Resource","resource":{"name":"cpu",` +
    `"target":{"type":"Utilization","averageUtilization":70}}}]},"status":{"lastScaleTime":"${time(at - 1200e6)}","currentReplicas":${replicas},` +
    `"desiredReplicas":${replicas},"currentMetrics":[{"type":"Resource","resource":{"name":"cpu","current":{"averageValue":"${load * 3}m","averageUtilization":${load}}}}],` +
    `"conditions":[${condition('AbleToScale', 'True', 'ReadyForNewScale', 'recommended size matches current size')},` +
    `${condition('ScalingActive', 'True', 'ValidMetricFound', 'the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)')},` +
    `${condition('ScalingLimited', 'False', 'DesiredWithinRange', 'the desired count is within the acceptable range')}]}}`
  );
}

const WORDS =
  'the of a to is must be used for when if not set defaults value name list field selector matching resource pod service that in and this will default namespace label key optional required each with may endpoint target scrape interval duration secret reference configuration certificate issuer template string an object';

/** A CustomResourceDefinition with about `bytes` of schema: the biggest objects that clusters commonly write. */
export function definitionBody(seed: number, name: string, bytes: number): string {
  const random = seeded(seed, `crd/${name}`);
  const words = WORDS.split(' ');
  const properties: string[] = [];
  for (let size = 0; size < bytes;) {
    const text = Array.from({ length: random.between(6, 40) }, () => random.pick(words)).join(' ');
    const property = `"${random.pick(words)}${random.suffix(4)}":{"description":"${text}.","type":"${random.pick(['string', 'boolean', 'integer'])}"}`;
    properties.push(property);
    size += property.length + 1;
  }
  const [plural, ...group] = name.split('.');
  return (
    `{"kind":"CustomResourceDefinition","apiVersion":"apiextensions.k8s.io/v1","metadata":{"name":"${name}","uid":"${random.uuid()}","resourceVersion":"${random.between(1e6, 9e7)}",` +
    `"generation":${random.between(1, 9)},"creationTimestamp":"2026-01-14T09:12:44Z"},"spec":{"group":"${group.join('.')}","names":{"plural":"${plural}",` +
    `"kind":"${plural}"},"scope":"Namespaced","versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{${properties.join(',')}}}}}]}}`
  );
}
