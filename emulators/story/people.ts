// People at work: mostly reading, at times refused, now and then inside of a pod.

import type { Cast, Kind } from './cast.ts';
import { type Target, failing, go, refused } from './encode.ts';

/** Kinds of traffic of people. */
export function humans(cast: Cast): Kind[] {
  const { took, send, deployments, podTarget, levelOf, random, people, stage } = cast;
  const person = () => random.pick(people);
  const reads: readonly Target[] = [
    { resource: 'pods' },
    { group: 'apps', resource: 'deployments' },
    { resource: 'services' },
    { group: 'batch', resource: 'cronjobs' },
    { group: 'networking.k8s.io', resource: 'ingresses' },
    { resource: 'configmaps' },
  ];
  return [
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
  ];
}
