// What the control plane does when a workload changes, from the patch to the running pod.

import { podBody, podStatusPatch, setBody } from './bodies.ts';
import type { Cast } from './cast.ts';
import { type Actor, type Target, go, outdated } from './encode.ts';
import { type Pod, type Workload } from './population.ts';

/** What follows when a workload changes: the requests of the controllers, the scheduler and the kubelets. */
export function rollouts(cast: Cast) {
  const {
    send,
    deploymentController,
    setController,
    daemonController,
    sliceController,
    scheduler,
    podTarget,
    random,
    nodes,
    stage,
  } = cast;

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
  return { start, token, slices, setStatus, replace, release };
}

export type Rollouts = ReturnType<typeof rollouts>;
