// Requests of the control plane and of operators that change no workload: leases, watches, lists, probes.

import { type Cast, type Kind, LEASE } from './cast.ts';
import { type Actor, type Target, missing, outdated } from './encode.ts';

/** Kinds of traffic of components that only look and report. */
export function machines(cast: Cast): Kind[] {
  const {
    send,
    apiserver,
    scheduler,
    deployments,
    argo,
    certManager,
    autoscaler,
    metrics,
    balancer,
    nextNode,
    lease,
    elections,
    watch,
    watched,
    watchers,
    levelOf,
    random,
    stage,
  } = cast;
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
  ];
}
