// The built-in policy `default`: noise that is certain goes, what auditors ask for is kept whole.

export const defaultPolicy = `# auditkeep: built-in policy "default". A standard Policy: kube-apiserver takes it as well.
apiVersion: audit.k8s.io/v1
kind: Policy
# ResponseComplete repeats what RequestReceived says. ResponseStarted must stay: a refused login (401) has no other stage.
omitStages: [RequestReceived]
omitManagedFields: true
rules:
  # 1. Noise, each rule narrowed by user or group, verb and resource.
  # Health checks and what every client asks first. Probes have no user of their own.
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
  # Heartbeats of nodes.
  - level: None
    userGroups: ["system:nodes"]
    verbs: [get, update, patch]
    namespaces: [kube-node-lease]
    resources:
      - group: coordination.k8s.io
        resources: [leases]
  # Leader election of the control plane. By name: its users are in system:masters, as administrators are.
  - level: None
    users: ["system:apiserver", "system:kube-scheduler", "system:kube-controller-manager", aksService]
    verbs: [get, update, patch]
    namespaces: [kube-system]
    resources:
      - group: coordination.k8s.io
        resources: [leases]

  # 2. Never with bodies. Before anything broader: nothing below may lift it.
  - level: Metadata
    resources:
      - resources: [secrets, configmaps, serviceaccounts/token]
      - group: authentication.k8s.io
        resources: [tokenreviews]

  # 3. Who may do what, and what runs unseen: with the resulting state. Only changes, or every read would be stored whole.
  - level: RequestResponse
    verbs: [create, update, patch, delete, deletecollection]
    resources:
      - group: rbac.authorization.k8s.io
      - group: networking.k8s.io
        resources: [networkpolicies]
      - group: admissionregistration.k8s.io
      - resources: [pods/ephemeralcontainers]
  # get as well: kubectl exec over a WebSocket is a GET.
  - level: RequestResponse
    verbs: [create, get]
    resources:
      - resources: [pods/exec, pods/attach, pods/portforward]

  # 4. All other changes, with what was asked for.
  - level: Request
    verbs: [create, update, patch, delete, deletecollection]

  # 5. Everything else. Without this rule it would be dropped.
  - level: Metadata
`;
