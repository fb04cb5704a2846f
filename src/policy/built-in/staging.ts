// The built-in policy `staging`: who did what, hardly any bodies.

export const stagingPolicy = `# auditkeep: built-in policy "staging". A standard Policy: kube-apiserver takes it as well.
apiVersion: audit.k8s.io/v1
kind: Policy
# ResponseComplete repeats what RequestReceived says. ResponseStarted must stay: a refused login (401) has no other stage.
omitStages: [RequestReceived]
omitManagedFields: true
rules:
  # 1. Noise, each rule narrowed by user or group, verb and resource.
  - level: None
    verbs: [get]
    nonResourceURLs: ["/healthz*", "/livez*", "/readyz*", "/metrics", "/version", "/openapi/*", "/api", "/api/*", "/apis", "/apis/*"]
  - level: None
    users: ["system:kube-proxy"]
    verbs: [list, watch]
    resources:
      - resources: [endpoints, services, services/status, nodes]
      - group: discovery.k8s.io
        resources: [endpointslices]
  - level: None
    userGroups: ["system:nodes"]
    verbs: [get, update, patch]
    resources:
      - group: coordination.k8s.io
        resources: [leases]
      - resources: [nodes/status]
  - level: None
    users: ["system:apiserver", "system:kube-scheduler", "system:kube-controller-manager", aksService]
    verbs: [get, update, patch]
    namespaces: [kube-system]
    resources:
      - group: coordination.k8s.io
        resources: [leases]
  - level: None
    verbs: [create, update, patch]
    resources:
      - resources: [events]
      - group: events.k8s.io
        resources: [events]

  # 2. Never with bodies. Before anything broader: nothing below may lift it.
  - level: Metadata
    resources:
      - resources: [secrets, configmaps, serviceaccounts/token]
      - group: authentication.k8s.io
        resources: [tokenreviews]

  # 3. Who may do what: with what was asked for.
  - level: Request
    verbs: [create, update, patch, delete, deletecollection]
    resources:
      - group: rbac.authorization.k8s.io
      - group: networking.k8s.io
        resources: [networkpolicies]
      - group: admissionregistration.k8s.io

  # 4. and 5. All other requests, changes and reads. Without this rule they would be dropped.
  - level: Metadata
`;
