import { kinds } from '../gatewayapi/kinds.ts'

/** A kind that the fake API server serves. */
export interface FakeResource {
  readonly group: string
  /** Newest first; all show the same objects. */
  readonly versions: readonly string[]
  readonly kind: string
  readonly plural: string
  readonly clusterScoped: boolean
  /** Whether the status is written under /status only. */
  readonly hasStatus: boolean
  /** Whether metadata.generation counts the changes of what is neither metadata nor status. */
  readonly hasGeneration: boolean
  /** Of a CustomResourceDefinition: comes and goes with it. */
  readonly custom: boolean
}

const gatewayGroup = 'gateway.networking.k8s.io'

function custom(group: string, kind: string, plural: string, versions: readonly string[], clusterScoped = false) {
  return { group, kind, plural, versions, clusterScoped, hasStatus: true, hasGeneration: true, custom: true }
}

function builtIn(group: string, kind: string, plural: string, hasStatus = false, clusterScoped = false): FakeResource {
  const hasGeneration = ['Deployment', 'EndpointSlice', 'PodDisruptionBudget', 'DaemonSet'].includes(kind)
  return { group, versions: ['v1'], kind, plural, clusterScoped, hasStatus, hasGeneration, custom: false }
}

const others: readonly FakeResource[] = [
  custom(gatewayGroup, 'GRPCRoute', 'grpcroutes', ['v1']),
  custom(gatewayGroup, 'TLSRoute', 'tlsroutes', ['v1', 'v1alpha3', 'v1alpha2']),
  custom(gatewayGroup, 'TCPRoute', 'tcproutes', ['v1', 'v1alpha2']),
  custom(gatewayGroup, 'UDPRoute', 'udproutes', ['v1', 'v1alpha2']),
  custom(gatewayGroup, 'ListenerSet', 'listenersets', ['v1']),
  custom(gatewayGroup, 'BackendTLSPolicy', 'backendtlspolicies', ['v1', 'v1alpha3']),
  builtIn('', 'Service', 'services', true),
  builtIn('', 'Secret', 'secrets'),
  builtIn('', 'ConfigMap', 'configmaps'),
  builtIn('', 'Namespace', 'namespaces', true, true),
  builtIn('', 'Pod', 'pods', true),
  builtIn('', 'Node', 'nodes', true, true),
  builtIn('', 'ServiceAccount', 'serviceaccounts'),
  builtIn('', 'Event', 'events'),
  builtIn('discovery.k8s.io', 'EndpointSlice', 'endpointslices'),
  builtIn('apps', 'Deployment', 'deployments', true),
  builtIn('apps', 'DaemonSet', 'daemonsets', true),
  { ...builtIn('autoscaling', 'HorizontalPodAutoscaler', 'horizontalpodautoscalers', true), versions: ['v2'] },
  builtIn('policy', 'PodDisruptionBudget', 'poddisruptionbudgets', true),
  builtIn('coordination.k8s.io', 'Lease', 'leases'),
  builtIn('authentication.k8s.io', 'TokenReview', 'tokenreviews', false, true),
  builtIn('apiextensions.k8s.io', 'CustomResourceDefinition', 'customresourcedefinitions', true, true),
]

/** What an API server with all Gateway API CRDs serves, as far as Gatewright cares. */
export function listFakeResources(): FakeResource[] {
  const taken = new Set(others.map((resource) => `${resource.group}/${resource.kind}`))
  const ours = Object.values(kinds).filter(({ group, kind }) => !taken.has(`${group}/${kind}`))
  return [
    ...others,
    ...ours.map(({ group, kind, plural, versions, clusterScoped }) =>
      custom(group, kind, plural, versions, clusterScoped),
    ),
  ]
}
