// The built-in policy `production`: as default, with the resulting state of everything that changes trust, and less of what controllers repeat.

export const productionPolicy = `# auditkeep: built-in policy "production". A standard Policy: kube-apiserver takes it as well.
apiVersion: audit.k8s.io/v1
kind: Policy
# ResponseComplete repeats what RequestReceived says. ResponseStarted must stay: a refused login (401) has no other stage.
omitStages: [RequestReceived]
omitManagedFields: true
rules:
  # 1. Noise, each rule narrowed by user or group, verb and resource.
  - level: None
    verbs: [get]
    nonResourceURLs: ["/healthz*", "/livez*", "/readyz*", "/metrics", "/version", "/openapi/*"]
  - level: None
    users: ["system:kube-proxy"]
    verbs: [watch]
    resources:
      - resources: [endpoints, services, services/status]
      - group: discovery.k8s.io
        resources: [endpointslices]
  # Heartbeats of nodes. Their reads stay: a stolen kubelet credential shows there.
  - level: None
    userGroups: ["system:nodes"]
    verbs: [get, update, patch]
    namespaces: [kube-node-lease]
    resources:
      - group: coordination.k8s.io
        resources: [leases]
  - level: None
    userGroups: ["system:nodes"]
    verbs: [update, patch]
    resources:
      - resources: [nodes/status]
  # Leader election of the control plane. By name: its users are in system:masters, as administrators are.
  - level: None
    users: ["system:apiserver", "system:kube-scheduler", "system:kube-controller-manager", aksService]
    verbs: [get, update, patch]
    namespaces: [kube-system]
    resources:
      - group: coordination.k8s.io
        resources: [leases]
  # Events (not audit events) that nodes and the control plane write about others.
  - level: None
    userGroups: ["system:nodes"]
    verbs: [create, update, patch]
    resources:
      - resources: [events]
      - group: events.k8s.io
        resources: [events]
  - level: None
    users: ["system:kube-scheduler", "system:kube-controller-manager"]
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

  # 3. Who may do what, who is trusted, what is checked and what runs unseen: with the resulting state.
  - level: RequestResponse
    verbs: [create, update, patch, delete, deletecollection]
    resources:
      - group: rbac.authorization.k8s.io
      - group: networking.k8s.io
        resources: [networkpolicies]
      - group: admissionregistration.k8s.io
      - group: certificates.k8s.io
      - group: apiregistration.k8s.io
        resources: [apiservices]
      - group: apiextensions.k8s.io
        resources: [customresourcedefinitions]
      - resources: [serviceaccounts, namespaces, pods/ephemeralcontainers]
  # get as well: kubectl exec over a WebSocket is a GET.
  - level: RequestResponse
    verbs: [create, get]
    resources:
      - resources: [pods/exec, pods/attach, pods/portforward, pods/proxy, services/proxy, nodes/proxy]

  # 4. All other changes, with what was asked for; status that controllers write, without.
  - level: Metadata
    userGroups: ["system:nodes", "system:serviceaccounts:kube-system"]
    verbs: [update, patch]
    resources:
      - group: "*"
        resources: ["*/status"]
  - level: Request
    verbs: [create, update, patch, delete, deletecollection]

  # 5. Everything else. Without this rule it would be dropped.
  - level: Metadata
`;
